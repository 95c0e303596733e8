"""What a node costs from bytes to gradient, in functions of a thousand to a million nodes: `python -m tests.bench.scale [NODES ...]`.

Prints microseconds per node for each step and the peak of memory. Linear growth is a row of equal numbers; the sizes run one after
the other in processes of their own, so that one does not warm up the next.
"""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from gradproof_proto.tables import Location
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import ProgramWriter
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp
from gradproof_service.wire.decode import decode_program

SIZES = (1_000, 10_000, 100_000, 1_000_000)
OPS = ("sin", "tanh", "multiply", "add", "square", "subtract")
STEPS = (
    "read", "type", "evaluate first", "evaluate again", "reverse", "gradient first", "gradient again",
    "forward",
)  # fmt: skip


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


def measure(nodes: int) -> dict[str, float]:
    """Seconds of each step for a function of so many nodes."""
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(step: str) -> Iterator[None]:
        begun = time.perf_counter()
        yield
        seconds[step] = time.perf_counter() - begun

    content = program(nodes).SerializeToString()
    limits = Limits(nodes=max(nodes, 1))
    x, one = np.array(0.3), np.array(1.0)
    with timed("read"):
        read = decode_program(pb.Program.FromString(content), limits=limits)
    with timed("type"):
        graph, findings = type_program(read, bind(read.main.inputs, {"x": x}), limits)
    assert graph is not None, findings
    for step in ("evaluate first", "evaluate again"):
        with timed(step):
            evaluate(graph, [x])
    with timed("reverse"):
        pulled = vjp(graph, (0,), (0,))
    for step in ("gradient first", "gradient again"):
        with timed(step):
            back = evaluate(pulled, [x, one])[1]
    with timed("forward"):
        pushed = jvp(graph, (0,))
    assert np.allclose(evaluate(pushed, [x, one])[1], back, rtol=1e-9)
    return seconds


def row(nodes: int) -> str:
    """One line of the table."""
    seconds = measure(nodes)
    cells = "".join(f"{1e6 * seconds[step] / nodes:>16.2f}" for step in STEPS)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{nodes:>9}{cells}{sum(seconds.values()):>10.1f}{peak:>10}"


def main(sizes: list[int]) -> None:
    """The table."""
    print("microseconds per node")
    print(
        f"{'nodes':>9}"
        + "".join(f"{step:>16}" for step in STEPS)
        + f"{'all, s':>10}{'peak, MB':>10}"
    )
    for nodes in sizes:
        command = [sys.executable, "-m", "tests.bench.scale", "--one", str(nodes)]
        print(subprocess.run(command, check=True, capture_output=True, text=True).stdout, end="")


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        print(row(int(arguments[1])))
    else:
        main([int(float(a)) for a in arguments] or list(SIZES))
