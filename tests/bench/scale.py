"""What a node costs from bytes to gradient, in functions of a thousand to a million nodes: `python -m tests.bench.scale [NODES ...]`.

Prints, for each step, microseconds of processor time per node and bytes per node of what the step leaves behind, and the peak of
memory. Linear growth is columns of equal numbers; the sizes run one after the other in processes of their own, so that
one does not warm up the next, with the collector set as in the service's workers.
"""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import gc
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from gradproof_proto.tables import Location
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.server.workers.nursery_process import COLLECTED
from gradproof_service.transforms.evaluate import evaluate, plan
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp
from gradproof_service.wire.decode import decode_program

SIZES = (1_000, 10_000, 100_000, 1_000_000)
OPS = ("sin", "tanh", "multiply", "add", "square", "subtract")
STEPS = (
    "read",
    "type",
    "evaluate",
    "again",
    "reverse",
    "plan",
    "gradient",
    "again.",
    "forward",
    "jvp",
)


def program(nodes: int) -> pb.Program:
    """A chain of six ops in turn over one number, with a line of source for each hundredth node."""
    writer = ProgramWriter("bench")
    f = writer.function("chain")
    before = now = f.input("x")
    for k in range(nodes):
        op = OPS[k % len(OPS)]
        operands = [now, before] if op in ("multiply", "add", "subtract") else [now]
        before = now if k % 3 else before
        now = f.node(f"gp.{op}", operands, loc=writer.location(Location("m.py", k // 100 + 1)))
    f.output(now, "y")
    return writer.finish(f)


def measure(nodes: int) -> dict[str, tuple[float, int]]:
    """Seconds of each step for a function of so many nodes, and the bytes by which the process grew."""
    found: dict[str, tuple[float, int]] = {}

    @contextmanager
    def timed(step: str) -> Generator[None]:
        held, begun = resident(), time.process_time()
        yield
        found[step] = time.process_time() - begun, resident() - held

    content = program(nodes).SerializeToString()
    limits = Limits(nodes=max(nodes, 1))
    x, one = np.array(0.3), np.array(1.0)
    with timed("read"):
        read = decode_program(pb.Program.FromString(content), limits=limits)
    with timed("type"):
        graph, findings = type_program(read, bind(read.main.inputs, {"x": x}), limits)
    assert graph is not None, findings
    for step in ("evaluate", "again"):
        with timed(step):
            evaluate(graph, [x])
    with timed("reverse"):
        pulled = vjp(graph, (0,), (0,))
    with timed("plan"):
        plan(pulled, (False, False))
    for step in ("gradient", "again."):
        with timed(step):
            back = evaluate(pulled, [x, one])[1]
    with timed("forward"):
        pushed = jvp(graph, (0,))
    with timed("jvp"):
        forth = evaluate(pushed, [x, one])[1]
    assert np.allclose(forth, back, rtol=1e-9)
    return found


def resident() -> int:
    """Bytes of memory that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def row(nodes: int) -> str:
    """Two lines of the table."""
    gc.set_threshold(*COLLECTED)
    found = measure(nodes)
    seconds = sum(s for s, _ in found.values())
    times = "".join(f"{1e6 * found[step][0] / nodes:>10.2f}" for step in STEPS)
    sizes = "".join(f"{found[step][1] / nodes:>10.0f}" for step in STEPS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{nodes:>9}  us{times}{seconds:>8.1f}{peak:>10}\n{'':>9}   B{sizes}"


def main(sizes: list[int]) -> None:
    """The table."""
    print("microseconds and bytes per node")
    print(f"{'nodes':>13}" + "".join(f"{s:>10}" for s in STEPS) + f"{'all, s':>8}{'peak, MB':>10}")
    for nodes in sizes:
        command = [sys.executable, "-m", "tests.bench.scale", "--one", str(nodes)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        print(row(int(arguments[1])))
    else:
        main([int(float(a)) for a in arguments] or list(SIZES))
