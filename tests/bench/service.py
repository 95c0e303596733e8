"""What the service costs beside the bare transport, in one run: `python -m tests.bench.service [--seconds 5]`.

Small calls against an echo of the same bytes, a large upload against a stream that is only counted, the time until a cancelled
call's processor is free, and calls while workers are killed. Turns are interleaved, so that a busy machine is busy for both.
"""

# ruff: noqa: T201  (it prints what it measures)

from __future__ import annotations

import argparse
import asyncio
import hashlib
import itertools
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
from typing import Any

import grpc
import numpy as np
from gradproof._blobs import Blobs
from gradproof_proto.v1 import blob_pb2, blob_pb2_grpc, derivative_pb2_grpc
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_service.server.application import Application

from tests.service.abuse.harness import Service, alive, blas, evaluate
from tests.service.server.harness import cubic, point, slow

OPTIONS = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
UPLOAD = 64 << 20
CHUNK = 1 << 20
REST_S = 0.05
"""Between uploads, so that what the service does after one is not in the time of the next, nor of the floor."""


def floor(address: str) -> None:
    """A server that echoes bytes and counts streams, and, to be asked apart, computes and says how long that took in ms."""
    application = Application()

    def timed(kind: type, handler: Callable[..., Any]) -> Any:
        async def compute(request: bytes, context: object) -> bytes:
            begun = time.perf_counter()
            handler(kind.FromString(request)).SerializeToString()  # type: ignore[attr-defined]
            return str((time.perf_counter() - begun) * 1e3).encode()

        return grpc.unary_unary_rpc_method_handler(compute)

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
            "Evaluate": timed(der.EvaluateRequest, application.evaluate),
            "Check": timed(der.CheckRequest, application.check),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("floor", methods),))
        server.add_insecure_port(address)
        await server.start()
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        await server.stop(0)

    asyncio.run(main())


def turns(works: dict[str, Callable[[], object]], seconds: float) -> dict[str, list[float]]:
    """Times in ms of each kind of work, by our clock or as it says itself, in an order that is drawn anew for each turn."""
    draw, order = random.Random(0), list(works)
    for work in works.values():
        for _ in range(20):
            work()
    taken: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or min(map(len, taken.values())) < 5:
        draw.shuffle(order)
        for name in order:
            begun = time.perf_counter()
            said = works[name]()
            ms = (time.perf_counter() - begun) * 1e3
            taken[name].append(said if isinstance(said, float) else ms)
    return taken


def share(times: list[float], part: float) -> float:
    """The time that this part of them stays below."""
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def small_calls(service: grpc.Channel, bare: grpc.Channel, seconds: float) -> None:
    """A small evaluation and a small check against an echo of the same bytes; the compute is that of a process like a worker."""
    for name, kind in (("Evaluate", der.EvaluateRequest), ("Check", der.CheckRequest)):
        content = kind(program=cubic(), point=point(x=2.0)).SerializeToString()
        call = service.unary_unary(f"/gradproof.v1.DerivativeService/{name}")
        echo, compute = bare.unary_unary("/floor/Echo"), bare.unary_unary(f"/floor/{name}")
        taken = turns(
            {
                "call": lambda call=call, content=content: call(content),
                "echo": lambda echo=echo, content=content: echo(content),
                "bare": lambda compute=compute, content=content: compute(content),
                "compute": lambda compute=compute, content=content: float(compute(content)),
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
            f"in the best tenth {calm / good['echo']:.2f} (aim 2); a bare server that computes the same "
            f"{half['bare']:.3f} ms: call / bare = {half['call'] / half['bare']:.2f}"
        )


def in_flight(service: grpc.Channel, bare: grpc.Channel, seconds: float) -> None:
    """Small evaluations and echoes by so many callers at once; the p99 of a few seconds."""
    content = der.EvaluateRequest(program=cubic(), point=point(x=2.0)).SerializeToString()
    for callers in (1, 8, 16):
        told = []
        for name, call in (
            ("echo", bare.unary_unary("/floor/Echo")),
            ("Evaluate", service.unary_unary("/gradproof.v1.DerivativeService/Evaluate")),
        ):
            taken: list[float] = []
            end = time.perf_counter() + seconds / 2

            def ask(call=call, taken=taken, end=end) -> None:  # type: ignore[no-untyped-def]
                while (begun := time.perf_counter()) < end:
                    call(content)
                    taken.append((time.perf_counter() - begun) * 1e3)

            clients = [threading.Thread(target=ask) for _ in range(callers)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            told.append(
                f"{name} p50 {median(taken):.2f} ms, p99 {share(taken, 0.99):.2f}, "
                f"{len(taken) / seconds * 2:.0f}/s"
            )
        print(f"{callers} in flight: {'; '.join(told)}")


def upload(service: grpc.Channel, bare: grpc.Channel, seconds: float) -> None:
    """64 MiB as a blob, by generated code and as the client sends it, against the same chunks that are only counted."""
    count = bare.stream_unary("/floor/Count")
    stub = blob_pb2_grpc.BlobServiceStub(service)
    ours = Blobs(service, lambda work: work())
    bodies = [os.urandom(UPLOAD) for _ in range(4)]
    salt = itertools.count()

    def fresh() -> tuple[bytes, bytes]:
        number = next(salt)
        body = number.to_bytes(8, "big") + bodies[number % len(bodies)][8:]
        return hashlib.sha256(body).digest(), body

    def parts(digest: bytes, body: bytes) -> Iterator[blob_pb2.PutBlobRequest]:
        header = blob_pb2.BlobHeader(sha256=digest, size_bytes=UPLOAD)
        yield blob_pb2.PutBlobRequest(header=header)
        for start in range(0, UPLOAD, CHUNK):
            yield blob_pb2.PutBlobRequest(chunk=body[start : start + CHUNK])

    def counted(digest: bytes, body: bytes) -> None:
        view = memoryview(body)
        assert int(count(bytes(view[s : s + CHUNK]) for s in range(0, UPLOAD, CHUNK))) == UPLOAD

    roads = {
        "counted": counted,
        "generated code": lambda digest, body: stub.PutBlob(parts(digest, body)),
        "the client": lambda digest, body: ours.put_missing({digest: body}),
    }
    taken: dict[str, list[float]] = {name: [] for name in roads}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken["counted"]) < 7:
        for name, road in roads.items():
            digest, body = fresh()
            time.sleep(REST_S)
            begun = time.perf_counter()
            road(digest, body)
            taken[name].append((time.perf_counter() - begun) * 1e3)
    floor_ms = taken.pop("counted")[1:]  # the first of each finds nothing ready
    print(f"64 MiB counted: {median(floor_ms):.0f} ms (best {min(floor_ms):.0f})")
    for name, (first, *later) in taken.items():
        print(
            f"64 MiB put by {name}: {median(later):.0f} ms (best {min(later):.0f}, the first {first:.0f}): ratio of the "
            f"medians {median(later) / median(floor_ms):.2f}, of the best {min(later) / min(floor_ms):.2f} (aim 1.3)"
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
            in_flight(to_service, to_floor, asked.seconds)
            upload(to_service, to_floor, asked.seconds)
            cancels(service, asked.trials)
            storm(service, asked.seconds)
        bare.communicate("")


if __name__ == "__main__":
    main()
