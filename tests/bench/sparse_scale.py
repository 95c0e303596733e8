"""Sparse derivatives of ten thousand to a million inputs: `python -m tests.bench.sparse_scale [INPUTS ...]`.

For a banded and a stencil Jacobian and two Hessians: seconds until the first result (the structure is found), milliseconds of each
further one, and the most memory that Python and NumPy hold at once for the first, result included, in all and per stored entry.
Linear growth is a column of equal nanoseconds and bytes; each row runs in a process of its own.
"""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.plans.memory import keep_freed_memory
from gradproof_service.transforms.sparsity.jacobians import Sparse, sparse_hessian, sparse_jacobian

from tests.bench.tasks.sparse import bratu, burgers, rosenbrock, typed

SIZES = (10_000, 100_000, 1_000_000)
AGAIN = 5
"""Further runs, of which the quickest is shown."""


def pairs(np: Any, x: Any, i: Any, j: Any) -> Any:
    """A sum over pairs of points that lie near each other in no order: products with shared seeds."""
    return np.sum(np.sin(x[i] * x[j]))


def task(name: str, n: int) -> tuple[Callable[..., Any], list[Any]]:
    """The function of a row and its point."""
    x = np.random.default_rng(0).uniform(0.5, 1.5, n)
    side = round(n**0.5)
    match name:
        case "burgers jacobian":
            return burgers, [x]
        case "bratu jacobian":
            return bratu, [x[: side * side].reshape(side, side)]
        case "rosenbrock hessian":
            return rosenbrock, [x]
        case _:
            near = np.arange(n) + np.random.default_rng(1).integers(1, 4, n)
            return pairs, [x, np.arange(n), near % n]


NAMES = ("burgers jacobian", "bratu jacobian", "rosenbrock hessian", "hessian of pairs")


def row(name: str, n: int) -> str:
    """One line of the table."""
    keep_freed_memory()
    f, point = task(name, n)

    def derivative(graph: Graph) -> Sparse:
        if "hessian" in name:
            return sparse_hessian(graph, point, (0,))[0][0]
        return sparse_jacobian(graph, point, (0,), (0,))[0][0]

    def typed_anew() -> Graph:
        return typed(lambda *xs: f(np, *xs), point)

    graph = typed_anew()
    first = _timed(derivative, graph)
    again = min(_timed(derivative, graph) for _ in range(AGAIN))
    fresh = typed_anew()
    tracemalloc.start()
    stored = derivative(fresh).pattern.entries
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return (
        f"{name:20s}{n:>9}{stored:>10}{first:>10.3f}{1e3 * again:>10.3f}"
        f"{1e9 * again / stored:>10.2f}{peak / 2**20:>10.1f}{peak / stored:>10.0f}"
    )


def _timed(run: Callable[[Graph], Sparse], graph: Graph) -> float:
    begun = time.perf_counter()
    run(graph)
    return time.perf_counter() - begun


def main(sizes: list[int]) -> None:
    """The table."""
    columns = ("stored", "first, s", "again, ms", "ns/entry", "MB", "B/entry")
    print(f"{'':20s}{'inputs':>9}" + "".join(f"{c:>10}" for c in columns))
    for name in NAMES:
        for n in sizes:
            command = [sys.executable, "-m", "tests.bench.sparse_scale", "--one", name, str(n)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(done.stdout, end="", flush=True)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        print(row(arguments[1], int(arguments[2])))
    else:
        main([int(float(a)) for a in arguments] or list(SIZES))
