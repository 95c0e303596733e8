"""The witness on the points that break difference quotients, one by one."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from gradproof_service.checking.complex_step import complex_step
from gradproof_service.checking.differences import Reason, directional, representable
from gradproof_service.checking.taylor import taylor_rate

from tests.service.checking.expressions import const, evaluator, exact, fn, var

X = var()
CUBE = X * X * X
STRESS = {
    "cancellation": (fn("log", fn("cos", X)) / fn("sin", X * X), 3.5e-4, 3.5e-4),
    "offset": (fn("sin", X) + const(1e8), 1.0, 1.0),
    "small scale": (fn("sin", X * const(1e12)), 3e-13, 3e-13),
    "large scale": (fn("exp", X / const(1e12)), 2e12, 2e12),
    "oscillation": (fn("sin", const(1e3) * X), 1.0, 1.0),
    "hidden sine, 4902": (const(2) * CUBE + fn("sin", X) / const(22.3), 4902.0, 4902.0),
    "hidden sine, 751": (CUBE + fn("sin", X / const(0.48)), 751.0, 751.0),
    "hidden fast": (CUBE + fn("sin", const(1e6) * X) * const(1e-7), 2.0, 2.0),
    "power 1.5": (fn("apow", X, constant=1.5), 1e-6, 1.0),
    "kink within the step": (fn("abs", X - const(1.0)) + X * X, 1.0 + 1e-6, 1.0),
    "saturated": (fn("tanh", X), 15.0, 15.0),
    "log near its edge": (fn("log", X), 1e-9, 1.0),
    "root near its edge": (fn("sqrt", X - const(1.0)), 1.0 + 1e-7, 1.0),
    "affine": (const(3.0) * X - const(7.0), 0.7, 1.0),
}


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("name", STRESS)
def test_hard_points_stay_within_their_bars(name: str, bounded: bool) -> None:
    """A hard point may widen the bar; it never moves the estimate out of it, and never lets a wrong slope pass."""
    node, x, scale = STRESS[name]
    e = directional(evaluator(node, bounded=bounded), [x], [[1.0]], scale=[scale])
    true = exact(node, np.array([x]), np.ones(1))
    if np.isfinite(e.bar[0, 0]):
        assert abs(mpmath.mpf(float(e.value[0, 0])) - true) <= e.bar[0, 0]
    if e.reason[0, 0] == Reason.OK:
        assert abs(float(true) * 1.01 - e.value[0, 0]) > 2 * e.bar[0, 0]
    elif bounded:
        assert name in {"cancellation", "hidden fast", "oscillation", "saturated"}


def test_at_a_kink_both_slopes_are_reported_and_no_derivative() -> None:
    """The central quotient of |x| at 0 is calm at every step; the bar is infinite all the same, told or found out."""
    for reach in (np.inf, 0.0):
        e = directional(evaluator(fn("abs", X)), [0.0], [[1.0]], scale=[1.0], reach=reach)
        assert e.reason[0, 0] == Reason.KINK
        assert np.isinf(e.bar[0, 0])
        assert e.left is not None
        assert e.right is not None
        assert (e.left[0, 0], e.right[0, 0]) == (-1.0, 1.0)


def test_outside_the_domain_and_beyond_overflow_nothing_is_said() -> None:
    """A point with no neighbourhood has no derivative."""
    root = directional(evaluator(fn("log", X)), [-1.0], [[1.0]], scale=[1.0])
    large = directional(evaluator(fn("exp", X)), [1e4], [[1.0]], scale=[1.0])
    assert (root.reason[0, 0], large.reason[0, 0]) == (Reason.DOMAIN, Reason.OVERFLOW)
    assert np.isinf([root.bar[0, 0], large.bar[0, 0]]).all()


def test_noise_widens_the_bar() -> None:
    """A black box with noise 1e-12 is witnessed to the accuracy that its noise allows."""
    rng = np.random.default_rng(5)

    def call(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values = np.sin(points) + 1e-12 * rng.standard_normal(points.shape)
        return values, np.full_like(values, np.nan)

    for x in np.linspace(0.2, 2.9, 25):
        e = directional(call, [x], [[1.0]], scale=[1.0], floor=1.0)
        assert abs(e.value[0, 0] - np.cos(x)) <= e.bar[0, 0] < 1e-3


def test_batched_equals_stacked_and_chunks_do_not_matter() -> None:
    """All directions at once, one at a time, or three points in a call give the same bits."""
    nodes = [fn("sin", var(0) * var(1)), var(2) / var(0), fn("exp", var(1)) - var(2)]
    x, eye = np.array([0.7, -1.3, 2.1]), np.eye(3)
    whole = directional(evaluator(*nodes), x, eye, scale=np.abs(x))
    small = directional(evaluator(*nodes), x, eye, scale=np.abs(x), chunk=3)
    rows = [
        directional(evaluator(*nodes), x, row, scale=abs(s)) for row, s in zip(eye, x, strict=True)
    ]
    assert np.array_equal(whole.value, small.value)
    assert np.array_equal(whole.bar, np.concatenate([r.bar for r in rows]))


def test_a_budget_is_kept_and_named() -> None:
    """What could not be paid for says so."""
    calls: list[int] = []

    def counted(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        calls.append(len(points))
        return evaluator(fn("sin", var(0) * var(1)))(points)

    e = directional(counted, [1.0, 2.0], np.eye(2), scale=[1.0, 1.0], budget=30)
    assert sum(calls) == e.evaluations <= 30
    assert e.reason[:, 0].tolist() == [Reason.OK, Reason.BUDGET]


def test_general_directions_are_rounded_and_returned() -> None:
    """The value belongs to the direction that comes back, which is near the one asked for; signed powers of two stay."""
    rng = np.random.default_rng(3)
    node = fn("sin", var(0)) * var(1) + var(2) * var(2)
    for _ in range(50):
        x, d = rng.normal(size=3), rng.normal(size=3)
        e = directional(evaluator(node), x, d, scale=1.0)
        assert np.abs(e.directions - d).max() <= np.abs(d).max() / 8
        assert (
            abs(mpmath.mpf(float(e.value[0, 0])) - exact(node, x, e.directions[0])) <= e.bar[0, 0]
        )
    signed = np.array([[1.0, -0.5, 2.0]])
    assert np.array_equal(representable(np.array([1.7, 0.6, -3.1]), signed, np.ones(1)), signed)


def test_the_complex_step_is_nearly_exact() -> None:
    """No subtraction: the error is a few units in the last place, and within the bar."""
    for x in np.linspace(0.1, 3.0, 60):
        e = complex_step(lambda z: np.exp(np.sin(z)) / (1 + z * z), [x], [[1.0]])
        node = fn("exp", fn("sin", X)) / (const(1.0) + X * X)
        true = exact(node, np.array([x]), np.ones(1))
        assert abs(mpmath.mpf(float(e.value[0, 0])) - true) <= e.bar[0, 0] <= 1e-12


def test_the_remainder_tells_a_right_slope_from_a_wrong_one() -> None:
    """Rate two for the right slope, one for a slope wrong by more than the sight."""
    call = evaluator(fn("exp", X))
    right, wrong = (taylor_rate(call, [1.0], [1.0], [np.e * k], scale=1.0) for k in (1.0, 1.001))
    assert abs(right.rate[0] - 2) < 0.1
    assert abs(wrong.rate[0] - 1) < 0.1
    assert right.sight[0] < 1e-3
