"""The pool: who waits, who is refused, who is replaced, and what a worker is given."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np
import pytest
from google.rpc import error_details_pb2
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import derivative_pb2_grpc
from gradproof_service.graph.limits import Limits
from gradproof_service.server.settings.configuration import Configuration, Workers
from gradproof_service.server.workers.size import available_cores
from grpc_status import rpc_status

from tests.service.abuse.harness import Service, alive, children, evaluate, until
from tests.service.server.harness import ServerThread, cubic, point, slow


def test_a_full_line_is_told_to_come_back() -> None:
    """Above the limit of waiting calls the answer is UNAVAILABLE with the time to wait and the limit's name."""
    configuration = Configuration(workers=Workers(count=1), limits=Limits(queue=2, seconds=30))
    with (
        ServerThread(configuration=configuration) as running,
        grpc.insecure_channel(running.address, options=[("grpc.enable_retries", 0)]) as channel,
    ):
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        held = [stub.Evaluate.future(der.EvaluateRequest(program=slow(), point=point(x=float(k)))) for k in range(3)]  # fmt: skip
        until(lambda: running.server.pool.waiting == 2)
        with pytest.raises(grpc.RpcError) as caught:
            evaluate(channel, 1.0)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        again, quota = error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
        unpacked = [d for d in rpc_status.from_call(caught.value).details if d.Unpack(again) or d.Unpack(quota)]  # fmt: skip
        assert len(unpacked) == 2
        assert again.retry_delay.ToTimedelta().total_seconds() == 0.5
        assert quota.violations[0].subject == "queue"
        for call in held:
            call.cancel()
        assert evaluate(channel, 1.0) == 3.0


def test_workers_are_replaced_after_their_tasks() -> None:
    """After so many tasks another process works, and no call is lost on the way."""
    configuration = Configuration(workers=Workers(count=1, recycle_tasks=3))
    with (
        ServerThread(configuration=configuration) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        first = set(running.server.pool.pids)
        assert [evaluate(channel, float(k)) for k in range(12)] == [
            k**3 + 2.0 * k for k in range(12)
        ]
        until(
            lambda: len(first & set(running.server.pool.pids)) <= 1
        )  # one may have had no task yet
        assert running.server.pool.deaths == 0


def test_a_worker_that_grew_is_replaced() -> None:
    """Above the ceiling of resident memory a process ends with its task."""
    configuration = Configuration(workers=Workers(count=1, recycle_bytes=1 << 20))
    with (
        ServerThread(configuration=configuration) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        first = set(running.server.pool.pids)
        assert [evaluate(channel, float(k)) for k in range(3)] == [0.0, 3.0, 12.0]
        until(lambda: len(first & set(running.server.pool.pids)) <= 1)


def test_memory_above_the_limit_is_a_refusal() -> None:
    """A worker that may not have the memory says so, and lives."""
    configuration = Configuration(workers=Workers(count=1), limits=Limits(worker_bytes=256 << 20))
    with (
        ServerThread(configuration=configuration) as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        before = running.server.pool.pids
        from tests.service.abuse.harness import blas

        with pytest.raises(grpc.RpcError) as caught:
            stub.Evaluate(blas(9000), timeout=60)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "memory" in caught.value.details()
        assert running.server.pool.pids == before
        assert evaluate(channel, 2.0) == 12.0


def test_large_requests_and_answers_pass_through_shared_memory() -> None:
    """Bodies of every size around the border come back as they went."""
    with (
        ServerThread() as running,
        grpc.insecure_channel(running.address) as channel,
    ):
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        for size in (1, 8_000, 8_180, 8_192, 8_200, 20_000, 400_000):
            x = np.arange(size, dtype=np.float64)
            answer = stub.Evaluate(
                der.EvaluateRequest(program=cubic(), point=point(x=x)), timeout=60
            )
            tensor = answer.outputs[0].tensor
            if tensor.WhichOneof("payload") == "data":
                assert np.array_equal(from_tensor(tensor), x * x * x + 2 * x)
            else:
                content = running.server.blobs.get(tensor.blob)
                assert np.array_equal(np.frombuffer(content), x * x * x + 2 * x)


def test_the_process_that_forks_may_die_too() -> None:
    """When the nursery and all its workers are killed, another one comes and calls are answered."""
    with Service("workers.count=2") as service, service.channel() as channel:
        assert evaluate(channel, 1.0) == 3.0
        (nursery,) = children(service.pid)
        for process in (nursery, *service.workers()):
            os.kill(process, signal.SIGKILL)
        assert evaluate(channel, 2.0) == 12.0
        until(lambda: len(service.workers()) == 3)
        assert not alive(nursery)


def test_calls_of_one_document_go_to_one_worker(caplog: pytest.LogCaptureFixture) -> None:
    """`affinity` keeps a document at its worker while that lives, and moves it when it does not."""
    import asyncio

    from gradproof_service.server.blobs import BlobStore
    from gradproof_service.server.compute import STORY, Story, WorkerCompute
    from gradproof_service.server.deadline import Deadline
    from gradproof_service.server.workers.nursery import Nursery
    from gradproof_service.server.workers.pool import Pool

    async def main() -> None:
        nursery = Nursery(Limits(), 1)
        nursery.start()
        pool = Pool(nursery, 2, Limits(), Workers())
        await pool.start()
        compute = WorkerCompute(pool, BlobStore())
        request = der.EvaluateRequest(program=cubic(), point=point(x=2.0)).SerializeToString()

        async def ask(document: str) -> int:
            story = Story()
            STORY.set(story)
            await compute.call("evaluate", request, Deadline(30), affinity=document)
            return story.worker

        homes = {d: await asyncio.create_task(ask(d)) for d in "ab"}
        for _ in range(5):
            pairs = await asyncio.gather(*(asyncio.create_task(ask(d)) for d in "ab"))
            assert len(set(pairs)) == 2 or homes["a"] == homes["b"]
            homes = dict(zip("ab", pairs, strict=True))
        settled = homes["a"]
        assert [await asyncio.create_task(ask("a")) for _ in range(4)] == [settled] * 4
        os.kill(settled, signal.SIGKILL)
        moved = await asyncio.create_task(ask("a"))
        assert moved != settled
        await pool.close()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1), ("x", None)],
)
def test_a_containers_quota_counts(
    text: str, cores: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Half a processor is one worker, one and a half are two; without a quota the machine decides."""
    file = tmp_path_factory.mktemp("cgroup") / "cpu.max"
    file.write_text(text)
    machine = len(os.sched_getaffinity(0))
    assert available_cores(file) == (machine if cores is None else min(cores, machine))


def test_many_callers_share_the_workers() -> None:
    """Sixteen at once on two workers: each reads its own answer."""
    with (
        ServerThread(configuration=Configuration(workers=Workers(count=2))) as running,
        grpc.insecure_channel(running.address) as channel,
        ThreadPoolExecutor(16) as pool,
    ):
        answers = list(pool.map(lambda k: evaluate(channel, float(k)), range(200)))
    assert answers == [k**3 + 2.0 * k for k in range(200)]
