"""What is detached on purpose is no mistake: no witness sees through `stop_gradient`."""

from __future__ import annotations

from typing import Any

import gradproof as gp
import numpy as np
import pytest

X = np.array([0.3, -1.2, 0.7])


@pytest.mark.parametrize(
    ("formula", "slope"),
    [
        ("sum(stop_gradient(exp(cos(x))))", 0 * X),
        ("sum(x * stop_gradient(x))", X),
        ("sum(x**2 + stop_gradient(x**3) * sin(x))", 2 * X + X**3 * np.cos(X)),
        ("sum(abs(x - stop_gradient(x) + 1) * x)", 1 + X),
    ],
)
def test_the_declared_derivative_agrees(formula: str, slope: Any) -> None:
    """The derivative with the detached value as a constant, worked out by hand, in both orders."""
    report = gp.check(formula, at={"x": X}, claim=slope, order=1)
    assert report.verdict == "agrees"
    assert "GP402" in {f.code for f in report.findings}
    np.testing.assert_allclose(report.derivative("x"), slope, rtol=1e-12, atol=1e-15)


def test_the_whole_dependence_is_a_wrong_claim() -> None:
    """Who differentiates through what is detached is told so."""
    report = gp.check("sum(x * stop_gradient(x))", at={"x": X}, claim=2 * X)
    assert report.verdict == "disagrees"


def test_second_order_holds_it_too() -> None:
    """x**2 stop(x) has the second derivative 2 stop(x)."""
    report = gp.check("sum(x**2 * stop_gradient(x))", at={"x": X}, claim=np.diag(2 * X), order=2)
    assert report.verdict == "agrees"
