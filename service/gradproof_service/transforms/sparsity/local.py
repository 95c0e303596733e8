"""Local Jacobians: one reverse sweep over the views of the inputs gives every entry, written straight to its place.

The plan is made once for a graph: groups of lanes, the scalar gradient of each, where each variable is read and where each
derivative goes. A run evaluates the gradients a block of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
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
    """Lanes of one scalar gradient.

    `reads` are the variables it looks at: number, source (in `sources` by number, or an array of its own) and places there.
    """

    lanes: int
    gradient: Stretch
    reads: tuple[tuple[int, int, Places, Array | None], ...]
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
    """All entries of one run, a block of lanes at a time."""
    stretch = run.gradient
    fixed: list[Array | None] = [None] * len(stretch.graph.inputs)
    moving: list[tuple[int, Array, Places]] = []
    for i, k, at, own in run.reads:
        x = held[k] if own is None else own
        if alone(at):
            fixed[i] = read(x, at, 0, 1)
        else:
            moving.append((i, x, at))
    values = stretch.numbers(fixed)
    lay = _laying(data, run, values)
    for start in range(0, run.lanes, stretch.lanes):
        stop = min(run.lanes, start + stretch.lanes)
        for i, x, places in moving:
            values[i] = read(x, places, start, stop)
        lay(start, stop)
        tick()


def _laying(data: Array, run: _Run, values: list[Any]) -> Callable[[int, int], None]:
    """`lay(start, stop)`: the derivatives of these lanes into their places; blocks come in order."""
    if isinstance(run.to, OneByOne):
        return partial(_place, data, run, values, run.to)
    if run.to.held is None:
        return partial(_lay, data, run, values, run.to)
    return _Selecting(data, run, values, run.to, run.to.held)


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
    lanes = len(group.rows if part.lanes is None else part.lanes)
    places = [_places(leaf, part.lanes) for leaf in group.leaves]
    row = max([1, *(at.width for at in places if isinstance(at, Rowwise))])
    block = min(max(1, BLOCK // row) * row, lanes)
    stretch = Stretch(gradient, tuple(not alone(at) for at in places), block)
    reads = tuple((i, *_source(group.leaves[i], needed), places[i]) for i in stretch.reads)
    return _Run(lanes, stretch, tuple((i, k, at, own) for i, k, own, at in reads), part.to)


def _places(leaf: Leaf, lanes: Array | None) -> Places:
    """Where the lanes read a variable."""
    return places_of(leaf.at if lanes is None or len(leaf.at) == 1 else leaf.at[lanes])


def _source(leaf: Leaf, needed: dict[int, int]) -> tuple[int, Array | None]:
    """What a variable is read from: a value of the graph by its number in `needed`, or an array of its own."""
    if leaf.given is not None:
        return 0, leaf.given
    return needed.setdefault(leaf.value, len(needed)), None


def _selected(graph: Graph, values: list[int]) -> Graph:
    """The graph that returns these of its values."""
    return Graph(
        graph.name, graph.inputs, graph.types, graph.sites, graph.operands, graph.first, values,
        [f"v{v}" for v in values], graph.locations, graph.node_names, graph.origins,
    )  # fmt: skip


def _lay(data: Array, run: _Run, values: list[Any], to: InOrder, start: int, stop: int) -> None:
    """The derivatives of these lanes side by side."""
    count = len(to.back)
    first = to.first + start * count
    table = data[first : first + (stop - start) * count].reshape(stop - start, count)
    columns = [table[:, j] for j in to.back]
    run.gradient.fill(values, columns)
    run.gradient.run(values, columns)


class _Selecting:
    """Derivatives side by side in a table that stays in the cache; what is held of it goes to the entries behind the last."""

    def __init__(self, data: Array, run: _Run, values: list[Any], to: InOrder, held: Array) -> None:
        self._data, self._run, self._values, self._held = data, run, values, held
        self._at = to.first
        table = np.empty((run.gradient.lanes, len(to.back)), data.dtype)
        self._table, self._columns = table, [table[:, j] for j in to.back]
        run.gradient.fill(values, self._columns)

    def __call__(self, start: int, stop: int) -> None:
        size = stop - start
        self._run.gradient.run(self._values, [c[:size] for c in self._columns])
        kept = self._table[:size][self._held[start:stop]]
        self._data[self._at : self._at + len(kept)] = kept
        self._at += len(kept)


def _place(data: Array, run: _Run, values: list[Any], to: OneByOne, start: int, stop: int) -> None:
    """Each derivative added to its entry; within one variable no entry is met twice."""
    table = np.empty((len(to.places), stop - start), data.dtype)
    run.gradient.fill(values, list(table))
    run.gradient.run(values, list(table))
    for value, places in zip(table, to.places, strict=True):
        at = places[start:stop]
        held = at >= 0
        if held.all():
            data[at] += value
        else:
            data[at[held]] += value[held]
