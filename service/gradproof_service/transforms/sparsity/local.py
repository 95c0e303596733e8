"""Local Jacobians: one reverse sweep over the views of the inputs gives every entry, written straight to its place.

The plan is made once for a graph: groups of lanes, the scalar gradient of each, where each variable is read and where each
derivative goes. A run evaluates the gradients a block of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.jacobian import gradient_graph
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.sparsity.assembly import InOrder, OneByOne, Part, assembled
from gradproof_service.transforms.sparsity.lanes import Lanes, Leaf, NotLocal, lanes_of
from gradproof_service.transforms.sparsity.moves import Moves
from gradproof_service.transforms.sparsity.pattern import Pattern
from gradproof_service.transforms.sparsity.places import Places, Rowwise, alone, places_of, read
from gradproof_service.transforms.sparsity.stretch import Stretch
from gradproof_service.transforms.sparsity.values import Values

BLOCK = 1 << 14
"""Lanes that run together: their numbers stay in the cache."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Lanes of one scalar gradient: where each variable is read (in `sources` by number, or in an array of its own)."""

    lanes: int
    gradient: Stretch
    reads: tuple[tuple[int, Places, Array | None], ...]
    to: InOrder | OneByOne


@dataclass(frozen=True, slots=True)
class Local:
    """The local Jacobian of one output, ready to run; `pattern` is its structure, `asked` the inputs on whose values it rests."""

    pattern: Pattern
    sources: Graph
    runs: tuple[_Run, ...]
    added: bool
    """Whether entries are added to, and must be zero beforehand."""
    dtype: np.dtype[np.floating]
    asked: frozenset[int]

    def entries(self, inputs: Sequence[Array], tick: Tick = no_tick) -> Array:
        """The values of the pattern's entries, row by row."""
        held = [np.ascontiguousarray(x).reshape(-1) for x in self._sources(inputs, tick)]
        data = (np.zeros if self.added else np.empty)(self.pattern.entries, self.dtype)
        with np.errstate(all="ignore"):
            for run in self.runs:
                _fill(data, run, held, tick)
        return data

    def _sources(self, inputs: Sequence[Array], tick: Tick) -> list[Array]:
        """The values that the lanes read."""
        outs = self.sources.outputs
        if all(v < len(inputs) for v in outs):
            return [np.asarray(inputs[v]) for v in outs]
        return evaluate(self.sources, inputs, tick=tick)


def _fill(data: Array, run: _Run, held: Sequence[Array], tick: Tick) -> None:
    sources = [(held[k] if own is None else own, at) for k, at, own in run.reads]
    fixed = [read(x, at, 0, 1) if alone(at) else None for x, at in sources]
    moving = [(i, x, at) for i, (x, at) in enumerate(sources) if not alone(at)]
    values = run.gradient.numbers(fixed)
    at = run.to.first if isinstance(run.to, InOrder) else 0
    for start in range(0, run.lanes, run.gradient.lanes):
        stop = min(run.lanes, start + run.gradient.lanes)
        for i, x, places in moving:
            values[i] = read(x, places, start, stop)
        if isinstance(run.to, InOrder):
            at = _lay(data, at, run, values, start, stop)
        else:
            _place(data, run, values, run.to, start, stop)
        tick()


def local(graph: Graph, wrt: tuple[int, ...], out: int, inputs: Sequence[Array]) -> Local:
    """The plan of one output's local Jacobian; raises `NotLocal` where there is none, `TooDense` where it would be no use."""
    given = [None if i in wrt else np.asarray(x) for i, x in enumerate(inputs)]
    values = Values(graph, given)
    groups = lanes_of(Moves(graph, wrt, values), graph.outputs[out])
    t = graph.types[graph.outputs[out]]
    smooth = [
        tuple(k for k, leaf in enumerate(g.leaves) if leaf.columns is not None) for g in groups
    ]
    if any(
        g.leaves[k].type.dtype != t.dtype for g, ks in zip(groups, smooth, strict=True) for k in ks
    ):
        raise NotLocal("the program computes in several precisions")
    columns = [
        [c for k in ks if (c := g.leaves[k].columns) is not None]
        for g, ks in zip(groups, smooth, strict=True)
    ]
    plan = assembled(
        [(g.rows, c) for g, c in zip(groups, columns, strict=True)],
        t.size, sum(graph.types[i].size for i in wrt),
    )  # fmt: skip
    gradients = [
        optimise(gradient_graph(g.graph, ks, 0)) for g, ks in zip(groups, smooth, strict=True)
    ]
    needed: dict[int, int] = {}
    runs = tuple(_run(groups[p.group], gradients[p.group], p, needed) for p in plan.parts)
    return Local(
        plan.pattern,
        _selected(graph, list(needed)),
        runs,
        plan.added,
        t.dtype,
        frozenset(values.asked),
    )


def _run(group: Lanes, gradient: Graph, part: Part, needed: dict[int, int]) -> _Run:
    reads = tuple(_reading(leaf, part.lanes, needed) for leaf in group.leaves)
    lanes = len(group.rows if part.lanes is None else part.lanes)
    row = max([1, *(at.width for _, at, _ in reads if isinstance(at, Rowwise))])
    block = min(max(1, BLOCK // row) * row, lanes)
    lanewise = tuple(not alone(at) for _, at, _ in reads)
    return _Run(lanes, Stretch(gradient, lanewise, block), reads, part.to)


def _reading(
    leaf: Leaf, lanes: Array | None, needed: dict[int, int]
) -> tuple[int, Places, Array | None]:
    at = leaf.at if lanes is None or len(leaf.at) == 1 else leaf.at[lanes]
    if leaf.given is not None:
        return 0, places_of(at), leaf.given
    return needed.setdefault(leaf.value, len(needed)), places_of(at), None


def _selected(graph: Graph, values: list[int]) -> Graph:
    """The graph that returns these of its values."""
    return Graph(
        graph.name, graph.inputs, graph.types, graph.sites, graph.operands, graph.first, values,
        [f"v{v}" for v in values], graph.locations, graph.node_names, graph.origins,
    )  # fmt: skip


def _lay(data: Array, at: int, run: _Run, values: list[Any], start: int, stop: int) -> int:
    """The derivatives side by side from entry `at` on; the entry behind the last."""
    assert isinstance(run.to, InOrder)
    held = None if run.to.held is None else run.to.held[start:stop]
    whole = held is None or bool(held.all())
    shape = (stop - start, len(run.to.back))
    table = (
        data[at : at + shape[0] * shape[1]].reshape(shape) if whole else np.empty(shape, data.dtype)
    )
    run.gradient.run(values, [table[:, j] for j in run.to.back])
    if whole:
        return at + table.size
    kept = table[held]
    data[at : at + len(kept)] = kept
    return at + len(kept)


def _place(data: Array, run: _Run, values: list[Any], to: OneByOne, start: int, stop: int) -> None:
    """Each derivative added to its entry; within one variable no entry is met twice."""
    table = np.empty((len(to.places), stop - start), data.dtype)
    run.gradient.run(values, list(table))
    for value, places in zip(table, to.places, strict=True):
        at = places[start:stop]
        held = at >= 0
        if held.all():
            data[at] += value
        else:
            data[at[held]] += value[held]
