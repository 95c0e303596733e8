"""A machine that does not give what a service needs: abuses 15 and 21, and what is left for the next start (14)."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import grpc
import pytest
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc

from tests.service.abuse.harness import Service, blas, evaluate, named_memory, resident_mb, until
from tests.service.server.harness import cubic, point, slow


def test_memory_stays_flat() -> None:
    """15: after a warm-up a thousand calls of every fate leave the server no larger by more than a little."""
    with Service("workers.count=2") as service, service.channel() as channel:
        soak(channel, 300)
        before = resident_mb(service.pid)
        soak(channel, 1000)
        assert resident_mb(service.pid) - before < 8.0


@pytest.mark.long
@pytest.mark.timeout(4000)
def test_memory_stays_flat_for_an_hour() -> None:
    """15, long: below 1 MB an hour after the warm-up (`pytest -m long -k flat_for_an_hour`)."""
    with Service("workers.count=2") as service, service.channel() as channel:
        soak(channel, 20_000)
        before, end = resident_mb(service.pid), time.monotonic() + 3600
        while time.monotonic() < end:
            soak(channel, 1000)
        assert resident_mb(service.pid) - before < 1.0


def soak(channel: grpc.Channel, calls: int) -> None:
    """Calls that are answered, refused, cancelled and unreadable, in turn."""
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
            case 2 if k % 100 == 2:
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


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.{limit}, ({soft}, {hard}))
sys.argv = ["gradproof", "serve", *{arguments!r}]
runpy.run_module("gradproof", run_name="__main__")
"""


def limited(limit: str, value: int, *arguments: str) -> subprocess.Popen[str]:
    """A service under a limit of the system."""
    code = LIMITED.format(limit=limit, soft=value, hard=value, arguments=arguments)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_running_out_of_descriptors_is_survived() -> None:
    """21: with 64 descriptors a crowd of connections is turned away or waits; afterwards the service answers as before."""
    process = limited("RLIMIT_NOFILE", 64, "127.0.0.1:0", "--workers", "2")
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[4]
        host, _, port = address.rpartition(":")
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
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(30)
            assert evaluate(channel, 2.0) == 12.0
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


def test_nothing_is_written_anywhere(tmp_path: Path) -> None:
    """21: where every write fails (files of no bytes), a service starts, checks and stops as ever: it needs no disk."""
    assert resource.RLIM_INFINITY == -1
    process = limited("RLIMIT_FSIZE", 0, "127.0.0.1:0", "--workers", "1")
    assert process.stdout is not None
    try:
        address = process.stdout.readline().split()[4]
        with grpc.insecure_channel(address) as channel:
            stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
            assert stub.Check(der.CheckRequest(program=cubic(), point=point(x=1.0)), timeout=60).report.verdict  # fmt: skip
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()


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
