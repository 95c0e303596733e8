"""An expression of thirty scalar ops, its gradient asked for again and again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.bench.tasks.model import Contender, Task, gradients

POINT = tuple(np.asarray(v) for v in (0.7, 1.3, -0.4))


def expression(np: Any, x: Any, y: Any, z: Any) -> Any:
    """Thirty operations on three numbers."""
    a = np.sin(x * y) + np.exp(-z * z) * x
    b = np.log(1.0 + x * x + y * y) - np.tanh(a * z)
    c = np.sqrt(a * a + b * b + 1.0) / (2.0 + np.cos(y))
    d = (a - b) * (b - c) * (c + 3.0 * a) + x / (1.0 + z * z)
    return d * np.exp(-0.1 * c) + a * b * c


def _casadi() -> Contender:
    import casadi as ca

    class Names:
        """The names of NumPy for CasADi's symbols."""

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return getattr(ca, name)

    xs = [ca.SX.sym(n) for n in "xyz"]
    value = expression(Names(), *xs)
    both = ca.Function("f", xs, [value, *(ca.gradient(value, v) for v in xs)])
    buffer, run = both.buffer()
    points = [np.array([float(v)]) for v in POINT]
    results = [np.zeros(1) for _ in range(4)]
    for i, v in enumerate(points):
        buffer.set_arg(i, memoryview(v))
    for i, v in enumerate(results):
        buffer.set_res(i, memoryview(v))

    kept = (both, buffer, points)  # the buffer knows addresses only

    def call() -> list[Any]:
        run()
        return [r[0] for r in results] if kept else []

    return call


_GRADIENT = gradients(
    "scalar, 30 ops", expression, POINT, (0, 1, 2), aims={"jax jit": 0.15}, compiled=False
)
TASKS = [
    Task(
        _GRADIENT.name,
        {**_GRADIENT.makers, "casadi, no copies": _casadi},
        _GRADIENT.tolerance,
        _GRADIENT.aims,
    )
]
