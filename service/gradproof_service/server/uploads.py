"""Blobs on their way in: held and hashed in threads while the event loop takes the next bytes from the network."""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable
from typing import Final

from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import SHARED, BlobStore, check_digest

Chunk = bytes | memoryview
AHEAD: Final = 16
"""Chunks of one blob that may wait for a thread; further ones wait in the network."""


class Upload:
    """One blob on its way in: bytes in order, kept only when they are what the header said."""

    def __init__(self, store: BlobStore, sha256: bytes, size_bytes: int) -> None:
        check_digest(sha256)
        store.check_size(size_bytes)
        self.sha256 = sha256
        self._size = size_bytes
        self._store = store
        self._digest = hashlib.sha256()
        self._came = 0
        self._shared = store.spare.take(size_bytes) if size_bytes >= SHARED else None
        self._parts = bytearray()

    def expect(self, chunk: Chunk) -> None:
        """Count the bytes before they are written; raises `Fault` for more than were announced, or than there is room for."""
        came = self._came + len(chunk)
        if came > self._size:
            raise _unlike(self._size, came, "or more")
        self._store.reserve(len(chunk))
        self._came = came

    def write(self, chunk: Chunk) -> None:
        """Put the bytes behind those that came before, and take them into the digest while they are in the cache."""
        self._digest.update(chunk)
        if self._shared is None:
            self._parts += chunk
        else:
            self._shared.write(chunk)

    def finish(self) -> pb.BlobRef:
        """Keep the blob; raises `Fault` when the bytes do not match the header."""
        if self._came != self._size:
            raise _unlike(self._size, self._came, "")
        if self._digest.digest() != self.sha256:
            raise Fault(
                FaultKind.UNREADABLE,
                "blob: its bytes do not have the SHA-256 of its header; put it again",
                field_path="header.sha256",
            )
        whole = self._shared.whole(self._size) if self._shared is not None else bytes(self._parts)
        self._store.keep(self.sha256, whole)
        return pb.BlobRef(sha256=self.sha256, size_bytes=self._size)

    def close(self) -> None:
        """Let go of the bytes, kept or not."""
        self._store.release(self._came)
        self._came = self._size = 0
        self._shared = None
        self._parts = bytearray()


class Behind:
    """Work on chunks in their order, in a thread, while the event loop goes on; an error comes out of `give` or `finish`."""

    def __init__(self, work: Callable[[Chunk], None]) -> None:
        self._work = work
        self._waiting: deque[Chunk] = deque()
        self._running: asyncio.Future[None] | None = None
        self._room = asyncio.Event()

    async def give(self, chunk: Chunk) -> None:
        """One chunk more; waits while too many wait already."""
        self._waiting.append(chunk)
        self._start()
        while len(self._waiting) > AHEAD:
            self._room.clear()
            await self._room.wait()
            self._start()

    async def finish(self) -> None:
        """Until all chunks are done."""
        while (running := self._start()) is not None:
            await asyncio.wait([running])

    async def stop(self) -> None:
        """Until the thread is out; what has not been begun is not done."""
        self._waiting.clear()
        if self._running is not None:
            await asyncio.wait([self._running])
            self._running.exception()  # the call ends already, for this reason or a better one

    def _start(self) -> asyncio.Future[None] | None:
        """The thread's work, begun when there is some; None when there is none."""
        if self._running is not None and self._running.done():
            self._running.result()
            self._running = None
        if self._running is None and self._waiting:
            loop = asyncio.get_running_loop()
            self._running = loop.run_in_executor(None, self._all, loop)
            self._running.add_done_callback(lambda done: self._room.set())
        return self._running

    def _all(self, loop: asyncio.AbstractEventLoop) -> None:
        while (chunk := self._next()) is not None:
            self._work(chunk)
            if len(self._waiting) == AHEAD // 2:
                loop.call_soon_threadsafe(self._room.set)

    def _next(self) -> Chunk | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


def _unlike(announced: int, came: int, more: str) -> Fault:
    shown = f"{came} {more}".strip()
    return Fault(
        FaultKind.UNREADABLE,
        f"blob: its header announces {announced} bytes, {shown} came; put it again",
        field_path="chunk",
    )
