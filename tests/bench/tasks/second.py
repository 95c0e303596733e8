"""Second order: Hessian-vector products of a chain, and the Hessian of a logistic loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.bench.tasks.model import Contender, Maker, Task, graph_of, jax_call

_RNG = np.random.default_rng(0)
LONG, ALONG = _RNG.standard_normal((2, 1000))
DATA, SIGNS = _RNG.standard_normal((1000, 100)), np.sign(_RNG.standard_normal(1000))
WEIGHTS, STEP = 0.1 * _RNG.standard_normal((2, 100))


def rosenbrock(np: Any, x: Any) -> Any:
    """sum of 100 (x[i+1] - x[i]^2)^2 + (1 - x[i])^2."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(np: Any, w: Any, data: Any = DATA, signs: Any = SIGNS) -> Any:
    """The mean of log(1 + exp(-s_i <a_i, w>))."""
    return np.mean(np.logaddexp(0.0, -signs * (data @ w)))


def _ours(f: Any, x: Any, kind: str, *more: Any) -> Maker:
    def make() -> Contender:
        ready = graph_of(lambda v: f(np, v), (x,))((0,), kind)
        return lambda: ready(x, *more)[-1:]

    return make


def _jax(f: Any, x: Any, *more: Any) -> Maker:
    def second(jnp: Any, v: Any, *tangent: Any) -> Any:
        import jax

        slope = jax.grad(lambda u: f(jnp, u))
        return jax.jvp(slope, (v,), tangent)[1] if tangent else jax.jacfwd(slope)(v)

    def make() -> Contender:
        import jax

        jax.config.update("jax_enable_x64", True)
        return jax_call(second, (x, *more))()

    return make


def _torch(f: Any, x: Any, *more: Any) -> Maker:
    def make() -> Contender:
        import torch

        v = torch.tensor(x)
        parts = [torch.tensor(a) for a in ((DATA, SIGNS) if f is logistic else ())]
        zero = torch.zeros((), dtype=v.dtype)

        def of(u: Any) -> Any:
            if f is logistic:
                return torch.mean(torch.logaddexp(zero, -parts[1] * (parts[0] @ u)))
            return f(torch, u)

        if not more:
            call: Callable[[], Any] = lambda: torch.func.hessian(of)(v)
        else:
            tangent = torch.tensor(more[0])
            call = lambda: torch.func.jvp(torch.func.grad(of), (v,), (tangent,))[1]
        return lambda: [call()]

    return make


def _autograd(f: Any, x: Any, *more: Any) -> Maker:
    def make() -> Contender:
        import autograd
        import autograd.numpy as anp

        of = lambda u: f(anp, u)
        if more:
            product = autograd.hessian_vector_product(of)
            return lambda: [product(x, *more)]
        whole = autograd.hessian(of)
        return lambda: [whole(x)]

    return make


def _task(name: str, f: Any, kind: str, x: Any, *more: Any) -> Task:
    return Task(name, {
        "ours": _ours(f, x, kind, *more), "jax": _jax(f, x, *more), "torch func": _torch(f, x, *more),
        "autograd": _autograd(f, x, *more),
    })  # fmt: skip


TASKS = [
    _task("Rosenbrock hvp 1000", rosenbrock, "hvp", LONG, ALONG),
    _task("logistic hvp 1000x100", logistic, "hvp", WEIGHTS, STEP),
    _task("logistic Hessian 1000x100", logistic, "hessian", WEIGHTS),
]
