"""Abuse of sessions: storms of edits, readers that do not read, thousands of idle streams, bursts of them.

    pytest -m long tests/service/server/sessions/test_abuse.py

is the long form: a storm of a minute, 10,000 idle sessions.
"""

from __future__ import annotations

import asyncio
import gc
import queue
import random
import time
from typing import Any

import grpc
import numpy as np
import pytest
from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.v1 import session_pb2_grpc
from gradproof_service.server.application import Application

from tests.service.server.harness import ServerThread, cubic, point
from tests.service.server.sessions.process import ServiceProcess
from tests.service.server.sessions.talk import Talk


def storm(seconds: float, rate: float) -> tuple[int, int]:
    """Edits at a rate, some of them out of order; (edits sent, versions told of). Asserts what no storm may break."""
    draw = random.Random(0)
    with ServerThread() as server, Talk(server.address) as talk:
        version, sent = 1, 0
        talk.say(open=_opening(version, 0.0))
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            sent += 1
            if draw.random() < 0.01:  # two edits change places: the service asks for all of it
                talk.say(edit=_edit(version + 1, version + 2, float(sent)))
                talk.say(edit=_edit(version, version + 1, float(sent)))
                version += 3
                talk.say(open=_opening(version, float(sent)))
            else:
                talk.say(edit=_edit(version, version + 1, float(sent)))
                version += 1
            ahead = begun + sent / rate - time.monotonic()
            if ahead > 0:
                time.sleep(ahead)
        final = talk.final(version)
        cold = Application().check(der.CheckRequest(program=cubic(), point=point(x=float(sent))))
        assert _bytes(final.report) == _bytes(cold.report)
        told = [(d.version, d.stage) for d in talk.diagnostics()]
        assert told == sorted(told), "an older version was told after a newer one"
        quick = {d.version: d for d in talk.diagnostics() if d.stage == ses.STAGE_QUICK}
        assert version in quick
        talk.leave()
        assert [d.version for d in talk.diagnostics()][-1] == version
        return sent, len({v for v, _ in told})


def _opening(version: int, x: float) -> ses.OpenDocument:
    return ses.OpenDocument(uri="d", version=version, program=cubic(), point=point(x=x))


def _edit(base: int, version: int, x: float) -> ses.EditDocument:
    return ses.EditDocument(
        uri="d", base_version=base, version=version, edits=[ses.Edit(set_input=point(x=x)[0])]
    )


def _bytes(report: chk.Report) -> bytes:
    return report.SerializeToString(deterministic=True)


def test_a_storm_of_edits_ends_in_the_truth() -> None:
    """A thousand edits a second, some out of order: nothing stale is told, and the last word is the check from scratch."""
    sent, told = storm(1.5, 1000.0)
    assert sent > 100
    assert told > 1


@pytest.mark.long
def test_a_long_storm_of_edits_ends_in_the_truth() -> None:
    """The same for a minute; the command stands at the head of the file."""
    sent, _ = storm(60.0, 1000.0)
    assert sent > 30_000


def _wide(n: int) -> tuple[pb.Program, list[pb.NamedTensor]]:
    return cubic(), [pb.NamedTensor(name="x", tensor=to_tensor(np.zeros(n)))]


def test_a_reader_that_does_not_read_costs_one_version() -> None:
    """Four hundred results of 256 KiB nobody fetches: what waits is bounded, the memory flat, the newest not lost."""
    size = 1 << 14
    program, start = _wide(size)
    with ServiceProcess() as service, grpc.insecure_channel(service.address) as channel:
        out: queue.SimpleQueue[ses.OpenRequest | None] = queue.SimpleQueue()
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        call = stub.Open(iter(out.get, None))
        out.put(ses.OpenRequest(hello=ses.Hello()))
        out.put(
            ses.OpenRequest(
                open=ses.OpenDocument(
                    uri="d", version=1, program=program, point=start, depth=ses.STAGE_QUICK
                )
            )
        )
        assert next(call).HasField("welcome")
        levels: list[int] = []
        for version in range(2, 402):
            x = to_tensor(np.full(size, float(version)))
            edit = ses.Edit(set_input=pb.NamedTensor(name="x", tensor=x))
            out.put(
                ses.OpenRequest(
                    edit=ses.EditDocument(
                        uri="d", base_version=version - 1, version=version, edits=[edit]
                    )
                )
            )
            time.sleep(0.004)
            if version % 100 == 1:
                levels.append(service.resident_bytes)
        time.sleep(1.0)
        grown = service.resident_bytes - levels[0]
        assert grown < 24 << 20, f"{grown} bytes for results of {400 * 2 * 8 * size}"
        told: list[int] = []
        while not told or told[-1] < 401:
            told.append(next(call).diagnostics.version)
        assert told == sorted(told)
        assert len(told) < 60
        out.put(None)
        call.cancel()


async def _hold(address: str, count: int, before: Any, after: Any) -> list[str]:
    """Open sessions at once, each greeted; the codes of those that were refused."""
    per = 200
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(address, options) for _ in range(-(-count // per))]
    refused: list[str] = []
    calls: list[Any] = []

    async def one(n: int) -> None:
        stub: Any = session_pb2_grpc.SessionServiceStub(channels[n // per])
        call = stub.Open()
        calls.append(call)
        try:
            await call.write(ses.OpenRequest(hello=ses.Hello()))
            answer = await call.read()
            assert answer.HasField("welcome")
        except grpc.aio.AioRpcError as error:
            refused.append(f"{error.code().name}: {error.details()}")

    try:
        await asyncio.gather(*(one(n) for n in range(min(100, count))))
        await asyncio.sleep(0.5)
        before()
        await asyncio.gather(*(one(n) for n in range(100, count)))
        await asyncio.sleep(0.5)
        after()
        return refused
    finally:
        for call in calls:
            call.cancel()
        for channel in channels:
            await channel.close()


def idle(count: int) -> float:
    """Bytes of the serving process for each idle session."""
    with ServiceProcess(sessions=count, calls=count + 100) as service:
        levels: list[int] = []

        def look() -> None:
            gc.collect()
            levels.append(service.resident_bytes)

        assert asyncio.run(_hold(service.address, count, look, look)) == []
        return (levels[1] - levels[0]) / (count - 100)


def test_two_thousand_idle_sessions_take_little() -> None:
    """No more than 50 KB each, none refused."""
    assert idle(2000) <= 50_000


@pytest.mark.long
def test_ten_thousand_idle_sessions_take_little() -> None:
    """The long form; the command stands at the head of the file."""
    assert idle(10_000) <= 50_000


def test_a_burst_of_sessions_is_let_in_or_told_to_come_back() -> None:
    """3,500 opened at once: none refused within the limits; above them UNAVAILABLE with one sentence, and no other."""
    with ServiceProcess(sessions=3500, calls=8000) as service:
        refused = asyncio.run(_hold(service.address, 3550, list, list))
        assert len(refused) == 50
        assert set(refused) == {
            "UNAVAILABLE: session: 3500 are open, which is the limit; come back later"
        }
