"""The hand-written backward pass of a real network layer stack: right in both precisions, and named when it is not."""

from __future__ import annotations

from typing import Any

import gradproof as gp
import numpy as np
import pytest

BATCH = 256


def network(dtype: Any, forgotten: tuple[str, ...]) -> tuple[Any, Any, dict[str, Any]]:
    """Loss, backward pass and point of 784-512-10; the 1/n of the arguments `forgotten` is dropped."""
    rng = np.random.default_rng(0)
    n = BATCH
    x = rng.standard_normal((n, 784)).astype(dtype)
    y = np.eye(10, dtype=dtype)[rng.integers(0, 10, n)]
    point = {
        "w1": (rng.standard_normal((784, 512)) / 28).astype(dtype),
        "b1": np.zeros(512, dtype),
        "w2": (rng.standard_normal((512, 10)) / 22).astype(dtype),
        "b2": np.zeros(10, dtype),
    }

    def loss(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        h = np.tanh(x @ w1 + b1)
        z = h @ w2 + b2
        z = z - np.max(z, axis=1, keepdims=True)
        return -np.sum(y * (z - np.log(np.sum(np.exp(z), axis=1, keepdims=True)))) / n

    def backward(w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        h = np.tanh(x @ w1 + b1)
        z = h @ w2 + b2
        p = np.exp(z - z.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        dz = (p - y) / dtype(n)
        da = (dz @ w2.T) * (1 - h * h)
        found = {"w1": x.T @ da, "b1": da.sum(0), "w2": h.T @ dz, "b2": dz.sum(0)}
        return tuple(v * dtype(n) if k in forgotten else v for k, v in found.items())

    return loss, backward, point


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_right_backward_pass_agrees(dtype: Any) -> None:
    """Every one of 407,050 entries agrees, in float64 and in float32."""
    loss, backward, point = network(dtype, ())
    report = gp.check(loss, at=point, claim=backward)
    assert report.verdict == "agrees"
    claimed = [c for c in report.comparisons if c.subject == "claim"]
    assert sum(c.entries for c in claimed) == sum(v.size for v in point.values())


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_forgotten_batch_size_is_named(dtype: Any) -> None:
    """Without 1/n in the second layer exactly its two arguments disagree, and the factor is told."""
    loss, backward, point = network(dtype, ("w2", "b2"))
    report = gp.check(loss, at=point, claim=backward)
    assert report.verdict == "disagrees"
    assert {c.input for c in report.comparisons if c.verdict == "disagrees"} == {"w2", "b2"}
    causes = [f.cause for f in report.findings if f.code == "GP800"]
    assert len(causes) == 2
    assert all(f"{BATCH} x true" in cause for cause in causes)
