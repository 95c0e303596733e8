"""Whole checks, warm: ours looks at every entry in both modes; what the peers look at stands in their names."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import Contender, Task

_RNG = np.random.default_rng(0)
W1 = _RNG.standard_normal((100, 100)) * 0.1
W2 = _RNG.standard_normal((50, 100)) * 0.1
X = _RNG.standard_normal(100)
LONG = _RNG.standard_normal(1000)
K, D = 5, 10
DATA = 0.5 * _RNG.standard_normal((50, D))
PLACES = np.eye(D * D)[np.ravel_multi_index(np.tril_indices(D, -1), (D, D))]
"""Where the numbers of a strictly lower triangle stand in the matrix."""
PARAMETERS = 0.1 * _RNG.standard_normal(K + 2 * K * D + K * len(PLACES))


def layers(np: Any, x: Any, w1: Any = W1, w2: Any = W2) -> Any:
    """R^100 -> R^50: tanh(W2 tanh(W1 x))."""
    return np.tanh(w2 @ np.tanh(w1 @ x))


def total(np: Any, x: Any) -> Any:
    """R^1000 -> R: the sum of sin(x) x^2."""
    return np.sum(np.sin(x) * np.square(x))


def mixture(np: Any, p: Any, data: Any = DATA, places: Any = PLACES) -> Any:
    """R^330 -> R: the log-likelihood of a Gaussian mixture, its parameters one behind the other."""
    weights, means, scales = p[:K], p[K : K + K * D], p[K + K * D : K + 2 * K * D]
    lower = (p[K + 2 * K * D :].reshape((K, len(places))) @ places).reshape((K, D, D))
    centred = data[:, None, :] - means.reshape((K, D))
    scales = scales.reshape((K, D))
    whitened = centred * np.exp(scales) + np.einsum("kij,nkj->nki", lower, centred)
    inner = weights + np.sum(scales, axis=-1) - 0.5 * np.sum(whitened * whitened, axis=-1)
    joint = np.sum(np.log(np.sum(np.exp(inner), axis=-1)))
    return joint - len(data) * np.log(np.sum(np.exp(weights)))


def tensors(f: Any) -> list[Any]:
    """What a function is held at, as tensors of torch."""
    import torch

    held = {layers: (W1, W2), mixture: (DATA, PLACES)}
    return [torch.tensor(a) for a in held.get(f, ())]


def _ours(f: Any, x: Any) -> Any:
    def make() -> Contender:
        import gradproof as gp

        program = gp.trace(lambda v: f(np, v), at=(x,))

        def run() -> list[Any]:
            assert gp.check(program, at=(x,)).verdict == "agrees"
            return []

        return run

    return make


def _gradcheck(f: Any, x: Any, **options: bool) -> Any:
    def make() -> Contender:
        import torch

        t = torch.tensor(x, requires_grad=True)
        held = tensors(f)

        def run() -> list[Any]:
            assert torch.autograd.gradcheck(lambda v: f(torch, v, *held), (t,), **options)
            return []

        return run

    return make


def _numdifftools(f: Any, x: Any) -> Any:
    def make() -> Contender:
        import numdifftools

        call = numdifftools.Jacobian(lambda v: np.atleast_1d(f(np, v)))

        def run() -> list[Any]:
            call(x)
            return []

        return run

    return make


def _task(name: str, f: Any, x: Any, aim: float) -> Task:
    makers = {
        "ours": _ours(f, x),
        "torch fast, one direction": _gradcheck(f, x, fast_mode=True),
        "torch slow and forward": _gradcheck(f, x, check_forward_ad=True),
        "numdifftools, differences only": _numdifftools(f, x),
    }
    return Task(name, makers, aims={"torch fast, one direction": aim})


TASKS = [
    _task("check R^100 -> R^50", layers, X, 1.0),
    _task("check R^1000 -> R", total, LONG, 4.0),
    _task("check of a mixture, R^330 -> R", mixture, PARAMETERS, 4.0),
]
