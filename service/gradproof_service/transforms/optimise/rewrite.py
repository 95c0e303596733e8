"""One pass over a graph that folds constants, drops what changes nothing, and leaves out what nobody needs.

Every rewriting keeps each result's bits (of a NaN only that it is one), its type and its meaning on
batches: what could round differently, such as merging two factors, is not done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Type, broadcast_shapes
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Site
from gradproof_service.transforms.optimise.identities import IDENTITIES
from gradproof_service.transforms.optimise.scans import joined_scans

FOLDED: Final = 4096
"""Elements of the largest array that folding constants may write into the graph."""


@dataclass(slots=True)
class Seen:
    """What rules may ask about the values of the new graph."""

    xp: Builder
    made: dict[int, tuple[Site, tuple[int, ...]]] = field(
        default_factory=dict[int, tuple[Site, tuple[int, ...]]]
    )
    numbers: dict[int, Array] = field(default_factory=dict[int, Array])
    """Values that are one known number everywhere."""

    def number(self, v: Value) -> float | None:
        """The number a value is everywhere, None when it is not known or not a float."""
        found = self.numbers.get(v.id)
        return float(found) if found is not None and found.dtype.kind == "f" else None

    def maker(self, v: Value, op_name: str) -> tuple[Value, ...] | None:
        """The operands of the op that makes a value, when it is this op."""
        found = self.made.get(v.id)
        if found is None or found[0].op.name != op_name:
            return None
        return tuple(self.xp.value(u) for u in found[1])

    def constant(self, number: float, dtype: Any) -> Value:
        """A number as a value of rank 0."""
        return _constant(self, np.asarray(number, dtype))

    def emit(self, op_name: str, *xs: Value, **attrs: Any) -> Value:
        """A node of this op, or what is simpler and the same."""
        op = OPS[op_name]
        return _emit(self, op.site(attrs, tuple([x.type for x in xs])), list(xs))


def optimise(graph: Graph) -> Graph:
    """The graph with the same inputs and outputs and less to do; remembered on the graph."""
    found = graph.plans.get("optimised")
    if found is None:
        found = graph.plans["optimised"] = _optimise(graph)
    return found


def _optimise(graph: Graph) -> Graph:
    graph = joined_scans(graph, _needed(graph))
    xp = Builder(graph.name)
    seen = Seen(xp)
    ids: list[int | None] = [
        xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)
    ]
    needed = _needed(graph)
    for k, _, site, operands, outs in graph.nodes():
        if not needed[k]:
            ids.extend([None] * len(outs))
            continue
        xp.location = graph.location(k)
        xs = [xp.value(v) for v in (ids[u] for u in operands) if v is not None]
        if len(outs) > 1:
            first = xp.add_once(site, tuple([x.id for x in xs]))
            ids.extend(range(first, first + len(outs)))
            continue
        ids.append(_emit(seen, site, xs).id)
    outputs = [xp.value(v) for v in (ids[u] for u in graph.outputs) if v is not None]
    return xp.finish(outputs, graph.output_names)


def _emit(seen: Seen, site: Site, xs: list[Value]) -> Value:
    """The value of one node, by whatever is the least work."""
    op = site.op
    folded = _folded(seen, site, xs)
    if folded is not None:
        return folded
    rule = IDENTITIES.get(op.name)
    simpler = rule(seen, site, xs) if rule is not None else None
    if simpler is not None and simpler.type is site.out:
        return simpler
    if op.batching == "elementwise" and len(xs) > 1:
        xs = _slimmed(seen, site, xs)
    types = tuple([x.type for x in xs])
    mine = site if types == site.ins else op.site(site.attrs, types)
    return _added(seen, mine, xs)


def _added(seen: Seen, site: Site, xs: list[Value]) -> Value:
    operands = tuple([x.id for x in xs])
    v = seen.xp.value(seen.xp.add_once(site, operands))
    seen.made.setdefault(v.id, (site, operands))
    if site.op.name == "full":
        seen.numbers[v.id] = np.asarray(site["value"]).astype(site["dtype"])
    return v


def _constant(seen: Seen, array: Array) -> Value:
    v = seen.xp.constant(array)
    if array.size and (array.size == 1 or bool((array == array.flat[0]).all())):
        seen.numbers[v.id] = np.asarray(array.flat[0])
    return v


def _folded(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """A constant, where everything the node reads is one."""
    op = site.op
    if op.name == "constant":
        return _constant(seen, site["value"].array)
    if not xs:
        return None
    numbers = [seen.numbers.get(x.id) for x in xs]
    known = [n for n in numbers if n is not None]
    if len(known) == len(xs) and (op.moves or op.batching == "elementwise"):
        with np.errstate(all="ignore"):
            y = known[0] if op.moves else np.asarray(op.kernel(site, *known))
        return _everywhere(seen, y, site.out)
    arrays = [seen.made[x.id][0]["value"].array for x in xs if _is_constant(seen, x)]
    if len(arrays) < len(xs) or op.batching == "run" or site.out.size > FOLDED:
        return None
    with np.errstate(all="ignore"):
        return _constant(seen, np.asarray(op.kernel(site, *arrays)))


def _is_constant(seen: Seen, x: Value) -> bool:
    found = seen.made.get(x.id)
    return found is not None and found[0].op.name == "constant"


def _everywhere(seen: Seen, number: Array, type: Type) -> Value:
    """An array of this type that is one number everywhere and takes no memory of its size."""
    v = _constant(seen, number.astype(type.dtype))
    if type.shape:
        xp = seen.xp
        v = xp.apply("broadcast_to", v, shape=type.shape)
        seen.numbers[v.id] = np.asarray(number)
    return v


def _slimmed(seen: Seen, site: Site, xs: list[Value]) -> list[Value]:
    """Operands without the repeating that the node's own broadcasting does."""
    xs = list(xs)
    for i, x in enumerate(xs):
        inner = seen.maker(x, "broadcast_to")
        if inner is None:
            continue
        others = [y.shape for j, y in enumerate(xs) if j != i]
        if broadcast_shapes(inner[0].shape, *others) == site.out.shape:
            xs[i] = inner[0]
    return xs


def _needed(graph: Graph) -> bytearray:
    """For each node whether an output depends on it."""
    live = bytearray(len(graph.types))
    for v in graph.outputs:
        live[v] = 1
    needed = bytearray(len(graph))
    sites, operands, first = graph.sites, graph.operands, graph.first
    for k in range(len(sites) - 1, -1, -1):
        if any(live[first[k] : first[k] + len(sites[k].outs)]):
            needed[k] = 1
            for v in operands[k]:
                live[v] = 1
    return needed
