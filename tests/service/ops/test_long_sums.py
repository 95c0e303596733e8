"""Sums of many numbers, and of few along a last axis: right, and the same however they are cut."""

from __future__ import annotations

from math import fsum
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.ops.summation import FEW
from gradproof_service.transforms.evaluate import evaluate

from tests.service.functions import graph_of

RNG = np.random.default_rng(11)


def summed(x: Array, **attrs: Any) -> Array:
    """The op's result."""
    graph, xs = graph_of(lambda xp, v: xp.sum(v, **attrs), x=x)
    return evaluate(graph, xs)[0]


@pytest.mark.parametrize("shape", [(16_384,), (16_385,), (100_003,), (300, 401), (7, 9, 1_000)])
def test_a_long_sum_is_right_in_any_layout(shape: tuple[int, ...]) -> None:
    """Within its bound of the exactly rounded sum; transposed storage and a batch change no bit."""
    x = RNG.standard_normal(shape) * 10.0 ** RNG.integers(-6, 6, shape)
    y = summed(x)
    exact = fsum(x.ravel())
    assert abs(y - exact) <= (np.log2(x.size) + 8) * 2.0**-53 * np.sum(np.abs(x))
    assert summed(np.asfortranarray(x)) == y
    graph, _ = graph_of(lambda xp, v: xp.sum(v), x=x)
    assert np.array_equal(evaluate(graph, [np.stack([x, x])])[0], [y, y])
    assert summed(x, keepdims=True).shape == (1,) * x.ndim


def test_one_number_everywhere_takes_no_memory() -> None:
    """The sum of a constant array is a few numbers' work."""
    graph, _ = graph_of(lambda xp, v: xp.sum(xp.broadcast_to(v, shape=(1 << 15, 1 << 13))), x=0.5)
    assert evaluate(graph, [np.array(0.5)])[0] == 2.0**27


@pytest.mark.parametrize("side", [2, 7, 8, 15, 16])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_short_last_axis(side: int, dtype: Any) -> None:
    """Against exactly rounded sums, with and without the axis kept, in a batch, from any layout."""
    x = RNG.standard_normal((90, 5, side)).astype(dtype)
    y = summed(x, axes=(-1,))
    u = np.finfo(dtype).eps / 2
    exact = np.array([[fsum(row) for row in block] for block in x.astype(np.float64)])
    assert (np.abs(y - exact) <= 16 * u * np.sum(np.abs(x), axis=-1)).all()
    assert y.dtype == dtype
    assert np.array_equal(summed(x, axes=(-1,), keepdims=True), y[..., None])
    if side < FEW:
        assert np.array_equal(summed(np.asfortranarray(x), axes=(-1,)), y)
    graph, _ = graph_of(lambda xp, v: xp.sum(v, axes=(-1,)), x=x)
    assert np.array_equal(evaluate(graph, [np.stack([x, -x])])[0], np.stack([y, -y]))
