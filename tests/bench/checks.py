"""What a whole check costs beside the checkers of other libraries, warm and cold.

    python -m tests.bench.checks [--only ours,torch,jax,scipy,numdifftools] [--rounds 7] [--json FILE] [--merge FILE ...]

Everybody checks the same functions at the same points: by its own derivatives where it has some, by
those of the true derivative written here where it asks for one. What each looks at stands beside its
name: every entry, or a random direction, which one wrong entry of many seldom shows. "Warm" is the
least CPU time of one check in a process that has done it before, "cold" the wall time of a fresh
process from its start to the verdict. Threads are limited to one. A library that is not installed is
left out; what another interpreter measured is put beside it with `--merge`.
"""

# ruff: noqa: T201  (it prints a table; threads are limited before NumPy is imported)
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = "1"

import numpy as np

from tests.bench.tasks.checks import (
    LONG,
    PARAMETERS,
    W1,
    W2,
    X,
    layers,
    mixture,
    tensors,
    total,
)

Check = Callable[[], bool]
EVERY, DIRECTIONS = "every entry", "a random direction"


def scalar(np: Any, x: Any) -> Any:
    """x^3 + 2 x."""
    return x * x * x + 2.0 * x


def slope_of_layers(x: Any) -> Any:
    """The Jacobian of `layers`, (50, 100)."""
    inner = np.tanh(W1 @ x)
    outer = np.tanh(W2 @ inner)
    return (1 - outer**2)[:, None] * W2 @ ((1 - inner**2)[:, None] * W1)


def slope_of_total(x: Any) -> Any:
    """The gradient of `total`."""
    return np.cos(x) * x**2 + 2 * x * np.sin(x)


def slope_of_mixture(p: Any) -> Any:
    """The gradient of `mixture`, by complex steps."""
    points = p + 1e-30j * np.eye(len(p))
    return np.array([mixture(np, point).imag for point in points]) / 1e-30


TASKS: Final[dict[str, tuple[Any, Any, Any]]] = {
    "R^100 -> R^50": (layers, X, slope_of_layers),
    "R^1000 -> R": (total, LONG, slope_of_total),
    "mixture, R^330 -> R": (mixture, PARAMETERS, slope_of_mixture),
    "R -> R": (scalar, np.array(3.0), lambda x: 3 * x**2 + 2),
}


def ours(task: str) -> Check:
    """`gradproof.check` of a traced function: both modes, and values alone."""
    import gradproof as gp

    f, x, _ = TASKS[task]
    program = gp.trace(lambda v: f(np, v), at=(x,))
    return lambda: gp.check(program, at=(x,)).verdict == "agrees"


def ours_claimed(task: str) -> Check:
    """The same with a hand-written derivative held against them."""
    import gradproof as gp

    f, x, slope = TASKS[task]
    program = gp.trace(lambda v: f(np, v), at=(x,))
    return lambda: (
        gp.check(program, at=(x,), claim=slope, claim_kind="jacobian").verdict == "agrees"
    )


def torch(task: str, **options: bool) -> Check:
    """`torch.autograd.gradcheck`."""
    import torch as library

    f, x, _ = TASKS[task]
    point = library.tensor(x, requires_grad=True)
    held = tensors(f)
    return lambda: bool(
        library.autograd.gradcheck(lambda v: f(library, v, *held), (point,), **options)
    )


def jax(task: str) -> Check:
    """`jax.test_util.check_grads` of a compiled function, both modes."""
    import jax as library
    from jax.test_util import check_grads

    library.config.update("jax_enable_x64", True)
    f, x, _ = TASKS[task]
    call = library.jit(lambda v: f(library.numpy, v))
    point = library.numpy.asarray(x)

    def run() -> bool:
        check_grads(call, (point,), order=1, modes=("fwd", "rev"))
        return True

    return run


def scipy(task: str) -> Check:
    """`check_derivative`, what `least_squares` checks its Jacobians with."""
    from scipy.optimize._numdiff import check_derivative

    f, x, slope = TASKS[task]
    at = np.atleast_1d(x)
    m = np.size(f(np, x))
    call = lambda v: np.atleast_1d(f(np, v.reshape(x.shape)))
    claim = lambda v: np.asarray(slope(v.reshape(x.shape))).reshape(m, x.size)
    return lambda: bool(check_derivative(call, claim, at) < 1e-6)


def numdifftools(task: str) -> Check:
    """`numdifftools.Jacobian` against the derivative."""
    import numdifftools as library

    f, x, slope = TASKS[task]
    jacobian = library.Jacobian(lambda v: np.atleast_1d(f(np, np.reshape(v, x.shape))))
    expected = np.asarray(slope(x)).reshape(-1, x.size)
    return lambda: bool(np.allclose(jacobian(np.atleast_1d(x)), expected, rtol=1e-6, atol=1e-9))


CHECKERS: Final[dict[str, tuple[str, str, Callable[[str], Check]]]] = {
    "ours": ("gradproof", EVERY, ours),
    "ours-claim": ("gradproof, with a claim", EVERY, ours_claimed),
    "torch": ("torch gradcheck", EVERY, torch),
    "torch-both": ("torch gradcheck, both modes", EVERY, lambda t: torch(t, check_forward_ad=True)),
    "torch-fast": ("torch gradcheck, fast mode", DIRECTIONS, lambda t: torch(t, fast_mode=True)),
    "jax": ("jax check_grads, compiled", DIRECTIONS, jax),
    "scipy": ("scipy check_derivative", EVERY, scipy),
    "numdifftools": ("numdifftools, against the true one", EVERY, numdifftools),
}
"""By short name: the name in the table, what is looked at, and how the check of a task is made."""


def warm(check: Check, rounds: int) -> float:
    """Least CPU milliseconds of one check, after three."""
    for _ in range(3):
        assert check()
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        while time.perf_counter() - began < 0.3:
            start = time.process_time()
            check()
            best = min(best, time.process_time() - start)
    return 1e3 * best


def cold(key: str, task: str, rounds: int) -> float:
    """Least wall milliseconds of a fresh process that makes one check."""
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "tests.bench.checks", "--once", key, task],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def measure(keys: list[str], rounds: int) -> list[dict[str, Any]]:
    """One row a checker and task; absent libraries give none."""
    rows: list[dict[str, Any]] = []
    for key in keys:
        name, looks_at, make = CHECKERS[key]
        for task in TASKS:
            try:
                check = make(task)
            except ImportError:
                break
            rows.append({
                "checker": name, "looks_at": looks_at, "task": task,
                "warm_ms": warm(check, rounds), "cold_ms": cold(key, task, min(rounds, 3)),
            })  # fmt: skip
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown: milliseconds warm / cold, one column a task."""
    lines = ["| ms, warm / cold | looks at | " + " | ".join(TASKS) + " |"]
    lines.append("|---" * (len(TASKS) + 2) + "|")
    for name in dict.fromkeys(r["checker"] for r in rows):
        mine = {r["task"]: r for r in rows if r["checker"] == name}
        looks_at = next(iter(mine.values()))["looks_at"]
        cells = [
            f"{mine[t]['warm_ms']:.2f} / {mine[t]['cold_ms']:.0f}" if t in mine else "-"
            for t in TASKS
        ]
        lines.append(f"| {name} | {looks_at} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--only", default=",".join(CHECKERS), help="short names, with commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--merge", type=Path, nargs="*", default=[])
    parser.add_argument("--once", nargs=2, metavar=("CHECKER", "TASK"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.once:
        key, task = chosen.once
        assert CHECKERS[key][2](task)()
        return
    wanted = [k for k in CHECKERS if any(k.startswith(w) for w in chosen.only.split(",") if w)]
    rows = measure(wanted, chosen.rounds)
    for file in chosen.merge:
        rows += json.loads(file.read_text())
    print(table(rows))
    if chosen.json:
        chosen.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
