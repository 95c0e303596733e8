"""Local Jacobians: one reverse sweep over the views of the inputs gives every entry, written straight to its place.

The plan is made once for a graph: groups of lanes, the scalar gradient of each, where each variable is read and where each
derivative goes. A run evaluates the gradients a block of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.jacobian import gradient_graph
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.sparsity.assembly import Part, To, assembled
from gradproof_service.transforms.sparsity.lanes import Lanes, Leaf, NotLocal, lanes_of
from gradproof_service.transforms.sparsity.moves import Moves
from gradproof_service.transforms.sparsity.pattern import Pattern
from gradproof_service.transforms.sparsity.places import Places, Rowwise, alone, places_of, read
from gradproof_service.transforms.sparsity.sinks import sink_of
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
    to: tuple[To, ...]


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
    sinks = [sink_of(data, to, stretch.lanes) for to in run.to]
    for start in range(0, run.lanes, stretch.lanes):
        stop = min(run.lanes, start + stretch.lanes)
        for i, x, places in moving:
            values[i] = read(x, places, start, stop)
        results: list[Array] = []
        new: list[bool] = []
        for sink in sinks:
            arrays = sink.begin(start, stop)
            results += arrays
            new += [sink.fresh or not start] * len(arrays)
        stretch.fill(values, results, new)
        stretch.run(values, results)
        for sink in sinks:
            sink.end(start, stop)
        tick()


def local(graph: Graph, wrt: tuple[int, ...], out: int, inputs: Sequence[Array]) -> Local:
    """The plan of one output's local Jacobian; raises `NotLocal` where there is none, `TooDense` where it would be no use."""
    given = [None if i in wrt else np.asarray(x) for i, x in enumerate(inputs)]
    values = Values(graph, given)
    groups = lanes_of(Moves(graph, wrt, values), graph.outputs[out])
    t = graph.types[graph.outputs[out]]
    tops = [top for g in groups for top in _tops(g, t) if top.smooth]
    plan = assembled(
        [(top.rows, top.columns) for top in tops], t.size, sum(graph.types[i].size for i in wrt)
    )
    needed: dict[int, int] = {}
    runs: list[_Run] = []
    for g in groups:
        mine = [(top, p) for p in plan.parts if (top := tops[p.group]).group is g]
        whole = [(top, p) for top, p in mine if p.lanes is None]
        runs += [_run(g, [pair], needed) for pair in mine if pair[1].lanes is not None]
        runs += [_run(g, whole, needed)] if whole else []
    return Local(
        plan.pattern, _selected(graph, list(needed)), tuple(runs), plan.added, t.dtype,
        frozenset(values.asked),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Top:
    """One output of a group's scalar graph: its rows, and the variables it depends on with their columns."""

    group: Lanes
    out: int
    rows: Array
    smooth: tuple[int, ...]
    columns: list[Array]


def _tops(group: Lanes, t: Type) -> list[_Top]:
    found: list[_Top] = []
    for k, rows in enumerate(group.rows):
        read = _behind(group.graph, group.graph.outputs[k])
        smooth = [(i, leaf, leaf.columns) for i, leaf in enumerate(group.leaves) if i in read]
        if any(c is not None and leaf.type.dtype != t.dtype for _, leaf, c in smooth):
            raise NotLocal("the program computes in several precisions")
        kept = [(i, c) for i, _, c in smooth if c is not None]
        found.append(_Top(group, k, rows, tuple(i for i, _ in kept), [c for _, c in kept]))
    return found


def _behind(graph: Graph, v: int) -> set[int]:
    """The inputs that a value is made of."""
    needed = {v}
    for _, _, _, operands, outs in reversed(list(graph.nodes())):
        if not needed.isdisjoint(outs):
            needed.update(operands)
    return {i for i in needed if i < len(graph.inputs)}


def _gradients(group: Lanes, tops: Sequence[_Top]) -> Graph:
    """The derivatives of several outputs by their variables, one behind the other; what they share is computed once."""
    graph = group.graph
    if len(tops) == 1:
        return optimise(gradient_graph(graph, tops[0].smooth, tops[0].out))
    xp = Builder(graph.name)
    inputs = [xp.input(n, t) for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    made: list[Value] = []
    for top in tops:
        made += xp.inline(gradient_graph(graph, top.smooth, top.out), inputs)
    return optimise(xp.finish(made))


def _run(group: Lanes, parts: Sequence[tuple[_Top, Part]], needed: dict[int, int]) -> _Run:
    """Outputs of a group that run over the same of its lanes."""
    some = parts[0][1].lanes
    places = [_places(leaf, some) for leaf in group.leaves]
    row = max([1, *(at.width for at in places if isinstance(at, Rowwise))])
    lanes = len(group.rows[0] if some is None else some)
    block = min(max(1, BLOCK // row) * row, lanes)
    gradient = _gradients(group, [top for top, _ in parts])
    stretch = Stretch(gradient, tuple(not alone(at) for at in places), block)
    reads: list[tuple[int, int, Places, Array | None]] = []
    for i in stretch.reads:
        source, own = _source(group.leaves[i], needed)
        reads.append((i, source, places[i], own))
    return _Run(lanes, stretch, tuple(reads), tuple(p.to for _, p in parts))


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
