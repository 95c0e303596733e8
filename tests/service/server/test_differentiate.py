"""A product with the reverse sweep within the limit on live elements."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.report import Kind
from gradproof_service.diagnostic import Fault
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.cost import live_elements
from gradproof_service.server.differentiate import Wanted, derivatives
from gradproof_service.transforms.evaluate import no_tick
from gradproof_service.transforms.reverse import vjp

from tests.service.functions import graph_of


def _chain(xp: Any, x: Any) -> Any:
    for _ in range(60):
        x = xp.sin(x) * 1.1
    return x


@pytest.mark.parametrize("batch", [0, 3])
def test_values_are_computed_again_where_the_limit_asks_for_it(batch: int) -> None:
    """A third of what the plain sweep holds gives its bits; less than any sweep holds is refused."""
    graph, xs = graph_of(_chain, x=np.linspace(-2, 2, 1000))
    plain = live_elements(vjp(graph, (0,), (0,)), (False, bool(batch)), batch)
    seed = np.linspace(1, 2, 1000 * max(1, batch)).reshape((batch, 1000) if batch else (1000,))

    def asked(limit: int) -> Any:
        limits = replace(DEFAULT_LIMITS, live_elements=limit)
        wanted = Wanted(Kind.VJP, (0,), (0,), "auto", {"out": seed}, batch, limits)
        return derivatives(graph, xs, wanted, no_tick)[0].value

    expected = asked(plain)
    assert asked(plain // 3).tobytes() == expected.tobytes()
    with pytest.raises(Fault, match="elements at once, the limit is 2e\\+03") as raised:
        asked(2000)
    assert raised.value.limit == "live_elements"


def test_a_stopped_call_stops_the_search() -> None:
    """The deadline is looked at for every schedule that is tried."""
    graph, xs = graph_of(_chain, x=np.linspace(-2, 2, 1000))
    limits = replace(DEFAULT_LIMITS, live_elements=2000)
    wanted = Wanted(Kind.VJP, (0,), (0,), "auto", {}, 0, limits)

    def stop() -> None:
        raise TimeoutError("the deadline has passed")

    with pytest.raises(TimeoutError, match="deadline"):
        derivatives(graph, xs, wanted, stop)
