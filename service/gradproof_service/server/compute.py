"""Where the work of a call is done: in worker processes, so that it can be stopped and its failure is nobody else's.

The seam is `Compute`: a method's name and the bytes of its request go in, the bytes of its answer come out. Nothing but
serialized messages crosses it. What the service computes is a function of the request alone, so a call whose worker died is
made again by another one and nobody notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, Protocol

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.failures import WorkerMistake, unpack_fault
from gradproof_service.server.workers.frames import Frame, Kind
from gradproof_service.server.workers.handle import Handle, WorkerEnded
from gradproof_service.server.workers.pool import Pool, note_result
from gradproof_service.server.workers.quarantine import Quarantine, crashed

_log: Final = logging.getLogger("gradproof.workers")
ATTEMPTS: Final = 3
"""Workers that one request may end."""
RAIDED_ATTEMPTS: Final = 12
"""The same while workers without a task end too, so that it need not be the request's doing."""
PARKED_S: Final = 2.0
"""How long a stream whose client does not read keeps its worker."""

Exchange = Callable[[bytes], Awaitable[bytes]]
"""Sends a question to the caller and gives the answer, both serialized."""


@dataclass(slots=True)
class Story:
    """What became of a call, for the log."""

    attempts: int = 0
    worker: int = 0
    more: dict[str, object] = field(default_factory=dict[str, object])
    """Further fields of the log line, such as a document and its version."""


STORY: ContextVar[Story | None] = ContextVar("story", default=None)
"""Set by who wants to know."""


class Compute(Protocol):
    """Does the work of calls, away from the event loop; `method` is a row of `methods.METHODS`.

    Every method raises `Fault`, or `WorkerMistake` for a mistake of ours. Calls of one `affinity` go to one worker as long
    as it lives, which may have kept what it made for the call before.
    """

    async def call(
        self, method: str, request: bytes, deadline: Deadline, *, affinity: str = ""
    ) -> bytes:
        """The answer of one handler."""
        ...

    def stream(self, method: str, request: bytes, deadline: Deadline) -> AsyncGenerator[bytes]:
        """The answers of one streaming handler, one at a time."""
        ...

    async def probe(self, request: bytes, exchange: Exchange, deadline: Deadline) -> bytes:
        """The report of a probe whose questions go through `exchange`."""
        ...


class WorkerCompute:
    """`Compute` by the workers of a pool; `blobs` are what they may fetch, and where their large answers go."""

    def __init__(self, pool: Pool, blobs: BlobStore, cross_check: float = 0.0) -> None:
        """`cross_check` is the share of calls that two workers compute, whose answers must be equal in every bit."""
        self.pool = pool
        self.quarantine = Quarantine()
        self._blobs = blobs
        self._cross_check = cross_check
        self._draw = random.Random(0)  # noqa: S311 which calls are looked at twice is no secret

    async def call(
        self, method: str, request: bytes, deadline: Deadline, *, affinity: str = ""
    ) -> bytes:
        """The answer of one handler."""
        if affinity or self._draw.random() >= self._cross_check:
            return await self._call(method, request, deadline, affinity)
        pair = [
            asyncio.create_task(self._call(method, request, deadline, affinity)) for _ in range(2)
        ]
        try:
            first, second = await asyncio.gather(*pair)
        finally:
            for one in pair:
                one.cancel()
        if first != second:
            _log.error("two workers gave different answers", extra={"method": method})
            raise Fault(
                FaultKind.INTERNAL,
                "call: two workers gave different answers, so none is given; make it again, and look "
                "at the memory of the machine",
            )
        return first

    async def _call(self, method: str, request: bytes, deadline: Deadline, affinity: str) -> bytes:
        digest = self.quarantine.digest(method, request)
        attempts = 0
        async with in_time(deadline):
            while self._may_try(attempts):
                attempts += 1
                worker = await self.pool.take(affinity)
                with self._lent(worker) as lent:
                    worker.begin(method, request, left(deadline), document=affinity)
                    return lent.done(await self._next(worker))
        raise self._poison(digest, attempts)

    async def stream(
        self, method: str, request: bytes, deadline: Deadline
    ) -> AsyncGenerator[bytes]:
        """The answers of one streaming handler; a client that does not read loses its worker until it does."""
        digest = self.quarantine.digest(method, request)
        given = attempts = 0
        while self._may_try(attempts):
            async with in_time(deadline):
                worker = await self.pool.take()
            with self._lent(worker) as lent:
                async with in_time(deadline):
                    worker.begin(method, request, left(deadline), given)
                while True:
                    async with in_time(deadline):
                        frame = await self._next(worker)
                    if frame.kind is not Kind.ITEM:
                        lent.done(frame)
                        return
                    given += 1
                    attempts = 0
                    parking = asyncio.get_running_loop().call_later(PARKED_S, lent.park)
                    try:
                        yield frame.content()
                    finally:
                        parking.cancel()
                    if lent.parked:
                        break
                    worker.send(Kind.MORE)
            attempts += not lent.parked
        raise self._poison(digest, attempts)

    async def probe(self, request: bytes, exchange: Exchange, deadline: Deadline) -> bytes:
        """The report of a probe; a second worker is told the answers that the first one had already."""
        digest = self.quarantine.digest("probe", request)
        told: list[bytes] = []
        attempts = 0
        async with in_time(deadline):
            while self._may_try(attempts):
                attempts += 1
                worker = await self.pool.take_apart()
                with self._lent(worker) as lent:
                    worker.begin("probe", request, left(deadline))
                    asked = 0
                    while (frame := await self._next(worker)).kind is Kind.ASK:
                        if asked == len(told):
                            told.append(await exchange(frame.content()))
                        worker.send(Kind.TOLD, body=told[asked])
                        asked += 1
                    answer = lent.done(frame)
                    return answer
        raise self._poison(digest, attempts)

    async def _next(self, worker: Handle) -> Frame:
        """The next frame for the caller; what the worker needs or leaves of blobs is seen to."""
        while True:
            frame = await worker.receive()
            if frame.kind is Kind.FETCH:
                content = self._blobs.find(frame.note)
                if content is None:
                    worker.send(Kind.NO_BLOB)
                else:
                    worker.send(Kind.BLOB, body=content)
            elif frame.kind is Kind.KEEP:
                self._blobs.keep(frame.note, frame.body)
            else:
                return frame

    def _lent(self, worker: Handle) -> _Lent:
        return _Lent(self.pool, worker)

    def _may_try(self, attempts: int) -> bool:
        return attempts < (RAIDED_ATTEMPTS if self.pool.raided else ATTEMPTS)

    def _poison(self, digest: bytes, attempts: int) -> Fault:
        """The fault of a request whose workers ended; it is remembered when they ended by its doing."""
        if not self.pool.raided:
            self.quarantine.add(digest)
        return crashed(f"{attempts} ended")


class _Lent:
    """A worker while it does one task. Leaving the block without `done` stops it; its own end leaves the block in silence."""

    def __init__(self, pool: Pool, worker: Handle) -> None:
        self.parked = False
        self._pool = pool
        self._worker = worker
        self._back = False
        story = STORY.get()
        if story is not None:
            story.attempts += 1
            story.worker = worker.pid

    def done(self, frame: Frame) -> bytes:
        """The answer in a last frame; raises what the worker told instead of one."""
        self._back = True
        note_result(self._worker, frame)
        self._pool.give(self._worker)
        match frame.kind:
            case Kind.RESULT:
                return frame.content()
            case Kind.FAULT:
                raise unpack_fault(frame.note)
            case Kind.MISTAKE:
                raise WorkerMistake(*json.loads(frame.note))
            case _:
                raise WorkerMistake(
                    "UnexpectedFrame", f"a worker sent {frame.kind.name} at the end"
                )

    def park(self) -> None:
        """Let others have the worker."""
        self.parked = True
        self._give_up()

    def __enter__(self) -> _Lent:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._give_up()
        return kind is not None and issubclass(kind, WorkerEnded)

    def _give_up(self) -> None:
        if not self._back:
            self._back = True
            self._pool.stop(self._worker)


@contextlib.asynccontextmanager
async def in_time(deadline: Deadline) -> AsyncGenerator[None]:
    """A block that raises the deadline's `Fault` when it is not left in time."""
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            yield
    except TimeoutError:
        raise deadline.passed() from None


def left(deadline: Deadline) -> float:
    """Seconds left, as they are told to a worker."""
    remaining = deadline.remaining_s()
    return float("inf") if remaining is None else remaining
