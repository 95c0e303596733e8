"""Where a wrong claim is wrong: the line of the user's own source, for every kind of claim."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import gradproof as gp
import numpy as np
import pytest

A = np.array([[0.4, -1.1, 0.3], [0.9, 0.2, -0.5]])
X = np.array([0.7, -0.4, 1.2])


def loss(x: Any) -> Any:
    """A scalar of one vector."""
    return np.sum(np.tanh(A @ x) ** 2)


def outputs(x: Any) -> Any:
    """A vector of one vector."""
    return np.exp(A @ x)


def two(x: Any, y: Any) -> Any:
    """A scalar of two vectors, not symmetric in them."""
    return np.sum(x * y * y)


def energy(x: Any) -> Any:
    """A scalar whose Hessian is not constant."""
    return np.sum(x**4) / 12 + x[0] * x[1]


def lines_of(
    function: Callable[..., Any], claim: Callable[..., Any], kind: str, *at: Any
) -> set[int]:
    """The lines named, counted from the claim's `def`."""
    report = gp.check(function, at=at, claim=claim, claim_kind=kind)
    assert report.verdict == "disagrees"
    start = inspect.getsourcelines(claim)[1]
    wrong = [f for f in report.findings if f.code == "GP800"]
    places = [p for f in wrong for p in (f.location, *f.related)]
    return {p.line - start for p in places if p.file.endswith("test_claim_lines.py")}


def gradient(x: Any) -> Any:
    """Takes 1 - h for 1 - h^2."""
    h = np.tanh(A @ x)
    h_bar = 2 * h
    z_bar = h_bar * (1 - h)
    return A.T @ z_bar


def vjp(x: Any, y_bar: Any) -> Any:
    """Returns it twice."""
    y = np.exp(A @ x)
    z_bar = y_bar * y
    x_bar = z_bar @ A
    return 2 * x_bar


def jvp(x: Any, x_dot: Any) -> Any:
    """A sine too many."""
    z = A @ x
    z_dot = A @ x_dot
    return np.exp(z) * np.sin(z_dot)


def jacobian(x: Any) -> Any:
    """A cosine too many."""
    y = np.exp(A @ x)
    return y[:, None] * np.cos(A)


def hessian(x: Any) -> Any:
    """A power too high."""
    mixed = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    return np.diag(x**3) + mixed


def hvp(x: Any, x_dot: Any) -> Any:
    """The same, applied to a tangent."""
    mixed = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    own = x**3 * x_dot
    return own + mixed @ x_dot


@pytest.mark.parametrize(
    ("function", "claim", "line"),
    [
        (loss, gradient, 4), (outputs, vjp, 5), (outputs, jvp, 4), (outputs, jacobian, 3),
        (energy, hessian, 3), (energy, hvp, 3),
    ],
    ids=lambda x: x.__name__ if callable(x) else "",
)  # fmt: skip
def test_the_wrong_line_is_named(
    function: Callable[..., Any], claim: Callable[..., Any], line: int
) -> None:
    """Gradient, vjp, jvp, jacobian, hessian and hvp: the line that is wrong is among few."""
    named = lines_of(function, claim, claim.__name__, X)
    assert line in named
    assert len(named) <= 3


def exchanged(x: Any, y: Any) -> Any:
    """Each result in place of the other."""
    by_x = y * y
    by_y = 2 * x * y
    return by_y, by_x


def forgotten(x: Any) -> Any:
    """One of two terms."""
    by_sine = np.cos(x) * np.exp(x)
    total = by_sine
    return total


def test_what_is_returned_in_the_wrong_place_is_named_there() -> None:
    """Two right results returned for each other's argument: the return line is wrong, not the lines that made them."""
    report = gp.check(two, at=(X, X[::-1] + 0.1), claim=exchanged)
    start = inspect.getsourcelines(exchanged)[1]
    found = [f for f in report.findings if f.code == "GP800"]
    assert len(found) == 2
    assert {f.location.line - start for f in found} == {4}


def test_a_forgotten_term_is_named_where_the_rest_is_returned() -> None:
    """A right contribution that is returned alone is not itself called wrong, and the other one is told."""
    report = gp.check(lambda x: np.sum(np.sin(x) * np.exp(x)), at=(X,), claim=forgotten)
    (found,) = [f for f in report.findings if f.code == "GP800"]
    assert found.location.line - inspect.getsourcelines(forgotten)[1] == 4
    assert "F05" in found.cause


def test_a_value_used_several_times_has_a_place() -> None:
    """The hint that an input is used several times stands on the line of its first use."""
    report = gp.check(lambda x: np.sum(x * np.sin(x)), at=(X,), claim=lambda x: x * np.cos(x))
    (found,) = [f for f in report.findings if f.code == "GP603"]
    assert found.location.file.endswith("test_claim_lines.py")


def softmax(x: Any) -> Any:
    """Softmax without care for overflow."""
    e = np.exp(x)
    return e / np.sum(e)


def softmax_vjp(x: Any, y_bar: Any) -> Any:
    """Forgets to subtract the weighted sum, which it has computed."""
    p = np.exp(x) / np.sum(np.exp(x))
    np.sum(p * y_bar)
    scaled = p * y_bar
    return scaled


def test_equal_lines_are_told_apart() -> None:
    """Two lines that compute the same are two: the wrong one is named, and the other is not."""
    named = lines_of(softmax, softmax_vjp, "vjp", X)
    assert 4 in named
    assert 3 not in named


def test_a_claim_that_is_an_expression_is_walked() -> None:
    """An expression of some of the inputs: what is wrong in it is told by the node."""
    report = gp.check(
        gp.expression("sum(sin(x) * y)"), at={"x": X, "y": X + 1}, wrt=["x"],
        claim="(cos(x) - sin(x)**3) * y",
    )  # fmt: skip
    (found,) = [f for f in report.findings if f.code == "GP800"]
    assert "in the claim subtract#" in found.cause
    report = gp.check(
        gp.expression("sum(sin(x) * exp(y))"), at={"x": X, "y": X + 1}, wrt=["y"],
        claim="sin(y) * exp(y)",
    )  # fmt: skip
    (found,) = [f for f in report.findings if f.code == "GP800"]
    assert "in the claim" in found.cause
