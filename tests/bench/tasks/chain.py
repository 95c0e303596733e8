"""Ten elementwise ops and a sum: the gradient, and the value alone."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import Task, gradients, jax_call, ours

SIDES = (10, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def chain(np: Any, x: Any) -> Any:
    """sum tanh(exp(-(sin x)^2) x) + sqrt(1 + x^2): ten ops on vectors."""
    y = np.exp(-np.square(np.sin(x))) * x
    return np.sum(np.tanh(y) + np.sqrt(1.0 + np.square(x)))


def _tasks(n: int) -> tuple[Task, Task]:
    x = np.random.default_rng(0).uniform(-2, 2, n)
    small = n < 10_000
    aims = {
        "jax jit": 0.9 if small else 0.6,
        "torch eager": 0.9 if small else 0.6,
        **({} if n < 100_000 else {"torch compile": 1.6}),
    }
    value = Task(
        f"chain n={n:.0e} value",
        {
            "ours": ours(lambda v: chain(np, v), (x,), (0,), "value"),
            "jax jit": jax_call(chain, (x,)),
        },
    )
    return gradients(f"chain n={n:.0e}", chain, (x,), (0,), aims=aims), value


TASKS = [task for n in SIDES for task in _tasks(n)]
