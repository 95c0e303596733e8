"""What an evaluation would cost, estimated from its types alone and judged against the limits before it begins."""

from __future__ import annotations

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import plan
from gradproof_service.transforms.plans.called import called


def judge_cost(graph: Graph, flags: tuple[bool, ...], batch: int, limits: Limits) -> None:
    """Raises `Fault` when one evaluation would hold more, or work more, than the limit; allocates nothing.

    `flags` say which inputs carry a batch axis, of length `batch`.
    """
    times = max(1, batch)
    elements = live_elements(graph, flags, batch)
    if elements > limits.live_elements:
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: the evaluation would hold {elements:.3g} elements at once, "
            f"the limit is {limits.live_elements:.3g}; send a smaller point or fewer at once",
            limit="live_elements",
        )
    work = graph_flops(graph) * times
    if work > limits.work:
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: the evaluation would take about {work:.3g} operations, the limit is "
            f"{limits.work:.3g}; send a smaller point or fewer at once",
            limit="work",
        )


def live_elements(graph: Graph, flags: tuple[bool, ...], batch: int) -> int:
    """Most elements that one evaluation holds at once."""
    return plan(graph, flags).peak_elements * max(1, batch)


def graph_flops(graph: Graph) -> float:
    """Estimated floating-point operations of one evaluation, in time linear in the nodes."""
    return _flops(graph, {})


def flops(site: Site) -> float:
    """Those of one node; a scan counts every step, another loop one trip."""
    return _site_flops(site, {})


def _flops(graph: Graph, known: dict[int, float]) -> float:
    """Each function is looked at once, however often it is called; the depth of calls is limited when types are inferred."""
    found = known.get(id(graph))
    if found is None:
        found = known[id(graph)] = sum(_site_flops(site, known) for site in graph.sites)
    return found


def _site_flops(site: Site, known: dict[int, float]) -> float:
    if site.op.batching != "run":
        return site.op.cost(site) if site.op.cost else float(sum(t.size for t in site.outs))
    steps = site["length"] if site.op.name == "scan" else 1
    return steps * sum(_flops(graph, known) for graph in called(site))
