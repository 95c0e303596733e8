"""Findings are sought in anything: they never raise, say nothing false of ranges, and take linear time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of, type_of_array
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.catalogue import FINDINGS, point_findings, static_findings
from gradproof_service.findings.ranges import ranges_of
from gradproof_service.findings.view import make_view
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate, evaluate_all
from gradproof_service.transforms.reverse import vjp
from hypothesis import given
from hypothesis import strategies as st

from tests.service.ops.draws import SeededDraw, sample

UNARY = (
    "abs", "sign", "square", "reciprocal", "sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh",
    "sigmoid", "erf", "relu", "softplus", "floor", "round", "negative", "stop_gradient", "softmax", "log_softmax",
    "logsumexp", "sum", "mean", "max", "min", "prod", "var", "std", "vector_norm", "elu", "flip",
)  # fmt: skip
BINARY = ("add", "subtract", "multiply", "divide", "pow", "maximum", "minimum")
NUMBERS = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0, 1e-9, 800.0, -800.0, 1e30)


def random_graph(rng: np.random.Generator) -> tuple[Graph, list[Array]]:
    """A graph of up to thirty random nodes, at a point with zeros, ties and huge numbers in it."""
    xp = Builder("f")
    shapes = [(3,), (), (2, 3)]
    inputs = [
        xp.input(f"x{i}", type_of(rng.choice(["float64", "float32"]), s))
        for i, s in enumerate(shapes)
    ]
    values: list[Value] = list(inputs)

    def pick() -> Any:
        return (
            values[rng.integers(len(values))] if rng.random() < 0.8 else float(rng.choice(NUMBERS))
        )

    for _ in range(rng.integers(1, 30)):
        a, b = values[rng.integers(len(values))], pick()
        kind = rng.integers(4)
        if kind == 0 and a.rank:
            values.append(xp.apply(str(rng.choice(UNARY)), a))
        elif kind == 1:
            left, right = (a, b) if rng.random() < 0.5 or not isinstance(b, Value) else (b, a)
            values.append(xp.apply(str(rng.choice(BINARY)), left, right))
        elif kind == 2:
            values.append(xp.where(xp.greater(a, 0.0), a, b))
        else:
            values.append(xp.clip(a, -1.0, 1.0))
    outputs = [values[-1], values[rng.integers(len(values))]]
    point = [
        np.asarray(rng.choice(NUMBERS, s), v.dtype) for v, s in zip(inputs, shapes, strict=True)
    ]
    return xp.finish(outputs), point


@given(st.integers(0, 10**6))
def test_nothing_ever_raises(rng_seed: int) -> None:
    """Random graphs at hard points: every finding has a record, a sentence and numbers."""
    with np.errstate(all="ignore"):
        graph, point = random_graph(np.random.default_rng(rng_seed))
    found = static_findings(graph) + point_findings(make_view(graph, point))
    labels = {graph.node_label(k) for k in range(len(graph))}
    for f in found:
        assert f.code in FINDINGS
        assert f.message
        assert f.function == "f"
        assert f.node == "" or f.node in labels or graph.types[0].is_float
        assert not any(np.isnan(value) for _, value in f.numbers)
        assert f.confirmed or f.severity is not Severity.ERROR


@pytest.mark.parametrize("name", sorted(OPS))
def test_every_op_is_taken(name: str) -> None:
    """A graph of any one op can be searched, at its own sample points."""
    for rng_seed in range(3):
        xs, attrs = sample(OPS[name], SeededDraw(rng_seed))
        xp = Builder(name)
        inputs = [xp.input(f"x{i}", type_of_array(x)) for i, x in enumerate(xs)]
        made = xp.apply(name, *inputs, **attrs)
        graph = xp.finish(list(made) if isinstance(made, tuple) else [made])
        found = static_findings(graph) + point_findings(make_view(graph, xs))
        assert {f.code for f in found} <= set(FINDINGS)


@given(st.integers(0, 10**6))
def test_a_range_holds(rng_seed: int) -> None:
    """No finite value leaves the range that is given for it."""
    with np.errstate(all="ignore"):
        graph, point = random_graph(np.random.default_rng(rng_seed))
        values = evaluate_all(graph, point)
    for found, value in zip(ranges_of(graph), values, strict=True):
        if value is None or not value.size or value.dtype == bool or not np.isfinite(value).all():
            continue
        slack = 1e-6 * (1 + float(np.max(np.abs(value))))
        assert found.low - slack <= np.min(value)
        assert np.max(value) <= found.high + slack


@given(st.integers(0, 10**6))
def test_cotangents_are_those_of_reverse_mode(rng_seed: int) -> None:
    """At the inputs the cotangents of all values are the gradients that reverse mode gives."""
    with np.errstate(all="ignore"):
        graph, point = random_graph(np.random.default_rng(rng_seed))
    view = make_view(graph, point)
    outs = tuple(o for o, t in enumerate(view.graph.output_types) if t.is_float)
    seeds = [np.ones(view.graph.types[view.graph.outputs[o]].shape) for o in outs]
    expected = evaluate(vjp(view.graph, (0, 1, 2), outs), [*view.scene.inputs, *seeds])[
        len(view.graph.outputs) :
    ]
    for i, gradient in enumerate(expected):
        bar = view.bars[i]
        if bar is None:
            continue
        # an addend of zero takes the sign from a negative zero, and the inverse of that is minus infinity
        lost = ~np.isfinite(gradient)
        np.testing.assert_array_equal(~np.isfinite(bar), lost)
        np.testing.assert_allclose(bar[~lost], gradient[~lost], rtol=1e-9, atol=1e-300)


def chain(nodes: int) -> Graph:
    """A long chain in which every kind of search finds something to look at."""
    xp = Builder("chain")
    y = xp.input("x", type_of("float64", (2,)))
    steps: list[Any] = [
        xp.sin, lambda v: v + 0.5, lambda v: xp.reshape(v, shape=(2,)), lambda v: xp.log(xp.exp(v) + 1.0),
        lambda v: xp.where(xp.greater(v, 0.0), v, 0.5 * v), lambda v: xp.sqrt(xp.square(v) + 1.0),
        lambda v: v * v * 0.25, lambda v: xp.clip(v, -1.0, 1.0), xp.tanh, xp.stop_gradient,
        xp.positive, lambda v: xp.astype(v, dtype="float64"), lambda v: v + v,
    ]  # fmt: skip
    while xp.node_count < nodes:
        for step in steps:
            y = step(y)
    return xp.finish([xp.sum(y)])


def test_a_long_chain_takes_one_pass() -> None:
    """A hundred thousand nodes are searched in seconds: a search that looks back without end would not return."""
    assert static_findings(chain(100_000))


def test_a_long_chain_at_a_point_takes_one_pass() -> None:
    """The same at a point."""
    graph = chain(20_000)
    assert isinstance(point_findings(make_view(graph, [np.array([0.25, 0.75])])), list)


def test_findings_inside_called_functions_name_them() -> None:
    """A pattern in a function that the graph calls is found, under that function's name."""
    xp = Builder("main")
    x = xp.input("x", type_of("float64", (2,)))
    inner = xp.new("body")
    u = inner.input("u", type_of("float64", (2,)))
    called = inner.finish([inner.log(inner.sum(inner.exp(u)))])
    graph = xp.finish([xp.call(x, function=called)])
    assert [(f.code, f.function) for f in static_findings(graph)] == [("GP301", "body")]
