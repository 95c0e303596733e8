"""A disagreement made small: only the nodes between one input and one output, the rest as numbers."""

from __future__ import annotations

from collections.abc import Sequence

from gradproof_service.arrays import Array
from gradproof_service.checking.margins import moving
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate_all, no_tick

FOLDED_ELEMENTS = 1 << 16
"""An array that does not depend on the input becomes a constant up to this size."""


def shrink(
    graph: Graph, inputs: Sequence[Array], i: int, o: int, *, tick: Tick = no_tick
) -> tuple[Graph, list[int]]:
    """The function of input i alone to output o, at the other inputs' values.

    Returns the graph and the positions of the inputs that it still takes (input i, and others
    too large to be written down as constants). Its value and its derivative by input i at the
    point are those of the whole graph, bit for bit.
    """
    values = evaluate_all(graph, inputs, tick=tick)
    needed = _ancestors(graph, graph.outputs[o])
    moved = moving(graph, (i,))
    small = [
        not moved[v] and x is not None and x.size <= FOLDED_ELEMENTS for v, x in enumerate(values)
    ]
    kept = [k for k in range(len(graph.inputs)) if k == i or (needed[k] and not small[k])]
    xp = Builder(graph.name)
    built: dict[int, Value] = {k: xp.input(graph.inputs[k], graph.types[k]) for k in kept}

    def value(v: int) -> Value:
        if v not in built:
            built[v] = xp.constant(values[v])
        return built[v]

    for k, _, site, operands, outs in graph.nodes():
        if not any(needed[v] for v in outs) or all(small[v] for v in outs):
            continue
        xp.location = graph.location(k)
        ids = tuple([value(v).id for v in operands])
        first = xp.add_once(site, ids, graph.node_names.get(k, ""))
        for n, v in enumerate(outs):
            built[v] = xp.value(first + n)
    return xp.finish([value(graph.outputs[o])], [graph.output_names[o]]), kept


def _ancestors(graph: Graph, output: int) -> bytearray:
    needed = bytearray(len(graph.types))
    needed[output] = 1
    for k in range(len(graph.sites) - 1, -1, -1):
        first = graph.first[k]
        if any(needed[first + n] for n in range(len(graph.sites[k].outs))):
            for v in graph.operands[k]:
                needed[v] = 1
    return needed
