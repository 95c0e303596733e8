"""Sparse derivatives are the dense ones, and their structure misses no entry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.jacobian import gradient_graph, hessian, jacobian
from gradproof_service.transforms.sparsity import jacobians
from gradproof_service.transforms.sparsity import local as local_road
from gradproof_service.transforms.sparsity.colouring import colour
from gradproof_service.transforms.sparsity.jacobians import (
    Plan,
    prepared,
    sparse_hessian,
    sparse_jacobian,
)
from gradproof_service.transforms.sparsity.propagate import structure
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.functions import graph_of
from tests.service.ops.draws import HypothesisDraw
from tests.service.transforms.sparsity.programs import (
    arrow,
    bratu,
    burgers,
    drawn,
    edges,
    numbers,
    rosenbrock,
    stencils,
)

STENCILS = stencils()


def dense(
    graph: Graph, xs: list[Array], wrt: tuple[int, ...], outs: tuple[int, ...]
) -> list[list[Array]]:
    """The Jacobian blocks as matrices, by the dense road."""
    blocks = jacobian(graph, xs, wrt, outs).blocks
    return [
        [b.reshape(graph.types[graph.outputs[o]].size, -1) for b in row]
        for o, row in zip(outs, blocks, strict=True)
    ]


def same(
    sparse: list[list[jacobians.Sparse]], full: list[list[Array]], rtol: float = 1e-12
) -> None:
    """Equal in every entry, those that are structurally zero among them."""
    for row, expected in zip(sparse, full, strict=True):
        for part, block in zip(row, expected, strict=True):
            found = part.matrix()
            assert found.shape == block.shape
            assert found.has_canonical_format
            np.testing.assert_allclose(found.toarray(), block, rtol=rtol, atol=1e-13)


@settings(max_examples=150)
@given(data=st.data(), depth=st.integers(1, 7))
def test_the_structure_misses_nothing(data: Any, depth: int) -> None:
    """Every entry of the dense Jacobian that is not zero is in the pattern, the global and the local one."""
    graph, xs = drawn(HypothesisDraw(data), depth)
    outs = tuple(range(len(graph.outputs)))
    for local in (False, True):
        patterns, _ = structure(graph, xs, (0,), outs, local=local)
        for (block,), pattern in zip(dense(graph, xs, (0,), outs), patterns, strict=True):
            assert not (np.nan_to_num(block, nan=1.0) != 0)[~pattern.matrix().toarray()].any()


@settings(max_examples=150)
@given(data=st.data(), depth=st.integers(1, 7))
def test_sparse_is_dense(data: Any, depth: int) -> None:
    """Whatever the road, the sparse Jacobian is the dense one."""
    graph, xs = drawn(HypothesisDraw(data), depth)
    outs = tuple(range(len(graph.outputs)))
    full = dense(graph, xs, (0,), outs)
    if all(np.isfinite(block).all() for (block,) in full):
        same(sparse_jacobian(graph, xs, (0,), outs), full)


@pytest.mark.parametrize("name", STENCILS)
def test_stencils_take_the_local_road(name: str) -> None:
    """Views and gathers of the inputs give local Jacobians, equal to the dense ones at every point."""
    graph, xs, wrt = STENCILS[name]
    plan = prepared(graph, xs, wrt, (0,))
    assert set(plan.local) == {0}
    same(sparse_jacobian(graph, xs, wrt, (0,)), dense(graph, xs, wrt, (0,)))
    moved = [x + 0.125 if x.dtype.kind == "f" else x for x in xs]
    same(sparse_jacobian(graph, moved, wrt, (0,)), dense(graph, moved, wrt, (0,)))
    assert prepared(graph, moved, wrt, (0,)) is plan


def test_structural_entries_are_no_more_than_there_are() -> None:
    """A stencil's pattern has exactly its neighbours."""
    graph, xs = graph_of(bratu, u=numbers(7, 7), rate=0.1)
    ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
    assert part.pattern.entries == 5 * 49 - 4 * 7
    assert not (part.values == 0).any()


def test_the_structure_follows_the_indices() -> None:
    """Another index array is another structure, found again without being asked."""
    graph, xs, wrt = STENCILS["observations"]
    first = sparse_jacobian(graph, xs, wrt, (0,))
    other = [xs[0], xs[1], np.roll(xs[2], 1), np.roll(xs[3], 2)]
    second = sparse_jacobian(graph, other, wrt, (0,))
    same(second, dense(graph, other, wrt, (0,)))
    assert not np.array_equal(first[0][0].pattern.columns, second[0][0].pattern.columns)


def test_a_branch_is_local() -> None:
    """At a point the structure has the side that `where` takes, everywhere it has both."""
    graph, xs = graph_of(
        lambda xp, x: xp.where(xp.greater(x, 1.0), x, xp.flip(x, axes=(0,))), x=numbers(6)
    )
    (both,), _ = structure(graph, xs, (0,), (0,))
    (one,), _ = structure(graph, xs, (0,), (0,), local=True)
    assert both.entries == 12
    assert one.entries == 6


@pytest.mark.parametrize("size", [2, 3, 17])
def test_hessian_of_neighbours(size: int) -> None:
    """The Hessian of a sum over neighbours has three diagonals and is the dense one."""
    graph, xs = graph_of(rosenbrock, x=numbers(size))
    ((found,),) = sparse_hessian(graph, xs, (0,))
    np.testing.assert_allclose(
        found.matrix().toarray(), hessian(graph, xs, (0,))[0][0], rtol=1e-12, atol=1e-12
    )
    assert found.pattern.entries == 3 * size - 2


def test_hessian_of_an_arrow() -> None:
    """A number that meets all others costs one seed of its own and no more; the others share one."""
    graph, xs = graph_of(arrow, x=numbers(30), t=np.float64(0.7))
    found = sparse_hessian(graph, xs, (0, 1))
    expected = hessian(graph, xs, (0, 1))
    for row, block in zip(found, expected, strict=True):
        for part, full in zip(row, block, strict=True):
            np.testing.assert_allclose(
                part.matrix().toarray().reshape(full.shape), full, rtol=1e-12
            )


@pytest.mark.parametrize("size", [3, 40])
def test_hessian_of_a_stencil_takes_the_local_road(size: int) -> None:
    """The gradient adds slices up in their places; its own local sweep gives the Hessian, at the ends too."""
    graph, xs = graph_of(rosenbrock, x=numbers(size))
    gradient = gradient_graph(graph, (0,))
    plan = prepared(gradient, xs, (0,), (0,), symmetric=True)
    assert set(plan.local) == {0}
    assert plan.local[0].pattern.entries == 3 * size - 2
    for moved in (xs, [-xs[0]]):
        np.testing.assert_allclose(
            sparse_hessian(graph, moved, (0,))[0][0].matrix().toarray(),
            hessian(graph, moved, (0,))[0][0], rtol=1e-12, atol=1e-12,
        )  # fmt: skip


def test_what_is_not_read_spoils_nothing() -> None:
    """A slope that is infinite at an end that no term reads leaves the Hessian finite."""

    def roots(xp: Any, x: Any) -> Any:
        n = x.shape[0]
        a, b = xp.slice(x, starts=(0,), stops=(n - 1,)), xp.slice(x, starts=(1,), stops=(n,))
        return xp.sum(xp.sqrt(a) * b, axes=(-1,), keepdims=False)

    x = numbers(20)
    x[-1] = 0.0
    graph, xs = graph_of(roots, x=x)
    found = sparse_hessian(graph, xs, (0,))[0][0].matrix().toarray()
    expected = hessian(graph, xs, (0,))[0][0]
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_one_variable_under_two_names_for_two_outputs() -> None:
    """Elements that a mean reads and that stand for themselves are one variable, another in each part of a joined output."""

    def joined(xp: Any, x: Any) -> Any:
        y = xp.sin(x + xp.mean(x, axes=(-1,), keepdims=True))
        return xp.index_set(y, xp.slice(y, starts=(0,), stops=(2,)), spec="1:3", reduction="set")

    graph, xs = graph_of(joined, x=numbers(4))
    same(sparse_jacobian(graph, xs, (0,), (0,)), dense(graph, xs, (0,), (0,)))


def test_hessian_of_pairs() -> None:
    """Pairs at random, a few points in many of them: products are shared by the symmetry, and the Hessian is the dense one."""
    rng = np.random.default_rng(3)
    i, j = rng.integers(0, 60, 150), np.minimum(rng.integers(0, 60, 150), rng.integers(0, 60, 150))
    graph, xs = graph_of(edges, x=numbers(60), i=i, j=j)
    ((found,),) = sparse_hessian(graph, xs, (0,))
    np.testing.assert_allclose(
        found.matrix().toarray(), hessian(graph, xs, (0,))[0][0], rtol=1e-12, atol=1e-12
    )
    (plan,) = (
        p for g in (gradient_graph(graph, (0,)),) for p in g.plans.values() if isinstance(p, Plan)
    )
    assert plan.coloured is not None
    columns = colour(plan.coloured.pattern)
    assert columns is not None
    assert plan.coloured.compression.seeds < columns.count


@pytest.mark.parametrize("block", [1, 7, 64])
@pytest.mark.parametrize("name", STENCILS)
def test_blocks_of_any_size_give_the_same_bits(
    name: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How many lanes run together changes no bit."""
    graph, xs, wrt = STENCILS[name]
    whole = local_road.local(graph, wrt, 0, xs).entries(xs)
    monkeypatch.setattr(local_road, "BLOCK", block)
    assert local_road.local(graph, wrt, 0, xs).entries(xs).tobytes() == whole.tobytes()


def test_float32_stays_float32() -> None:
    """The values have the output's dtype."""
    graph, xs = graph_of(burgers, u=numbers(9).astype(np.float32), nu=np.float32(0.1))
    ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
    assert part.values.dtype == np.float32
    same([[part]], dense(graph, xs, (0,), (0,)), rtol=1e-5)


def test_a_missing_entry_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A structure that lacks an entry gives a Jacobian that is not the dense one."""

    def less(*args: Any, **kwargs: Any) -> Any:
        patterns, asked = structure(*args, **kwargs)
        p = patterns[0]
        keep = np.ones(p.entries, dtype=bool)
        keep[p.entries // 2] = False
        starts = np.concatenate(([0], np.cumsum(keep)))[p.starts]
        return [replace(p, starts=starts, columns=p.columns[keep]), *patterns[1:]], asked

    monkeypatch.setattr(jacobians, "structure", less)
    graph, xs = graph_of(lambda xp, x: xp.cumulative_sum(xp.sin(x), axis=0), x=numbers(6))
    with pytest.raises(AssertionError):
        same(sparse_jacobian(graph, xs, (0,), (0,)), dense(graph, xs, (0,), (0,)))
