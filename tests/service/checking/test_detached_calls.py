"""`stop_gradient` inside called functions: held at the point for each call, each step and each trip of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.check import check
from gradproof_service.checking.detached import detached
from gradproof_service.checking.report import Claim, Kind, Verdict
from gradproof_service.diagnostic import Location
from gradproof_service.transforms.evaluate import evaluate, no_tick

from tests.service.functions import function, graph_of

X = np.array([0.3, -1.2, 0.7])


def _held(b: Any, x: Any) -> Any:
    """x exp(-x^2) whose second factor is held."""
    return x * b.stop_gradient(b.exp(-x * x))


def _slope(x: Any) -> Any:
    """The declared derivative of `_held`."""
    return np.exp(-x * x)


def called(xp: Any, x: Any) -> Any:
    """One function at two places, within another function."""
    inner = function(xp, "held", _held, x.type)
    twice = function(
        xp,
        "twice",
        lambda b, x: b.call(b.sin(x), function=inner) + b.call(2.0 * x, function=inner),
        x.type,
    )
    return xp.sum(xp.call(x, function=twice))


def chosen(xp: Any, x: Any) -> Any:
    """The second of two branches that both hold something."""
    first = function(xp, "first", lambda b, x: x * b.stop_gradient(b.cos(x)), x.type)
    second = function(xp, "second", lambda b, x: _held(b, b.stop_gradient(x) * x), x.type)
    return xp.sum(xp.cond(xp.less(xp.min(x, axes=(0,)), 0.0), x, branches=(first, second)))


def _scanned(reverse: bool) -> Any:
    def scanned(xp: Any, x: Any) -> Any:
        def step(b: Any, c: Any, s: Any) -> Any:
            return c * b.stop_gradient(b.sin(c)) + s, b.stop_gradient(c) * s

        zero = xp.sum(x) * 0.0 + 0.5
        body = function(xp, "step", step, zero.type, zero.type)
        last, rows = xp.scan(zero, x, body=body, length=3, carried=1, reverse=reverse)
        return last + xp.sum(rows)

    return scanned


def _scan_slope(reverse: bool) -> Any:
    order = [2, 1, 0] if reverse else [0, 1, 2]
    c, carries = 0.5, dict[int, float]()
    for k in order:
        carries[k] = c
        c = c * np.sin(c) + X[k]
    slope = np.zeros(3)
    through = 1.0
    for k in order[::-1]:
        slope[k] = through + carries[k]
        through *= np.sin(carries[k])
    return slope


def looped(xp: Any, x: Any) -> Any:
    """Four trips, each holding another value; beside a counter."""
    count = xp.constant(0, np.int64)
    go_on = function(xp, "go_on", lambda b, x, k: b.less(k, 4), x.type, count.type)
    body = function(xp, "trip", lambda b, x, k: (_held(b, x) + 0.5 * x, k + 1), x.type, count.type)
    return xp.sum(xp.while_loop(x, count, cond=go_on, body=body)[0])


def _loop_slope() -> Any:
    x, slope = X, np.ones(3)
    for _ in range(4):
        slope = slope * (_slope(x) + 0.5)
        x = x * _slope(x) + 0.5 * x
    return slope


TRIPS = np.array([2, 0, 3])


def nested(xp: Any, x: Any) -> Any:
    """A scan over loops of other trip counts in each step, over calls."""
    scalar = xp.sum(x).type
    count = xp.constant(0, np.int64)
    inner = function(xp, "held", _held, scalar)
    types = (scalar, count.type, count.type)
    go_on = function(xp, "go_on", lambda b, c, k, n: b.less(k, n), *types)
    trip = function(
        xp, "trip", lambda b, c, k, n: (b.call(c, function=inner) + 0.5, k + 1, n), *types
    )

    def step(b: Any, c: Any, s: Any, n: Any) -> Any:
        zero = b.constant(0, np.int64)
        return b.while_loop(c, zero, n, cond=go_on, body=trip)[0] + s

    body = function(xp, "step", step, scalar, scalar, count.type)
    start = xp.sum(x) * 0.0 + 0.9
    return xp.scan(start, x, xp.constant(TRIPS), body=body, length=3, carried=1)


def _nested_slope() -> Any:
    c, factors = 0.9, list[float]()
    for k in range(3):
        factor = 1.0
        for _ in range(TRIPS[k]):
            factor *= _slope(c)
            c = c * _slope(c) + 0.5
        c += X[k]
        factors.append(factor)
    return np.array([factors[1] * factors[2], factors[2], 1.0])


CASES = [
    (called, _slope(np.sin(X)) * np.cos(X) + 2 * _slope(2 * X)),
    (chosen, X * _slope(X * X)),
    (_scanned(False), _scan_slope(False)),
    (_scanned(True), _scan_slope(True)),
    (looped, _loop_slope()),
    (nested, _nested_slope()),
]


@pytest.mark.parametrize(("f", "slope"), CASES)
def test_the_declared_derivative_agrees_and_a_wrong_one_is_caught(f: Any, slope: Any) -> None:
    """The slope worked out step by step with what is held as a constant; every entry off by 1e-4 is seen."""
    graph, xs = graph_of(f, x=X)
    report = check(None, graph, xs, [Claim(Kind.GRADIENT, value=slope)])
    assert report.verdict is Verdict.AGREES, report.findings
    for k in range(3):
        wrong = slope + 1e-4 * (np.arange(3) == k)
        report = check(None, graph, xs, [Claim(Kind.GRADIENT, value=wrong)])
        assert report.verdict is Verdict.DISAGREES


@pytest.mark.parametrize(("f", "slope"), CASES)
def test_the_whole_dependence_is_a_wrong_claim(f: Any, slope: Any) -> None:
    """Central differences of the function itself, which see through what is held, are told to be wrong."""
    graph, _ = graph_of(f, x=X)
    steps = 1e-6 * np.eye(3)
    through = [(evaluate(graph, [X + h])[0] - evaluate(graph, [X - h])[0]) / 2e-6 for h in steps]
    report = check(None, graph, [X], [Claim(Kind.GRADIENT, value=np.array(through))])
    assert report.verdict is Verdict.DISAGREES
    assert np.abs(np.array(through) - slope).max() > 1e-3


@pytest.mark.parametrize("f", [f for f, _ in CASES])
def test_nothing_else_changes(f: Any) -> None:
    """At the point the values have the same bits, and nodes keep their names and places."""
    graph, xs = graph_of(f, x=X)
    held = detached(graph, xs, no_tick)
    for y, z in zip(evaluate(held, xs), evaluate(graph, xs), strict=True):
        assert y.tobytes() == z.tobytes()
    sent = {k: n for n, k in enumerate(held.origins) if k >= 0}
    assert list(sent) == list(range(len(graph)))
    for k, n in sent.items():
        assert held.location(n) == graph.location(k) or held.location(n) == Location()
        assert held.node_label(n) == graph.node_label(k)


def test_a_function_without_any_is_itself() -> None:
    """No graph is built where nothing is held."""

    def plain(xp: Any, x: Any) -> Any:
        return xp.sum(xp.call(x, function=function(xp, "sine", lambda b, x: b.sin(x), x.type)))

    graph, xs = graph_of(plain, x=X)
    assert detached(graph, xs, no_tick) is graph
