"""The numbers behind a verdict: sweeps with their plateau, Taylor rates, and the power of every entry."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.report import Source, Verdict

from tests.service.checking.test_check import A, X, checked, linear, rosen

POINT = np.array([0.3, -0.2, 0.5])


def test_nothing_is_kept_unless_it_is_asked_for() -> None:
    """A report without the option holds no evidence."""
    assert checked(rosen, {"x": X}).evidence == ()


def test_a_sweep_shows_rounding_truncation_and_the_plateau_between() -> None:
    """Small steps are off by rounding, large ones by the square of the step; between them the chosen one."""
    (one,) = checked(lambda xp, x: xp.exp(x), {"x": np.array(1.0)}, evidence=True).evidence
    s = one.sweep
    assert (one.index, one.along_direction, one.slope) == ((), False, pytest.approx(np.e))
    assert (np.diff(s.steps) < 0).all()
    assert len(s.steps) == len(s.quotients) == len(s.bounds) > 60
    off = np.abs(s.quotients - np.e)
    assert s.plateau[0] <= s.chosen_step <= s.plateau[1]
    assert (off[s.steps > s.plateau[1]] > s.error_bar).all()
    inside = (s.steps >= s.plateau[0]) & (s.steps <= s.plateau[1])
    assert (off[inside] <= s.bounds[inside] + 2 * s.error_bar).all()
    big = s.steps > 1e-3
    truncation = np.e * s.steps[big] ** 2 / 6
    np.testing.assert_allclose(off[big], truncation, rtol=0.02)
    assert abs(s.estimate - np.e) <= s.error_bar < 1e-9


def test_every_pair_has_its_rate_and_its_powers() -> None:
    """A right slope leaves a remainder that falls quadratically; the powers have the derivative's shape."""
    report = checked(linear, {"x": POINT}, evidence=True)
    (one,) = report.evidence
    assert abs(one.taylor.rate - 2) < 0.1
    assert one.taylor.sight < 1e-3
    assert len(one.taylor.steps) == len(one.taylor.remainders) > 20
    assert one.power is not None
    assert one.power.shape == A.shape
    weakest = report.comparisons[-1]
    assert weakest.against is not Source.FORWARD
    assert one.power.max() == weakest.power < 1e-6
    assert one.index == np.unravel_index(int(one.power.argmax()), A.shape)


def test_a_linear_function_has_no_rate() -> None:
    """Its remainder never leaves the rounding, and that is as good."""
    (one,) = checked(lambda xp, x: xp.sum(3.0 * x), {"x": POINT}, evidence=True).evidence
    assert np.isnan(one.taylor.rate)
    assert one.taylor.sight < 1e-12


def test_second_order_has_its_own_evidence() -> None:
    """Of the gradient's derivative, with both inputs named."""
    first, second = checked(rosen, {"x": X}, evidence=True, order=2).evidence
    assert (first.second_input, second.second_input) == ("", "x")
    assert second.power is not None
    assert second.power.shape == (5, 5)


def test_a_large_input_is_shown_along_a_direction() -> None:
    """Beyond the limit of coordinates there is no entry to name."""
    x = np.random.default_rng(0).standard_normal(3000)
    (one,) = checked(lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, evidence=True).evidence
    assert one.along_direction
    assert (one.index, one.power) == ((), None)
    assert abs(one.sweep.estimate - one.slope) <= 1e-6 * abs(one.slope)
    assert abs(one.taylor.rate - 2) < 0.1


def test_the_remainder_acquits_where_differences_are_undecided() -> None:
    """No complex step through abs, no sixty digits through a solve, no budget for differences: the remainder decides."""
    square = np.array([[2.0, 0.3], [-0.4, 1.5]])

    def f(xp: Any, x: Any) -> Any:
        return xp.sum(xp.square(xp.abs(xp.solve(xp.constant(square), x))))

    report = checked(f, {"x": np.array([0.7, -1.2])}, witness_evaluations=20)
    assert Source.TAYLOR in report.witnesses
    assert report.verdict is Verdict.AGREES
