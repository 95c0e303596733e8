"""Scans that carry the same run as one, with the bits of each."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.reverse import vjp
from hypothesis import given
from hypothesis import strategies as st

from tests.service.functions import function, graph_of
from tests.service.transforms.test_plans import same_bits

RNG = np.random.default_rng(2)
POINT = {"c": RNG.standard_normal(3), "s": RNG.standard_normal((6, 3))}


def _scans(graph: Graph) -> int:
    return sum(site.op.name == "scan" for site in graph.sites)


def _once(xp: Any, c: Any, s: Any, row: Any, reverse: bool = False, factor: float = 1.5) -> Any:
    def step(b: Any, c: Any, x: Any) -> Any:
        return b.sin(c * x) * factor, row(b, c, x)

    body = function(xp, "step", step, c.type, c.type)
    return xp.scan(c, s, body=body, length=6, carried=1, reverse=reverse)


def test_a_gradient_goes_forward_once() -> None:
    """The carries that the way back needs are kept by the scan that gives the value."""

    def f(xp: Any, c: Any, s: Any) -> Any:
        last, rows = _once(xp, c, s, lambda b, c, x: b.sum(c * x))
        return xp.sum(last) + xp.sum(rows)

    graph, xs = graph_of(f, **POINT)
    pull = vjp(graph, (0, 1), (0,))
    assert (_scans(pull), _scans(optimise(pull))) == (3, 2)
    ready = Prepared(pull)
    expected = evaluate(pull, [*xs, np.ones(())])
    for _ in range(3):  # the functions of a plan are plans themselves from their second call on
        same_bits(ready(*xs, np.ones(())), expected)
    seeds = RNG.standard_normal(4)
    same_bits(ready(*xs, seeds), evaluate(pull, [*xs, seeds]))


@given(
    reverse=st.tuples(st.booleans(), st.booleans()),
    factors=st.tuples(st.sampled_from((1.5, 0.5)), st.sampled_from((1.5, 0.5))),
    same=st.booleans(),
)
def test_only_the_same_carries_are_joined(
    reverse: tuple[bool, bool], factors: tuple[float, float], same: bool
) -> None:
    """Another direction, other slices or another step stand alone; what is joined has the bits it had."""

    def f(xp: Any, c: Any, s: Any) -> Any:
        first = _once(xp, c, s, lambda b, c, x: b.exp(c), reverse[0], factors[0])
        slices = s if same else s * 2.0
        second = _once(xp, c, slices, lambda b, c, x: c - x, reverse[1], factors[1])
        return (*first, *second)

    graph, xs = graph_of(f, **POINT)
    made = optimise(graph)
    alike = same and reverse[0] == reverse[1] and factors[0] == factors[1]
    assert _scans(made) == (1 if alike else 2)
    same_bits(evaluate(made, xs), evaluate(graph, xs))


def test_what_nobody_needs_is_not_joined() -> None:
    """A scan whose outputs are not asked for does not run in another one's body."""

    def f(xp: Any, c: Any, s: Any) -> Any:
        _once(xp, c, s, lambda b, c, x: b.exp(c))
        return _once(xp, c, s, lambda b, c, x: c - x)

    graph, _ = graph_of(f, **POINT)
    made = optimise(graph)
    (body,) = [site["body"] for site in made.sites if site.op.name == "scan"]
    assert "exp" not in {site.op.name for site in body.sites}
