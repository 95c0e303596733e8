"""One entry wrong by a millionth is caught in every kind of claim, whether or not the Jacobian is formed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof._transport import embedded

LONG, MANY, OUT = 100_000, 300, 400
RNG = np.random.default_rng(12)
A = RNG.standard_normal((OUT, MANY)) / 17
X = RNG.standard_normal(MANY)
WIDE = RNG.standard_normal(5_000)
ROW, COLUMN = 217, 41
SLIP = 1 + 1e-6


@pytest.fixture(scope="module")
def client() -> gp.Client:
    """The service in this process."""
    return gp.Client(embedded())


def layer(x: Any) -> Any:
    """R^300 -> R^400."""
    return np.tanh(A @ x)


def energy(x: Any) -> Any:
    """A scalar of 300 numbers whose Hessian is full."""
    return np.sum(np.log(np.cosh(A @ x)))


def layer_jacobian(x: Any, slip: float) -> Any:
    """Of `layer`, with one entry off by a factor."""
    matrix = (1 - np.tanh(A @ x) ** 2)[:, None] * A
    matrix[ROW, COLUMN] *= slip
    return matrix


def energy_hessian(x: Any, slip: float) -> Any:
    """Of `energy`, with one entry off by a factor."""
    matrix = A.T @ ((1 - np.tanh(A @ x) ** 2)[:, None] * A)
    matrix[ROW, COLUMN] *= slip
    return matrix


def waves(x: Any) -> Any:
    """R^n -> R^n whose Jacobian has two diagonals: at 5,000 it is never formed."""
    return np.sin(x) * np.roll(x, 1)


def slipped(values: Any, slip: float) -> Any:
    """One entry of a vector off by a factor."""
    values[COLUMN] *= slip
    return values


def waves_vjp(slip: float) -> Callable[..., Any]:
    """Its reverse rule."""
    return lambda x, c: slipped(np.cos(x) * np.roll(x, 1) * c + np.roll(np.sin(x) * c, -1), slip)


def waves_jvp(slip: float) -> Callable[..., Any]:
    """Its forward rule."""
    return lambda x, t: slipped(np.cos(x) * np.roll(x, 1) * t + np.sin(x) * np.roll(t, 1), slip)


CLAIMS: dict[str, tuple[Any, Any, str, Callable[[float], Callable[..., Any]], tuple[int, ...]]] = {
    "gradient of 100,000": (
        lambda x: np.sum(np.sin(x)), RNG.standard_normal(LONG), "gradient",
        lambda slip: lambda x: slipped(np.cos(x), slip), (COLUMN,),
    ),
    "jacobian, 400 by 300": (
        layer, X, "jacobian", lambda slip: lambda x: layer_jacobian(x, slip), (ROW, COLUMN),
    ),
    "vjp, 400 by 300": (
        layer, X, "vjp", lambda slip: lambda x, c: c @ layer_jacobian(x, slip), (COLUMN,),
    ),
    "jvp, 400 by 300": (
        layer, X, "jvp", lambda slip: lambda x, t: layer_jacobian(x, slip) @ t, (ROW,),
    ),
    "hvp, 300 by 300": (
        energy, X, "hvp", lambda slip: lambda x, t: energy_hessian(x, slip) @ t, (ROW,),
    ),
    "vjp, never formed": (waves, WIDE, "vjp", waves_vjp, (COLUMN,)),
    "jvp, never formed": (waves, WIDE, "jvp", waves_jvp, (COLUMN,)),
    "hvp, never formed": (
        lambda x: np.sum(x * np.sin(x)), WIDE, "hvp",
        lambda slip: lambda x, t: slipped((2 * np.cos(x) - x * np.sin(x)) * t, slip), (COLUMN,),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CLAIMS)
def test_one_entry_wrong_by_a_millionth_is_caught_and_named(name: str, client: gp.Client) -> None:
    """The right claim agrees; the same claim with one entry off by 1e-6 disagrees at that entry."""
    function, x, kind, claim, place = CLAIMS[name]
    right = client.check(function, at={"x": x}, claim=claim(1.0), claim_kind=kind)
    assert right.verdict == "agrees"
    wrong = client.check(function, at={"x": x}, claim=claim(SLIP), claim_kind=kind)
    assert wrong.verdict == "disagrees"
    finding = next(f for f in wrong.findings if f.code == "GP800")
    assert place in [tuple(at) for at in finding.elements]


def test_a_rule_in_single_precision_is_told_and_not_accused(client: gp.Client) -> None:
    """A float32 temporary blurs every entry of a product; that is lost digits and no wrong entry."""

    def coarse(x: Any, c: Any) -> Any:
        matrix = layer_jacobian(x, 1.0).astype(np.float32)
        return (c.astype(np.float32) @ matrix).astype(np.float64)

    report = client.check(layer, at={"x": X}, claim=coarse, claim_kind="vjp")
    assert report.verdict == "agrees"
    assert "GP805" in {f.code for f in report.findings}
