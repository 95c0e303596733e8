"""Reverse mode within a budget: the same bits, the memory that was said, and a refusal that names the least."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Fault
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.revolve import steps_again
from gradproof_service.transforms.budget import vjp_within
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.prepare import prepare
from gradproof_service.transforms.recompute import Schedule, recomputed
from gradproof_service.transforms.reverse import vjp
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.functions import function, graph_of
from tests.service.transforms.test_plan_memory import measured
from tests.service.transforms.test_plans import Random, same_bits

RNG = np.random.default_rng(5)
WEIGHTS = {f"w{i}": RNG.standard_normal((200, 200)) / 14 for i in range(12)}


def _chain(xp: Any, x: Any) -> Any:
    """Elementwise stretches between products, so that no block of rows can hold it all."""
    for i in range(40):
        x = xp.sin(x) * xp.exp(x * -0.1) + xp.flip(x, axes=(0,)) if i % 5 == 4 else xp.sin(x) * 1.1
    return xp.log(xp.sum(xp.exp(x)))


def _network(xp: Any, x: Any, *weights: Any) -> Any:
    for w in weights:
        x = xp.tanh(x @ w)
    return xp.sum(xp.square(x))


def _carried(length: int, reverse: bool) -> Any:
    """A scan of a large carry, a constant, slices and stacked outputs."""

    def scanned(xp: Any, c: Any, k: Any, s: Any) -> Any:
        def step(b: Any, k: Any, c: Any, s: Any) -> Any:
            return b.sin(c * k + s) + b.exp(-c * c), b.sum(c) * s

        body = function(xp, "step", step, k.type, c.type, s.type.with_shape(()))
        last, sums = xp.scan(
            k, c, s, body=body, length=length, consts=1, carried=1, reverse=reverse
        )
        return xp.sum(last) + xp.sum(xp.square(sums))

    return scanned


def _looped(trips: int, most: int) -> Any:
    """A while loop that nobody knows the trips of before it runs, with a carry that does not change and a counter."""

    def looped(xp: Any, c: Any, k: Any) -> Any:
        count = xp.constant(0, np.int64)
        types = (c.type, k.type, count.type)
        go_on = function(xp, "go_on", lambda b, c, k, n: b.less(n, trips), *types)

        def step(b: Any, c: Any, k: Any, n: Any) -> Any:
            return b.sin(c * k + 1.0) + b.exp(-c * c), k, n + 1

        body = function(xp, "step", step, *types)
        return xp.sum(xp.while_loop(c, k, count, cond=go_on, body=body, max_trips=most)[0])

    return looped


def _loop_point(size: int) -> dict[str, Array]:
    return {"c": RNG.standard_normal(size), "k": 0.1 * RNG.standard_normal(size)}


def _scan_point(length: int, size: int) -> dict[str, Array]:
    return {
        "c": RNG.standard_normal(size),
        "k": 0.1 * RNG.standard_normal(size),
        "s": RNG.standard_normal(length),
    }


LARGE = [
    (_chain, {"x": RNG.standard_normal(100_000)}, 0.25),
    (_network, {"x": RNG.standard_normal((2000, 200)), **WEIGHTS}, 0.65),
    (_carried(200, False), _scan_point(200, 5000), 0.25),
    (_carried(103, True), _scan_point(103, 9000), 0.35),
    (_looped(150, 200), _loop_point(6000), 0.25),
]  # fmt: skip
SCHEDULES = [
    Schedule(pieces, depth, carry_bytes)
    for pieces, depth, carry_bytes in product((2, 5), (1, 3), (0, 48, 150, inf))
]


def _bits(found: Sequence[Array]) -> list[bytes]:
    return [y.tobytes() for y in found]


@pytest.mark.parametrize(("make", "point", "share"), LARGE)
def test_the_peak_is_what_was_said_and_within_the_budget(
    make: Any, point: Any, share: float
) -> None:
    """A share of what the plain sweep takes is enough, is kept to, and gives the plain sweep's bits."""
    graph, xs = graph_of(make, **point)
    plain = prepare(graph)
    assert isinstance(plain, Prepared)
    budget = int(share * plain.sketch().peak_bytes)
    ready = prepare(graph, budget_bytes=budget)
    assert isinstance(ready, Prepared)
    said = ready.sketch().peak_bytes
    assert said <= budget
    expected = _bits(plain(*xs))
    assert measured(plain, xs) > budget
    taken = measured(ready, xs)
    assert said / 1.2 - 300_000 <= taken <= 1.2 * said + 300_000
    assert _bits(ready(*xs)) == expected
    assert _bits(evaluate(ready.graph, xs)) == expected


def test_what_fits_is_the_plain_sweep() -> None:
    """Nothing is computed twice without need."""
    graph, _ = graph_of(_chain, x=RNG.standard_normal(100_000))
    assert vjp_within(graph, (0,), (0,), 1 << 40) is vjp(graph, (0,), (0,))


def test_a_smaller_budget_is_more_work() -> None:
    """The nodes that run grow as the budget shrinks, and the peak that is said falls."""
    graph, _ = graph_of(_chain, x=RNG.standard_normal(100_000))
    full = Prepared(vjp(graph, (0,), (0,))).sketch().peak_bytes
    sketches = [
        Prepared(vjp_within(graph, (0,), (0,), int(full * share))).sketch()
        for share in (1.0, 0.6, 0.3, 0.2)
    ]
    works, peaks = [s.work for s in sketches], [s.peak_bytes for s in sketches]
    assert works == sorted(set(works))
    assert peaks == sorted(set(peaks), reverse=True)


@pytest.mark.parametrize(("make", "point", "share"), LARGE[:3])
def test_what_cannot_be_is_refused_with_the_least(make: Any, point: Any, share: float) -> None:
    """The sentence names the least, and exactly the least is enough."""
    graph, _ = graph_of(make, **point)
    with pytest.raises(
        Fault, match=r"at least [\d,]+ bytes at once.* the budget is 1,000;"
    ) as raised:
        prepare(graph, budget_bytes=1000)
    least = int(str(raised.value).split("at least ")[1].split(" ")[0].replace(",", ""))
    ready = prepare(graph, budget_bytes=least)
    assert isinstance(ready, Prepared)
    assert ready.sketch().peak_bytes == least
    with pytest.raises(Fault, match="needs at least"):
        prepare(graph, budget_bytes=least - 1)


def test_a_budget_is_for_reverse_sweeps() -> None:
    """What is not swept backwards says so."""
    graph, _ = graph_of(_chain, x=RNG.standard_normal(10))
    with pytest.raises(ValueError, match="a jvp is not made within a budget"):
        prepare(graph, kind="jvp", budget_bytes=1 << 20)


def _same_by_every_schedule(
    graph: Graph, xs: Sequence[Array], schedules: Sequence[Schedule]
) -> None:
    wrt = tuple(i for i, t in enumerate(graph.input_types) if t.is_float)
    outs = tuple(o for o, t in enumerate(graph.output_types) if t.is_float)
    types = [graph.output_types[o] for o in outs]
    plain = vjp(graph, wrt, outs)
    one = [RNG.standard_normal(t.shape).astype(t.dtype) for t in types]
    many = [RNG.standard_normal((3, *t.shape)).astype(t.dtype) for t in types]
    for schedule in schedules:
        made = recomputed(graph, wrt, outs, schedule)
        ready = Prepared(made, on_floats=False)
        for seeds in (one, many):
            expected = evaluate(plain, [*xs, *seeds])
            same_bits(evaluate(made, [*xs, *seeds]), expected)
            same_bits(ready(*xs, *seeds), expected)
            same_bits(ready(*xs, *seeds), expected)


SMALL = [
    (_chain, {"x": RNG.standard_normal(7)}),
    (_network, {"x": RNG.standard_normal((5, 4)), "v": RNG.standard_normal((4, 3)), "w": RNG.standard_normal((3, 4))}),
    *((_carried(n, r), _scan_point(n, 3)) for n in (1, 4, 5, 30) for r in (False, True)),
    *((_looped(n, 30), _loop_point(3)) for n in (0, 1, 9)),
]  # fmt: skip


@pytest.mark.parametrize(("make", "point"), SMALL)
def test_every_schedule_has_the_same_bits(make: Any, point: Any) -> None:
    """By the plain executor and by plans, for one seed and for a batch of them."""
    graph, xs = graph_of(make, **point)
    _same_by_every_schedule(graph, xs, SCHEDULES)


@settings(max_examples=40)
@given(data=st.data(), pieces=st.integers(2, 6), depth=st.integers(1, 3))
def test_random_graphs_have_the_same_bits(data: Any, pieces: int, depth: int) -> None:
    """Random programs of elementwise ops, reductions, views and products with several inputs."""
    shapes = [(), (3,), (2, 3), (3, 3)]
    chosen = data.draw(st.lists(st.sampled_from(shapes), min_size=1, max_size=3))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    xs = [rng.standard_normal(s) for s in chosen]
    graph, _ = graph_of(Random(data, shapes), **{f"x{i}": x for i, x in enumerate(xs)})
    _same_by_every_schedule(graph, xs, [Schedule(pieces, depth)])


def test_seeds_do_not_make_the_forward_run_a_batch() -> None:
    """What is computed again for a batch of seeds is computed once: the plan says so."""
    graph, _ = graph_of(_network, x=np.ones((50, 8)), v=np.ones((8, 8)), w=np.ones((8, 8)))
    made = recomputed(graph, (0, 1, 2), (0,), Schedule(3, 1))
    flags = (False, False, False, True)
    again = [
        step for step in Prepared(made).sketch(flags, 64).tasks
        if getattr(step, "op", None) is not None and step.op.name == "after"  # pyright: ignore[reportAttributeAccessIssue]
    ]  # fmt: skip
    assert again
    assert not any(step.any_batched for step in again)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("make", "point"),
    [
        (_chain, {"x": RNG.standard_normal(7)}), (_carried(9, True), _scan_point(9, 3)),
        (_looped(6, 9), _loop_point(3)),
    ],
)  # fmt: skip
def test_a_recomputing_graph_has_derivatives(make: Any, point: Any) -> None:
    """Forward over it and reverse over it: Hessian times tangent as from the plain sweep."""
    graph, xs = graph_of(make, **point)
    seeds = [np.ones(()), RNG.standard_normal(xs[0].shape)]
    plain, made = vjp(graph, (0,), (0,)), recomputed(graph, (0,), (0,), Schedule(4, 2, 50))
    inputs = [*xs, *seeds]
    same_bits(evaluate(jvp(made, (0,)), inputs), evaluate(jvp(plain, (0,)), inputs))
    expected = evaluate(vjp(plain, (0,), (1,)), inputs)
    for y, z in zip(evaluate(vjp(made, (0,), (1,)), inputs), expected, strict=True):
        assert np.allclose(y, z, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kept", [2, 7, 30, 119])
def test_the_plan_keeps_as_many_carries_as_fit(kept: int) -> None:
    """With room for so many carries just so many are kept, and the steps that run again are the fewest there are."""
    runs = 0

    def scanned(xp: Any, c: Any) -> Any:
        body = function(xp, "step", lambda b, c: b.sin(c) * 1.5, c.type)
        return xp.sum(xp.scan(c, body=body, length=120, carried=1))

    graph, xs = graph_of(scanned, c=RNG.standard_normal(10_000))
    plain = vjp(graph, (0,), (0,))
    made = recomputed(graph, (0,), (0,), Schedule(1, 0, kept * xs[0].nbytes))
    budget = Prepared(made).sketch().peak_bytes
    found = vjp_within(graph, (0,), (0,), budget)
    (site,) = [s for s in found.sites if s.op.name == "scan_back"]
    assert site["kept"] == kept

    def run(body: Graph, args: Sequence[Array]) -> list[Array]:
        nonlocal runs
        runs += body is site["forward"]
        return evaluate(body, args)

    parts = [np.ones(t.shape, t.dtype) for t in site.ins]
    site.op.kernel(site, *parts, run=run)
    assert runs == steps_again(120, site["kept"])
    same_bits(evaluate(found, [*xs, np.ones(())]), evaluate(plain, [*xs, np.ones(())]))


def test_what_runs_again_counts_as_work() -> None:
    """The work of a plan is that of the steps that run, forward and back."""
    graph, xs = graph_of(_carried(100, False), **_scan_point(100, 50))
    each = xs[0].nbytes
    works = [
        Prepared(recomputed(graph, (0,), (0,), Schedule(1, 0, kept * each))).sketch().work
        for kept in (99, 40, 12, 4, 2)
    ]
    assert works == sorted(set(works))
