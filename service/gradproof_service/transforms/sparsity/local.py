"""Local Jacobians: one reverse sweep over the views of the inputs gives every entry, written straight to its place.

The plan is made once for a graph: groups of lanes, the scalar gradient of each, where each variable is read and where each
derivative goes. A run evaluates the gradients a block of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.jacobian import gradient_graph
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.sparsity.assembly import (
    Listed,
    Places,
    Rowwise,
    Strided,
    assembled,
    places_of,
)
from gradproof_service.transforms.sparsity.lanes import Lanes, Leaf, NotLocal, lanes_of
from gradproof_service.transforms.sparsity.moves import Moves
from gradproof_service.transforms.sparsity.pattern import Pattern
from gradproof_service.transforms.sparsity.values import Values

BLOCK = 1 << 14
"""Lanes that run together: their numbers stay in the cache."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Lanes of one scalar gradient: for each variable its value in `sources` and its places there, or an array of its own."""

    lanes: int
    block: int
    gradient: Graph
    reads: tuple[tuple[int, Places, Array | None], ...]
    writes: tuple[Places, ...]


@dataclass(frozen=True, slots=True)
class Local:
    """The local Jacobian of one output, ready to run; `pattern` is its structure."""

    pattern: Pattern
    sources: Graph
    groups: tuple[_Group, ...]
    summed: bool
    dtype: np.dtype[np.floating]
    asked: frozenset[int]
    """Inputs on whose values the structure rests."""

    def entries(self, inputs: Sequence[Array], tick: Tick = no_tick) -> Array:
        """The values of the pattern's entries, row by row."""
        held = [
            np.ascontiguousarray(x).reshape(-1) for x in evaluate(self.sources, inputs, tick=tick)
        ]
        fill = np.zeros if self.summed else np.empty
        data = fill(self.pattern.entries, self.dtype)
        for group in self.groups:
            for start in range(0, group.lanes, group.block):
                stop = min(group.lanes, start + group.block)
                xs = [
                    _read(held[k] if own is None else own, at, start, stop)
                    for k, at, own in group.reads
                ]
                for value, places in zip(
                    evaluate(group.gradient, xs, tick=tick), group.writes, strict=True
                ):
                    _write(data, value, places, start, stop, summed=self.summed)
        return data


def local(graph: Graph, wrt: tuple[int, ...], out: int, inputs: Sequence[Array]) -> Local:
    """The plan of one output's local Jacobian; raises `NotLocal` where there is none, `TooDense` where it would be no use."""
    given = [None if i in wrt else np.asarray(x) for i, x in enumerate(inputs)]
    values = Values(graph, given)
    parts = lanes_of(Moves(graph, wrt, values), graph.outputs[out])
    t = graph.types[graph.outputs[out]]
    width = sum(graph.types[i].size for i in wrt)
    smooth = [[leaf for leaf in part.leaves if leaf.columns is not None] for part in parts]
    if any(leaf.type.dtype != t.dtype for leaves in smooth for leaf in leaves):
        raise NotLocal("the program computes in several precisions")
    plan = assembled(
        [(p.rows, [c for leaf in leaves if (c := leaf.columns) is not None]) for p, leaves in zip(parts, smooth, strict=True)],
        t.size, width,
    )  # fmt: skip
    needed: dict[int, int] = {}
    groups = tuple(
        _group(part, writes, needed) for part, writes in zip(parts, plan.places, strict=True)
    )
    return Local(
        plan.pattern,
        _selected(graph, list(needed)),
        groups,
        plan.summed,
        t.dtype,
        frozenset(values.asked),
    )


def _group(part: Lanes, writes: tuple[Places, ...], needed: dict[int, int]) -> _Group:
    smooth = tuple(k for k, leaf in enumerate(part.leaves) if leaf.columns is not None)
    gradient = optimise(_gradients(part.graph, smooth))
    reads = tuple(_reading(leaf, needed) for leaf in part.leaves)
    row = max([1, *(at.width for _, at, _ in reads if isinstance(at, Rowwise))])
    block = max(1, BLOCK // row) * row
    return _Group(len(part.rows), block, gradient, reads, writes)


def _gradients(graph: Graph, wrt: tuple[int, ...]) -> Graph:
    """The derivatives by these variables alone."""
    return gradient_graph(graph, wrt, 0)


def _reading(leaf: Leaf, needed: dict[int, int]) -> tuple[int, Places, Array | None]:
    if leaf.given is not None:
        return 0, Strided(0, 1), leaf.given
    return needed.setdefault(leaf.value, len(needed)), places_of(leaf.at), None


def _selected(graph: Graph, values: list[int]) -> Graph:
    """The graph that returns these of its values."""
    return Graph(
        graph.name, graph.inputs, graph.types, graph.sites, graph.operands, graph.first, values,
        [f"v{v}" for v in values], graph.locations, graph.node_names, graph.origins,
    )  # fmt: skip


def _read(x: Array, at: Places, start: int, stop: int) -> Array:
    """The variable in lanes start to stop: a view where the places are regular, one number where they do not move."""
    match at:
        case Strided(first, 0):
            return x[first]
        case Strided(first, step):
            return x[first + step * start : first + step * (stop - 1) + 1 : step]
        case Rowwise(first, step, width):
            low, high = start // width, -(-stop // width)
            rows = np.lib.stride_tricks.as_strided(
                x[first + low * step :],
                (high - low, width),
                (step * x.itemsize, x.itemsize),
                writeable=False,
            )
            return rows.reshape(-1)[: stop - start]
        case Listed(places):
            return x[places[start:stop]]


def _write(data: Array, value: Array, at: Places, start: int, stop: int, *, summed: bool) -> None:
    match at:
        case Strided(first, step):
            where = slice(first + step * start, first + step * (stop - 1) + 1, max(step, 1))
        case Rowwise(first, step, width):
            raise AssertionError(f"entries are written in rows of {width} from {first} by {step}")
        case Listed(places):
            mine = places[start:stop]
            held = mine >= 0
            if not held.all():
                mine, value = mine[held], np.broadcast_to(value, len(held))[held]
            where = mine
    if summed:
        data[where] += value
    else:
        data[where] = value
