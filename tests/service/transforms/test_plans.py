"""A plan gives the bits of the plain executor, in arrays of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.plans.draft import Region
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.prepare import prepare, value_and_gradient_graph
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.scalar.code import scalar_runner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.functions import graph_of
from tests.service.ops.draws import HypothesisDraw, sample
from tests.service.ops.laws import Case

SPECIAL = (0.0, -0.0, 1.0, -1.0, 2.0, np.inf, -np.inf, np.nan, 1e-40, 1e30, 0.5)


def same_bits(found: Sequence[Array], expected: Sequence[Array]) -> None:
    """Equal shapes, dtypes and bits; one NaN is as good as another."""
    for y, z in zip(found, expected, strict=True):
        assert (y.shape, y.dtype) == (z.shape, z.dtype)
        assert np.array_equal(np.isnan(y), np.isnan(z)) if y.dtype.kind == "f" else True
        assert np.nan_to_num(y).tobytes() == np.nan_to_num(z).tobytes()


def planned_is_plain(graph: Graph, inputs: Sequence[Array], threads: int = 1) -> Prepared:
    """Twice the same bits as `evaluate`, and what was returned first is not touched by the second run."""
    plain = evaluate(graph, inputs)
    prepared = Prepared(graph, threads)
    if scalar_runner(prepared.graph) is not None and all(x.ndim == 0 for x in inputs):
        for y, z in zip(prepared(*inputs), plain, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-12)  # on floats: within the ops' ulps
        return prepared
    first = prepared(*inputs)
    same_bits(first, plain)
    others = [np.ones_like(x) for x in inputs]
    prepared(*others)
    same_bits(first, plain)
    same_bits(prepared(*inputs), plain)
    for y in first:
        assert not any(np.may_share_memory(y, x) for x in inputs)
        y[...] = 1  # writable, and nobody else's
    same_bits(prepared(*inputs), plain)
    return prepared


@pytest.mark.parametrize("name", [n for n, op in OPS.items() if op.batching != "run"])
@settings(max_examples=8)
@given(data=st.data())
def test_every_op_and_its_derivatives(name: str, data: Any) -> None:
    """Value, jvp and vjp of each op at its own test points, alone and in a batch."""
    operands, attrs = sample(OPS[name], HypothesisDraw(data))
    graph, xs = graph_of(
        lambda xp, *values: xp.apply(name, *values, **attrs),
        **{f"x{i}": x for i, x in enumerate(operands)},
    )
    planned_is_plain(graph, xs)
    if xs:
        planned_is_plain(graph, [np.stack([x, x[..., ::-1] if x.ndim else x]) for x in xs])
    wrt = tuple(i for i, t in enumerate(graph.input_types) if t.is_float)
    outs = tuple(o for o, t in enumerate(graph.output_types) if t.is_float)
    if not (Case(OPS[name], operands, attrs).differentiable and wrt and outs):
        return
    planned_is_plain(jvp(graph, wrt), [*xs, *(np.full(xs[i].shape, 0.75) for i in wrt)])
    bars = [np.full(graph.output_types[o].shape, 0.75) for o in outs]
    planned_is_plain(vjp(graph, wrt, outs), [*xs, *bars])


class Random:
    """Random programs of elementwise ops, reductions, views and products over a few shapes."""

    UNARY = (
        "sin",
        "exp",
        "tanh",
        "square",
        "negative",
        "reciprocal",
        "sqrt",
        "abs",
        "sigmoid",
        "relu",
        "log1p",
    )
    BINARY = ("add", "subtract", "multiply", "divide", "maximum", "pow")

    def __init__(self, data: Any, shapes: Sequence[tuple[int, ...]]) -> None:
        self.draw = data.draw
        self.shapes = shapes

    def __call__(self, xp: Any, *inputs: Any) -> Any:
        """A program over these inputs; several outputs, some of them intermediate."""
        pool = [*inputs, xp.constant(1.0), xp.constant(2.0), xp.zeros(inputs[0].type)]
        for _ in range(self.draw(st.integers(2, 14))):
            x = self.draw(st.sampled_from(pool))
            pool.append(self._next(xp, x, pool))
        made = pool[len(inputs) + 3 :]
        return [made[-1], xp.sum(made[-1]), self.draw(st.sampled_from(pool))]

    def _next(self, xp: Any, x: Any, pool: list[Any]) -> Any:
        kind = self.draw(st.sampled_from(("unary", "binary", "binary", "reduce", "move", "where")))
        if kind == "unary":
            return xp.apply(self.draw(st.sampled_from(self.UNARY)), x)
        if kind == "reduce" and x.rank:
            op = self.draw(st.sampled_from(("sum", "mean", "max")))
            axes = self.draw(st.sampled_from(((-1,), tuple(range(-x.rank, 0)), (-x.rank,))))
            return xp.apply(op, x, axes=axes, keepdims=self.draw(st.booleans()))
        if kind == "move" and x.rank:
            return self._moved(xp, x)
        fits = [y for y in pool if _broadcasts(x.shape, y.shape)]
        y = self.draw(st.sampled_from(fits))
        if kind == "where":
            return xp.where(xp.less(x, y), x, y)
        return xp.apply(self.draw(st.sampled_from(self.BINARY)), x, y)

    def _moved(self, xp: Any, x: Any) -> Any:
        choice = self.draw(st.sampled_from(("reshape", "expand", "transpose", "flip", "repeat")))
        if choice == "reshape":
            return xp.reshape(x, shape=(-1,) if x.rank > 1 else (*x.shape, 1))
        if choice == "expand":
            return xp.expand_dims(x, axes=(-1,)) if x.rank < 4 else x
        if choice == "transpose" and x.rank > 1:
            return xp.matrix_transpose(x)
        if choice == "flip":
            return xp.flip(x, axes=(-1,))
        wide = self.draw(st.sampled_from(self.shapes))
        return xp.broadcast_to(x, shape=wide) if _widens(x.shape, wide) else x


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    try:
        return np.prod(np.broadcast_shapes(a, b)) <= 200_000
    except ValueError:
        return False


def _widens(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return _broadcasts(a, b) and np.broadcast_shapes(a, b) == b


SMALL = ((), (3,), (4, 3), (4, 1), (70, 9))
LONG = ((40_001,), (33, 1200), (33, 1), (1200,), (), (40_001, 2), (5_000, 9))


@settings(max_examples=150)
@given(data=st.data(), dtype=st.sampled_from((np.float64, np.float32)))
def test_random_graphs_at_special_points(data: Any, dtype: Any) -> None:
    """Small random graphs at zeros of both signs, infinities, NaN and subnormal numbers."""
    chosen = data.draw(st.lists(st.sampled_from(SMALL), min_size=1, max_size=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    inputs = [rng.choice(SPECIAL, s).astype(dtype) for s in chosen]
    graph, _ = graph_of(Random(data, SMALL), **{f"x{i}": x for i, x in enumerate(inputs)})
    planned_is_plain(graph, inputs)
    batch = [np.stack([x, np.ones_like(x), x]) for x in inputs]
    planned_is_plain(graph, batch)


@settings(max_examples=40)
@given(data=st.data(), threads=st.sampled_from((1, 2, 3, 4)))
def test_random_long_graphs_in_blocks(data: Any, threads: int) -> None:
    """Long random graphs and their gradients, on any number of threads."""
    chosen = data.draw(st.lists(st.sampled_from(LONG), min_size=1, max_size=2))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    inputs = [rng.standard_normal(s) for s in chosen]
    graph, _ = graph_of(Random(data, LONG), **{f"x{i}": x for i, x in enumerate(inputs)})
    planned_is_plain(graph, inputs, threads)
    wrt = tuple(range(len(inputs)))
    planned_is_plain(value_and_gradient_graph(graph, wrt, 1), inputs, threads)


def test_a_long_chain_is_one_region() -> None:
    """Ten elementwise ops, their sum and the whole reverse sweep run in blocks, in one pass over memory."""
    graph, xs = graph_of(_chain, x=np.linspace(-2, 2, 100_003))
    prepared = planned_is_plain(value_and_gradient_graph(graph, (0,)), xs, threads=2)
    (task,) = prepared.sketch().tasks
    assert isinstance(task, Region)
    assert len(task.sums) == 1


def _chain(xp: Any, x: Any) -> Any:
    y = xp.tanh(xp.sin(x) * 2.0 + x)
    return xp.sum(xp.sqrt(xp.square(y) * xp.exp(-y) + 1.0) / (2.0 + xp.square(x)))


def test_a_batch_of_another_size_has_a_plan_of_its_own() -> None:
    """One `Prepared` serves a point, and batches of several sizes."""
    graph, (x,) = graph_of(_chain, x=np.linspace(-2, 2, 7))
    prepared = prepare(graph, kind="value_and_gradient")
    for points in (None, 1, 3, 20_000, 3):
        xs = x if points is None else np.tile(x, (points, 1))
        same_bits(prepared(xs), evaluate(prepared.graph, [xs]))


def test_inputs_that_do_not_fit_are_refused() -> None:
    """A wrong shape, a lossy dtype and a missing input each say what was expected."""
    graph, (x,) = graph_of(_chain, x=np.linspace(-2, 2, 7))
    prepared = prepare(graph)
    with pytest.raises(ValueError, match=r"input 'x' has shape \(6,\), expected \(7,\)"):
        prepared(x[:6])
    with pytest.raises(ValueError, match="takes 1 arrays"):
        prepared()
    with pytest.raises(TypeError, match="complex128"):
        prepared(x.astype(np.complex128))
