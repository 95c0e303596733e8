"""From a typed graph back to an untyped program, so that a derivative can be returned, read and sent again.

Called functions are collected and flattened in one worklist; constants leave the nodes; what no output needs is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof_service.arrays import Array, Frozen
from gradproof_service.diagnostic import Location
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Function, FunctionRef, Input, Program
from gradproof_service.graph.typing import NAMESPACE
from gradproof_service.ops.record import Op, Site


def emit(graph: Graph, outputs: Sequence[int] | None = None) -> Program:
    """The program whose entry is this graph; `outputs` are the positions of those it returns, None for all.

    Typing the program at the graph's input types gives a graph that means the same.
    """
    queue = _Queue()
    queue.ref(graph)
    functions: list[Function] = []
    while len(functions) < len(queue.graphs):
        chosen = outputs if not functions else None
        functions.append(_function(queue.graphs[len(functions)], chosen, queue))
    return Program(tuple(functions))


class _Queue:
    """Every graph met so far, each once, in the order of their meeting."""

    def __init__(self) -> None:
        self.graphs: list[Graph] = []
        self._index: dict[int, int] = {}

    def ref(self, graph: Graph) -> FunctionRef:
        """The reference by which a node names the graph."""
        found = self._index.get(id(graph))
        if found is None:
            found = self._index[id(graph)] = len(self.graphs)
            self.graphs.append(graph)
        return FunctionRef(found)


def _function(graph: Graph, chosen: Sequence[int] | None, queue: _Queue) -> Function:
    picked = range(len(graph.outputs)) if chosen is None else chosen
    returned = [graph.outputs[o] for o in picked]
    live = _live(graph, returned)
    # constants stand before nodes, so they are numbered first
    ids: dict[int, int] = {v: v for v in range(len(graph.inputs))}
    constants: list[Array] = []
    for k, op, site, _, made in graph.nodes():
        if live[k] and op.name == "constant":
            ids[made.start] = len(graph.inputs) + len(constants)
            constants.append(site["value"].array)
    ops: list[str] = []
    operands: list[tuple[int, ...]] = []
    attrs: list[dict[str, Any]] = []
    counts: list[int] = []
    locations: list[Location] = []
    names: dict[int, str] = {}
    free = len(graph.inputs) + len(constants)
    for k, op, site, read, made in graph.nodes():
        if not live[k] or op.name == "constant":
            continue
        if k in graph.node_names:
            names[len(ops)] = graph.node_names[k]
        for v in made:
            ids[v] = free
            free += 1
        ops.append(NAMESPACE + op.name)
        operands.append(tuple([ids[v] for v in read]))
        attrs.append(_attrs(op, site, queue))
        counts.append(len(made))
        locations.append(graph.location(k))
    return Function(
        name=graph.name,
        inputs=tuple(
            Input(name, t.dtype, t.shape, t.structure)
            for name, t in zip(_distinct(graph.inputs), graph.input_types, strict=True)
        ),
        constants=tuple(constants),
        ops=ops,
        operands=operands,
        attrs=attrs,
        outputs=tuple(ids[v] for v in returned),
        output_names=_distinct([graph.output_names[o] for o in picked]),
        counts=counts if any(n != 1 for n in counts) else None,
        locations=locations,
        names=names,
    )


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """The names, with underscores behind those that stood already: `x_dot` may be an input too."""
    found: dict[str, None] = {}
    for name in names:
        fresh = name
        while fresh in found:
            fresh += "_"
        found[fresh] = None
    return tuple(found)


def _live(graph: Graph, returned: Sequence[int]) -> bytearray:
    """For each node whether an output needs it."""
    needed = bytearray(len(graph.types))
    for v in returned:
        needed[v] = 1
    live = bytearray(len(graph))
    for k in range(len(graph) - 1, -1, -1):
        first = graph.first[k]
        if any(needed[first : first + len(graph.sites[k].outs)]):
            live[k] = 1
            for v in graph.operands[k]:
                needed[v] = 1
    return live


def _attrs(op: Op, site: Site, queue: _Queue) -> dict[str, Any]:
    """The attributes that the record declares and that are not at their default."""
    found: dict[str, Any] = {}
    for attr in op.attrs:
        value = site.attrs.get(attr.name)
        if value is None or (
            type(value) is type(attr.default) and repr(value) == repr(attr.default)
        ):
            continue
        if isinstance(value, Graph):
            value = queue.ref(value)
        elif isinstance(value, tuple) and value and isinstance(value[0], Graph):
            value = tuple(queue.ref(graph) for graph in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        elif isinstance(value, Frozen):
            value = value.array
        found[attr.name] = value
    return found
