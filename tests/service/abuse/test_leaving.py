"""Callers and servers that leave in the middle of work: abuses 13 and 14."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import numpy as np
import pytest
from gradproof._channel import OPTIONS
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc

from tests.service.abuse.attacks import slowest
from tests.service.abuse.harness import (
    Service,
    alive,
    blas,
    children,
    computes,
    cpu_s,
    dying_s,
    evaluate,
    named_memory,
    until,
)
from tests.service.server.harness import point, slow

WORK = {"between nodes": lambda: der.EvaluateRequest(program=slow(), point=point(x=1.0)), "inside a product": blas}  # fmt: skip


@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("how", ["cancel", "deadline", "disconnect"])
def test_who_leaves_frees_the_processor(work: str, how: str) -> None:
    """13: after a cancel, a deadline or a lost connection the workers stand still, also inside the library; none is left over."""
    request = WORK[work]()
    with Service("workers.count=2") as service:
        channel = service.channel()
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        running = stub.Evaluate.future(request, timeout=0.4 if how == "deadline" else 60)
        busy = cpu_s(service.workers())
        until(lambda: cpu_s(service.workers()) > busy + 0.1 or running.done())
        if how == "deadline":
            assert running.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        elif how == "cancel":
            running.cancel()
        channel.close()
        until(lambda: standing_still(service))
        with service.channel() as other:
            assert evaluate(other, 2.0) == 12.0
        until(lambda: len(service.workers()) == 3)


@pytest.mark.parametrize("work", WORK)
def test_the_processor_is_free_within_a_tenth_of_a_second(work: str) -> None:
    """13: from a cancel until its worker computes no more: below 100 ms, or three times what a small call takes here.

    Measured again, up to three times: a busy machine makes one figure noisy.
    """
    with Service("workers.count=1") as service, service.channel() as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        for _ in range(3):
            freed: list[float] = []
            calls: list[float] = []
            for _ in range(25):
                freed.append(freed_s(service, stub, WORK[work]()))
                calls.append(slowest(lambda: evaluate(channel, 2.0), 4))
            if max(freed) < max(0.1, 3 * max(calls)):
                return
    raise AssertionError(f"{max(freed)} s, {max(calls)} s for a call")


def freed_s(
    service: Service, stub: derivative_pb2_grpc.DerivativeServiceStub, request: der.EvaluateRequest
) -> float:
    """Seconds from a cancel in the middle of the work until nothing computes."""
    before = {worker: cpu_s([worker]) for worker in service.workers()}
    running = stub.Evaluate.future(request, timeout=60)

    def busy() -> list[int]:
        return [w for w in service.workers() if cpu_s([w]) > before.get(w, 0.0) + 0.02]

    until(lambda: bool(busy()))
    (worker,) = busy()
    running.cancel()
    freed = until(lambda: not computes(worker))
    until(lambda: len(service.workers()) == 2)
    return freed


def standing_still(service: Service) -> bool:
    """Whether no worker has used the processor for a while."""
    workers = service.workers()
    before = cpu_s(workers)
    time.sleep(0.05)
    return cpu_s(workers) <= before and service.workers() == workers


def test_no_descriptor_and_no_file_is_left() -> None:
    """13: forty calls given up leave the server as many descriptors as before, and nothing in shared memory."""
    with Service("workers.count=2") as service, service.channel() as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        large = der.EvaluateRequest(program=slow(), point=point(x=np.ones(100_000)))
        assert evaluate(channel, 1.0) == 3.0
        opened = len(list(Path(f"/proc/{service.pid}/fd").iterdir()))
        for _ in range(40):
            running = stub.Evaluate.future(large, timeout=60)
            time.sleep(0.01)
            running.cancel()
        assert evaluate(channel, 1.0) == 3.0
        until(lambda: len(service.workers()) == 3)
        until(lambda: len(list(Path(f"/proc/{service.pid}/fd").iterdir())) <= opened + 2)
        assert not named_memory([service.pid, *service.workers()])


@pytest.mark.parametrize("work", WORK)
def test_no_worker_outlives_its_server(work: str) -> None:
    """14: after SIGKILL of the server its workers end by themselves, also inside the library.

    Within 100 ms, or ten times what ending any process takes here; one of three times, for a busy machine.
    """
    assert any(outlives_briefly(work) for _ in range(3))


def outlives_briefly(work: str) -> bool:
    """Kill a server whose worker computes; whether all its processes ended in time. They end in any case."""
    with Service("workers.count=2") as service, service.channel() as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        running = stub.Evaluate.future(WORK[work](), timeout=60)
        workers = service.workers()
        before = cpu_s(workers)
        until(lambda: cpu_s(workers) > before + 0.1 or running.done())
        family = [*workers, *children(service.pid)]
        floor = max(dying_s() for _ in range(3))
        service.process.kill()
        outlived = until(lambda: not any(map(alive, family)), 5.0)
        return outlived < max(0.1, 10 * floor)


def test_a_stop_under_load_loses_no_call(tmp_path: Path) -> None:
    """14: SIGTERM, then SIGKILL, under load: callers with the client's retries that wait for it to come back lose nothing."""
    address = f"unix:{tmp_path / 's.sock'}"
    told: Counter[str] = Counter()
    stop = threading.Event()
    service = Service(address=address)
    with grpc.insecure_channel(address, options=OPTIONS) as channel:

        def ask() -> None:
            while not stop.is_set():
                try:
                    told[
                        "right" if evaluate(channel, 3.0, 60, patient=True) == 33.0 else "wrong"
                    ] += 1
                except grpc.RpcError as error:
                    told[f"lost: {error.code()} {error.details()}"] += 1

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                for number in (signal.SIGTERM, signal.SIGKILL):
                    time.sleep(0.5)
                    service.stop(number)
                    service = Service(address=address)
                time.sleep(0.5)
            finally:
                stop.set()
            for one in asking:
                one.result()
        code, words = service.stop()
    assert code == 0, words
    assert set(told) == {"right"}
