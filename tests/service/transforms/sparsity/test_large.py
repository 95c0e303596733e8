"""A million inputs: linear in what there is, in memory and in entries, and right at points looked at one by one."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.sparsity.compressed import entries
from gradproof_service.transforms.sparsity.compression import compress
from gradproof_service.transforms.sparsity.jacobians import (
    Sparse,
    prepared,
    sparse_hessian,
    sparse_jacobian,
)
from gradproof_service.transforms.sparsity.propagate import structure

from tests.service.functions import graph_of
from tests.service.transforms.sparsity.programs import bratu, burgers, numbers, rosenbrock

MILLION = 1_000_000


def product_agrees(graph: Graph, xs: list[Array], part: Sparse) -> None:
    """The sparse matrix times a random direction is what forward mode gives."""
    direction = numbers(*xs[0].shape, rng_seed=7)
    slopes = evaluate(jvp(graph, (0,)), [*xs, direction])[-1].reshape(-1)
    np.testing.assert_allclose(part.matrix() @ direction.reshape(-1), slopes, rtol=1e-9, atol=1e-9)


def test_burgers_of_a_million() -> None:
    """Three entries a row, by the local road."""
    graph, xs = graph_of(burgers, u=numbers(MILLION), nu=0.1)
    ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
    assert part.pattern.entries == 3 * (MILLION - 2)
    product_agrees(graph, xs, part)


def test_bratu_of_a_million() -> None:
    """Five entries a row but at the border, by the local road."""
    graph, xs = graph_of(bratu, u=numbers(1000, 1000), rate=0.1)
    assert set(prepared(graph, xs, (0,), (0,)).local) == {0}
    ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
    assert part.pattern.entries == 5 * MILLION - 4 * 1000
    product_agrees(graph, xs, part)


def test_both_roads_agree() -> None:
    """Shared seeds give the entries that the local sweep gives, in the same places."""
    graph, xs = graph_of(burgers, u=numbers(100_000), nu=0.1)
    ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
    (pattern,), _ = structure(graph, xs, (0,), (0,))
    assert np.array_equal(pattern.columns, part.pattern.columns)
    assert np.array_equal(pattern.starts, part.pattern.starts)
    shared = compress(pattern)
    assert shared is not None
    assert shared.seeds == 3
    np.testing.assert_allclose(
        entries(graph, xs, (0,), (0,), shared), part.values, rtol=1e-12, atol=1e-12
    )


def test_hessian_of_a_hundred_thousand() -> None:
    """Three diagonals, symmetric."""
    n = 100_000
    graph, xs = graph_of(rosenbrock, x=numbers(n))
    ((part,),) = sparse_hessian(graph, xs, (0,))
    found = part.matrix()
    assert part.pattern.entries == 3 * n - 2
    assert abs(found - found.T).max() < 1e-12


@pytest.mark.parametrize("function", [burgers, bratu])
def test_memory_is_linear(function: Any) -> None:
    """Four times the inputs take at most five times the memory, and never more than some hundred bytes an entry."""
    peaks: list[float] = []
    for side in (100, 200):
        u = numbers(side * side) if function is burgers else numbers(side, side)
        graph, xs = graph_of(function, u=u, rate=0.1)
        tracemalloc.start()
        ((part,),) = sparse_jacobian(graph, xs, (0,), (0,))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert peaks[-1] < 200 * part.pattern.entries + 1_000_000
    assert peaks[1] < 5 * peaks[0]


def test_structure_by_propagation_is_linear() -> None:
    """Pushing index sets through a stencil takes memory by entry."""
    graph, xs = graph_of(burgers, u=numbers(200_000), nu=0.1)
    tracemalloc.start()
    (pattern,), _ = structure(graph, xs, (0,), (0,))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 150 * pattern.entries
