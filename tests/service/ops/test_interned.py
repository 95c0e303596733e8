"""Equal applications of an op are one site while anybody holds it, whatever was forgotten in between."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.emit import emit
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS, interned
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.prepare import value_and_gradient_graph
from hypothesis import given
from hypothesis import strategies as st

from tests.service.functions import graph_of

ROW = type_of(np.float64, (3,))


def test_a_site_that_is_held_is_never_made_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many others were asked for since."""
    monkeypatch.setattr(interned, "KEPT", 4)
    held = OPS["sum"].site({"axes": (-1,)}, (ROW,))
    for n in range(20):
        OPS["sum"].site({"axes": (-1,)}, (type_of(np.float64, (n + 7, 5)),))
    assert OPS["sum"].site({"axes": (-1,)}, (ROW,)) is held


def test_what_nobody_holds_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """An op remembers no more than a few sites of graphs that are gone."""
    monkeypatch.setattr(interned, "KEPT", 4)
    known = interned.Interned()

    class Thing:
        """Anything."""

    for n in range(100):
        known.get(n, Thing)
    gc.collect()
    alive = [x for x in gc.get_objects() if isinstance(x, Thing)]
    assert len(alive) == len(known.recent) <= 4


def plain(graph: Graph) -> list[Any]:
    """All that a graph says."""
    main = emit(graph).main
    constants = [(c.shape, c.dtype.str, c.tobytes()) for c in main.constants]
    return [main.ops, main.operands, main.attrs, main.outputs, constants]


@st.composite
def bodies(draw: st.DrawFn) -> list[tuple[str, int, int]]:
    """Ops on pairs of earlier values, many of them equal to one before."""
    names = ("add", "multiply", "sin", "tanh", "square", "total", "row")
    step = st.tuples(st.sampled_from(names), st.integers(0, 5), st.integers(0, 5))
    return draw(st.lists(step, min_size=4, max_size=25))


def built(body: list[tuple[str, int, int]]) -> list[list[Any]]:
    """The graph of a body and its derivatives, optimised, made from nothing."""

    def f(xp: Builder, x: Any, y: Any) -> Any:
        values = [x, y]
        for name, i, j in body:
            a, b = values[-1 - i % len(values)], values[-1 - j % len(values)]
            if name == "total":
                new = xp.broadcast_to(xp.sum(a, axes=(-1,)), shape=(3,))
            elif name == "row":
                new = a * xp.constant(np.array([0.5, 2.0, -1.0]))
            else:
                new = xp.apply(name, *(a, b)[: OPS[name].arity[0]])
            values.append(new)
        return xp.sum(values[-1], axes=(-1,))

    graph, _ = graph_of(f, x=np.ones(3), y=np.ones(3))
    made = (graph, value_and_gradient_graph(graph, (0, 1)), jvp(graph, (0,)))
    return [plain(optimise(g)) for g in made]


@given(bodies())
def test_which_nodes_are_one_does_not_depend_on_what_was_forgotten(
    body: list[tuple[str, int, int]],
) -> None:
    """The same program gives the same graphs when every site is forgotten at once and when none is."""
    expected = built(body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interned, "KEPT", 1)
        assert built(body) == expected
    assert built(body) == expected
