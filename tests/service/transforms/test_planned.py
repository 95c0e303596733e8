"""A graph that is asked again runs as a plan, and nobody can tell by the numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.transforms import planned as module
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.planned import planned
from gradproof_service.transforms.plans.prepared import Prepared

from tests.service.functions import graph_of


def _program(xp: Any, x: Any) -> Any:
    return xp.sum(xp.exp(-xp.square(x)) * xp.tanh(x)), xp.sin(x)


@pytest.mark.parametrize("x", [np.array(0.3), np.linspace(-1, 1, 9), np.linspace(-1, 1, 60_000)])
def test_the_second_call_is_a_plan_with_the_same_bits(x: Any) -> None:
    """First plain, then planned, alone and in a batch; scalars run on arrays too."""
    graph, _ = graph_of(_program, x=x)
    for call in range(4):
        point = x + call
        batch = np.stack([point, -point])
        for given in (point, batch):
            found = planned(graph, [given])
            for y, z in zip(found, evaluate(graph, [given]), strict=True):
                assert y.tobytes() == z.tobytes()
                assert y.shape == z.shape
    assert isinstance(graph.plans["planned"], Prepared)


def test_what_a_plan_is_not_made_for_runs_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complex points, and graphs that are too long to prepare."""
    graph, _ = graph_of(_program, x=np.ones(3))
    z = np.ones(3) + 1e-20j
    for _ in range(3):
        assert np.array_equal(planned(graph, [z])[1], np.sin(z))
    assert "planned" not in graph.plans
    monkeypatch.setattr(module, "NODES", 2)
    for _ in range(3):
        planned(graph, [np.ones(3)])
    assert "planned" not in graph.plans


@pytest.mark.parametrize("side", [9, 60_000])
def test_a_plan_can_be_stopped_and_used_again(side: int) -> None:
    """What a tick raises ends the run, in a short plan and between blocks; the next call is whole."""
    graph, (x,) = graph_of(_program, x=np.linspace(-1, 1, side))
    expected = evaluate(graph, [x])
    for _ in range(2):
        planned(graph, [x])

    def stop() -> None:
        raise Fault(FaultKind.DEADLINE, "stop")

    with pytest.raises(Fault, match="stop"):
        planned(graph, [x], tick=stop)
    for y, z in zip(planned(graph, [x]), expected, strict=True):
        assert y.tobytes() == z.tobytes()
