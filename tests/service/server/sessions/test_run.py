"""What is done for a document and what is not: counted where checks are made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.application import Application
from gradproof_service.server.blobs import BlobStore
from gradproof_service.server.deadline import Deadline
from gradproof_service.server.sessions.held import Held
from gradproof_service.server.sessions.local import LocalChecks
from gradproof_service.server.sessions.outbox import Outbox
from gradproof_service.server.sessions.registry import Sessions

from tests.service.server.harness import cubic, point


class Counted:
    """Checks that are counted, and that may be made to fail."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.error: Exception | None = None
        self._checks = LocalChecks(Application())

    async def check(self, request: bytes, deadline: Deadline, held: Held) -> bytes:
        """One check."""
        self.asked.append(held.number)
        if self.error is not None:
            raise self.error
        return await self._checks.check(request, deadline, held)


class Spoken:
    """A session without a transport."""

    def __init__(self, checks: Counted) -> None:
        self.said: asyncio.Queue[ses.OpenRequest | None] = asyncio.Queue()
        self.heard: asyncio.Queue[ses.OpenResponse] = asyncio.Queue()
        self.sessions = Sessions(checks, BlobStore(), DEFAULT_LIMITS)
        self.task = asyncio.create_task(self.sessions.serve(self.said.get, self.heard.put))

    def say(self, **message: object) -> None:
        """Send one message."""
        self.said.put_nowait(ses.OpenRequest(**message))  # type: ignore[arg-type]

    async def final(self, version: int) -> ses.Diagnostics:
        """The last word about a version."""
        while True:
            heard = (await asyncio.wait_for(self.heard.get(), 60)).diagnostics
            if heard.final and heard.version == version:
                return heard


def at(x: float, version: int) -> ses.EditDocument:
    """The edit that leads to a version."""
    change = ses.Edit(set_input=point(x=x)[0])
    return ses.EditDocument(uri="d", base_version=version - 1, version=version, edits=[change])


def conversation(work: Callable[[Counted, Spoken], Awaitable[None]]) -> None:
    """Run a conversation."""

    async def main() -> None:
        checks = Counted()
        spoken = Spoken(checks)
        spoken.say(hello=ses.Hello())
        try:
            await work(checks, spoken)
        finally:
            spoken.said.put_nowait(None)
            await asyncio.gather(spoken.task, return_exceptions=True)
            spoken.sessions.close()

    asyncio.run(main())


def test_what_comes_back_is_not_computed_again() -> None:
    """An edit that is taken back gives the report of before without another check."""

    async def work(checks: Counted, spoken: Spoken) -> None:
        spoken.say(open=ses.OpenDocument(uri="d", version=1, program=cubic(), point=point(x=3.0)))
        first = await spoken.final(1)
        spoken.say(edit=at(4.0, 2))
        await spoken.final(2)
        spoken.say(edit=at(3.0, 3))
        third = await spoken.final(3)
        assert third.report == first.report
        assert checks.asked == [1, 2]

    conversation(work)


def test_while_edits_follow_each_other_no_check_is_begun() -> None:
    """Of fifty edits in a row only the first, which nobody knew to be one of many, and the last are checked."""

    async def work(checks: Counted, spoken: Spoken) -> None:
        spoken.say(open=ses.OpenDocument(uri="d", version=1, program=cubic(), point=point(x=1.0)))
        for version in range(2, 52):
            spoken.say(edit=at(float(version), version))
            await asyncio.sleep(0.002)
        await spoken.final(51)
        assert checks.asked[-1] == 51
        assert len(checks.asked) < 10

    conversation(work)


def test_a_check_that_fails_is_told_and_the_next_edit_goes_on() -> None:
    """A fault is told with its sentence, a mistake of ours without its inside; neither ends the session."""

    async def work(checks: Counted, spoken: Spoken) -> None:
        checks.error = Fault(FaultKind.BUSY, "call: come back later")
        spoken.say(open=ses.OpenDocument(uri="d", version=1, program=cubic(), point=point(x=1.0)))
        told = (await spoken.final(1)).failure
        assert (told.reason, told.message) == ("BUSY", "call: come back later")
        checks.error = ZeroDivisionError("secret")
        spoken.say(edit=at(2.0, 2))
        told = (await spoken.final(2)).failure
        assert told.reason == "INTERNAL"
        assert "ZeroDivisionError" in told.message
        assert "secret" not in told.message
        checks.error = None
        spoken.say(edit=at(3.0, 3))
        assert (await spoken.final(3)).HasField("report")

    conversation(work)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"hello": ses.Hello()}, "a second hello came"),
        ({"pull": ses.Pull(id=1, uri="d")}, "number 1 is waiting already"),
    ],
)
def test_what_nobody_may_say_twice_ends_the_session(second: dict[str, object], said: str) -> None:
    """A second hello, a number that is in use: the fault that the stream ends with."""

    async def work(checks: Counted, spoken: Spoken) -> None:
        checks.error = None
        spoken.say(open=ses.OpenDocument(uri="d", version=1, program=cubic(), point=point(x=1.0)))
        spoken.say(pull=ses.Pull(id=1, uri="d"))
        spoken.say(**second)
        with pytest.raises(Fault, match=said) as caught:
            await asyncio.wait_for(asyncio.shield(spoken.task), 60)
        assert caught.value.kind is FaultKind.INVALID
        assert not len(spoken.sessions)

    conversation(work)


def test_the_newer_takes_the_place_of_the_older() -> None:
    """Messages wait by slot: one slot holds one, the rest keep their order, and what has nothing to say is passed over."""

    async def main() -> None:
        outbox = Outbox()
        made = {n: ses.OpenResponse(progress=ses.Progress(version=n)) for n in range(4)}
        outbox.put("a", lambda: made[0])
        outbox.put("b", lambda: made[1])
        outbox.put("c", lambda: None)
        outbox.put("a", lambda: made[2])
        outbox.put("d", lambda: made[3])
        outbox.drop("d")
        assert len(outbox) == 3
        assert [(await outbox.next()).progress.version for _ in range(2)] == [1, 2]
        waiting = asyncio.create_task(outbox.next())
        await asyncio.sleep(0)
        assert not waiting.done()
        outbox.put("d", lambda: made[3])
        assert (await waiting).progress.version == 3

    asyncio.run(main())
