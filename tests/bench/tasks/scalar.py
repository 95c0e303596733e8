"""Scalars: an expression of thirty ops asked again and again, and a chain of ten thousand asked once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.bench.tasks.model import Contender, Task, gradients, graph_of

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


def chain(np: Any, x: Any) -> Any:
    """Ten thousand operations, one after the other."""
    y = x
    for _ in range(2500):
        y = np.tanh(np.sin(y) * 0.9 + x)
    return y


def _chain_built() -> Contender:
    """The graph built node by node, prepared and run, every time anew."""
    from gradproof_service.arrays import type_of_array
    from gradproof_service.graph.builder import Builder
    from gradproof_service.transforms.prepare import prepare

    def call() -> list[Any]:
        xp = Builder("chain")
        graph = xp.finish([chain(xp, xp.input("x", type_of_array(POINT[0])))])
        return prepare(graph, kind="gradient")(POINT[0])

    return call


def _chain_traced() -> Contender:
    """The whole way of a NumPy function: traced, written, read, typed, prepared and run, every time anew."""
    return lambda: graph_of(lambda x: chain(np, x), POINT[:1])((0,), "gradient")(POINT[0])


def _chain_torch() -> Contender:
    import torch

    torch.set_num_threads(1)

    def call() -> list[Any]:
        x = torch.tensor(POINT[0], requires_grad=True)
        return list(torch.autograd.grad(chain(torch, x), [x]))

    return call


def _chain_autograd() -> Contender:
    import autograd
    import autograd.numpy as anp

    return lambda: [autograd.grad(lambda x: chain(anp, x))(float(POINT[0]))]


_GRADIENT = gradients(
    "scalar, 30 ops", expression, POINT, (0, 1, 2), aims={"jax jit": 0.15}, compiled=False
)
TASKS = [
    Task(
        _GRADIENT.name,
        {**_GRADIENT.makers, "casadi, no copies": _casadi},
        _GRADIENT.tolerance,
        _GRADIENT.aims,
    ),
    Task(
        "scalar chain, 10,000 ops, from nothing",
        {"ours": _chain_built, "ours, traced": _chain_traced, "torch eager": _chain_torch,
         "autograd": _chain_autograd},
        aims={"torch eager": 0.1},
    ),
]  # fmt: skip
