"""Jacobians as matrices are the Jacobian, whichever road their seeds take and however they are run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.jacobian import Run, jacobian
from gradproof_service.transforms.planned import planned
from gradproof_service.transforms.rounding import disturbed
from gradproof_service.transforms.unit_sweeps import FEW, matrices

from tests.service.functions import graph_of

RNG = np.random.default_rng(5)
N = FEW + 3
W, V = RNG.standard_normal((2, N, N)) / np.sqrt(N)


def _layers(xp: Any, x: Any) -> Any:
    return xp.tanh(xp.constant(V) @ xp.tanh(xp.constant(W) @ x))


def _softmax(xp: Any, x: Any) -> Any:
    e = xp.exp(x - xp.max(x))
    return e / xp.sum(e)


def _two(xp: Any, x: Any, w: Any) -> Any:
    return xp.sin(x) * xp.sum(w), xp.constant(W) @ (x * w)


def _apart(xp: Any, x: Any) -> Any:
    return xp.stop_gradient(x) * 2.0 + xp.constant(np.ones(N))


POINT = RNG.standard_normal(N)
PROGRAMS = [
    (_layers, {"x": POINT}), (_softmax, {"x": POINT}), (_apart, {"x": POINT}),
    (_two, {"x": POINT, "w": RNG.standard_normal(N)}), (_softmax, {"x": POINT[:3]}),
]  # fmt: skip


def found(graph: Graph, xs: Sequence[Array], mode: Any, run: Any) -> list[Array]:
    """The matrices of all outputs by all inputs."""
    return matrices(graph, xs, range(len(xs)), range(len(graph.outputs)), mode, run)


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize(("function", "point"), PROGRAMS)
def test_equals_the_jacobian_by_batched_seeds(function: Any, point: Any, mode: Any) -> None:
    """Plainly and as plans, against seeds pushed whole through the derivative graph; plans have the same bits."""
    graph, xs = graph_of(function, **point)
    whole = jacobian(graph, xs, tuple(range(len(xs))), tuple(range(len(graph.outputs))), mode)
    expected = [b.reshape(N if b.shape[0] == N else 3, -1) for row in whole.blocks for b in row]
    plain = found(graph, xs, mode, lambda n: evaluate)
    for y, z in zip(plain, expected, strict=True):
        np.testing.assert_allclose(y, z, rtol=1e-13, atol=1e-14)
    for _ in range(3):
        again = found(graph, xs, mode, lambda n: planned)
        assert [y.tobytes() for y in again] == [y.tobytes() for y in plain]


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_a_run_that_is_disturbed_again_has_the_bits_of_the_first(mode: Any) -> None:
    """Whether the first one was plain or the plan of another check."""
    graph, xs = graph_of(_layers, x=POINT)

    def moved(n: int) -> Run:
        return lambda g, args: disturbed(g, args, (7, n))

    runs = [found(graph, xs, mode, moved)[0] for _ in range(4)]
    plain = found(graph, xs, mode, lambda n: evaluate)[0]
    assert len({r.tobytes() for r in runs}) == 1
    moves = np.abs(runs[0] / plain - 1)
    assert 0 < moves.max() < 1e-9
    assert (moves > 0).mean() > 0.9
