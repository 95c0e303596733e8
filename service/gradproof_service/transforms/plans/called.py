"""What the functions that a node calls hold while they run, which no value of the calling graph shows."""

from __future__ import annotations

from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import plan


def called(site: Site) -> list[Graph]:
    """The functions that a node calls."""
    found: list[Graph] = []
    for value in site.attrs.values():
        found += [
            v for v in (value if isinstance(value, tuple) else (value,)) if isinstance(v, Graph)
        ]  # pyright: ignore[reportUnknownVariableType]
    return found


def called_bytes(site: Site) -> int:
    """The most bytes that a call holds at once besides its operands and results, for one element of a batch.

    One step of a scan, one trip of a loop; the carries that a loop's pullback remembers are as many as
    its trips, which nobody knows before.
    """
    return max((_held(graph) for graph in called(site)), default=0)


def _held(graph: Graph) -> int:
    """The most bytes of a function's own values at once, its outputs included, its inputs not."""
    found = graph.plans.get("held")
    if found is None:
        found = graph.plans["held"] = _most(graph)
    return found


def _most(graph: Graph) -> int:
    sizes = [0] * len(graph.types)
    alive = most = 0
    for step in plan(graph, (False,) * len(graph.inputs)).steps:
        if not step.op.moves:
            for v, t in enumerate(step.site.outs, step.first):
                sizes[v] = t.nbytes
                alive += t.nbytes
        inside = called_bytes(step.site) if step.op.batching == "run" else 0
        most = max(most, alive + inside)
        alive -= sum(sizes[v] for v in step.drop)
    return most
