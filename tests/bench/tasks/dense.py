"""A dense Jacobian of two tanh layers, 200 by 200."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import Contender, Task, graph_of, jax_call

_RNG = np.random.default_rng(0)
W1, W2 = (_RNG.standard_normal((200, 200)) * 0.07 for _ in range(2))
X = _RNG.standard_normal(200)


def layers(np: Any, x: Any) -> Any:
    """tanh(W2 tanh(W1 x))."""
    return np.tanh(W2 @ np.tanh(W1 @ x))


def _ours() -> Contender:
    ready = graph_of(lambda x: layers(np, x), (X,))((0,), "jacobian")
    return lambda: ready(X)


def _jax(mode: str) -> Any:
    def make() -> Contender:
        import jax

        jax.config.update("jax_enable_x64", True)
        by = jax.jacfwd if mode == "forward" else jax.jacrev
        return jax_call(lambda jnp, x: by(lambda v: layers(jnp, v))(x), (X,))()

    return make


def _torch() -> Contender:
    import torch

    w1, w2, x = (torch.tensor(v) for v in (W1, W2, X))
    call = torch.func.jacrev(lambda v: torch.tanh(w2 @ torch.tanh(w1 @ v)))
    return lambda: [call(x)]


def _autograd() -> Contender:
    import autograd
    import autograd.numpy as anp

    call = autograd.jacobian(lambda x: layers(anp, x))
    return lambda: [call(X)]


TASKS = [
    Task(
        "dense Jacobian 200x200",
        {
            "ours": _ours,
            "jax forward": _jax("forward"),
            "jax reverse": _jax("reverse"),
            "torch func": _torch,
            "autograd": _autograd,
        },
        aims={"jax forward": 0.9, "jax reverse": 0.9},
    )
]
