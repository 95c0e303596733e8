"""A network 784-512-512-10 on a batch of 256: the loss and its gradient by all weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import gradients


def loss(np: Any, x: Any, y: Any, w1: Any, b1: Any, w2: Any, b2: Any, w3: Any, b3: Any) -> Any:
    """Mean cross-entropy of two tanh layers and a softmax."""
    h = np.tanh(x @ w1 + b1)
    h = np.tanh(h @ w2 + b2)
    z = h @ w3 + b3
    return np.sum(np.log(np.sum(np.exp(z), axis=-1)) - np.sum(y * z, axis=-1)) / 256.0


def _points(dtype: Any) -> tuple[Any, ...]:
    rng = np.random.default_rng(0)
    y = np.eye(10)[rng.integers(0, 10, 256)]
    shapes = ((784, 512), (512,), (512, 512), (512,), (512, 10), (10,))
    weights = [rng.standard_normal(s) * 0.04 for s in shapes]
    return tuple(v.astype(dtype) for v in (rng.standard_normal((256, 784)), y, *weights))


_AIMS = {"jax jit": 1.1, "torch eager": 1.1, "torch compile": 1.1, "autograd": 1.1}
TASKS = [
    gradients("network f64", loss, _points(np.float64), range(2, 8), aims=_AIMS),
    gradients("network f32", loss, _points(np.float32), range(2, 8), aims=_AIMS, tolerance=1e-3),
]
