"""A prepared function gives what the ordinary calls give, again and again."""

from __future__ import annotations

from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof import RequestError, TargetError

X = np.linspace(-1.0, 1.0, 5)
W = np.linspace(0.5, 2.0, 15).reshape(3, 5)


def loss(x: Any, w: Any) -> Any:
    """A scalar of a vector and a matrix."""
    return np.sum(np.tanh(w @ x) ** 2)


def layer(x: Any, w: Any) -> Any:
    """A vector of both."""
    return np.tanh(w @ x)


def test_value_and_gradient_at_many_points() -> None:
    """Equal to `gp.value_and_gradient` at each point, and what was returned before stays."""
    ready = gp.prepare(loss, at=(X, W))
    assert (ready.inputs, ready.wrt) == (("x", "w"), ("x", "w"))
    kept = []
    for scale in (1.0, -2.0, 0.5):
        value, (dx, dw) = ready(scale * X, W)
        expected, (ex, ew) = gp.value_and_gradient(loss, at=(scale * X, W))
        np.testing.assert_allclose(value, expected, rtol=1e-14)
        np.testing.assert_allclose(dx, ex, rtol=1e-13)
        np.testing.assert_allclose(dw, ew, rtol=1e-13)
        kept.append((dx, dx.copy()))
    assert all(np.array_equal(a, b) for a, b in kept)


def test_jacobians_and_values() -> None:
    """`wrt` picks inputs; one block comes bare, several as a tuple."""
    jacobian = gp.prepare(layer, at=(X, W), kind="jacobian", wrt="x")
    np.testing.assert_allclose(jacobian(X, W), gp.jacobian(layer, at=(X, W), wrt="x"), rtol=1e-13)
    both = gp.prepare(layer, at=(X, W), kind="jacobian")(X, W)
    assert [b.shape for b in both] == [(3, 5), (3, 3, 5)]
    np.testing.assert_array_equal(gp.prepare(layer, at=(X, W), kind="value")(X, W), layer(X, W))


def test_hessians_and_their_products() -> None:
    """Equal to `gp.hessian` and `gp.hvp` at each point, by one input and by several."""
    hessian = gp.prepare(loss, at=(X, W), kind="hessian", wrt="x")
    product = gp.prepare(loss, at=(X, W), kind="hvp", wrt="x")
    assert (hessian.wrt, product.inputs) == (("x",), ("x", "w", "x_dot"))
    for scale in (1.0, -2.0, 0.5):
        expected = gp.hessian(loss, at=(scale * X, W), wrt="x")
        np.testing.assert_allclose(hessian(scale * X, W), expected, rtol=1e-12, atol=1e-14)
        found = product(scale * X, W, X)
        np.testing.assert_allclose(found, expected @ X, rtol=1e-12, atol=1e-14)
    blocks = gp.prepare(loss, at=(X, W), kind="hessian")(X, W)
    assert [[b.shape for b in row] for row in blocks] == [
        [(5, 5), (5, 3, 5)],
        [(3, 5, 5), (3, 5, 3, 5)],
    ]
    by_both = gp.prepare(loss, at=(X, W), kind="hvp")(X, W, X, W)
    for row, product_of in zip(blocks, by_both, strict=True):
        along = np.tensordot(row[0], X, 1) + np.tensordot(row[1], W, 2)
        np.testing.assert_allclose(product_of, along, rtol=1e-11, atol=1e-13)


def test_an_expression_runs_on_numbers() -> None:
    """x^3 + 2 x at 3: 33 and 29."""
    value, slope = gp.prepare("x**3 + 2*x", at={"x": 3.0})(3.0)
    assert (float(value), float(slope)) == (33.0, 29.0)


def test_what_cannot_be_prepared_says_why() -> None:
    """A vector has no gradient, another shape needs another preparation, a black box has no program."""
    with pytest.raises(RequestError, match="a gradient is of one number"):
        gp.prepare(layer, at=(X, W))
    with pytest.raises(RequestError, match="a hessian is of one number"):
        gp.prepare(layer, at=(X, W), kind="hessian")
    ready = gp.prepare(loss, at=(X, W))
    with pytest.raises(RequestError, match=r"input 'x' has shape \(4,\), expected \(5,\)"):
        ready(X[:4], W)
    with pytest.raises(TargetError, match="could not be recorded"):
        gp.prepare(lambda x: x if x > 0 else -x, at=(1.0,))
