"""A client whose streams are cut while it writes to them lives on.

With its own retry of such a stream on, gRPC 1.85.1 ends one process of three in these turns ("promise_based_filter.cc: ILLEGAL
STATE: FORWARDED_BATCH"); so the channel's options turn that off.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import queue, random, sys, threading
from concurrent import futures
import grpc
from gradproof._channel import OPTIONS
from tests.client.proxy import Proxy

def echo(requests, context):
    yield from requests

server = grpc.server(futures.ThreadPoolExecutor(8))
service, method = sys.argv[1:]
handler = grpc.stream_stream_rpc_method_handler(echo)
server.add_generic_rpc_handlers(
    (grpc.method_handlers_generic_handler(service, {method: handler}),)
)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
draw = random.Random(0)
with Proxy(f"127.0.0.1:{port}") as proxy, grpc.insecure_channel(proxy.address, options=OPTIONS) as channel:
    open_stream = channel.stream_stream(f"/{service}/{method}")

    def read(call):
        try:
            for _ in call:
                pass
        except grpc.RpcError:
            pass

    for turn in range(150):
        said = queue.SimpleQueue()
        call = open_stream(iter(said.get, None))
        reader = threading.Thread(target=read, args=(call,))
        reader.start()
        for size in draw.choices([1, 100, 10_000, 200_000], k=draw.randint(0, 20)):
            said.put(bytes(size))
        proxy.cut()
        for size in draw.choices([1, 10_000], k=draw.randint(0, 5)):
            said.put(bytes(size))
        said.put(None)
        if turn % 3:
            call.cancel()
        reader.join()
server.stop(None).wait()
print("alive")
"""


@pytest.mark.parametrize(
    ("service", "method"),
    [("gradproof.v1.SessionService", "Open"), ("gradproof.v1.DerivativeService", "Probe")],
)
def test_a_client_lives_through_streams_that_are_cut(service: str, method: str) -> None:
    """One hundred and fifty streams, each cut in the middle of what the client says."""
    ran = subprocess.run(
        [sys.executable, "-c", CODE, service, method],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stdout) == (0, "alive\n"), ran.stderr[-2000:]
