"""Local Jacobians: one reverse sweep over the views of the inputs gives every entry, written straight to its place.

The plan is made once for a graph: groups of lanes, the scalar gradient of each, where each variable is read and where each
derivative goes. A run evaluates the gradients a block of lanes at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.sparsity.assembly import (
    InOrder,
    OneByOne,
    Part,
    assembled,
    in_blocks,
)
from gradproof_service.transforms.sparsity.filling import Local, Run, View
from gradproof_service.transforms.sparsity.lanes import Lanes, Leaf, NotLocal, lanes_of
from gradproof_service.transforms.sparsity.moves import Moves
from gradproof_service.transforms.sparsity.places import (
    Listed,
    alone,
    blocks,
    common_shape,
    in_shape,
    places_of,
)
from gradproof_service.transforms.sparsity.stretch import Stretch
from gradproof_service.transforms.sparsity.values import Values

BLOCK = 1 << 14
"""Lanes that run together: their numbers stay in the cache."""


def local(graph: Graph, wrt: tuple[int, ...], out: int, inputs: Sequence[Array]) -> Local:
    """The plan of one output's local Jacobian; raises `NotLocal` where there is none, `TooDense` where it would be no use."""
    known = [None if i in wrt else np.asarray(x) for i, x in enumerate(inputs)]
    values = Values(graph, known)
    groups = lanes_of(Moves(graph, wrt, values), graph.outputs[out])
    t = graph.types[graph.outputs[out]]
    tops = [top for g in groups for top in _tops(g, t) if top.smooth]
    plan = assembled(
        [(top.rows, top.columns) for top in tops], t.size, sum(graph.types[i].size for i in wrt)
    )
    sources = _Sources({}, [])
    runs: list[Run] = []
    for g in groups:
        mine = [(top, p) for p in plan.parts if (top := tops[p.group]).group is g]
        while mine:
            lanes = mine[0][1].lanes
            together = [pair for pair in mine if _same(pair[1].lanes, lanes)]
            mine = [pair for pair in mine if not _same(pair[1].lanes, lanes)]
            runs.append(_run(g, together, sources))
    read = list(sources.values)
    return Local(
        plan.pattern, graph.returning(read), all(v < len(graph.inputs) for v in read), tuple(sources.masks[::-1]),
        tuple(runs), t.dtype, frozenset(values.asked),
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


def _gradients(group: Lanes, parts: Sequence[tuple[_Top, Part]]) -> Graph:
    """The derivatives of several outputs by their variables, one behind the other; what they share is computed once."""
    one = _ones(parts)
    graph = _special(group, parts[0][1].lanes, one)
    by = [tuple([one.get(t.smooth[k], t.smooth[k]) for k, *_ in p.variables]) for t, p in parts]
    made = [_gradient(graph, v, t.out) for v, (t, _) in zip(by, parts, strict=True)]
    if len(made) == 1:
        return optimise(made[0])
    xp = Builder(graph.name)
    inputs = [xp.input(n, t) for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    return optimise(xp.finish([v for one in made for v in xp.inline(one, inputs)]))


def _ones(parts: Sequence[tuple[_Top, Part]]) -> dict[int, int]:
    """For each variable that is the same as another in these lanes the one that stands for all that are."""
    found: dict[int, int] = {}
    for top, part in parts:
        for same in part.variables:
            mine = {found.get(top.smooth[k], top.smooth[k]) for k in same}
            for v in [*mine, *(v for v, one in found.items() if one in mine)]:
                found[v] = min(mine)
    return found


def _special(group: Lanes, lanes: Array | None, one: dict[int, int]) -> Graph:
    """The scalar graph as it is in these lanes: variables that are the same there are one, masks that say the same are constants."""
    known: dict[int, bool] = {}
    for i, leaf in enumerate(group.leaves):
        if leaf.given is not None:
            mask = leaf.given if lanes is None else leaf.given[lanes]
            if mask.all() or not mask.any():
                known[i] = bool(mask[0])
    if not known and all(v == w for v, w in one.items()):
        return group.graph
    xp = Builder(group.graph.name)
    inputs = [
        xp.input(n, t) for n, t in zip(group.graph.inputs, group.graph.input_types, strict=True)
    ]
    given = [
        xp.constant(np.asarray(known[i])) if i in known else inputs[one.get(i, i)]
        for i in range(len(inputs))
    ]
    return xp.finish(xp.inline(group.graph, given))


def _gradient(graph: Graph, variables: tuple[int, ...], out: int) -> Graph:
    """The reverse sweep of one output with its seed, the last input, a one: what was that input is made by the first node."""
    pull = vjp(graph, variables, (out,))
    one = Builder.constant_site(np.ones((), pull.input_types[-1].dtype))
    return Graph(
        pull.name, pull.inputs[:-1], pull.types, [one, *pull.sites], [(), *pull.operands],
        [len(graph.inputs), *pull.first], pull.outputs[len(graph.outputs) :], [f"d{i}" for i in variables], [], {},
    )  # fmt: skip


def _run(group: Lanes, parts: Sequence[tuple[_Top, Part]], sources: _Sources) -> Run:
    """Outputs of a group that run over the same of its lanes."""
    some = parts[0][1].lanes
    places = [
        places_of(leaf.at if some is None or len(leaf.at) == 1 else leaf.at[some])
        for leaf in group.leaves
    ]
    written = [p.to.first for _, p in parts if isinstance(p.to, InOrder)]
    shape = common_shape([*places, *written], len(group.rows[0] if some is None else some))
    walked = tuple(blocks(shape, BLOCK))
    laid = [in_blocks(p, shape) for _, p in parts]
    gradient = Stretch(
        _gradients(group, parts), tuple(not alone(p) for p in places), max(b.stop - b.start for b in walked),
        straight=[isinstance(p.to, InOrder) for p in laid for _ in p.variables], flat=len(shape) == 1,
    )  # fmt: skip
    alike: list[tuple[int, int, int]] = []
    seen: list[tuple[int, int, View]] = []
    listed: list[tuple[int, int, Array]] = []
    for i in gradient.reads:
        at, k = places[i], sources.number(group.leaves[i])
        at = at if isinstance(at, Listed) else in_shape(at, shape)
        if isinstance(at, Listed):
            listed.append((i, k, at.at))
        elif alone(at):
            alike.append((i, k, at.start))
        else:
            seen.append((i, k, at.view))
    return Run(
        gradient, walked, tuple(alike), tuple(seen), tuple(listed), *_written(gradient, laid)
    )


def _written(gradient: Stretch, parts: Sequence[Part]) -> tuple[Any, Any, Any, Any]:
    """How the entries of each part are written: filled, straight, copied and scattered (see `Run`)."""
    filled: list[tuple[int, View]] = []
    straight: list[tuple[int, View]] = []
    copied: list[tuple[int, View]] = []
    scattered: list[tuple[tuple[int, ...], OneByOne]] = []
    rest = list(gradient.graph.outputs)
    for p in parts:
        values, rest = rest[: len(p.variables)], rest[len(p.variables) :]
        if isinstance(p.to, OneByOne):
            scattered.append((tuple(values), p.to))
            continue
        alike = [v for v in values if v in gradient.uniform]
        common = max(alike, key=alike.count, default=-1)
        if 2 * alike.count(common) > len(values):
            filled.append((common, p.to.first.beside(len(values)).view))
        for j, v in enumerate(values):
            if filled and filled[-1][0] == v == common:
                continue
            (straight if v in gradient.written else copied).append((v, p.to.first.moved(j).view))
    return tuple(filled), tuple(straight), tuple(copied), tuple(scattered)


def _same(a: Array | None, b: Array | None) -> bool:
    """Whether two parts have the same lanes."""
    return a is b or (a is not None and b is not None and np.array_equal(a, b))


@dataclass(slots=True)
class _Sources:
    """What lanes read: values of the graph, numbered as they are met, and masks of their own, numbered from the end."""

    values: dict[int, int]
    masks: list[Array]

    def number(self, leaf: Leaf) -> int:
        """The number of what a variable is read from."""
        if leaf.given is None:
            return self.values.setdefault(leaf.value, len(self.values))
        self.masks.append(leaf.given)
        return -len(self.masks)
