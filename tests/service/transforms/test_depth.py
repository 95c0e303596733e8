"""Long graphs are ordinary: nothing recurses, and work grows with the number of nodes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.jacobian import jacobian

from tests.service.functions import graph_of

NODES = 200_000


def test_a_chain_of_200_000_nodes() -> None:
    """Value and slope of a chain in both modes: sin and scaling by turns, against a plain loop."""

    def chain(xp: Any, x: Any) -> Any:
        for k in range(NODES):
            x = xp.sin(x) if k % 1000 == 0 else x * (1.001 if k % 2 else 0.999)
        return x

    graph, xs = graph_of(chain, x=np.array(0.7))
    value, slope = 0.7, 1.0
    for k in range(NODES):
        if k % 1000 == 0:
            value, slope = np.sin(value), slope * np.cos(value)
        else:
            factor = 1.001 if k % 2 else 0.999
            value, slope = value * factor, slope * factor
    assert evaluate(graph, xs)[0] == pytest.approx(value, rel=1e-9)
    for mode in ("forward", "reverse"):
        assert jacobian(graph, xs, (0,), (0,), mode).blocks[0][0] == pytest.approx(slope, rel=1e-9)


def test_one_value_used_200_000_times() -> None:
    """A fan-out of 200,000 uses joined by one sum has the slope 200,000."""

    def fan(xp: Any, x: Any) -> Any:
        return xp.sum(xp.stack(*([x] * NODES), axis=0))

    graph, xs = graph_of(fan, x=np.array(0.5))
    assert evaluate(graph, xs)[0] == NODES * 0.5
    for mode in ("forward", "reverse"):
        assert jacobian(graph, xs, (0,), (0,), mode).blocks[0][0] == NODES


def test_a_node_of_200_000_operands() -> None:
    """A fan-in of 200,000 different operands gives each its own slope."""

    def fan(xp: Any, x: Any) -> Any:
        parts = [x * float(k % 7) for k in range(NODES)]
        return xp.sum(xp.stack(*parts, axis=0))

    graph, xs = graph_of(fan, x=np.array(0.5))
    expected = sum(float(k % 7) for k in range(NODES))
    for mode in ("forward", "reverse"):
        assert jacobian(graph, xs, (0,), (0,), mode).blocks[0][0] == expected
