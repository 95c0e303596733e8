"""A client of one session that says exactly what a test wants, over a real socket."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import grpc
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.v1 import session_pb2_grpc

PATIENCE_S = 60.0


class Talk:
    """One stream; `heard` keeps everything that was received, in order."""

    def __init__(
        self, address: str, hello: ses.Hello | None = None, *, say_hello: bool = True
    ) -> None:
        self.heard: list[ses.OpenResponse] = []
        self.error: grpc.RpcError | None = None
        self._channel = grpc.insecure_channel(address)
        self._out: queue.SimpleQueue[ses.OpenRequest | None] = queue.SimpleQueue()
        stub: Any = session_pb2_grpc.SessionServiceStub(self._channel)
        self._call = stub.Open(iter(self._out.get, None))
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()
        if say_hello:
            self.say(hello=hello or ses.Hello(min_protocol=1, client_name="test"))

    def say(self, **message: Any) -> None:
        """Send one message."""
        self._out.put(ses.OpenRequest(**message))

    def wait(self, found: Callable[[ses.OpenResponse], bool]) -> ses.OpenResponse:
        """The first message heard, early or late, that is looked for."""
        seen = 0
        with self._changed:
            while True:
                for message in self.heard[seen:]:
                    if found(message):
                        return message
                seen = len(self.heard)
                if self._over:
                    raise AssertionError(f"the stream ended without it: {self.error}")
                assert self._changed.wait(PATIENCE_S), [m.WhichOneof("message") for m in self.heard]

    def final(self, version: int, uri: str = "d") -> ses.Diagnostics:
        """The last word about a version."""
        return self.wait(
            lambda m: (
                m.diagnostics.final
                and m.diagnostics.uri == uri
                and m.diagnostics.version == version
            )
        ).diagnostics

    def status(self) -> grpc.RpcError:
        """The error that the stream ends with."""
        self._thread.join(PATIENCE_S)
        assert self.error is not None
        return self.error

    def diagnostics(self) -> Iterator[ses.Diagnostics]:
        """What was pushed so far."""
        return (m.diagnostics for m in list(self.heard) if m.HasField("diagnostics"))

    def hang_up(self) -> None:
        """Say nothing more."""
        self._out.put(None)

    def leave(self) -> None:
        """Say nothing more and let the service end the stream."""
        self.hang_up()
        self._thread.join(PATIENCE_S)

    def vanish(self) -> None:
        """Be gone at once."""
        self._call.cancel()
        self._out.put(None)
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()

    def _listen(self) -> None:
        try:
            for message in self._call:
                with self._changed:
                    self.heard.append(message)
                    self._changed.notify_all()
        except grpc.RpcError as error:
            self.error = error
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()
