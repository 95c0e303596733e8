"""Every pass states its power, and where that is worse than asked the report says which of six reasons stood in the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.differences import Reason, directional
from gradproof_service.checking.report import Claim, Kind, Report, Verdict

from tests.service.checking.expressions import const, evaluator, fn, var
from tests.service.checking.test_blackbox import X, boxed, gradient, slope, wave
from tests.service.checking.test_check import checked


def reasons(report: Report) -> set[str]:
    """Of the comparisons that are not decided."""
    return {c.reason for c in report.comparisons if c.verdict is Verdict.INCONCLUSIVE}


def test_a_kink_at_the_point_is_the_reason() -> None:
    """Two one-sided slopes leave no single one."""
    report = checked(lambda xp, x: xp.abs(x), {"x": np.array(0.0)})
    assert (report.verdict, reasons(report)) == (Verdict.INCONCLUSIVE, {"kink"})


def test_noise_is_the_reason() -> None:
    """A box with more noise than slope is undecided whatever is claimed of it, and not accused."""
    rng = np.random.default_rng(5)
    noisy = boxed(lambda x: wave(x) + 1e-2 * rng.standard_normal(), gradient(slope(X)))
    assert (noisy.verdict, reasons(noisy)) == (Verdict.INCONCLUSIVE, {"noise"})


def test_the_edge_of_the_domain_is_the_reason() -> None:
    """Where the box answers nothing beside the point there is nothing to take a quotient of."""

    def only_here(x: Any) -> Any:
        return np.sum(x) if (x == X).all() else np.nan

    report = boxed(only_here, gradient(np.ones(4)))
    assert (report.verdict, reasons(report)) == (Verdict.INCONCLUSIVE, {"domain"})


def test_overflow_is_the_reason() -> None:
    """A function that is infinite at the point has no derivative there."""
    report = checked(lambda xp, x: xp.exp(x), {"x": np.array(1000.0)})
    assert (report.verdict, reasons(report)) == (Verdict.INCONCLUSIVE, {"overflow"})


def test_aliasing_is_the_reason() -> None:
    """A ripple with a period below the finest step spoils every step, and is no noise of the function."""
    ripple = var() + const(1e-4) * fn("sin", const(1e14) * var())
    said = directional(evaluator(ripple), [1.0], [[1.0]], scale=[1.0])
    assert said.reason[0, 0] == Reason.ALIASING
    assert np.isinf(said.bar[0, 0])


def test_a_budget_is_the_reason() -> None:
    """A box that may be asked only a few times is left undecided, for that reason."""
    report = boxed(wave, gradient(slope(X)), witness_evaluations=30)
    assert (report.verdict, reasons(report)) == (Verdict.INCONCLUSIVE, {"budget"})


@pytest.mark.parametrize("tau", [1e-3, 1e-6, 1e-14])
def test_a_pass_is_as_sharp_as_was_asked_or_it_is_none(tau: float) -> None:
    """Whatever power is asked for, what agrees has it and what has it not is inconclusive."""
    x = np.array([0.3, -1.2, 2.2])
    claim = Claim(Kind.GRADIENT, value=np.cos(x))
    report = checked(lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, claim, tau=tau)
    for c in report.comparisons:
        assert (c.power <= tau) == (c.verdict is Verdict.AGREES)
        assert np.isfinite(c.power)
    assert report.verdict is (Verdict.AGREES if tau > 1e-9 else Verdict.INCONCLUSIVE)


def test_every_flagged_error_is_as_large_as_the_power_says() -> None:
    """An error of twice the stated power in any entry is flagged."""
    x = np.array([0.3, -1.2, 2.2])
    right = np.cos(x)
    power = (
        checked(lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, Claim(Kind.GRADIENT, value=right))
        .comparisons[-1]
        .power
    )
    for entry in range(3):
        wrong = right.copy()
        wrong[entry] *= 1 + 2 * power
        report = checked(
            lambda xp, x: xp.sum(xp.sin(x)), {"x": x}, Claim(Kind.GRADIENT, value=wrong)
        )
        assert report.verdict is Verdict.DISAGREES
