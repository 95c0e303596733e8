"""A worker as the server sees it: its frames as they come, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.shared import SharedBytes
from gradproof_service.server.workers.frames import INLINE, TASK_NOTE, Frame, Inbox, Kind, send
from gradproof_service.server.workers.worker import STOP


class WorkerEnded(Exception):
    """The worker's process is gone, or does not take what it is sent."""


class Handle:
    """The server's ends of one worker's sockets. Everything runs on the event loop."""

    def __init__(self, data: socket.socket, control: socket.socket, pid: int) -> None:
        self.pid = pid
        self.tasks = 0
        self.resident_bytes = 0
        self.ended = False
        self.killed = False
        self.on_end: Callable[[Handle], None] = lambda handle: None
        self._data = data
        self._control = control
        self._inbox = Inbox()
        self._frames: deque[Frame] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._loop = asyncio.get_running_loop()
        for connection in (data, control):
            connection.setblocking(False)
        self._loop.add_reader(data.fileno(), self._readable)

    def begin(
        self, method: str, request: bytes, left_s: float, first: int = 0, document: str = ""
    ) -> None:
        """Give the worker a task; raises `WorkerEnded`."""
        self.tasks += 1
        called = f"{method} {document}" if document else method
        note = TASK_NOTE.pack(self.tasks & 0xFFFFFFFF, left_s, first) + called.encode()
        self.send(Kind.TASK, note, request)

    def send(self, kind: Kind, note: bytes = b"", body: bytes | SharedBytes = b"") -> None:
        """Send one frame; raises `WorkerEnded`, or `Fault` when there is no memory to share a large body in."""
        if self.ended:
            raise WorkerEnded
        shared = body
        if isinstance(body, bytes) and len(body) > INLINE:
            try:
                shared = SharedBytes.of(body)
            except OSError:
                raise Fault(
                    FaultKind.BUSY,
                    "service: it has no descriptor or no memory left at this moment; make this call again",
                    retry_after_s=1.0,
                ) from None
        try:
            send(self._data, kind, note, shared)
        except OSError:
            raise WorkerEnded from None
        finally:
            if shared is not body and isinstance(shared, SharedBytes):
                shared.close()

    async def receive(self) -> Frame:
        """The next frame; raises `WorkerEnded` when none will come any more."""
        while not self._frames:
            if self.ended:
                raise WorkerEnded
            self._waiting = self._loop.create_future()
            await self._waiting
        return self._frames.popleft()

    def ask_to_stop(self) -> None:
        """Tell the worker that nobody waits for its task; it stops at its next tick."""
        with contextlib.suppress(OSError):
            self._control.send(STOP.pack(self.tasks & 0xFFFFFFFF))

    def close(self) -> None:
        """Let go of the sockets; a worker that still lives ends."""
        if self._data.fileno() >= 0:
            self._loop.remove_reader(self._data.fileno())
        for connection in (self._data, self._control):
            connection.close()
        self._inbox.close()
        self._end()

    def _readable(self) -> None:
        try:
            open_still = self._inbox.receive(self._data)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            open_still = False
        while (frame := self._inbox.frame()) is not None:
            self._frames.append(frame)
        if open_still:
            self._wake()
        else:
            self.close()
            self.on_end(self)

    def _end(self) -> None:
        self.ended = True
        self._wake()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
