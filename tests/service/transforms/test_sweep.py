"""Long graphs of scalars: sweeping over the graph gives what its derivative graph gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import BOOL, F64, Array, type_of
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.prepare import prepare, value_and_gradient_graph
from gradproof_service.transforms.prepared_sweep import PreparedSweep
from gradproof_service.transforms.scalar import code, sweep
from gradproof_service.transforms.scalar.code import scalar_runner
from gradproof_service.transforms.scalar.sweep import NotScalar, Sweep
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.functions import graph_of

SCALAR = sorted(n for n, op in OPS.items() if op.scalar)
SAME_BITS = sorted({*SCALAR} - {"exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "pow"})
"""Ops that IEEE 754 rounds: Python and NumPy agree in every bit."""
EDGES = (0.0, -0.0, 1.0, -1.0, 1e-300, 1e300, 710.0, -745.5, np.inf, -np.inf, np.nan)
NUMBERS = st.one_of(st.floats(-3.0, 3.0), st.sampled_from(EDGES))
NAMES = ("a", "b", "c")


@st.composite
def graphs(draw: st.DrawFn, ops: list[str]) -> Graph:
    """Up to forty nodes over three inputs and constants, any value an operand of any later node."""
    xp = Builder("drawn")
    floats = [xp.input(n, type_of(F64)) for n in NAMES]
    floats += [xp.constant(v) for v in draw(st.lists(NUMBERS, max_size=3))]
    truths = [xp.less(floats[0], floats[1])]
    for _ in range(draw(st.integers(1, 40))):
        name = draw(st.sampled_from(ops))
        logical = name.startswith("logical")
        operands = [
            draw(st.sampled_from(truths if logical or (name == "where" and i == 0) else floats))
            for i in range(OPS[name].arity[0])
        ]
        made: Value = xp.apply(name, *operands)
        (truths if made.dtype == BOOL else floats).append(made)
    return xp.finish([floats[-1], draw(st.sampled_from(floats)), truths[-1]])


def swept(graph: Graph, wrt: tuple[int, ...]) -> PreparedSweep:
    """Value and gradient of the first output as a long graph of scalars gets them."""
    derived = value_and_gradient_graph(graph, wrt)
    return PreparedSweep(Sweep(graph, wrt, 0), True, lambda: derived, 1)


def same_bits(found: list[Array], expected: list[Array]) -> None:
    """Equal numbers, equal signs of zeros, NaN where NaN is."""
    for x, y in zip(found, expected, strict=True):
        assert (type(x), x.shape, x.dtype) == (np.ndarray, (), y.dtype)
        np.testing.assert_array_equal(x, y)
        if not np.isnan(y):
            assert np.signbit(x) == np.signbit(y)


@settings(max_examples=300, deadline=None)
@given(graphs(SCALAR), st.tuples(NUMBERS, NUMBERS, NUMBERS), st.sets(st.sampled_from((0, 1, 2))))
def test_a_sweep_is_the_derivative_graph_on_floats(
    graph: Graph, point: tuple[float, ...], wrt: set[int]
) -> None:
    """Every bit, for every op with a form on floats; where one raises, the arrays' answer is given."""
    inputs = tuple(sorted(wrt))
    xs = [np.array(v) for v in point]
    derived = value_and_gradient_graph(graph, inputs)
    found = swept(graph, inputs)(*xs)
    try:
        Sweep(graph, inputs, 0)(list(point))
    except (ArithmeticError, ValueError):
        same_bits(found, evaluate(derived, xs))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code, "LINES", 0)
        runner = scalar_runner(derived)
    assert runner is not None
    same_bits(found, runner(*xs))


@settings(max_examples=200, deadline=None)
@given(graphs(SAME_BITS), st.tuples(NUMBERS, NUMBERS, NUMBERS))
def test_a_sweep_is_the_derivative_graph_on_arrays(graph: Graph, point: tuple[float, ...]) -> None:
    """Every bit, at ordinary points, at edges of domains, at inf and NaN."""
    xs = [np.array(v) for v in point]
    same_bits(
        swept(graph, (0, 1, 2))(*xs), evaluate(value_and_gradient_graph(graph, (0, 1, 2)), xs)
    )


def _chain(xp: Any, x: Any, y: Any, nodes: int = 1200) -> Any:
    """x y^(nodes / 2) up to signs, and a number that nobody differentiates."""
    out = x
    for _ in range(nodes // 2):
        out = -(out * y)
    return out, xp.stop_gradient(out)


def test_a_long_chain_by_hand() -> None:
    """Both derivatives of x y^600, as value and gradient and as gradient alone."""
    graph, xs = graph_of(_chain, x=0.75, y=1.001)
    value = 0.75 * 1.001**600
    expected = [value, value, value / 0.75, 600 * value / 1.001]
    both = prepare(graph)
    assert isinstance(both, PreparedSweep)
    np.testing.assert_allclose(both(*xs), expected, rtol=1e-12)
    np.testing.assert_allclose(prepare(graph, kind="gradient")(*xs), expected[2:], rtol=1e-12)
    np.testing.assert_allclose(
        prepare(graph, kind="gradient", wrt=(1,), outs=(1,))(*xs), [0.0], rtol=0
    )
    assert not {k for k in graph.plans if isinstance(k, tuple) and k[0] in ("vjp", "gradient")}


def test_batches_other_dtypes_and_wrong_counts_take_the_plans() -> None:
    """What a list of floats cannot hold is answered, or refused, as by every prepared derivative."""
    graph, (x, y) = graph_of(_chain, x=0.75, y=1.001)
    both = prepare(graph)
    alone = both(x, y)
    batch = both(np.array([0.75, 1.5]), y)
    assert batch[0].shape == (2,)
    np.testing.assert_allclose([b.ravel()[0] for b in batch], alone, rtol=1e-12)
    np.testing.assert_allclose(both(np.float32(0.75), y), alone, rtol=1e-12)
    with pytest.raises(ValueError, match="takes 2 arrays"):
        both(x)


def test_a_float_that_overflows_is_infinite() -> None:
    """exp raises on a float and is inf in an array: the array's answer, with its derivative."""
    graph, _ = graph_of(lambda xp, x, y: xp.exp(_chain(xp, x, y)[0]), x=0.75, y=1.0)
    value, x_bar, y_bar = prepare(graph)(np.array(710.0), np.array(1.0))
    assert np.isposinf(value)
    assert np.isposinf(x_bar)
    assert np.isposinf(y_bar)


def test_what_is_not_scalar_is_not_swept() -> None:
    """Vectors, float32, ops without a form on floats, and a truth value to differentiate."""
    graph, _ = graph_of(_chain, x=np.ones(2), y=np.ones(2))
    with pytest.raises(NotScalar):
        Sweep(graph, (0,), 0)
    graph, _ = graph_of(_chain, x=np.float32(1), y=np.float32(1))
    assert not isinstance(prepare(graph), PreparedSweep)
    graph, xs = graph_of(lambda xp, x, y: xp.erf(_chain(xp, x, y)[0]), x=0.5, y=1.0)
    assert not isinstance(prepare(graph), PreparedSweep)
    assert np.isfinite(prepare(graph)(*xs)[1])
    graph, _ = graph_of(lambda xp, x, y: xp.less(x, y), x=0.5, y=1.0)
    with pytest.raises(NotScalar):
        Sweep(graph, (0,), 0)


def test_a_sweep_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tick is called during both ways, and what it raises ends the call."""
    monkeypatch.setattr(sweep, "STRETCH", 100)
    graph, xs = graph_of(_chain, x=0.75, y=1.001)
    both = prepare(graph)
    expected = both(*xs)
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == 20:
            raise TimeoutError

    with pytest.raises(TimeoutError):
        both(*xs, tick=tick)
    np.testing.assert_array_equal(both(*xs), expected)
