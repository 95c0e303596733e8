"""One open document as the client knows it: what stands, what was told of it, and who waits."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gradproof_proto.editable import Editable
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof._errors import GradproofError
from gradproof._session.view import Diagnostics, error_of

NAMES = {ses.STAGE_QUICK: "quick", ses.STAGE_CHECK: "check"}


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for a version, or a newer one, to have been through a stage (None: the final one)."""

    version: int
    stage: str | None
    future: Future[Diagnostics]


@dataclass(slots=True)
class State:
    """A document. All of it belongs to the keeper's lock."""

    uri: str
    program: Editable
    point: Mapping[str, pb.NamedTensor]
    claims: tuple[chk.Claim, ...]
    options: chk.Options
    origin: chk.Origin
    depth: ses.Stage
    version: int = 1
    waiters: list[Waiter] = field(default_factory=list[Waiter])
    told: dict[str, Diagnostics] = field(default_factory=dict[str, Diagnostics])
    """What the stages found last, by stage, of whatever version."""
    held: dict[bytes, Any] = field(default_factory=dict[bytes, Any])
    """The last result of each stage by its id."""
    failed: dict[int, GradproofError] = field(default_factory=dict[int, GradproofError])
    """Why the newest version has no result."""
    lost: GradproofError | None = None
    """Why the service does not take this document at all."""

    def opening(self) -> ses.OpenDocument:
        """What opens the document as it stands, its values keeping their numbers."""
        numbers = self.program.numbers()
        if numbers == list(range(len(self.program.rows))):
            numbers = []
        return ses.OpenDocument(
            uri=self.uri,
            version=self.version,
            program=self.program.program,
            point=self.point.values(),
            claims=self.claims,
            options=self.options,
            origin=self.origin,
            depth=self.depth,
            held_results=list(self.held),
            numbers=numbers,
            next_number=len(self.program.rows) if numbers else 0,
        )

    def hear(self, message: ses.Diagnostics) -> None:
        """Take in what the service found, and tell those who wait for it."""
        name = NAMES[message.stage]
        if message.WhichOneof("result") == "failure":
            if message.final:
                self.failed = {message.version: error_of(message.failure)}
                self._settle_failed(message.version, self.failed[message.version])
            return
        self.told[name] = self.read(message)
        self.failed = {}
        for waiter in list(self.waiters):
            done = waiter.version <= message.version and (message.final or waiter.stage == name)
            if done:
                self._settle(waiter, self.told[name])

    def read(self, message: ses.Diagnostics) -> Diagnostics:
        """A result as the user sees it; one that is unchanged is taken from what is held."""
        name, unchanged = NAMES[message.stage], message.HasField("unchanged")
        if unchanged:
            result = self.held[message.result_id]
        else:
            result = getattr(message, message.WhichOneof("result") or "quick")
            self.held = {i: r for i, r in self.held.items() if i[:1] != message.result_id[:1]}
            self.held[message.result_id] = result
        return Diagnostics(message.version, name, message.final, unchanged, result)

    def newest(self) -> Diagnostics | None:
        """What is known of the newest version by now, the deepest stage of it."""
        here = [d for d in self.told.values() if d.version == self.version]
        return max(here, key=lambda d: d.stage == "check", default=None)

    def wait(self, version: int, stage: str | None) -> Future[Diagnostics]:
        """The result of a stage for a version or a newer one, now or later."""
        future: Future[Diagnostics] = Future()
        known = self.newest() if stage is None else self.told.get(stage)
        if self.lost is not None:
            future.set_exception(self.lost)
        elif self.version in self.failed:
            future.set_exception(self.failed[self.version])
        elif known is not None and known.version >= version and (stage or known.final):
            future.set_result(known)
        else:
            self.waiters.append(Waiter(version, stage, future))
        return future

    def fail(self, error: GradproofError) -> None:
        """Nobody who waits will get an answer."""
        for waiter in list(self.waiters):
            self._settle(waiter, error)

    def _settle_failed(self, version: int, error: GradproofError) -> None:
        for waiter in list(self.waiters):
            if waiter.version <= version:
                self._settle(waiter, error)

    def _settle(self, waiter: Waiter, result: Diagnostics | GradproofError) -> None:
        self.waiters.remove(waiter)
        with suppress(InvalidStateError):  # whoever waited has given up
            if isinstance(result, Diagnostics):
                waiter.future.set_result(result)
            else:
                waiter.future.set_exception(result)
