"""A worker's life: take a task, run the application's handler on its message, answer; until the server is gone.

One thread computes, a second one only listens on the control socket: it passes a wish to stop on to the running task, and
when the server's end closes it ends the process at once, also in the middle of a matrix product.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from google.protobuf.message import Message
from gradproof_proto.blobs import blob_ref
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter

from gradproof_service.graph.limits import Limits
from gradproof_service.server.application import Application
from gradproof_service.server.blobs import absent, check_length
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.failures import pack_fault, refusal
from gradproof_service.server.messages import fitted
from gradproof_service.server.methods import METHODS, Form, Method
from gradproof_service.server.workers.frames import (
    RESULT_NOTE,
    TASK_NOTE,
    Frame,
    Inbox,
    Kind,
    send,
)

STOP: Final = struct.Struct("<I")
"""On the control socket: the number of the task that nobody waits for any more."""
PAGE_BYTES: Final = resource.getpagesize()
OOM_SCORE: Final = "500"
"""When memory runs out the system should choose a worker before the server."""


def prepare() -> None:
    """Load, before any worker is forked, what checks need: one small check touches it all."""
    from gradproof_service.server import counterexample, inspection

    del counterexample, inspection
    writer = ProgramWriter("gradproof.worker")
    f = writer.function("warm")
    x = f.input("x")
    f.output(f.node("gp.sin", [f.node("gp.multiply", [x, x])]), "y")
    value = pb.Tensor(dtype=pb.DTYPE_F64, data=struct.pack("<d", 0.5))
    request = der.CheckRequest(
        program=writer.finish(f), point=[pb.NamedTensor(name="x", tensor=value)]
    )
    Application().check(request)


def run(data: socket.socket, control: socket.socket, settings: Mapping[str, Any]) -> NoReturn:
    """Work in a process of its own until the server closes its ends; never returns."""
    try:
        _bound(int(settings["memory_bytes"]))
        Worker(data, control, Limits(**settings["limits"])).work()
    except BaseException:  # noqa: BLE001 the last frame of a forked process: nothing may go past it
        os._exit(1)
    os._exit(0)


def _bound(memory_bytes: int) -> None:
    """The process may take this much memory beyond what it was forked with, and leaves no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(OOM_SCORE, encoding="ascii")
    if memory_bytes:
        limit = statm(0) + memory_bytes
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (limit if hard < 0 else min(limit, hard), hard))


def statm(column: int) -> int:
    """Bytes of this process: column 0 mapped, 1 resident; zero where the system does not say."""
    try:
        return (
            int(Path("/proc/self/statm").read_text(encoding="ascii").split()[column]) * PAGE_BYTES
        )
    except OSError:
        return 0


class Worker:
    """One worker's ends of its sockets, and the application that does its work."""

    def __init__(self, data: socket.socket, control: socket.socket, limits: Limits) -> None:
        self._data = data
        self._control = control
        self._inbox = Inbox()
        self._running: tuple[int, Deadline] | None = None
        self._asked_to_stop = 0
        self._blobs = FetchedBlobs(self._ask)
        self._application = Application(limits, self._blobs)

    def work(self) -> None:
        """Do tasks until the server closes the sockets."""
        threading.Thread(target=self._watch, name="gradproof-watch", daemon=True).start()
        while True:
            self._do(self._read())

    def _do(self, frame: Frame) -> None:
        number, left_s, first = TASK_NOTE.unpack_from(frame.note)
        name, _, document = frame.note[TASK_NOTE.size :].decode().partition(" ")
        method = METHODS[name]
        deadline = Deadline(left_s)
        self._running = (number, deadline)
        if self._asked_to_stop == number:
            deadline.cancel()
        try:
            answer = self._answer(method, frame, first, document, deadline)
            send(self._data, Kind.RESULT, RESULT_NOTE.pack(statm(1)), answer)
        except _ServerGone:
            raise
        except Exception as error:  # noqa: BLE001 every failure is told to the server
            self._tell(error)
        finally:
            self._running = None
            self._blobs.forget()

    def _answer(
        self, method: Method, frame: Frame, first: int, document: str, deadline: Deadline
    ) -> bytes:
        request = frame.read(method.request)
        handler = getattr(self._application, method.name)
        match method.form:
            case Form.UNARY:
                more = {"document": document} if document and method.documents else {}
                return self._packed(handler(request, deadline.tick, **more))
            case Form.STREAM:
                for item in handler(request, deadline.tick, first=first):
                    send(self._data, Kind.ITEM, body=self._packed(item))
                    self._expect(Kind.MORE)
                return b""
            case Form.PROBE:
                return self._packed(handler(request, self._ask_client, deadline.tick))

    def _packed(self, message: Message) -> bytes:
        """The message's bytes, its large tensors given to the server as blobs when it is too large."""
        return fitted(message, self._keep).SerializeToString()

    def _keep(self, content: bytes) -> pb.BlobRef:
        blob = blob_ref(content)
        send(self._data, Kind.KEEP, blob.sha256, content)
        return blob

    def _ask_client(self, question: der.ProbeAsk) -> der.ProbeAnswer:
        send(self._data, Kind.ASK, body=self._packed(question))
        return self._expect(Kind.TOLD).read(der.ProbeAnswer)

    def _ask(self, digest: bytes) -> bytes | memoryview | None:
        """The bytes of a blob that the server holds."""
        send(self._data, Kind.FETCH, digest)
        frame = self._read()
        return frame.view() if frame.kind is Kind.BLOB else None

    def _tell(self, error: Exception) -> None:
        fault = refusal(error)
        if fault is None:
            shown = [type(error).__name__, "".join(traceback.format_exception(error))]
            send(self._data, Kind.MISTAKE, json.dumps(shown).encode()[: 16 << 10])
        else:
            send(self._data, Kind.FAULT, pack_fault(fault))

    def _expect(self, kind: Kind) -> Frame:
        frame = self._read()
        if frame.kind is not kind:
            raise _ServerGone
        return frame

    def _read(self) -> Frame:
        while (frame := self._inbox.frame()) is None:
            if not self._inbox.receive(self._data):
                raise _ServerGone
        return frame

    def _watch(self) -> None:
        """Pass wishes to stop on to the running task; end the process when the server is gone."""
        while True:
            try:
                wish = self._control.recv(STOP.size, socket.MSG_WAITALL)
            except OSError:
                wish = b""
            if len(wish) < STOP.size:
                os._exit(0)
            (self._asked_to_stop,) = STOP.unpack(wish)
            running = self._running
            if running is not None and running[0] == self._asked_to_stop:
                running[1].cancel()


class FetchedBlobs:
    """The server's blobs as a worker sees them: fetched when they are needed, kept while a task runs."""

    def __init__(self, ask: Callable[[bytes], bytes | memoryview | None]) -> None:
        self._ask = ask
        self._held: dict[bytes, bytes | memoryview] = {}

    def get(self, blob: pb.BlobRef) -> bytes | memoryview:
        """The whole blob; raises `Fault` when it is not there or not as long as was said."""
        content = self._held.get(blob.sha256)
        if content is None:
            content = self._ask(blob.sha256)
        if content is None:
            raise absent(blob)
        self._held[blob.sha256] = content
        check_length(blob, len(content))
        return content

    def forget(self) -> None:
        """Let go of what the last task needed."""
        self._held.clear()


class _ServerGone(Exception):
    """The other end of the sockets closed, or no longer speaks as agreed."""
