"""What the general laws cannot see in statistics: no spread, -inf entries, running sums' ends."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped

from tests.service.ops.one_op import gradient, gradient_forward, hessian, value


@pytest.mark.parametrize("x", [[0.1, 0.1, 0.1], [1e300] * 5, [7.0]])
def test_equal_elements_have_no_spread(x: list[float]) -> None:
    """std of equal elements is exactly 0, and so are its slopes of first and second order."""
    assert value("std", x) == 0
    assert not gradient("std", x).any()
    assert not gradient_forward("std", x).any()
    assert not hessian("std", x).any()


def test_a_large_mean_cancels_nothing() -> None:
    """The variance about a mean of 1e15 agrees with exact rational arithmetic."""
    x = 1e15 + np.array([1.0, 2.5, 4.0, 8.125])
    exact = [Fraction(v) for v in x]
    mean = sum(exact) / 4
    variance = float(sum((v - mean) ** 2 for v in exact) / 3)
    np.testing.assert_allclose(value("var", x, correction=1.0), variance, rtol=1e-15)


def test_correction_must_leave_something() -> None:
    """Dividing by zero or less is refused when the graph is typed."""
    with pytest.raises(IllTyped, match="correction is 1"):
        OPS["std"].site({"axes": (0,), "correction": 1}, (type_of("float64", (1, 3)),))


def test_logsumexp_neither_overflows_nor_loses_infinities() -> None:
    """Large numbers stay finite; -inf adds nothing; only -inf gives -inf; +inf gives +inf."""
    np.testing.assert_allclose(value("logsumexp", [1000.0, 1000.0]), 1000 + np.log(2), rtol=1e-15)
    assert value("logsumexp", [-np.inf, 3.0]) == 3
    assert value("logsumexp", [-np.inf, -np.inf]) == -np.inf
    assert value("logsumexp", [np.inf, 3.0]) == np.inf
    assert np.isnan(value("logsumexp", [np.nan, 3.0]))


@pytest.mark.parametrize("x", [[-np.inf, 3.0, 3.0], [-np.inf, -np.inf]])
def test_logsumexp_at_minus_infinity_has_slope_zero(x: list[float]) -> None:
    """An entry at -inf has no weight, also where all are, and no NaN in the second derivative."""
    expected = [0.0, 0.5, 0.5][: len(x)] if len(x) == 3 else [0.0, 0.0]
    np.testing.assert_allclose(gradient("logsumexp", x), expected, rtol=1e-15)
    np.testing.assert_allclose(gradient_forward("logsumexp", x), expected, rtol=1e-15)
    assert np.isfinite(hessian("logsumexp", x)).all()


@pytest.mark.parametrize(
    ("attrs", "expected", "slopes"),
    [
        ({}, [1, 3, 7], [3, 2, 1]),
        ({"include_initial": True}, [0, 1, 3, 7], [3, 2, 1]),
        ({"reverse": True}, [7, 6, 4], [1, 2, 3]),
        ({"reverse": True, "include_initial": True}, [7, 6, 4, 0], [1, 2, 3]),
    ],
)
def test_running_sums(attrs: dict[str, bool], expected: list[int], slopes: list[int]) -> None:
    """Each element counts once in its own sum and in all that follow in the chosen direction."""
    x = [1.0, 2.0, 4.0]
    np.testing.assert_array_equal(value("cumulative_sum", x, **attrs), expected)
    np.testing.assert_array_equal(gradient("cumulative_sum", x, **attrs), slopes)
    np.testing.assert_array_equal(gradient_forward("cumulative_sum", x, **attrs), slopes)
