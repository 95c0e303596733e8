"""A disturbed run that is asked for again runs as a plan, with the bits of the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.rounding import disturbed

from tests.service.checking.test_reference_bars import random_function
from tests.service.functions import graph_of

RNG = np.random.default_rng(3)
W = RNG.standard_normal((6, 5))
DEEP = RNG.standard_normal((6, 6))


def first_and_again(graph: Graph, inputs: Sequence[Array], seed: tuple[int, ...]) -> None:
    """The same bits four times, dtypes and shapes included; another seed in between gives others."""
    first = disturbed(graph, inputs, seed)
    for k in range(3):
        disturbed(graph, inputs, (*seed, k))
        for one, other in zip(first, disturbed(graph, inputs, seed), strict=True):
            assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
def test_random_functions_and_their_derivatives(seed: int) -> None:
    """Values, forward and reverse graphs of random expressions, with a batch and without."""
    rng = np.random.default_rng(seed)
    graph, (x,) = graph_of(random_function(rng, int(rng.integers(2, 9))), x=rng.uniform(-2, 2, 3))
    first_and_again(graph, [x], (seed, 0))
    first_and_again(graph, [rng.uniform(-2, 2, (4, 3))], (seed, 1))
    first_and_again(jvp(graph, (0,)), [x, np.eye(3)], (seed, 2))
    first_and_again(vjp(graph, (0,), (0,)), [x, np.ones(1)], (seed, 3))


def test_products_with_constants_and_batches() -> None:
    """Moved constants are made once a seed; a batch of vectors times a matrix is one product."""

    def f(xp: Any, x: Any) -> Any:
        inner = xp.tanh(xp.constant(W) @ x)
        return xp.constant(DEEP) @ inner + xp.sum(inner)

    graph, (x,) = graph_of(f, x=RNG.standard_normal(5))
    for n in (1, 2, 7):
        first_and_again(jvp(graph, (0,)), [x, RNG.standard_normal((n, 5))], (n, 0))
        first_and_again(vjp(graph, (0,), (0,)), [x, RNG.standard_normal((n, 6))], (n, 1))


def test_every_seed_rounds_its_own_way() -> None:
    """A plan that knows one seed gives another seed's moves for another seed."""
    graph, (x,) = graph_of(lambda xp, x: xp.exp(xp.sin(x)), x=RNG.standard_normal(50))
    seen = {disturbed(graph, [x], (k,))[0].tobytes() for k in range(8) for _ in range(2)}
    assert len(seen) == 8


def test_other_points_with_the_same_plan() -> None:
    """The plan holds no numbers of the point at which it was made."""
    graph, (x,) = graph_of(
        lambda xp, x: xp.exp(xp.sin(x)) / (x * x + 1.0), x=RNG.standard_normal(9)
    )
    fresh, _ = graph_of(lambda xp, x: xp.exp(xp.sin(x)) / (x * x + 1.0), x=x)
    for _ in range(2):
        disturbed(graph, [x], (0,))
    assert disturbed(graph, [3 * x], (0,))[0].tobytes() == disturbed(fresh, [3 * x], (0,))[0].tobytes()  # fmt: skip
