"""Typing: equal nodes become one, origins name the node that was sent, and a bad node spoils only what follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_service.arrays import type_of
from gradproof_service.graph.program import Function, Input, Program
from gradproof_service.graph.typing import Typing, type_program
from gradproof_service.transforms.evaluate import evaluate
from hypothesis import given
from hypothesis import strategies as st

COMPUTED: dict[str, Any] = {
    "gp.add": np.add, "gp.multiply": np.multiply, "gp.sin": np.sin, "gp.negative": np.negative,
}  # fmt: skip
NUMBERS = (0.5, 2.0, 0.5, -0.0, 0.0)
"""Constants of the functions below; the first is sent twice."""

Nodes = list[tuple[str, tuple[int, ...]]]


@st.composite
def node_lists(draw: st.DrawFn) -> Nodes:
    """Nodes over one input and `NUMBERS`, some of them the same as one before."""
    nodes: Nodes = []
    for _ in range(draw(st.integers(1, 30))):
        if nodes and draw(st.booleans()):
            nodes.append(draw(st.sampled_from(nodes)))
            continue
        name = draw(st.sampled_from(sorted(COMPUTED)))
        below = st.integers(0, len(NUMBERS) + len(nodes))
        nodes.append((name, tuple(draw(below) for _ in range(COMPUTED[name].nin))))
    return nodes


def sent(nodes: Nodes) -> Program:
    """The program of these nodes, its last value the output."""
    function = Function(
        "f", (Input("x"),), tuple(np.array(c) for c in NUMBERS), [name for name, _ in nodes],
        [operands for _, operands in nodes], [{}] * len(nodes), (len(NUMBERS) + len(nodes),), ("out",),
    )  # fmt: skip
    return Program((function,))


@given(node_lists())
def test_the_graph_computes_what_was_sent_and_no_node_twice(nodes: Nodes) -> None:
    """The value is NumPy's, node by node; no two nodes are equal; each knows the first sent node it stands for."""
    graph, findings = type_program(sent(nodes), [type_of(np.float64)])
    assert graph is not None, findings
    values: list[Any] = [np.float64(0.7), *(np.float64(c) for c in NUMBERS)]
    for name, operands in nodes:
        values.append(COMPUTED[name](*(values[v] for v in operands)))
    assert evaluate(graph, [np.array(0.7)])[0] == values[-1]
    made = [(s, o) for s, o in zip(graph.sites, graph.operands, strict=True) if o]
    assert len(set(made)) == len(made)
    origins = [k for k in graph.origins if k >= 0]
    assert origins == sorted(set(origins))
    assert [nodes[k][0] for k in origins] == [f"gp.{site.op.name}" for site, _ in made]
    numbers = [s["value"].array for s in graph.sites if s.op.name == "constant"]
    assert len(numbers) == len({x.tobytes() for x in np.array(NUMBERS)})


@given(node_lists(), st.data())
def test_a_bad_node_spoils_only_what_follows_from_it(nodes: Nodes, data: st.DataObject) -> None:
    """One finding, for the bad node; a node keeps its site exactly when none of its operands follow from it."""
    bad = data.draw(st.integers(0, len(nodes) - 1))
    nodes[bad] = ("gp.nonsense", nodes[bad][1])
    first = 1 + len(NUMBERS)
    spoilt = {bad}
    for k, (_, operands) in enumerate(nodes):
        if any(v - first in spoilt for v in operands):
            spoilt.add(k)
    typing = Typing(sent(nodes))
    typing.function(0, (type_of(np.float64),))
    assert [(f.code, f.node) for f in typing.findings] == [("GP001", f"nonsense#{bad}")]
    assert {k for k, site in enumerate(typing.sites[0]) if site is None} == spoilt
