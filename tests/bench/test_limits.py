"""The bound counts the plan's own calls and elements, and nothing that costs nothing."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_service.transforms.prepare import prepare

from tests.bench import limits
from tests.service.functions import graph_of

CALLS = limits.Machine(1.0, lambda *_: 0.0, 0.0, lambda _: 0.0, 0.0, 0.0, 0.0, 0.0)
"""A machine on which only calls take time."""
ELEMENTS = limits.Machine(0.0, lambda *_: 1.0, 0.0, lambda _: 0.0, 0.0, 0.0, 0.0, 0.0)
BYTES = limits.Machine(0.0, lambda *_: 0.0, 1.0, lambda _: 0.0, 0.0, 0.0, 0.0, 0.0)
FLOPS = limits.Machine(0.0, lambda *_: 0.0, 0.0, lambda _: 1.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("n", [10, 1000])
def test_small_arrays_cost_calls(n: int) -> None:
    """exp, a product and a sum are three calls, a reshape is none; of elements it is two each and a sum's half."""
    graph, _ = graph_of(
        lambda xp, x: xp.sum(xp.reshape(xp.exp(x) * x, shape=(n, 1)), axes=(-1, -2)), x=np.ones(n)
    )
    sketch = prepare(graph, kind="value").sketch()  # pyright: ignore[reportAttributeAccessIssue]
    assert limits.bound(sketch, CALLS) == 3.0
    assert limits.bound(sketch, ELEMENTS) == 2 * n + (n + 1) / 2


def test_long_arrays_cost_what_passes_through_memory() -> None:
    """Of a stretch that runs in blocks the input is read once and the result written once."""
    n = 1 << 20
    graph, _ = graph_of(lambda xp, x: xp.tanh(xp.exp(x) * x) + x, x=np.ones(n))
    sketch = prepare(graph, kind="value").sketch()  # pyright: ignore[reportAttributeAccessIssue]
    assert limits.bound(sketch, BYTES) == 16 * n
    assert limits.bound(sketch, CALLS) == 0.0


def test_products_cost_their_operations() -> None:
    """Two for each product of two numbers."""
    graph, _ = graph_of(lambda xp, a, b: a @ b, a=np.ones((3, 4)), b=np.ones((4, 5)))
    sketch = prepare(graph, kind="value").sketch()  # pyright: ignore[reportAttributeAccessIssue]
    assert limits.bound(sketch, FLOPS) == 2 * 3 * 4 * 5
