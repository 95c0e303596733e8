"""Sine and cosine of long arrays keep their promise, whatever the arrays are cut into."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.ops import OPS
from gradproof_service.ops.long_trig import FAR, FAST, LONG, is_long
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.prepare import prepare

from tests.service.functions import graph_of

REACH = (2.0, 30.0, 1e5, FAR, 1e12)


def long_values(name: str, x: Array) -> Array:
    """The op on an array that is long enough."""
    graph, xs = graph_of(lambda xp, v: xp.apply(name, v), x=np.resize(x, max(len(x), LONG)))
    assert is_long(graph.sites[0]) == FAST
    return evaluate(graph, xs)[0][: len(x)]


def worst_u(name: str, x: Array) -> float:
    """The largest error in units of u times the result, against 120 digits."""
    exact = getattr(mpmath, name)
    worst = 0.0
    with mpmath.workdps(120):
        for v, y in zip(x.tolist(), long_values(name, x).tolist(), strict=True):
            true = exact(mpmath.mpf(v))
            if true:
                worst = max(worst, float(abs((y - true) / true)) * 2.0**53)
    return worst


@pytest.mark.parametrize("name", ["sin", "cos"])
@pytest.mark.parametrize("reach", REACH)
def test_error_is_within_the_record_s_bound(name: str, reach: float) -> None:
    """Uniform points as far as 1e12."""
    x = np.random.default_rng(5).uniform(-reach, reach, 1500)
    assert worst_u(name, x) <= (OPS[name].long_ulps if FAST else OPS[name].ulps)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_near_zeros_the_error_is_far_below_the_last_bit_of_x(name: str) -> None:
    """At the doubles nearest to multiples of pi/2, the hardest there are, and a little beside them."""
    x = np.arange(-500, 500) * (np.pi / 2)
    assert worst_u(name, x * (1 + 1e-11)) <= 7
    exact = getattr(mpmath, name)
    with mpmath.workdps(60):
        gap = [abs(y - exact(mpmath.mpf(v))) for v, y in zip(x, long_values(name, x), strict=True)]
    assert all(float(g) <= 7 * 2.0**-53 * abs(np.sin(v) * np.cos(v)) + 1e-10 * np.spacing(abs(v))
               for g, v in zip(gap, x, strict=True))  # fmt: skip


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_special_values(name: str) -> None:
    """Zeros of both signs, infinities, NaN, subnormal and huge numbers, as NumPy has them."""
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e300, -1e22])
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
    found = long_values(name, x)
    assert np.array_equal(np.signbit(found[:2]), np.signbit(expected[:2]))
    np.testing.assert_allclose(found, expected, rtol=1e-15, atol=5e-324)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_the_bits_are_those_of_any_cut_and_layout(name: str) -> None:
    """Blocks, batches, transposed and strided arrays: each entry by itself."""
    x = np.random.default_rng(1).uniform(-9, 9, (70, 900))
    x[3, ::50] = 3e8
    graph, _ = graph_of(lambda xp, v: xp.apply(name, v), x=x)
    whole = evaluate(graph, [x])[0]
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        assert np.array_equal(evaluate(graph, [other])[0], whole)
    batch = evaluate(graph, [np.stack([x, x])])[0]
    assert np.array_equal(batch, np.stack([whole, whole]))
    loss, _ = graph_of(lambda xp, v: xp.apply(name, v) * 1.0 + xp.square(v), x=x)
    for threads in (1, 2):
        planned: Any = prepare(loss, kind="value", threads=threads)(x)[0]
        assert np.array_equal(planned, whole + np.square(x))


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_a_batch_of_nothing_gives_nothing(name: str) -> None:
    """No rows in, no rows out."""
    graph, _ = graph_of(lambda xp, v: xp.apply(name, v), x=np.ones(LONG))
    assert evaluate(graph, [np.empty((0, LONG))])[0].shape == (0, LONG)


def test_short_arrays_and_float32_stay_with_numpy() -> None:
    """Below the length, and where NumPy is fast already."""
    for x in (np.ones(LONG - 1), np.ones(LONG, np.float32)):
        graph, _ = graph_of(lambda xp, v: xp.sin(v), x=x)
        assert not is_long(graph.sites[0])
