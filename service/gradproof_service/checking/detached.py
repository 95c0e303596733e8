"""What `stop_gradient` declares, kept by every witness: at the point checked, its value is a constant.

Differences would else see the dependence that the derivative leaves out on purpose, and accuse it.
"""

from __future__ import annotations

from collections.abc import Sequence

from gradproof_service.arrays import Array
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate_all


def detached(graph: Graph, inputs: Sequence[Array], tick: Tick) -> Graph:
    """The graph with the value of every `stop_gradient` node at these inputs in its place, node for node.

    The graph itself when it has none. Functions that it calls are left as they are.
    """
    stops = {k for k, site in enumerate(graph.sites) if site.op.name == "stop_gradient"}
    if not stops:
        return graph
    values = evaluate_all(graph, inputs, tick=tick)
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    for k, _, site, operands, outs in graph.nodes():
        xp.location = graph.location(k)
        value = values[outs[0]] if k in stops else None
        placed = (site, tuple([ids[v] for v in operands]))
        if value is not None:
            placed = (xp.constant_site(value), ())
        first = xp.append(*placed, graph.node_names.get(k, ""))
        ids.extend(range(first, first + len(outs)))
    made = xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names, graph.origins)
    made.function = graph.function
    return made
