"""A stream over gRPC."""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any, TypeVar

from gradproof_proto.blobs import move_in
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.v1 import session_pb2_grpc

Result = TypeVar("Result")


class RemoteLink:
    """One call of `SessionService.Open`. `told` turns what gRPC raises into our exceptions."""

    def __init__(
        self,
        channel: Any,
        fitted: Callable[[Any], Any],
        get: Callable[[pb.BlobRef], bytes],
        told: Callable[[Callable[[], Any]], Any],
    ) -> None:
        self._fitted = fitted
        self._get = get
        self._told = told
        self._out: queue.SimpleQueue[ses.OpenRequest | None] = queue.SimpleQueue()
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        self._call: Any = told(lambda: stub.Open(iter(self._out.get, None)))

    def send(self, request: ses.OpenRequest) -> None:
        """Say something; large tensors are put as blobs first."""
        match request.WhichOneof("message"):
            case "open":
                request = ses.OpenRequest(open=self._fitted(request.open))
            case "edit":
                request = ses.OpenRequest(edit=self._fitted(request.edit))
            case _:
                pass
        self._out.put(request)

    def receive(self) -> ses.OpenResponse | None:
        """The next message, its large tensors fetched."""
        message = self._told(lambda: next(self._call, None))
        if message is not None:
            move_in(message, self._get)
        return message

    def close(self) -> None:
        """End the stream."""
        self._out.put(None)
        self._call.cancel()
