"""Derivatives through control flow equal those of the same program written without it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.diagnostic import Fault
from gradproof_service.ops.record import IllTyped
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.jacobian import hessian, jacobian

from tests.service.functions import function, graph_of

RNG = np.random.default_rng(20)
W = RNG.standard_normal((3, 3)) * 0.5
H0 = RNG.standard_normal(3)
XS = RNG.standard_normal((4, 3))
STEPS = 5


def _step(xp: Any, w: Any, h: Any, x: Any) -> tuple[Any, Any]:
    new = xp.tanh(w @ h + x)
    return new, xp.sum(new * x)


def scanned(xp: Any, w: Any, h: Any, xs: Any) -> tuple[Any, Any]:
    """A recurrent layer by scan."""
    body = function(xp, "step", _step, w.type, h.type, xs.type.with_shape(xs.shape[1:]))
    return xp.scan(w, h, xs, body=body, length=len(XS), consts=1, carried=1)


def scanned_backwards(xp: Any, w: Any, h: Any, xs: Any) -> tuple[Any, Any]:
    """The same from the last slice to the first."""
    body = function(xp, "step", _step, w.type, h.type, xs.type.with_shape(xs.shape[1:]))
    return xp.scan(w, h, xs, body=body, length=len(XS), consts=1, carried=1, reverse=True)


def unrolled(xp: Any, w: Any, h: Any, xs: Any, order: Any = (0, 1, 2, 3)) -> tuple[Any, Any]:
    """The recurrent layer written out."""
    said: dict[int, Any] = {}
    for k in order:
        row = xp.reshape(xp.slice(xs, starts=(k, 0), stops=(k + 1, 3)), shape=(3,))
        h, said[k] = _step(xp, w, h, row)
    return h, xp.stack(*(said[k] for k in sorted(said)), axis=0)


def unrolled_backwards(xp: Any, w: Any, h: Any, xs: Any) -> tuple[Any, Any]:
    """The same from the last slice to the first."""
    return unrolled(xp, w, h, xs, range(len(XS) - 1, -1, -1))


def looped(xp: Any, a: Any, y: Any) -> Any:
    """Newton's iteration for the square root, as often as a counter says."""
    count = xp.constant(0, np.int64)
    types = (y.type, a.type, count.type)
    cond = function(xp, "go_on", lambda b, y, a, k: b.less(k, STEPS), *types)
    body = function(xp, "newton", lambda b, y, a, k: (0.5 * (y + a / y), a, k + 1), *types)
    return xp.while_loop(y, a, count, cond=cond, body=body)[0]


def straight(xp: Any, a: Any, y: Any) -> Any:
    """Newton's iteration written out."""
    for _ in range(STEPS):
        y = 0.5 * (y + a / y)
    return y


def called(xp: Any, a: Any, y: Any) -> Any:
    """A product behind a call."""
    return xp.call(
        a, y, function=function(xp, "product", lambda b, a, y: b.sin(a) * y, a.type, y.type)
    )


def inline(xp: Any, a: Any, y: Any) -> Any:
    """The same product in place."""
    return xp.sin(a) * y


PAIRS = [
    (scanned, unrolled, {"w": W, "h": H0, "xs": XS}),
    (scanned_backwards, unrolled_backwards, {"w": W, "h": H0, "xs": XS}),
    (looped, straight, {"a": np.array([2.0, 5.0]), "y": np.array([1.0, 1.5])}),
    (called, inline, {"a": np.array([2.0, 5.0]), "y": np.array([1.0, 1.5])}),
]


@pytest.mark.parametrize(
    ("flow", "plain", "point"), PAIRS, ids=lambda p: getattr(p, "__name__", "")
)
@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_first_order_equals_the_program_without_control_flow(
    flow: Any, plain: Any, point: dict[str, Any], mode: Any
) -> None:
    """A Jacobian through scan, while_loop and call is that of the unrolled program."""
    graph, xs = graph_of(flow, **point)
    other, _ = graph_of(plain, **point)
    wrt = tuple(range(len(xs)))
    outs = tuple(range(len(other.outputs)))
    mine = jacobian(graph, xs, wrt, outs, mode)
    theirs = jacobian(other, xs, wrt, outs, "forward")
    for row, expected in zip(mine.blocks, theirs.blocks, strict=True):
        for block, wanted in zip(row, expected, strict=True):
            np.testing.assert_allclose(block, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("flow", "plain", "point"), PAIRS, ids=lambda p: getattr(p, "__name__", "")
)
def test_second_order_equals_the_program_without_control_flow(
    flow: Any, plain: Any, point: dict[str, Any]
) -> None:
    """A Hessian through control flow, forward over reverse, is that of the unrolled program."""

    def scalar(f: Any) -> Any:
        def wrapped(xp: Any, *values: Any) -> Any:
            out = f(xp, *values)
            out = out[0] if isinstance(out, tuple) else out
            return xp.sum(xp.square(out))

        return wrapped

    graph, xs = graph_of(scalar(flow), **point)
    other, _ = graph_of(scalar(plain), **point)
    wrt = tuple(range(len(xs)))
    for row, expected in zip(hessian(graph, xs, wrt), hessian(other, xs, wrt), strict=True):
        for block, wanted in zip(row, expected, strict=True):
            np.testing.assert_allclose(block, wanted, rtol=1e-10, atol=1e-12)


def test_reverse_over_reverse_through_a_loop() -> None:
    """The reverse derivative of a loop's reverse derivative equals that of the straight program."""
    from gradproof_service.transforms.jacobian import gradient_graph

    point = {"a": np.array(2.0), "y": np.array(1.2)}
    graph, xs = graph_of(looped, **point)
    other, _ = graph_of(straight, **point)
    mine = jacobian(gradient_graph(graph, (0, 1)), xs, (0, 1), (0, 1), "reverse").blocks
    theirs = jacobian(gradient_graph(other, (0, 1)), xs, (0, 1), (0, 1), "forward").blocks
    np.testing.assert_allclose(np.ravel(mine), np.ravel(theirs), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("chosen", [False, True])
def test_cond_differentiates_the_branch_taken(chosen: bool) -> None:
    """cond has the value and the derivative of the branch that its condition chooses."""

    def f(xp: Any, c: Any, x: Any) -> Any:
        low = function(xp, "low", lambda b, x: b.sin(x), x.type)
        high = function(xp, "high", lambda b, x: b.exp(x), x.type)
        return xp.cond(c, x, branches=(low, high))

    graph, xs = graph_of(f, c=np.asarray(chosen), x=np.array([0.3, -0.4]))
    expected = np.exp(xs[1]) if chosen else np.cos(xs[1])
    for mode in ("forward", "reverse"):
        block = jacobian(graph, xs, (1,), (0,), mode).blocks[0][0]
        np.testing.assert_allclose(block, np.diag(expected), rtol=1e-15)


def test_a_batch_takes_each_its_own_way() -> None:
    """Points of one batch may take other branches and other trip counts, as if run one by one."""

    def f(xp: Any, x: Any) -> Any:
        cond = function(xp, "large", lambda b, v: b.greater(v, 1.0), x.type)
        body = function(xp, "halve", lambda b, v: v * 0.5, x.type)
        small = xp.while_loop(x, cond=cond, body=body)
        low = function(xp, "low", lambda b, v: b.sin(v), x.type)
        high = function(xp, "high", lambda b, v: b.exp(v), x.type)
        return xp.cond(xp.greater(small, 0.6), small, branches=(low, high))

    graph, _ = graph_of(f, x=np.array(1.0))
    points = np.array([0.3, 9.0, 2.3, 100.0, 0.7])
    batched = evaluate(graph, [points])[0]
    single = [evaluate(graph, [p])[0] for p in points]
    np.testing.assert_array_equal(batched, single)


def test_an_endless_loop_is_refused() -> None:
    """A loop that does not end within its trips is a fault that names the limit."""

    def f(xp: Any, x: Any) -> Any:
        cond = function(xp, "always", lambda b, v: b.greater(b.abs(v) + 1.0, 0.0), x.type)
        body = function(xp, "same", lambda b, v: v * 1.0, x.type)
        return xp.while_loop(x, cond=cond, body=body, max_trips=20)

    graph, xs = graph_of(f, x=np.array(1.0))
    with pytest.raises(Fault, match="20 trips"):
        evaluate(graph, xs)


def test_ill_typed_control_flow_is_told() -> None:
    """Branches of different types, a body that changes the carry and a chooser that is a float."""

    def branches(xp: Any, c: Any, x: Any) -> Any:
        low = function(xp, "low", lambda b, v: b.sum(v), x.type)
        high = function(xp, "high", lambda b, v: b.exp(v), x.type)
        return xp.cond(c, x, branches=(low, high))

    with pytest.raises(IllTyped, match="same types"):
        graph_of(branches, c=np.asarray(True), x=np.ones(2))
    with pytest.raises(IllTyped, match="one bool or integer"):
        graph_of(branches, c=np.asarray(1.0), x=np.ones(2))

    def body(xp: Any, x: Any) -> Any:
        cond = function(xp, "never", lambda b, v: b.less(b.sum(v), 0.0), x.type)
        return xp.while_loop(
            x, cond=cond, body=function(xp, "shrink", lambda b, v: b.sum(v), x.type)
        )

    with pytest.raises(IllTyped, match="keeps its types"):
        graph_of(body, x=np.ones(2))
