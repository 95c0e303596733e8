"""Memory that processes share: a view keeps it, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gradproof._remote import RemoteTransport
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_service.server.shared import SharedBytes

from tests.service.abuse.harness import Service, children, until
from tests.service.server.harness import cubic, point


def held(pid: int | str = "self") -> tuple[int, int]:
    """Descriptors and mappings of shared memory that a process has."""
    descriptors = [path for path in Path(f"/proc/{pid}/fd").iterdir() if "memfd:gradproof" in str(_target(path))]  # fmt: skip
    maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return len(descriptors), sum("memfd:gradproof" in line for line in maps)


def _target(path: Path) -> Path | None:
    try:
        return path.readlink()
    except OSError:
        return None


def test_a_view_outlives_the_memory_it_was_taken_from() -> None:
    """An array over a part of it reads the same bytes after it was let go, and the memory goes with the array."""
    before = held()
    content = np.arange(10_000.0).tobytes()
    shared = SharedBytes.of(content)
    array = np.frombuffer(shared.view[80:], np.float64)
    shared.close()
    shared.close()
    assert array.tobytes() == content[80:]
    assert held()[1] == before[1] + 1
    del array, shared
    assert held() == before


def test_workers_read_blobs_where_they_lie_and_let_them_go() -> None:
    """Large inputs give the right numbers again and again, and afterwards no worker holds any of their memory."""
    rng = np.random.default_rng(0)
    with Service("workers.count=1") as service:
        transport = RemoteTransport(service.address)
        for _ in range(3):
            x = rng.random(700_000)  # above what one message takes
            request = der.EvaluateRequest(program=cubic(), point=point(x=x))
            answer = transport.evaluate(request)
            assert np.array_equal(from_tensor(answer.outputs[0].tensor), x * x * x + 2 * x)
        workers = [w for nursery in children(service.pid) for w in children(nursery)]
        until(lambda: all(held(worker) == (0, 0) for worker in workers))
        transport.close()
