"""Two services behind one client: either may die at any time (14, beyond one machine)."""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
from gradproof._channel import OPTIONS

from tests.service.abuse.harness import Service, cpu_s, evaluate, until


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def test_a_replica_that_is_killed_costs_no_call() -> None:
    """14: round robin over two services, one killed after the other: the client's own retries lose nothing, and both work again."""
    ports = free_ports(2)
    replicas = [Service("workers.count=1", address=f"127.0.0.1:{port}") for port in ports]
    told: Counter[str] = Counter()
    stop = threading.Event()
    both = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    with contextlib.ExitStack() as closing, grpc.insecure_channel(both, options=OPTIONS) as channel:
        closing.callback(lambda: [replica.__exit__() for replica in replicas])
        grpc.channel_ready_future(channel).result(30)

        def ask() -> None:
            while not stop.is_set():
                try:
                    told["right" if evaluate(channel, 3.0, 60) == 33.0 else "wrong"] += 1
                except grpc.RpcError as error:
                    told[f"lost: {error.code()} {error.details()}"] += 1

        with ThreadPoolExecutor(4) as pool:
            asking = [pool.submit(ask) for _ in range(4)]
            try:
                for k in range(2):
                    time.sleep(0.3)
                    replicas[k].stop(signal.SIGKILL)
                    time.sleep(0.3)
                    replicas[k] = Service("workers.count=1", address=f"127.0.0.1:{ports[k]}")
                    with grpc.insecure_channel(replicas[k].address) as alone:
                        assert evaluate(alone, 2.0) == 12.0
                    _used(replicas[k])
            finally:
                stop.set()
            for one in asking:
                one.result()
    assert set(told) == {"right"}


def _used(replica: Service) -> None:
    """Wait until the client has found the replica again: its own calls reach it."""
    before = cpu_s(replica.workers())
    until(lambda: cpu_s(replica.workers()) > before + 0.02)
