"""Derivatives within the limit on live elements: values are computed again before anything is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.report import Kind
from gradproof_service.diagnostic import Fault
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.server.differentiate import Wanted, derivatives
from gradproof_service.transforms.evaluate import no_tick
from gradproof_service.transforms.jacobian import hvp
from gradproof_service.transforms.live import live
from gradproof_service.transforms.reverse import vjp

from tests.service.functions import function, graph_of

X = np.linspace(-2, 2, 1000)


def _chain(xp: Any, x: Any) -> Any:
    for _ in range(60):
        x = xp.sin(x) * 1.1
    return x


def _sum(xp: Any, x: Any) -> Any:
    return xp.sum(_chain(xp, x))


def _pair(xp: Any, x: Any) -> Any:
    y = _chain(xp, x)
    return xp.stack(xp.sum(y), xp.sum(xp.exp(-y * y)), axis=0)


def _scan(xp: Any, x: Any) -> Any:
    body = function(xp, "step", lambda b, c: b.sin(c) * 1.1, x.type)
    return xp.sum(xp.scan(x, body=body, length=60, carried=1))


def _loop(xp: Any, x: Any) -> Any:
    count = xp.constant(0, np.int64)
    go_on = function(xp, "go_on", lambda b, c, k: b.less(k, 60), x.type, count.type)
    body = function(xp, "step", lambda b, c, k: (b.sin(c) * 1.1, k + 1), x.type, count.type)
    return xp.sum(xp.while_loop(x, count, cond=go_on, body=body, max_trips=100)[0])


def _asked(graph: Graph, kind: Kind, seeds: Any, batch: int, limit: int) -> bytes:
    limits = replace(DEFAULT_LIMITS, live_elements=limit)
    wanted = Wanted(kind, (0,), (0,), "auto", seeds, batch, limits)
    return derivatives(graph, [X], wanted, no_tick)[0].value.tobytes()


ROADS = [
    (Kind.VJP, 0, _chain), (Kind.VJP, 3, _chain), (Kind.GRADIENT, 0, _sum), (Kind.JACOBIAN, 0, _pair),
    (Kind.HVP, 0, _sum), (Kind.HVP, 3, _sum), (Kind.GRADIENT, 0, _scan), (Kind.GRADIENT, 0, _loop),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "batch", "f"), ROADS)
def test_values_are_computed_again_where_the_limit_asks_for_it(
    kind: Kind, batch: int, f: Any
) -> None:
    """A third of what the plain sweep holds gives its bits; less than any sweep holds is refused with the least."""
    graph, _ = graph_of(f, x=X)
    shape = (batch, *X.shape) if batch else X.shape
    seed = np.linspace(1, 2, int(np.prod(shape))).reshape(shape)
    seeds = {Kind.VJP: {"out": seed}, Kind.HVP: {"x": seed}}.get(kind, {})
    plain = hvp(graph, (0,)) if kind is Kind.HVP else vjp(graph, (0,), (0,))
    # a gradient's one seed is a batch of one
    flags = (False, bool(batch) or not seeds)
    most = live(plain, flags, batch)
    expected = _asked(graph, kind, seeds, batch, 1 << 40)
    assert _asked(graph, kind, seeds, batch, most // 3) == expected
    with pytest.raises(Fault) as raised:
        _asked(graph, kind, seeds, batch, 2000)
    assert raised.value.limit == "live_elements"
    assert "the limit live_elements is 2,000 elements" in raised.value.message
    least = int(raised.value.message.split("at least ")[1].split(" ")[0].replace(",", ""))
    assert _asked(graph, kind, seeds, batch, least) == expected
    with pytest.raises(Fault, match="live_elements"):
        _asked(graph, kind, seeds, batch, least - 1)


def test_forward_mode_takes_fewer_seeds_at_once_before_it_is_refused() -> None:
    """A Jacobian by columns has the same bits in smaller batches."""
    graph, _ = graph_of(_chain, x=X[:50])
    limits = replace(DEFAULT_LIMITS, live_elements=3000)

    def asked(limits: Any) -> bytes:
        wanted = Wanted(Kind.JACOBIAN, (0,), (0,), "forward", {}, 0, limits)
        return derivatives(graph, [X[:50]], wanted, no_tick)[0].value.tobytes()

    assert asked(limits) == asked(DEFAULT_LIMITS)
    with pytest.raises(
        Fault, match=r"at least \d+ elements at once.*live_elements is 100 elements"
    ):
        asked(replace(limits, live_elements=100))


def test_a_stopped_call_stops_the_search() -> None:
    """The deadline is looked at for every schedule that is tried."""
    graph, xs = graph_of(_chain, x=X)
    limits = replace(DEFAULT_LIMITS, live_elements=2000)
    wanted = Wanted(Kind.VJP, (0,), (0,), "auto", {}, 0, limits)

    def stop() -> None:
        raise TimeoutError("the deadline has passed")

    with pytest.raises(TimeoutError, match="deadline"):
        derivatives(graph, xs, wanted, stop)
