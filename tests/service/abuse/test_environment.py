"""A machine that does not give what a service needs: abuses 15 and 21, and what is left for the next start (14)."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc

from tests.service.abuse.harness import (
    Service,
    blas,
    evaluate,
    long_size,
    named_memory,
    resident_mb,
    until,
)
from tests.service.server.harness import cubic, point, slow

CEILING_MB = 512
COLLECTS = """
import gc, signal, sys
def look(*_):
    gc.collect()
    sys.stderr.write(f"BLOCKS {sys.getallocatedblocks()}\\n")
signal.signal(signal.SIGUSR2, look)
"""
"""On SIGUSR2 the server collects what waits for it, and says how many blocks of memory Python holds."""


def test_memory_stays_flat() -> None:
    """15: calls of every fate leave the server no larger, and none of them a single object behind: least of four rounds of 300."""
    with (
        Service("workers.count=2", prelude=COLLECTS) as service,
        service.channel() as channel,
    ):
        soak(channel, 300)
        before, held = resident_mb(service.pid), [blocks(service)]
        for _ in range(4):
            soak(channel, 300)
            held.append(blocks(service))
        assert resident_mb(service.pid) - before < 8.0
        more = min(b - a for a, b in itertools.pairwise(held))
        assert more < 25, f"{held}: one for each call of some fate would be 30 a round"


def blocks(service: Service) -> int:
    """Blocks of memory that Python holds in the server once it has collected."""
    said = service.words().count("BLOCKS")
    service.process.send_signal(signal.SIGUSR2)
    until(lambda: service.words().count("BLOCKS") > said)
    return int(service.words().rpartition("BLOCKS ")[2].split()[0])


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_memory_stays_flat_for_five_minutes() -> None:
    """15, soak: no growth that a line through five minutes can tell from none, workers below their ceiling (`pytest -m soak`)."""
    slope, doubt = growth(300)
    assert slope - doubt < 1.0, f"{slope:.1f} MB an hour, give or take {doubt:.1f}"


@pytest.mark.long
@pytest.mark.timeout(0)
def test_memory_stays_flat_for_hours() -> None:
    """15, long: below 1 MB an hour over so many seconds (`LONG_SIZE=86400 pytest -m long -k flat_for_hours`)."""
    slope, doubt = growth(long_size(86_400))
    assert slope < 1.0, f"{slope:.2f} MB an hour, give or take {doubt:.2f}"


def growth(seconds: int) -> tuple[float, float]:
    """MB an hour by which a server grows in so many seconds of calls that end, and two standard errors of that.

    What waits for the collector is collected before each look; the first fifth of the time is warm-up.
    Cancelled calls are left out: of each, grpcio itself keeps 50 to 200 bytes, in a bare server too.
    """
    seen: list[tuple[float, float]] = []
    ceiling = f"workers.recycle_bytes={CEILING_MB << 20}"
    begun = time.monotonic()
    with (
        Service("workers.count=2", ceiling, prelude=COLLECTS) as service,
        service.channel() as channel,
    ):
        while (now := time.monotonic() - begun) < seconds:
            soak(channel, 100, cancels=False)
            service.process.send_signal(signal.SIGUSR2)
            time.sleep(0.2)
            assert max(map(resident_mb, service.workers()), default=0.0) < 2 * CEILING_MB
            if now > seconds / 5:
                seen.append((now / 3600, resident_mb(service.pid)))
    return slope_of(seen)


def slope_of(seen: list[tuple[float, float]]) -> tuple[float, float]:
    """The slope of a line through points, by the medians of twelve stretches, and two standard errors of it."""
    stretches = [np.median(part, axis=0) for part in np.array_split(np.array(seen), 12)]
    x, y = np.array(stretches).T
    line, covariance = np.polyfit(x, y, 1, cov=True)
    return float(line[0]), 2 * float(np.sqrt(covariance[0, 0]))


@pytest.mark.parametrize(("leak_mb_per_hour", "found"), [(0.0, False), (30.0, True)])
def test_growth_is_told_from_noise(leak_mb_per_hour: float, found: bool) -> None:
    """15: five minutes of a saw with teeth of half a megabyte: a leak of 30 MB an hour is found, none is not."""
    hours = np.linspace(60, 300, 600) / 3600
    teeth = np.random.default_rng(0).normal(0.0, 0.2, 600) + 0.5 * (hours * 60 % 1)
    slope, doubt = slope_of(list(zip(hours, 74.0 + teeth + leak_mb_per_hour * hours, strict=True)))
    assert (slope - doubt > 1.0) is found


def soak(channel: grpc.Channel, calls: int, *, cancels: bool = True) -> None:
    """Calls that are answered, refused, unreadable and, if asked for, cancelled, in turn."""
    stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
    for k in range(calls):
        match k % 10:
            case 0:
                with pytest.raises(grpc.RpcError):
                    stub.Evaluate(der.EvaluateRequest(program=cubic()), timeout=30)
            case 1:
                channel.unary_unary("/gradproof.v1.DerivativeService/Check").future(
                    b"\xff" * 50
                ).exception()
            case 2 if cancels:
                running = stub.Evaluate.future(
                    der.EvaluateRequest(program=slow(), point=point(x=1.0))
                )
                running.cancel()
            case _:
                assert evaluate(channel, float(k)) == float(k) ** 3 + 2.0 * k


def test_a_worker_that_stands_still_costs_its_call_alone() -> None:
    """21: a stopped worker's call ends at its deadline, the worker is replaced, and others go on meanwhile."""
    with Service("workers.count=2") as service, service.channel() as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        stopped = service.workers()
        for worker in stopped:
            os.kill(worker, signal.SIGSTOP)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Evaluate(der.EvaluateRequest(program=cubic(), point=point(x=1.0)), timeout=1.0)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        answers = [evaluate(channel, float(k), timeout_s=60) for k in range(3)] if _free(service, stopped) else []  # fmt: skip
        assert answers == [0.0, 3.0, 12.0]


def _free(service: Service, stopped: list[int]) -> bool:
    """Wait until a worker came that was not stopped; wake the rest, as whoever stopped them would."""
    until(lambda: bool(set(service.workers()) - set(stopped)))
    for worker in set(stopped) & set(service.workers()):
        os.kill(worker, signal.SIGCONT)
    return True


def limited(limit: str, value: int) -> str:
    """Code that puts its process under a limit of the system."""
    return f"import resource; resource.setrlimit(resource.{limit}, ({value}, {value}))"


def test_running_out_of_descriptors_is_survived() -> None:
    """21: with 64 descriptors a crowd of connections is turned away or waits; afterwards the service answers as before."""
    with Service("workers.count=2", prelude=limited("RLIMIT_NOFILE", 64)) as service:
        host, _, port = service.address.rpartition(":")
        crowd = []
        for _ in range(120):
            one = socket.socket()
            one.settimeout(0.2)
            try:
                one.connect((host, int(port)))
            except OSError:
                one.close()
                continue
            crowd.append(one)
        for one in crowd:
            one.close()
        with service.channel() as channel:
            grpc.channel_ready_future(channel).result(30)
            assert evaluate(channel, 2.0) == 12.0
        assert service.stop()[0] == 0


def test_nothing_is_written_anywhere() -> None:
    """21: where every write fails (files of no bytes), a service starts, checks and stops as ever: it needs no disk."""
    with Service("workers.count=1", prelude=limited("RLIMIT_FSIZE", 0)) as service:
        with service.channel() as channel:
            stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
            assert stub.Check(der.CheckRequest(program=cubic(), point=point(x=1.0)), timeout=60).report.verdict  # fmt: skip
        assert service.stop()[0] == 0


def test_a_clock_that_jumps_moves_no_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """21: deadlines follow the clock that never jumps."""
    from gradproof_service.server.deadline import Deadline

    deadline = Deadline(60.0)
    real = time.time
    for jump in (-86_400.0, 86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert 59.0 < (deadline.remaining_s() or 0.0) <= 60.0
        deadline.tick()


def test_what_a_killed_service_leaves_is_cleared_away(tmp_path: Path) -> None:
    """14: the socket of a service that was killed does not stand in the way of the next one, and no shared memory is left."""
    address = f"unix:{tmp_path / 's.sock'}"
    with Service(address=address) as first:
        with first.channel() as channel:
            running = derivative_pb2_grpc.DerivativeServiceStub(channel).Evaluate.future(blas())
            assert not named_memory([first.pid, *first.workers()])
            first.process.kill()
            first.process.wait()
            assert running.exception(30) is not None
        assert (tmp_path / "s.sock").exists()
    with Service(address=address) as second, second.channel() as channel:
        assert evaluate(channel, 1.0) == 3.0
    assert not (tmp_path / "s.sock").exists()
