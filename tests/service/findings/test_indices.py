"""Indices outside their axis are found in every op that takes indices, and indices inside never are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.findings.catalogue import point_findings, static_findings
from gradproof_service.findings.indices import spelled_sides
from gradproof_service.findings.view import make_view
from gradproof_service.graph.builder import Builder
from hypothesis import given
from hypothesis import strategies as st

X = np.arange(12.0).reshape(3, 4)
USES: dict[str, tuple[Any, Any, dict[str, Any], tuple[int, ...]]] = {
    "take": (X, None, {"axis": -1}, (4,)),
    "take_along_axis": (X, None, {"axis": -1}, (4,)),
    "gather_nd": (X, None, {}, (3, 4)),
    "scatter_elements": (X, np.ones((3, 2)), {"axis": -1}, (4,)),
    "scatter_nd": (X, np.ones(2), {}, (3, 4)),
    "index_get": (X, None, {"spec": "1:,array"}, (4,)),
    "index_set": (X, np.ones(2), {"spec": "...,0,array"}, (4,)),
}
"""x, what is written, attributes, and the lengths that indices select from."""


def found(name: str, index: Any, *, fixed: bool) -> list[Any]:
    """The GP110 findings of one application, its indices given at the point or written into the program."""
    x, update, attrs, _ = USES[name]
    shape = {"take_along_axis": (3, 2), "scatter_elements": (3, 2), "gather_nd": (2, 2), "scatter_nd": (2, 2)}.get(name, (2,))  # fmt: skip
    i = np.broadcast_to(np.asarray(index, np.int64), shape).copy()
    xp = Builder("f")
    a = xp.input("x", type_of("float64", x.shape))
    at = xp.constant(i) if fixed else xp.input("i", type_of("int64", i.shape))
    between = [at, xp.constant(update)] if name.startswith("scatter") else [xp.constant(update), at]
    operands = [a, at] if update is None else [a, *between]
    graph = xp.finish([xp.apply(name, *operands, **attrs)])
    point = [x] if fixed else [x, i]
    seen = point_findings(make_view(graph, point)) + (static_findings(graph) if fixed else [])
    return [f for f in seen if f.code == "GP110"]


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("fixed", [False, True])
def test_outside_is_found_and_inside_is_not(name: str, fixed: bool) -> None:
    """Both ends of the axis are inside, one step beyond either is not; known in the graph when it is written there."""
    sides = np.array(USES[name][3])
    for inside in (sides - 1, -sides, np.zeros_like(sides)):
        assert found(name, inside if len(sides) > 1 else int(inside[0]), fixed=fixed) == []
    for outside in (sides, -sides - 1):
        some = found(name, outside if len(sides) > 1 else int(outside[0]), fixed=fixed)
        assert [f.confirmed for f in some] == ([True, False] if fixed else [True])
        assert all("outside its axis" in f.message for f in some)
        assert dict(some[0].numbers)["index"] == outside[0]


@given(st.integers(-6, 6))
def test_a_block_that_is_moved_is_told(start: int) -> None:
    """`dynamic_slice` clamps where it begins: told exactly where the block read is not the one asked for."""
    xp = Builder("f")
    x = xp.input("x", type_of("float64", (5,)))
    i = xp.input("i", type_of("int64", ()))
    graph = xp.finish([xp.dynamic_slice(x, i, sizes=(2,))])
    seen = point_findings(make_view(graph, [np.arange(5.0), np.array(start)]))
    assert any(f.code == "GP110" for f in seen) is not (0 <= start <= 3)


@pytest.mark.parametrize(
    ("spec", "sides"),
    [
        ("array", [2]), ("...,array", [5]), ("array,...,array", [2, 5]), ("0,array", [3]),
        ("new,array,::2,new,array", [2, 5]), ("1:,new,...", []),
    ],
)  # fmt: skip
def test_the_axes_of_a_spec(spec: str, sides: list[int]) -> None:
    """Each array word selects from its own axis of (2, 3, 5)."""
    assert list(spelled_sides(spec, (2, 3, 5))) == sides
