"""The engine beside its peers, in one process and one run.

    python -m tests.bench.engine [--only WORD ...] [--cpus 1] [--rounds 9] [--seconds 0.15] [--json FILE]

Each task is run by everybody in turn, round after round, after all have given the same numbers.
The table shows milliseconds (minimum, median) and ratios of ours to each peer by minima, because a
neighbour on a shared machine only ever makes a run longer. On one CPU, to which the process and every
library's threads are then pinned, it is CPU time that counts: a neighbour takes slices out of wall
time. With more CPUs it is wall time. Peers that are not installed are left out by name.
"""

# ruff: noqa: T201, E402  (it prints a table; threads are limited before NumPy is imported)
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.bench.pinning import pin


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", nargs="*", default=[], help="words of task names")
    parser.add_argument("--peers", nargs="*", default=None, help="words of peers' names")
    parser.add_argument("--cpus", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--seconds", type=float, default=0.15, help="of one turn, at least one call"
    )
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    ARGUMENTS = _arguments()
    pin(ARGUMENTS.cpus)

import json
import os
import platform
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from tests.bench.tasks import tasks
from tests.bench.tasks.model import Contender, Task

SAMPLE_S = 2e-4
"""Seconds of one sample of quick calls."""


def measure(
    task: Task, rounds: int, seconds: float, peers: list[str] | None = None
) -> dict[str, Any]:
    """Times of everybody at one task: {name: {"first_s", "median_ms", "min_ms"}} and who was absent.

    Turns of so many seconds follow each other, round after round; a turn is many short samples.
    """
    ready: dict[str, Contender] = {}
    absent: dict[str, str] = {}
    found: dict[str, dict[str, float]] = {}
    answers: dict[str, list[Any]] = {}
    for name, make in task.makers.items():
        if peers is not None and name != "ours" and not any(p in name for p in peers):
            continue
        start = time.perf_counter()
        try:
            call = make()
        except ImportError as e:
            absent[name] = str(e)
            continue
        answers[name] = [np.asarray(y) for y in call()]
        found[name] = {"first_s": time.perf_counter() - start}
        ready[name] = call
    for name, answer in answers.items():
        _same(task, name, answer, answers["ours"])
    sizes = {name: _sample(call) for name, call in ready.items()}
    clock = time.process_time if len(os.sched_getaffinity(0)) == 1 else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(rounds):
        for name, call in ready.items():
            end = time.perf_counter() + seconds
            while True:
                times[name].append(_time(call, sizes[name], clock))
                if time.perf_counter() > end:
                    break
    for name, taken in times.items():
        found[name] |= {"median_ms": 1e3 * median(taken), "min_ms": 1e3 * min(taken)}
    return {"task": task.name, "times": found, "absent": absent, "aims": dict(task.aims)}


def _same(task: Task, name: str, answer: list[Any], expected: list[Any]) -> None:
    """Everybody computes the same thing, or the comparison is worth nothing."""
    for y, z in zip(answer, expected, strict=False):
        scale = np.max(np.abs(z), initial=1e-300)
        gap = np.max(np.abs(np.reshape(y, z.shape) - z), initial=0.0)
        assert gap <= task.tolerance * scale, f"{task.name}: {name} differs by {gap / scale:.1e}"


def _sample(call: Contender) -> int:
    """Calls in one sample: enough for the clock, and few enough to fall between a neighbour's time slices."""
    call()
    once = min(_time(call, 1, time.perf_counter) for _ in range(3))
    return max(1, int(SAMPLE_S / max(once, 1e-7)))


def _time(call: Contender, count: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count


def show(row: dict[str, Any]) -> None:
    """One task as lines of text."""
    times = row["times"]
    mine = times["ours"]
    print(f"\n{row['task']}: ours {mine['min_ms']:.4g} ms (median {mine['median_ms']:.4g})")
    for name, t in times.items():
        if name == "ours":
            continue
        ratio = mine["min_ms"] / t["min_ms"]
        aim = row["aims"].get(name)
        verdict = "" if aim is None else f"  aim {aim:g} {'met' if ratio <= aim else 'NOT met'}"
        print(
            f"  {name:32s} {t['min_ms']:10.4g} ms (median {t['median_ms']:.4g}, "
            f"first {t['first_s']:.2g} s)  ours/peer {ratio:.3g}{verdict}"
        )
    for name, why in row["absent"].items():
        print(f"  {name:32s} absent: {why}")


def main(arguments: argparse.Namespace) -> None:
    """Print the table and write the JSON."""
    from gradproof_service.transforms.plans.memory import keep_freed_memory

    keep_freed_memory()
    rows: list[dict[str, Any]] = []
    for task in tasks():
        if arguments.only and not any(word in task.name for word in arguments.only):
            continue
        rows.append(measure(task, arguments.rounds, arguments.seconds, arguments.peers))
        show(rows[-1])
        sys.stdout.flush()
    if arguments.json:
        about = {"machine": platform.processor(), "python": platform.python_version(),
                 "numpy": np.__version__, "cpus": arguments.cpus}  # fmt: skip
        arguments.json.write_text(json.dumps({"about": about, "rows": rows}, indent=1))


if __name__ == "__main__":
    main(ARGUMENTS)
