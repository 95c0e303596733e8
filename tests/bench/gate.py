"""What a run of the gate costs, anew and again: the whole command, for two repositories.

    python -m tests.bench.gate [REPEATS]

The example of the tests has thirty small cases; the other one has six with hundreds of inputs and nodes, as a package of models
has them. Each pair is one run that keeps nothing and one that finds everything kept, in processes of their own, in turn;
the least of each counts, for a busy machine only adds. CPU seconds are those of all processes together.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.gate.harness import EXAMPLE, copy_of, environment, repository

HEAVY = """
import numpy as np


def deep(x, w):
    for _ in range(40):
        x = np.tanh(x @ w)
    return np.sum(x**2)


def chain(x):
    for _ in range(300):
        x = x + 0.01 * np.sin(x)
    return np.sum(x)


def pairs(x):
    d = x[:, None, :] - x[None, :, :]
    r = np.sqrt(np.sum(d * d, axis=-1) + 1.0)
    return np.sum(1 / r)
"""
CASES = """
[cases.{0}-{1}]
target = "model.py:{0}"
at = {{ {2} }}
"""
POINTS = {
    "deep": 'x = {{ sample = "normal", shape = [16, {0}] }}, w = {{ sample = "normal", shape = [{0}, {0}], scale = 0.1 }}',
    "chain": 'x = {{ sample = "normal", shape = [{0}, {0}] }}',
    "pairs": 'x = {{ sample = "normal", shape = [{0}, 3] }}',
}


class Spent(NamedTuple):
    """What one run took, and how many checks it made."""

    wall_s: float
    cpu_s: float
    checks: int


def spent(root: Path, *arguments: str) -> Spent:
    """One run of the command, with the checks that it says it made."""
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "gradproof", "gate", "run", *arguments]
    done = subprocess.run(
        words, cwd=root, env=environment(), capture_output=True, text=True, check=True
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    made = done.stdout.partition(" point")[2].partition("; ")[2].split()[0]
    return Spent(wall, cpu, int(made))


def heavy(folder: Path) -> Path:
    """A repository of six cases with more to do."""
    sizes = {"deep": (8, 16), "chain": (8, 16), "pairs": (12, 24)}
    cases = [
        CASES.format(name, n, POINTS[name].format(n)) for name, both in sizes.items() for n in both
    ]
    return repository(folder, "baselines = false\n" + "".join(cases), model=HEAVY)


def main(repeats: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        roots = {
            "thirty small cases": copy_of(EXAMPLE, Path(folder) / "example"),
            "six heavy cases": heavy(Path(folder) / "heavy"),
        }
        for name, root in roots.items():
            time.sleep(0.1)  # what changed just now is not kept
            spent(root)
            anew, again = zip(
                *((spent(root, "--no-cache"), spent(root)) for _ in range(repeats)), strict=True
            )
            first, second = (Spent(*map(min, zip(*runs, strict=True))) for runs in (anew, again))
            for told, run in (("anew", first), ("again", second)):
                sys.stdout.write(
                    f"{name}, {told:5s} {run.wall_s:7.2f} s, {run.cpu_s:7.2f} s CPU, {run.checks:3d} checks\n"
                )
            sys.stdout.write(
                f"  again / anew: {second.wall_s / first.wall_s:.1%} of the time, {second.cpu_s / first.cpu_s:.1%} of the CPU\n"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
