"""Second order is checked like the first: values, products, symmetry, and faults that only it can show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.report import Claim, Kind, Source, Verdict
from gradproof_service.ops import OPS

from tests.service.checking.test_check import X, checked, rosen, rosen_hess

W = np.array([[0.5, -1.2, 0.3], [0.8, 0.1, -0.7]])


def two(xp: Any, w: Any, x: Any) -> Any:
    """A scalar of a matrix and a vector."""
    return xp.sum(xp.square(xp.tanh(w @ x)))


def blocks(w: Any, x: Any) -> dict[tuple[str, str], np.ndarray]:
    """Its four Hessian blocks, by differences of the gradient in 40 more bits."""
    step = 1e-5

    def gradient(w: Any, x: Any) -> tuple[np.ndarray, np.ndarray]:
        t = np.tanh(w @ x)
        r = 2 * t * (1 - t * t)
        return np.outer(r, x), w.T @ r

    found: dict[tuple[str, str], np.ndarray] = {}
    for j, second in enumerate("wx"):
        point = [w, x]
        for i, first in enumerate("wx"):
            columns: list[np.ndarray] = []
            for k in range(point[j].size):
                moved = []
                for sign in (2, 1, -1, -2):
                    at = [np.array(p) for p in point]
                    at[j].reshape(-1)[k] += sign * step
                    moved.append(gradient(*at)[i])
                f2, f1, b1, b2 = moved
                columns.append((8 * (f1 - b1) - (f2 - b2)) / (12 * step))
            found[first, second] = np.stack(columns, axis=-1).reshape(
                *point[i].shape, *point[j].shape
            )
    return found


def claims(change: tuple[str, str] | None = None, factor: float = 1.0) -> list[Claim]:
    """All four blocks, one entry of one of them off by a factor."""
    made: list[Claim] = []
    for (first, second), value in blocks(W, X[:3]).items():
        if (first, second) == change:
            value.reshape(-1)[np.abs(value).argmax()] *= factor
        made.append(Claim(Kind.HESSIAN, first, second_input=second, value=value))
    return made


def test_hessians_of_several_inputs_agree_in_every_block() -> None:
    """Blocks w,w and w,x and x,w and x,x, with loosened rounding for values that are themselves differences."""
    report = checked(two, {"w": W, "x": X[:3]}, *claims(), rtol=1e-6, atol=1e-8)
    assert report.verdict is Verdict.AGREES
    judged = {(c.input, c.second_input) for c in report.comparisons if c.subject is Source.CLAIM}
    assert judged == {("w", "w"), ("w", "x"), ("x", "w"), ("x", "x")}


@pytest.mark.parametrize("change", [("w", "w"), ("w", "x"), ("x", "w"), ("x", "x")])
def test_a_wrong_block_is_named_by_both_inputs(change: tuple[str, str]) -> None:
    """An asymmetric block is wrong in one of its two places only."""
    report = checked(two, {"w": W, "x": X[:3]}, *claims(change, 1.01), rtol=1e-6, atol=1e-8)
    wrong = {
        (c.input, c.second_input) for c in report.comparisons if c.verdict is Verdict.DISAGREES
    }
    assert wrong == {change}


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-6])
def test_products_are_judged_entry_by_entry(factor: float) -> None:
    """An hvp is a rule: several tangents, and a millionth is seen."""
    tangents = np.random.default_rng(6).standard_normal((6, 5))
    value = tangents @ rosen_hess(X)
    value[:, 3] *= factor
    report = checked(rosen, {"x": X}, Claim(Kind.HVP, value=value, seeds=tangents))
    assert report.verdict is (Verdict.AGREES if factor == 1 else Verdict.DISAGREES)


def test_the_modes_over_the_gradient_and_its_differences_are_held_against_each_other() -> None:
    """Forward over reverse, reverse over reverse, and differences of the gradient: three opinions."""
    report = checked(rosen, {"x": X}, order=2)
    second = {(c.subject, c.against) for c in report.comparisons if c.kind is Kind.HESSIAN}
    assert (Source.REVERSE, Source.FORWARD) in second
    assert any(a not in (Source.FORWARD, Source.CLAIM) for _, a in second)
    assert all(c.power < 1e-6 for c in report.comparisons)


def test_a_rule_that_is_right_to_first_order_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reverse rule that holds its factor constant gives right gradients and wrong Hessians."""

    def held(xp: Any, s: Any, xs: Any, ys: Any, y_bar: Any) -> Any:
        return y_bar * (1.0 - xp.square(xp.stop_gradient(ys[0])))

    monkeypatch.setitem(OPS, "tanh", replace(OPS["tanh"], vjp=(held,)))
    point = {"x": np.array([0.4, -1.1])}
    first = checked(lambda xp, x: xp.sum(xp.tanh(x)), point)
    assert first.verdict is Verdict.AGREES
    second = checked(lambda xp, x: xp.sum(xp.tanh(x)), point, order=2)
    wrong = {c.kind for c in second.comparisons if c.verdict is Verdict.DISAGREES}
    assert wrong == {Kind.HESSIAN}
