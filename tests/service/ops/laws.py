"""The laws that every op obeys, each a function of one case that raises `AssertionError`.

Expected values never come from the rule under test: forward is held to difference quotients of the
kernel, reverse to forward, second order to difference quotients of reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from gradproof_service.arrays import F32, FLOATS, Array, type_of_array, unit_roundoff
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Op, Site
from gradproof_service.transforms.evaluate import batch_of, evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.rounding import rounding_bounds

Arrays = Sequence[Array]

LEVELS = 6
"""Rungs of the difference ladder, each half the one before."""
ON_THE_EDGE = 1e-5
"""Reach below which a point counts as lying on a kink, where a derivative is a convention."""


@dataclass(frozen=True)
class Case:
    """One op applied once at one point, with seeds of both directions."""

    op: Op
    xs: tuple[Array, ...]
    attrs: dict[str, Any]
    rng_seed: int = 0

    @cached_property
    def graph(self) -> Graph:
        """The op alone, from its operands to its outputs."""
        xp = Builder(self.op.name)
        inputs = [xp.input(f"x{i}", type_of_array(x)) for i, x in enumerate(self.xs)]
        result = xp.apply_op(self.op, inputs, self.attrs)
        return xp.finish(list(result) if isinstance(result, tuple) else [result])

    @property
    def site(self) -> Site:
        """The op's one application."""
        return self.graph.sites[0]

    @cached_property
    def ys(self) -> list[Array]:
        """The outputs at the point."""
        return evaluate(self.graph, self.xs)

    @cached_property
    def wrt(self) -> tuple[int, ...]:
        """The operands that are floats."""
        return tuple(i for i, x in enumerate(self.xs) if x.dtype in FLOATS)

    @cached_property
    def outs(self) -> tuple[int, ...]:
        """The outputs that are floats."""
        return tuple(i for i, t in enumerate(self.graph.output_types) if t.is_float)

    @property
    def differentiable(self) -> bool:
        """Whether there is anything to differentiate, by type."""
        return bool(self.wrt and self.outs)

    def seeds(self, salt: int = 0) -> tuple[list[Array], list[Array]]:
        """Tangents of the float operands and cotangents of the float outputs, away from zero.

        Not round numbers: those add up to zero by chance, and a wrong sign goes unseen.
        """
        rng = np.random.default_rng((self.rng_seed, salt))

        def draw(like: Any) -> Array:
            signs = np.where(rng.random(like.shape) < 0.5, -1.0, 1.0)
            return (signs * rng.uniform(0.25, 1.0, like.shape)).astype(like.dtype)

        types = self.graph.output_types
        return [draw(self.xs[i]) for i in self.wrt], [draw(types[o]) for o in self.outs]

    def pushed(self, tangents: Arrays) -> list[Array]:
        """Tangents of the float outputs."""
        return evaluate(jvp(self.graph, self.wrt), [*self.xs, *tangents])[len(self.ys) :]

    def pulled(self, cotangents: Arrays) -> list[Array]:
        """Cotangents of the float operands."""
        return evaluate(vjp(self.graph, self.wrt, self.outs), [*self.xs, *cotangents])[
            len(self.ys) :
        ]

    def in_float32(self) -> Case | None:
        """The same case in float32; None where an attribute is a function, typed already."""
        if any(a.kind in ("function", "functions") for a in self.op.attrs):
            return None
        xs = tuple(x.astype(np.float32) if x.dtype == np.float64 else x for x in self.xs)
        return Case(self.op, xs, self.attrs, self.rng_seed)

    @cached_property
    def reach(self) -> float:
        """How far the point can move along the first tangents before an edge, to first order."""
        tangents = dict(zip(self.wrt, self.seeds()[0], strict=True))
        nearest = np.inf
        for margin in self.op.margins:
            if margin.operand in tangents:
                with np.errstate(all="ignore"):
                    distance = np.asarray(margin.value(self.site, self.xs, tuple(self.ys)))
                    times = np.abs(distance) / np.abs(tangents[margin.operand])
                nearest = min(nearest, float(np.nanmin(times, initial=np.inf)))
        return nearest


def shapes_and_dtypes(case: Case) -> None:
    """What the kernel returns has the shape and dtype that inference promised, batched too."""
    for one in (case, case.in_float32()):
        if one is not None:
            for y, t in zip(one.ys, one.graph.output_types, strict=True):
                assert (y.shape, y.dtype) == (t.shape, t.dtype), f"{y.dtype}{y.shape} is no {t}"


def adjoint(case: Case) -> None:
    """<c, J t> = <J^T c, t> to roundoff."""
    tangents, cotangents = case.seeds()
    _same_product(case, cotangents, case.pushed(tangents), tangents, case.pulled(cotangents))


def _same_product(case: Case, cs: Arrays, jts: Arrays, ts: Arrays, jtcs: Arrays) -> None:
    left, right = _dot(cs, jts), _dot(ts, jtcs)
    size = _dot(map(np.abs, cs), map(np.abs, jts)) + _dot(map(np.abs, ts), map(np.abs, jtcs))
    if abs(left - right) <= 1e-13 * size:
        return
    # more than the sums' own rounding: only what the two programs can have lost inside is forgiven
    lost = 0.0
    for graph, seeds, results, weights in (
        (jvp(case.graph, case.wrt), ts, jts, cs),
        (vjp(case.graph, case.wrt, case.outs), cs, jtcs, ts),
    ):
        bounds = rounding_bounds(graph, [*case.xs, *seeds], [*case.ys, *results])[len(case.ys) :]
        lost += _dot(map(np.abs, weights), bounds)
    assert np.isfinite(lost), f"<c, J t> = {left}, <J^T c, t> = {right}, and rounding has no bound"
    assert abs(left - right) <= 1e-13 * size + lost, f"<c, J t> = {left}, <J^T c, t> = {right}"


def _dot(a: Any, b: Any) -> float:
    return float(sum(np.vdot(x, y) for x, y in zip(a, b, strict=True)))


def forward_is_a_difference(case: Case) -> None:
    """J t lies within the error bar of a difference quotient of the kernel."""
    tangents, _ = case.seeds()
    quotients, bars = quotient(case, case.graph, [])
    for dot, o in zip(case.pushed(tangents), case.outs, strict=True):
        _within(dot, quotients[o], bars[o], "J t")


def second_order_is_a_difference(case: Case) -> None:
    """The tangent of J^T c lies within the error bar of a difference quotient of J^T c."""
    tangents, cotangents = case.seeds()
    reverse = vjp(case.graph, case.wrt, case.outs)
    n = len(case.ys)
    quotients, bars = quotient(case, reverse, cotangents)
    outs = evaluate(jvp(reverse, case.wrt), [*case.xs, *cotangents, *tangents])
    floats = [o for o, t in enumerate(reverse.output_types) if t.is_float]
    for o, dot in zip(floats, outs[len(reverse.outputs) :], strict=True):
        if o >= n:
            _within(dot, quotients[o], bars[o], "d(J^T c) t")


def quotient(case: Case, graph: Graph, extra: Arrays) -> tuple[list[Array], list[Array]]:
    """d/dh of the graph along the first tangents: Richardson's table, and an error bar per entry.

    The widest step stays within an eighth of the reach, so no edge lies between the samples.
    """
    tangents = dict(zip(case.wrt, case.seeds()[0], strict=True))
    widest = 2.0 ** np.floor(np.log2(min(2.0**-4, case.reach / 8)))
    steps = widest / 2.0 ** np.arange(LEVELS)
    moves = np.concatenate([steps, -steps])
    xs = [
        x + moves.reshape(-1, *(1,) * x.ndim) * tangents[i] if i in tangents else x
        for i, x in enumerate(case.xs)
    ]
    values: list[Array] = []
    bars: list[Array] = []
    for y, t in zip(evaluate(graph, [*xs, *extra]), graph.output_types, strict=True):
        both = batch_of(y, t.rank, len(moves)).astype(np.float64)
        wide = steps.reshape(-1, *(1,) * t.rank)
        with np.errstate(all="ignore"):
            row = list((both[:LEVELS] - both[LEVELS:]) / (2 * wide))
            best, bar = row[-1], np.full(t.shape, np.inf)
            for order in range(1, LEVELS):
                row = [b + (b - a) / (4.0**order - 1) for a, b in pairwise(row)]
                for a, b in pairwise(row):
                    closer = np.abs(b - a) < bar
                    best, bar = np.where(closer, b, best), np.where(closer, np.abs(b - a), bar)
            noise = 64 * 2.0**-53 * np.abs(both).max(axis=0, initial=0.0) / steps[-1]
        values.append(best)
        bars.append(bar + noise)
    return values, bars


def _within(got: Array, expected: Array, bar: Array, what: str) -> None:
    size = np.max(np.abs(expected), initial=1.0)
    off = np.abs(got - expected)
    assert np.all(off <= 8 * bar + 1e-9 * size), (
        f"{what}: {got}, differences say {expected} +- {bar}"
    )


def batched_is_stacked(case: Case) -> None:
    """A batch gives what its elements give alone: bitwise where the kernel only moves data.

    Otherwise to some units of roundoff, relative to the largest entry where products are summed
    (a batched matrix product adds in another order).
    """
    rng = np.random.default_rng(case.rng_seed)
    some = rng.random(len(case.xs)) < 0.6
    xs = [_batch(x) if b else x for x, b in zip(case.xs, some, strict=True)]
    _stacks(case.graph, xs, 0.0 if case.op.ulps == 0 and not case.op.accumulates else 1e-13)
    if case.differentiable:
        tangents, cotangents = case.seeds()
        _stacks(jvp(case.graph, case.wrt), [*case.xs, *map(_batch, tangents)], 1e-12)
        _stacks(vjp(case.graph, case.wrt, case.outs), [*xs, *map(_batch, cotangents)], 1e-12)


def _batch(x: Array) -> Array:
    """Three related arrays: scaled floats keep their structure (definite, triangular, positive)."""
    if x.dtype in FLOATS:
        return np.stack([x, x * x.dtype.type(1.0625), x * x.dtype.type(0.9375)])
    if x.dtype == np.bool_:
        return np.stack([x, ~x, x])
    turned = x[::-1] if x.ndim else x
    return np.stack([x, turned, x])


def _stacks(graph: Graph, xs: Arrays, tolerance: float) -> None:
    together = evaluate(graph, xs)
    ranks = [t.rank for t in graph.input_types]
    for b in range(3):
        alone = evaluate(graph, [x[b] if x.ndim > r else x for x, r in zip(xs, ranks, strict=True)])
        for y, z in zip(together, alone, strict=True):
            mine = y[b] if y.ndim > z.ndim else y
            if tolerance:
                size = np.max(np.abs(z), initial=0.0, where=np.isfinite(z))
                np.testing.assert_allclose(mine, z, rtol=0, atol=tolerance * size)
            else:
                np.testing.assert_array_equal(mine, z)


def linear_in_the_seed(case: Case) -> None:
    """J (2 s - t/2) = 2 J s - J t / 2, and the same of J^T."""
    for run, pick in ((case.pushed, 0), (case.pulled, 1)):
        s, t = case.seeds(0)[pick], case.seeds(1)[pick]
        mixed = run([2 * a - b / 2 for a, b in zip(s, t, strict=True)])
        for got, a, b in zip(mixed, run(s), run(t), strict=True):
            size = np.max(np.abs(a), initial=0.0) + np.max(np.abs(b), initial=0.0)
            # a derivative that is zero only in exact arithmetic has noise of the seeds' size
            np.testing.assert_allclose(got, 2 * a - b / 2, rtol=0, atol=1e-12 * size + 1e-14)


def complex_step(case: Case) -> None:
    """Im f(x + i h t) / h = J t for a kernel that says it is holomorphic, and Re f is unmoved."""
    h = 1e-30
    tangents, _ = case.seeds()
    moved = dict(zip(case.wrt, tangents, strict=True))
    outs = evaluate(
        case.graph, [x + 1j * h * moved[i] if i in moved else x for i, x in enumerate(case.xs)]
    )
    for o, dot in zip(case.outs, case.pushed(tangents), strict=True):
        size = np.max(np.abs(dot), initial=1.0)
        np.testing.assert_allclose(np.imag(outs[o]) / h, dot, rtol=0, atol=1e-10 * size)
        np.testing.assert_allclose(np.real(outs[o]), case.ys[o], rtol=1e-12, atol=1e-12)


def operands_are_left_alone(case: Case) -> None:
    """No kernel writes into an operand, forward, in reverse or in a batch."""
    xs = [np.array(x) for x in case.xs]
    before = [x.copy() for x in xs]
    for x in xs:
        x.flags.writeable = False
    evaluate(case.graph, xs)
    evaluate(case.graph, [np.broadcast_to(x, (2, *x.shape)) for x in xs])
    if case.differentiable:
        tangents, cotangents = case.seeds()
        evaluate(jvp(case.graph, case.wrt), [*xs, *tangents])
        evaluate(vjp(case.graph, case.wrt, case.outs), [*xs, *cotangents])
    for x, old in zip(xs, before, strict=True):
        np.testing.assert_array_equal(x, old)


def float32_stays_float32(case: Case) -> None:
    """Derivatives have the dtype of what they belong to, and are those of float64 nearly."""
    narrow = case.in_float32()
    if narrow is None:
        return
    tangents, cotangents = case.seeds()
    for wide_run, run, seeds, likes in (
        (case.pushed, narrow.pushed, tangents, [narrow.graph.output_types[o] for o in narrow.outs]),
        (case.pulled, narrow.pulled, cotangents, [type_of_array(narrow.xs[i]) for i in narrow.wrt]),
    ):
        given = [s.astype(np.float32) for s in seeds]
        if run == narrow.pulled:
            given = [
                s.astype(narrow.graph.output_types[o].dtype)
                for s, o in zip(seeds, narrow.outs, strict=True)
            ]
        for got, wide, like in zip(run(given), wide_run(seeds), likes, strict=True):
            assert (got.shape, got.dtype) == (like.shape, like.dtype)
            size = np.max(np.abs(wide), initial=1.0)
            np.testing.assert_allclose(got, wide, rtol=0, atol=1e4 * unit_roundoff(F32) * size)


def declared_linear_is_linear(case: Case) -> None:
    """Along an operand declared linear the second difference vanishes."""
    tangents = dict(zip(case.wrt, case.seeds()[0], strict=True))
    for i in case.op.linear:
        if i in tangents:
            line = [
                evaluate(
                    case.graph,
                    [x + k * tangents[i] if j == i else x for j, x in enumerate(case.xs)],
                )
                for k in (-1, 0, 1)
            ]
            for o in case.outs:
                low, middle, high = (ys[o] for ys in line)
                size = np.max(np.abs([low, middle, high]), initial=0.0)
                np.testing.assert_allclose(high + low, 2 * middle, rtol=0, atol=1e-12 * size)
