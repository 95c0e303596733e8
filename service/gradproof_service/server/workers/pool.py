"""Who works on what: workers that are free, calls that wait for one, and new workers for those that ended.

There is always one worker more than may work at once, so that a death costs no capacity. The line of waiting calls is
bounded: a call that finds it full is told at once to come back later.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import Limits
from gradproof_service.server.settings.configuration import Workers
from gradproof_service.server.workers.frames import RESULT_NOTE, Frame, Kind
from gradproof_service.server.workers.handle import Handle, WorkerEnded
from gradproof_service.server.workers.nursery import Nursery, NurseryError

STICK_S: Final = 0.2
"""How long a call waits for the worker that knows its document while others are free."""
STOP_S: Final = 0.02
"""How long a worker may take to stop by itself before it is killed."""
KNOWN: Final = 10_000
"""Documents whose worker is remembered."""
RETRY_AFTER_S: Final = 0.5
RAID_S: Final = 10.0
"""How long after the end of a worker without a task others that end are no proof against their tasks."""
AGAIN_S: Final = 0.5
"""Pause before another try when no worker could be forked."""

_log = logging.getLogger("gradproof.workers")


@dataclass(slots=True)
class _Waiter:
    future: asyncio.Future[Handle]
    affinity: str
    since: float


class Pool:
    """`size` workers at work at once, one more ready, and further ones for probes. Runs on one event loop."""

    def __init__(self, nursery: Nursery, size: int, limits: Limits, workers: Workers) -> None:
        self.size = size
        self.deaths = 0
        self._nursery = nursery
        self._limits = limits
        self._workers = workers
        self._idle: list[Handle] = []
        self._busy: set[Handle] = set()
        self._apart: set[Handle] = set()
        self._known: OrderedDict[str, Handle] = OrderedDict()
        self._waiters: deque[_Waiter] = deque()
        self._work: set[asyncio.Task[None]] = set()
        self._filling = False
        self._closed = False
        self._raided = -RAID_S

    @property
    def raided(self) -> bool:
        """Whether something outside ends workers: one that had no task ended a short while ago."""
        return time.monotonic() - self._raided < RAID_S

    @property
    def waiting(self) -> int:
        """Calls in line."""
        return len(self._waiters)

    @property
    def working(self) -> int:
        """Workers with a task."""
        return len(self._busy) + len(self._apart)

    @property
    def pids(self) -> list[int]:
        """The processes of all workers."""
        return [worker.pid for worker in (*self._idle, *self._busy, *self._apart)]

    async def start(self) -> None:
        """Fork the workers; raises `NurseryError` when there can be none."""
        await self._nursery.wait()
        for _ in range(self.size + 1):
            self._add(await self._fork())

    async def take(self, affinity: str = "") -> Handle:
        """A free worker, that of the same `affinity` if it can be; raises `Fault` when too many wait already."""
        if not self._waiters and len(self._busy) < self.size:
            known = self._known.get(affinity) if affinity else None
            if self._idle and (known is None or known.ended or known in self._idle):
                return self._given(known if known in self._idle else self._idle[-1], affinity)
        if len(self._waiters) >= self._limits.queue:
            raise Fault(
                FaultKind.BUSY,
                f"service: {len(self._waiters)} calls wait already, the limit is {self._limits.queue} "
                "(queue); make this call again in a moment",
                limit="queue",
                retry_after_s=RETRY_AFTER_S,
            )
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), affinity, time.monotonic())
        self._waiters.append(waiter)
        self._match()
        try:
            return await waiter.future
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled():
                self.give(waiter.future.result())
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)
            raise

    async def take_apart(self) -> Handle:
        """A worker of its own for a probe, which mostly waits for its client; raises `Fault` when there are too many."""
        if len(self._apart) >= self._limits.probes:
            raise Fault(
                FaultKind.BUSY,
                f"probe: {len(self._apart)} are open already, the limit is {self._limits.probes} "
                "(probes); start it again when some have ended",
                limit="probes",
                retry_after_s=RETRY_AFTER_S,
            )
        forking = asyncio.create_task(self._fork())
        try:
            worker = await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(self._unwanted)
            raise
        except (NurseryError, OSError):
            self._refill()
            raise Fault(
                FaultKind.BUSY,
                "service: no worker can be started at this moment; make this call again",
                retry_after_s=RETRY_AFTER_S,
            ) from None
        self._apart.add(worker)
        return worker

    def give(self, worker: Handle) -> None:
        """The worker has done its task."""
        if worker in self._busy and not worker.ended:
            self._busy.discard(worker)
            if self._worn(worker):
                self._end(worker)
            else:
                self._idle.append(worker)
            self._match()
        else:
            self.discard(worker)

    def stop(self, worker: Handle) -> None:
        """Nobody waits for the worker's task: it stops by itself at once, or is killed."""
        if worker.ended or worker in self._apart or self._closed:
            self.discard(worker)
            return
        worker.ask_to_stop()
        task = asyncio.create_task(self._stopping(worker))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    def discard(self, worker: Handle) -> None:
        """Kill a worker; another one comes."""
        self._busy.discard(worker)
        self._apart.discard(worker)
        if worker in self._idle:
            self._idle.remove(worker)
        self._end(worker)
        self._match()

    async def close(self) -> None:
        """End all workers and the process they come from."""
        self._closed = True
        for waiter in self._waiters:
            waiter.future.cancel()
        for worker in (*self._idle, *self._busy, *self._apart):
            self._end(worker)
        for task in self._work:
            task.cancel()
        await asyncio.gather(*self._work, return_exceptions=True)
        self._nursery.close()

    def _worn(self, worker: Handle) -> bool:
        """Whether it is time to replace a worker, before what it has collected becomes a burden."""
        return (
            worker.tasks >= self._workers.recycle_tasks
            or worker.resident_bytes > self._workers.recycle_bytes
        )

    def _given(self, worker: Handle, affinity: str) -> Handle:
        self._idle.remove(worker)
        self._busy.add(worker)
        if affinity:
            self._known[affinity] = worker
            self._known.move_to_end(affinity)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return worker

    def _match(self) -> None:
        """Give free workers to those who wait; one who waits for a certain worker lets others go first for a while."""
        now = time.monotonic()
        held: list[_Waiter] = []
        while self._waiters and self._idle and len(self._busy) < self.size:
            waiter = self._waiters.popleft()
            if waiter.future.done():
                continue
            known = self._known.get(waiter.affinity) if waiter.affinity else None
            if known is None or known.ended or known in self._idle:
                chosen = known if known in self._idle else self._idle[-1]
            elif now - waiter.since >= STICK_S:
                chosen = self._idle[-1]
            else:
                held.append(waiter)
                asyncio.get_running_loop().call_later(STICK_S, self._match)
                continue
            assert chosen is not None
            waiter.future.set_result(self._given(chosen, waiter.affinity))
        self._waiters.extendleft(reversed(held))

    async def _stopping(self, worker: Handle) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                while not _ends(frame := await worker.receive()):
                    if frame.kind is Kind.ITEM:
                        worker.send(Kind.MORE)
                    elif frame.kind is Kind.FETCH:
                        worker.send(Kind.NO_BLOB)
            note_result(worker, frame)
            self.give(worker)
        except (TimeoutError, WorkerEnded):
            self.discard(worker)

    def _end(self, worker: Handle) -> None:
        worker.on_end = lambda handle: None
        worker.close()
        self._kill(worker)
        self._refill()

    def _kill(self, worker: Handle) -> None:
        """Once for each worker: afterwards its number may be somebody else's."""
        if not worker.killed:
            worker.killed = True
            self._nursery.kill(worker.pid)

    def _ended(self, worker: Handle) -> None:
        """A worker ended by itself; the task that it had finds out when it waits for its frames."""
        self.deaths += 1
        _log.warning("a worker ended", extra={"worker": worker.pid, "tasks": worker.tasks})
        if worker in self._idle:
            self._raided = time.monotonic()
            self._idle.remove(worker)
            self._kill(worker)
        self._refill()

    def _unwanted(self, forking: asyncio.Task[Handle]) -> None:
        if not forking.cancelled() and forking.exception() is None:
            self.discard(forking.result())

    def _add(self, worker: Handle) -> None:
        self._idle.append(worker)
        self._match()

    async def _fork(self) -> Handle:
        data, data_theirs = socket.socketpair()
        control, control_theirs = socket.socketpair()
        with data_theirs, control_theirs:
            try:
                pid = await self._nursery.fork(data_theirs, control_theirs)
            except BaseException:
                data.close()
                control.close()
                raise
        worker = Handle(data, control, pid)
        worker.on_end = self._ended
        return worker

    def _refill(self) -> None:
        if self._filling or self._closed:
            return
        self._filling = True
        task = asyncio.create_task(self._fill())
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _fill(self) -> None:
        """Fork until the pool is full again; the nursery itself is started anew when it is gone."""
        try:
            while not self._closed and len(self._idle) + len(self._busy) < self.size + 1:
                try:
                    self._add(await self._fork())
                except (NurseryError, OSError) as error:
                    _log.error("no worker could be started: %s", error)
                    await asyncio.sleep(AGAIN_S)
                    await self._renew()
        finally:
            self._filling = False

    async def _renew(self) -> None:
        with contextlib.suppress(NurseryError, OSError):
            self._nursery.start()
            await self._nursery.wait()


def note_result(worker: Handle, frame: Frame) -> None:
    """Remember what a result says about its worker."""
    if frame.kind is Kind.RESULT:
        (worker.resident_bytes,) = RESULT_NOTE.unpack(frame.note)


def _ends(frame: Frame) -> bool:
    return frame.kind in (Kind.RESULT, Kind.FAULT, Kind.MISTAKE)
