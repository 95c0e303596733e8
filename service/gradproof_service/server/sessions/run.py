"""The work on one document: stage by stage, always the newest version, and never two at a time.

A newer version stops what runs for an older one: a quick stage at its next tick, a check by taking it back from its
worker. Each stage has a token of its own. What a stage finds is told only if its version is still the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Callable
from typing import Any, Final, Protocol

from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import session_pb2 as ses

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.failures import refusal
from gradproof_service.server.messages import read_message
from gradproof_service.server.sessions.document import Version
from gradproof_service.server.sessions.held import CHECK, QUICK, Found, Held
from gradproof_service.server.sessions.results import failure, result_id
from gradproof_service.server.sessions.room import Room

QUIET_S: Final = 0.05
"""While edits follow each other faster than this, no check is begun: it would be stopped at once."""
PROGRESS_S: Final = 0.25
"""Time between two words about how far a stage is."""
KEPT: Final = 8
"""Reports that are kept for each document: one that comes back, by an edit taken back, is not computed again."""
KEPT_BYTES: Final = 256 << 10
"""Bytes of the largest report that is kept."""

_log = logging.getLogger("gradproof")


class Checks(Protocol):
    """Where checks are done."""

    async def check(self, request: bytes, deadline: Deadline, held: Held) -> bytes:
        """The serialized answer to a serialized CheckRequest about a document."""
        ...


class Counter:
    """A tick that counts, for progress."""

    def __init__(self, deadline: Deadline) -> None:
        self.done = 0
        self._tick = deadline.tick

    def __call__(self) -> None:
        """One step more; raises when the work has to stop."""
        self.done += 1
        self._tick()


class Run:
    """Takes one document through its stages as long as there is something to do."""

    def __init__(
        self,
        held: Held,
        checks: Checks,
        room: Room,
        seconds: float,
        pull_only: bool,
        tell: Callable[[Found, bool], None],
        progress: Callable[[ses.Progress], None] | None,
    ) -> None:
        self._held = held
        self._checks = checks
        self._room = room
        self._seconds = seconds
        self._pull_only = pull_only
        self._tell = tell
        self._progress = progress
        self._task: asyncio.Task[None] | None = None
        self._token: Deadline | None = None
        self._stage: asyncio.Task[Any] | None = None
        self._moved = asyncio.Event()
        self._at: Version | None = None
        self._before = 0.0
        self._revoked = False
        self._known: dict[bytes, tuple[chk.Report, bytes]] = {}

    def wake(self) -> None:
        """The document has another version, or more is asked of it: stop what is out of date and go on."""
        self._moved.set()
        if self._token is not None and not self._current():
            self._token.cancel()
            self._revoked = True
            if self._stage is not None:
                self._stage.cancel()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    def stop(self) -> None:
        """Nobody wants anything of this document any more."""
        if self._token is not None:
            self._token.cancel()
        if self._task is not None:
            self._task.cancel()

    async def settled(self) -> None:
        """Wait until nothing is at work."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def _current(self) -> bool:
        """Whether what runs is for the newest version and still wanted."""
        held = self._held
        return held.version is not None and held.version is self._at and not held.stopped

    async def _work(self) -> None:
        held = self._held
        while True:
            self._at = held.version
            self._revoked = False
            goal = held.goal(self._pull_only)
            if held.version is None or goal == 0:
                return
            if QUICK not in held.found:
                found = await self._quick(held.version)
            elif goal == CHECK and CHECK not in held.found:
                if not await self._quiet():
                    continue
                found = await self._check(held.version)
            else:
                return
            if found is not None and self._current() and not self._revoked:
                held.found[found.stage] = found
                goal = held.goal(self._pull_only)
                self._tell(found, found.stage >= goal)

    async def _quiet(self) -> bool:
        """Whether the document has stood still for long enough, or has come after a long silence."""
        held, loop = self._held, asyncio.get_running_loop()
        before, self._before = self._before, held.accepted_at
        if held.accepted_at - before >= QUIET_S:
            return True
        while (left := held.accepted_at + QUIET_S - loop.time()) > 0:
            self._moved.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._moved.wait(), left)
            if not self._current():
                return False
        return True

    async def _quick(self, version: Version) -> Found | None:
        held = self._held
        token = self._token = Deadline(self._seconds)
        counter = Counter(token)
        changed, held.changed = held.changed, set()
        generation = held.generation

        def work() -> Found:
            result = held.quick.run(version, changed, counter)
            return Found(version.number, generation, QUICK, result, result_id(QUICK, result))

        loop = asyncio.get_running_loop()
        # never taken back: the thread leaves at its next tick, and only then may another one enter
        threads = self._room.threads(len(version.program.order))
        self._room.begin(held.quick)
        future = loop.run_in_executor(threads, work)
        try:
            return await self._watched(future, QUICK, counter)
        except asyncio.CancelledError:
            token.cancel()
            await asyncio.gather(future, return_exceptions=True)
            raise
        except Exception as error:  # noqa: BLE001 told as a failure of this version
            return self._failed(version, generation, QUICK, error)
        finally:
            self._token = None
            self._room.end(held.quick)

    async def _check(self, version: Version) -> Found | None:
        held = self._held
        token = self._token = Deadline(self._seconds)
        generation = held.generation
        loop = asyncio.get_running_loop()

        async def call() -> Found:
            threads = self._room.threads(len(version.program.order))
            request = await loop.run_in_executor(
                threads, lambda: version.request().SerializeToString()
            )
            digest = hashlib.sha256(request).digest()
            known = self._known.pop(digest, None)
            if known is None:
                answer = await self._checks.check(request, token, held)
                report = read_message(der.CheckResponse, answer).report
                known = (report, result_id(CHECK, report))
            if known[0].ByteSize() <= KEPT_BYTES:
                self._known[digest] = known  # the newest last
                while len(self._known) > KEPT:
                    del self._known[next(iter(self._known))]
            return Found(version.number, generation, CHECK, *known)

        stage = self._stage = asyncio.create_task(call())
        try:
            return await self._watched(stage, CHECK, None)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                stage.cancel()
                raise
            return None
        except Exception as error:  # noqa: BLE001 told as a failure of this version
            return self._failed(version, generation, CHECK, error)
        finally:
            self._stage = self._token = None

    async def _watched(
        self, stage: asyncio.Future[Found], name: int, counter: Counter | None
    ) -> Found:
        """The result of a stage; how far it is is told now and then."""
        if self._progress is None:
            return await asyncio.shield(stage) if counter is not None else await stage
        while True:
            done, _ = await asyncio.wait([stage], timeout=PROGRESS_S)
            if done:
                return stage.result()
            held = self._held
            self._progress(
                ses.Progress(
                    uri=held.uri,
                    version=held.number,
                    generation=held.generation,
                    stage=name,  # pyright: ignore[reportArgumentType]
                    done=counter.done if counter else 0,
                )
            )

    def _failed(
        self, version: Version, generation: int, stage: int, error: Exception
    ) -> Found | None:
        fault = refusal(error)
        if fault is None:
            _log.error("a stage failed inside", exc_info=error, extra={"document": self._held.uri, "version": version.number})  # fmt: skip
            name = type(error).__name__
            fault = Fault(
                FaultKind.INTERNAL,
                f"the service failed ({name}); its log says more, please report it",
            )
        return Found(version.number, generation, stage, failure(fault))
