"""What running a graph costs, from its types alone: the functions that nodes call count as often as they run."""

from __future__ import annotations

from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site


def called(site: Site) -> list[Graph]:
    """The functions that a node calls."""
    return [graph for graph, _ in _calls(site)]


def graph_flops(graph: Graph) -> float:
    """Estimated floating-point operations of one evaluation, in time linear in the nodes."""
    return _flops(graph, {})


def flops(site: Site) -> float:
    """Those of one node; a scan counts every step, another loop one trip."""
    return _site_flops(site, {})


def _calls(site: Site) -> list[tuple[Graph, float]]:
    """The functions that a node calls, and how often each of them runs."""
    found: list[tuple[Graph, float]] = []
    for name, value in site.attrs.items():
        graphs = [
            v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Graph)
        ]  # pyright: ignore[reportUnknownVariableType]
        times = site.op.times(site, name) if graphs and site.op.times else 1.0
        found += [(graph, times) for graph in graphs]
    return found


def _flops(graph: Graph, known: dict[int, float]) -> float:
    """Each function is looked at once, however often it is called; the depth of calls is limited when types are inferred."""
    found = known.get(id(graph))
    if found is None:
        found = known[id(graph)] = sum(_site_flops(site, known) for site in graph.sites)
    return found


def _site_flops(site: Site, known: dict[int, float]) -> float:
    if site.op.batching != "run":
        return site.op.cost(site) if site.op.cost else float(sum(t.size for t in site.outs))
    return sum(times * _flops(graph, known) for graph, times in _calls(site))
