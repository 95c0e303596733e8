"""What every step of a scan does alike is done once: the same values, the same derivative, less in each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.hoist import hoisted
from gradproof_service.transforms.jacobian import jacobian
from gradproof_service.transforms.recompute import Schedule, recomputed
from gradproof_service.transforms.reverse import vjp
from hypothesis import given
from hypothesis import strategies as st

from tests.service.functions import function, graph_of
from tests.service.transforms.test_plans import same_bits

RNG = np.random.default_rng(7)
POINT = {
    "w": RNG.standard_normal((2, 3)),
    "c": RNG.standard_normal(3),
    "s": RNG.standard_normal((5, 3)),
}
STEPS = {
    "a slice of a weight": lambda b, w, c, x: (b.tanh(b.index_get(w, spec="0") * c + x), b.sum(c)),
    "a chain of them": lambda b, w, c, x: (
        b.sin(c) * b.exp(b.index_get(w, spec="0")) + b.sum(b.exp(b.index_get(w, spec="0"))) + x,
        b.sum(c * b.index_get(w, spec="1")),
    ),
    "an output and a carry that are alike": lambda b, w, c, x: (
        b.index_get(w, spec="1") * 2.0, b.sum(b.square(w)) + b.sum(c * x),
    ),
    "the weight itself too": lambda b, w, c, x: (
        b.sum(w, axes=(0,)) * c + b.sum(w * x, axes=(0,)), b.sum(b.index_get(w, spec="1") * c),
    ),
}  # fmt: skip


def _scan(step: Any, reverse: bool) -> Any:
    def scanned(xp: Any, w: Any, c: Any, s: Any) -> Any:
        body = function(xp, "step", step, w.type, c.type, c.type)
        last, rows = xp.scan(w, c, s, body=body, length=5, consts=1, carried=1, reverse=reverse)
        return xp.sum(last) + xp.sum(xp.square(rows))

    return scanned


def _body(graph: Graph) -> tuple[Graph, int]:
    (site,) = [site for site in graph.sites if site.op.name == "scan"]
    return site["body"], site["consts"]


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", STEPS)
def test_nothing_is_left_that_every_step_does_alike(name: str, reverse: bool) -> None:
    """The bits of the values stay; every node left in the body depends on the carry or a slice."""
    graph, xs = graph_of(_scan(STEPS[name], reverse), **POINT)
    made = hoisted(graph)
    same_bits(evaluate(made, xs), evaluate(graph, xs))
    body, consts = _body(made)
    moving = set(range(consts, len(body.inputs)))
    for _, _, _, operands, outs in body.nodes():
        if operands:
            assert moving & set(operands)
            moving.update(outs)
    assert len(body) < len(_body(graph)[0])


@pytest.mark.parametrize("name", STEPS)
def test_the_derivative_is_that_of_forward_mode(name: str) -> None:
    """Reverse mode, plain and with few carries kept, against forward mode, which moves nothing."""
    graph, xs = graph_of(_scan(STEPS[name], False), **POINT)
    expected = jacobian(graph, xs, (0, 1, 2), (0,), "forward").blocks[0]
    wrt = (0, 1, 2)
    for pull in (vjp(graph, wrt, (0,)), recomputed(graph, wrt, (0,), Schedule(1, 0, 48))):
        found = evaluate(pull, [*xs, np.ones(())])[1:]
        for y, z in zip(found, expected, strict=True):
            np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-13)


@given(length=st.integers(0, 3))
def test_where_nothing_is_alike_nothing_changes(length: int) -> None:
    """The graph itself, and a scan of no steps as any other."""

    def plain(xp: Any, c: Any) -> Any:
        body = function(xp, "step", lambda b, c: b.sin(c) * 1.5, c.type)
        return xp.scan(c, body=body, length=length, carried=1)

    graph, _ = graph_of(plain, c=POINT["c"])
    assert hoisted(graph) is graph


def test_a_weight_is_written_into_once() -> None:
    """The way back adds up the slice's cotangents and puts them into the weight behind the loop."""
    graph, _ = graph_of(_scan(STEPS["a slice of a weight"], False), **POINT)
    pull = vjp(graph, (0,), (0,))
    inside = {x.op.name for s in pull.sites if s.op.name == "scan" for x in s["body"].sites}
    assert "index_set" not in inside
    assert "index_set" in {s.op.name for s in pull.sites}
