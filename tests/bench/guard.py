"""Has the engine become slower? Ratios to formulas written by hand, now and as stored.

    python -m tests.bench.guard [--update] [--only WORD ...]

Ours and the hand-written NumPy (or Python) of the same derivative are timed in turn in one run on one
CPU; the ratio of their minima is held against the one stored for this kind of machine in
`guard.json`, and a ratio more than 15 % above it fails (exit code 1), after three tries, because a
neighbour can only ever make a run look slower. `--update` stores what is measured now.
"""

# ruff: noqa: T201  (it prints a table; threads are limited before NumPy is imported)
from __future__ import annotations

import argparse
import json
import math
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.pinning import pin

if __name__ == "__main__":
    pin(1)

import numpy as np

from tests.bench.engine import measure
from tests.bench.tasks import chain, dense, network, scalar
from tests.bench.tasks.model import Task

STORED = Path(__file__).with_name("guard.json")
WORSE = 1.15
TRIES = 3


def chain_by_hand(x: Any) -> list[Any]:
    """Value and gradient of the chain, as one would write them."""
    s, c = np.sin(x), np.cos(x)
    e = np.exp(-np.square(s))
    t = np.tanh(e * x)
    r = np.sqrt(1.0 + np.square(x))
    slope = (1.0 - np.square(t)) * e
    return [np.sum(t + r), slope * (1.0 - 2.0 * x * s * c) + x / r]


def network_by_hand(
    x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any
) -> list[Any]:
    """Loss and gradient of the network, back-propagated by hand."""
    h1 = np.tanh(x @ w1 + b1)
    h2 = np.tanh(h1 @ w2 + b2)
    z = h2 @ w3 + b3
    e = np.exp(z)
    total = e.sum(-1)
    value = np.sum(np.log(total) - np.sum(y * z, -1)) / 256.0
    dz = (e / total[:, None] - y) / 256.0
    d2 = (dz @ w3.T) * (1.0 - h2 * h2)
    d1 = (d2 @ w2.T) * (1.0 - h1 * h1)
    return [value, x.T @ d1, d1.sum(0), h1.T @ d2, d2.sum(0), h2.T @ dz, dz.sum(0)]


def layers_by_hand(x: Any) -> list[Any]:
    """The Jacobian of two layers: one product."""
    h = np.tanh(dense.W1 @ x)
    y = np.tanh(dense.W2 @ h)
    return [((1.0 - y * y)[:, None] * dense.W2 * (1.0 - h * h)) @ dense.W1]


def expression_by_hand() -> list[Any]:
    """Value of the scalar expression on Python floats; its gradient costs about three times as much."""
    return [scalar.expression(math, *(float(v) for v in scalar.POINT))]


def _task(name: str, task: Task, hand: Callable[[], list[Any]]) -> Task:
    return Task(name, {"ours": task.makers["ours"], "hand": lambda: hand}, tolerance=1e-3)


def tasks() -> list[Task]:
    """What is guarded: short, and each of another part of the engine."""
    by_name = {t.name: t for t in (*chain.TASKS, *network.TASKS, *dense.TASKS, *scalar.TASKS)}
    found = [
        _task(f"chain {n:.0e}", by_name[f"chain n={n:.0e}"], _chain(n))
        for n in (10, 1_000, 10_000, 1_000_000)
    ]
    points = network._points(np.float64)
    found.append(_task("network", by_name["network f64"], lambda: network_by_hand(*points)))
    found.append(
        _task("dense Jacobian", by_name["dense Jacobian 200x200"], lambda: layers_by_hand(dense.X))
    )
    found.append(_task("scalar", by_name["scalar, 30 ops"], expression_by_hand))
    return found


def _chain(n: int) -> Callable[[], list[Any]]:
    x = np.random.default_rng(0).uniform(-2, 2, n)
    return lambda: chain_by_hand(x)


def machine() -> str:
    """What a ratio depends on besides the code."""
    model = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    return f"{model}, Python {platform.python_version()}, NumPy {np.__version__}"


def ratio(task: Task) -> float:
    """Ours over the hand-written, by minima of one run."""
    times = measure(task, rounds=15, seconds=0.04)["times"]
    return times["ours"]["min_ms"] / times["hand"]["min_ms"]


def main() -> int:
    """Measure, compare, and store when asked."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--update", action="store_true", help="store the ratios measured now")
    parser.add_argument("--only", nargs="*", default=[], help="words of task names")
    arguments = parser.parse_args()
    from gradproof_service.transforms.plans.memory import keep_freed_memory

    keep_freed_memory()
    everything: dict[str, dict[str, float]] = (
        json.loads(STORED.read_text()) if STORED.exists() else {}
    )
    stored = everything.get(machine(), {})
    if not stored and not arguments.update:
        print(f"no ratios are stored for {machine()}; store them with --update")
        return 2
    slower: list[str] = []
    for task in tasks():
        if arguments.only and not any(word in task.name for word in arguments.only):
            continue
        known = stored.get(task.name, math.inf)
        now = min_of_tries(task, known, TRIES)
        worse = now > WORSE * known
        print(
            f"{task.name:20s} ours/hand {now:6.3f}  stored {known:6.3f}{'  SLOWER' if worse else ''}"
        )
        if worse:
            slower.append(task.name)
        if arguments.update:
            stored[task.name] = round(now, 3)
    if arguments.update:
        everything[machine()] = stored
        STORED.write_text(json.dumps(everything, indent=1) + "\n")
        return 0
    return 1 if slower else 0


def min_of_tries(task: Task, known: float, tries: int) -> float:
    """The best ratio of some tries; one is enough when it is no worse than what is known."""
    best = math.inf
    for _ in range(tries):
        best = min(best, ratio(task))
        if best <= WORSE * known < math.inf:
            break
    return best


if __name__ == "__main__":
    sys.exit(main())
