"""What the service costs beside the bare transport, in one run: `python -m tests.bench.service [--seconds 5]`.

Small calls against an echo of the same bytes, a large upload against a stream that is only counted, the time until a cancelled
call's processor is free, and calls while workers are killed. Turns are interleaved, so that a busy machine is busy for both.
"""

# ruff: noqa: T201  (it prints what it measures)

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import grpc
import numpy as np
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_service.server.application import Application

from tests.service.abuse.harness import Service, alive, blas, evaluate
from tests.service.server.harness import cubic, point, slow

OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
UPLOAD = 64 << 20
CHUNK = 1 << 20


def floor(address: str) -> None:
    """A server that echoes bytes and counts streams, and nothing else."""

    async def echo(request: bytes, context: object) -> bytes:
        return request

    async def count(requests: object, context: object) -> bytes:
        total = 0
        async for part in requests:  # type: ignore[attr-defined]
            total += len(part)
        return str(total).encode()

    async def main() -> None:
        server = grpc.aio.server(options=OPTIONS)
        methods = {
            "Echo": grpc.unary_unary_rpc_method_handler(echo),
            "Count": grpc.stream_unary_rpc_method_handler(count),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("floor", methods),))
        server.add_insecure_port(address)
        await server.start()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop(0)

    asyncio.run(main())


def turns(works: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Times in ms of each kind of work, taken in turn."""
    for work in works.values():
        for _ in range(20):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, taken.values())) < 5:
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            taken[name].append((time.perf_counter() - begun) * 1e3)
    return taken


def share(times: list[float], part: float) -> float:
    """The time that this part of them stays below."""
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def small_calls(service: grpc.Channel, bare: grpc.Channel, seconds: float) -> None:
    """A small evaluation and a small check against an echo of the same bytes."""
    application = Application()
    for name, request, handler in (
        (
            "Evaluate",
            der.EvaluateRequest(program=cubic(), point=point(x=2.0)),
            application.evaluate,
        ),
        ("Check", der.CheckRequest(program=cubic(), point=point(x=2.0)), application.check),
    ):
        content = request.SerializeToString()
        kind = type(request)
        call = service.unary_unary(f"/gradproof.v1.DerivativeService/{name}")
        echo = bare.unary_unary("/floor/Echo")
        taken = turns(
            {
                "call": lambda call=call, content=content: call(content),
                "echo": lambda echo=echo, content=content: echo(content),
                "compute": lambda kind=kind, content=content, handler=handler: handler(kind.FromString(content)).SerializeToString(),
            },
            seconds,
        )  # fmt: skip
        half = {key: median(times) for key, times in taken.items()}
        good = {key: share(times, 0.1) for key, times in taken.items()}
        transport, calm = half["call"] - half["compute"], good["call"] - good["compute"]
        print(
            f"small {name}, {len(content)} bytes: {half['call']:.3f} ms (p99 {share(taken['call'], 0.99):.2f}), "
            f"echo {half['echo']:.3f}, compute {half['compute']:.3f}: "
            f"(call - compute) / echo = {transport / half['echo']:.2f}, "
            f"in the best tenth {calm / good['echo']:.2f} (aim 2)"
        )


def upload(service: grpc.Channel, bare: grpc.Channel, seconds: float) -> None:
    """64 MiB as a blob against the same chunks that are only counted."""
    count = bare.stream_unary("/floor/Count")
    blobs = blob_pb2_grpc.BlobServiceStub(service)
    bodies = iter([os.urandom(UPLOAD) for _ in range(12)] * 50)
    salt = iter(range(10_000))

    def put() -> None:
        body = next(salt).to_bytes(8, "big") + next(bodies)[8:]
        digest = digests[body[8:16]] = hashlib.sha256(body).digest()
        begun = time.perf_counter()
        view = memoryview(body)

        def parts() -> Iterator[blob_pb2.PutBlobRequest]:
            yield blob_pb2.PutBlobRequest(
                header=blob_pb2.BlobHeader(sha256=digest, size_bytes=UPLOAD)
            )
            for start in range(0, UPLOAD, CHUNK):
                yield blob_pb2.PutBlobRequest(chunk=bytes(view[start : start + CHUNK]))

        blobs.PutBlob(parts())
        taken["put"].append((time.perf_counter() - begun) * 1e3)

    def counted() -> None:
        view = memoryview(next(bodies))
        begun = time.perf_counter()
        assert int(count(bytes(view[s : s + CHUNK]) for s in range(0, UPLOAD, CHUNK))) == UPLOAD
        taken["count"].append((time.perf_counter() - begun) * 1e3)

    digests: dict[bytes, bytes] = {}
    taken: dict[str, list[float]] = {"put": [], "count": []}
    put(), counted()
    taken["put"].clear(), taken["count"].clear()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken["put"]) < 6:
        put()
        counted()
    best = {key: min(times) for key, times in taken.items()}
    print(
        f"upload of 64 MiB: {median(taken['put']):.0f} ms (best {best['put']:.0f}), counted "
        f"{median(taken['count']):.0f} (best {best['count']:.0f}): ratio of the medians "
        f"{median(taken['put']) / median(taken['count']):.2f}, of the best {best['put'] / best['count']:.2f} (aim 1.3)"
    )


def sleeping(pid: int) -> bool:
    """Whether the process waits, or is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "R"
    except OSError:
        return True


def cancels(service: Service, trials: int) -> None:
    """From a cancel to the processor's being free: the worker is gone, or waits for its next task."""
    works = {
        "between nodes": lambda: der.EvaluateRequest(program=slow(), point=point(x=1.0)),
        "inside a product": lambda: blas(3000),
    }
    with service.channel() as channel:
        stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
        for name, make in works.items():
            request, taken = make(), []
            for _ in range(trials):
                running = stub.Evaluate.future(request)
                time.sleep(0.15)
                busy = [w for w in service.workers() if not sleeping(w)]
                begun = time.perf_counter()
                running.cancel()
                while any(alive(w) and not sleeping(w) for w in busy):
                    time.sleep(0.0005)
                taken.append((time.perf_counter() - begun) * 1e3)
                evaluate(channel, 1.0)
            print(
                f"cancel {name}: processor free after p50 {median(taken):.1f} ms, "
                f"p99 {share(taken, 0.99):.1f}, most {max(taken):.1f} (aim 100)"
            )


def storm(service: Service, seconds: float) -> None:
    """Eight clients while a random worker is killed every 100 ms, after the same without."""
    request = der.EvaluateRequest(program=cubic(), point=point(x=np.linspace(0.5, 2, 50_000)))
    for killing in (False, True):
        taken: list[float] = []
        lost: list[str] = []
        kills = 0
        end = time.perf_counter() + seconds
        with service.channel() as channel:
            stub = derivative_pb2_grpc.DerivativeServiceStub(channel)
            expected = stub.Evaluate(request).SerializeToString()

            def ask(stub=stub, expected=expected, end=end, taken=taken, lost=lost) -> None:  # type: ignore[no-untyped-def]
                while time.perf_counter() < end:
                    begun = time.perf_counter()
                    try:
                        if stub.Evaluate(request).SerializeToString() != expected:
                            lost.append("wrong")
                    except grpc.RpcError as error:
                        lost.append(f"{error.code()}")
                    taken.append((time.perf_counter() - begun) * 1e3)

            clients = [threading.Thread(target=ask) for _ in range(8)]
            for client in clients:
                client.start()
            while killing and time.perf_counter() < end:
                workers = service.workers()
                if workers:
                    os.kill(random.choice(workers), signal.SIGKILL)
                    kills += 1
                time.sleep(0.1)
            for client in clients:
                client.join()
        print(
            f"{'kill storm' if killing else 'calm'}: {len(taken)} calls, {kills} kills, {len(lost)} lost or wrong "
            f"{sorted(set(lost)) or ''}, p50 {median(taken):.1f} ms, p99 {share(taken, 0.99):.1f}, most {max(taken):.1f}"
        )


def main() -> None:
    """Measure all, or run the floor's server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--floor", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--trials", type=int, default=60)
    asked = parser.parse_args()
    if asked.floor:
        floor(asked.floor)
        return
    with tempfile.TemporaryDirectory() as folder:
        address = f"unix:{folder}/floor.sock"
        bare = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.service", "--floor", address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert bare.stdout is not None
        bare.stdout.readline()
        with (
            Service("workers.count=2", address=f"unix:{folder}/service.sock") as service,
            grpc.insecure_channel(service.address, options=OPTIONS) as to_service,
            grpc.insecure_channel(address, options=OPTIONS) as to_floor,
        ):
            small_calls(to_service, to_floor, asked.seconds)
            upload(to_service, to_floor, asked.seconds)
            cancels(service, asked.trials)
            storm(service, asked.seconds)
        bare.communicate("")


if __name__ == "__main__":
    main()
