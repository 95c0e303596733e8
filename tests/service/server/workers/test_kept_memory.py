"""Freed memory that a process keeps: enough that the next arrays cost no new pages, and never more than was agreed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from gradproof_service.server.main import KEPT_BYTES as IN_FRONT
from gradproof_service.server.workers.nursery_process import KEPT_BYTES as IN_WORKERS

SCRIPT = """
import json, resource, sys
import numpy as np
from gradproof_service.server.workers.worker import statm
from gradproof_service.transforms.plans.memory import keep_freed_memory

assert keep_freed_memory(int(sys.argv[1]))

def work(arrays):
    # eight MiB each: the C library by itself gives such arrays back to the system
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [np.ones(1 << 20) for _ in range(arrays)]
    most = statm(1)
    del held
    return most, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

start = statm(1)
much, _ = work(60)
rest = statm(1)
work(3)
print(json.dumps({"start": start, "much": much, "rest": rest, "faults": work(3)[1]}))
"""


@pytest.mark.parametrize("most", [64 << 20, IN_WORKERS])
def test_what_is_kept_is_bounded_and_used_again(most: int) -> None:
    """After 480 MiB at once no more than `most` stays; arrays that fit into it take no new page."""
    command = [sys.executable, "-c", SCRIPT, str(most)]
    told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert told["much"] - told["start"] > 470 << 20
    assert told["rest"] - told["start"] < most + (16 << 20)
    assert told["faults"] < 100  # new pages would be six thousand


def test_less_is_kept_than_a_worker_may_grow_to() -> None:
    """What is kept does not wear a worker out: it is far below the ceiling at which one is replaced."""
    from gradproof_service.server.settings.configuration import Workers

    assert Workers().recycle_bytes >= 4 * IN_WORKERS
    assert IN_FRONT <= IN_WORKERS
