"""A value as one scalar function of many lanes: every distinct view or gather of the inputs is a variable of its own.

An output element of an elementwise program on views depends on few inputs, and on which ones is known beforehand. So the program is
followed from its output back to the inputs, each value at the elements that are asked of it, one for each lane, through elementwise
ops, moves and short sums; what comes out is a graph of scalars whose batch are the lanes.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type, type_of
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.sparsity.moves import Moves

SHORT = 16
"""Longest sum that is written out term by term."""
GROWTH = 8
"""How many times larger than the graph the scalar graph may be, and a little more for small ones."""


class NotLocal(Exception):
    """The program is no elementwise function of views of its inputs, or a very long one of very many views."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A variable of the scalar graph: lane l has element `at[l]` of value `value`, or of `given` (a mask).

    One element in `at` stands for all lanes. `columns[l]` is the column of the Jacobian, -1 where the lane depends on nothing; None
    for what is not differentiated.
    """

    value: int
    at: Array
    type: Type
    columns: Array | None = None
    given: Array | None = None


@dataclass(frozen=True, slots=True)
class Lanes:
    """Some elements of an output, one or several in each lane: lane l is the output elements `rows[k][l]`.

    `graph` takes one number for each leaf and returns one for each k.
    """

    rows: tuple[Array, ...]
    leaves: tuple[Leaf, ...]
    graph: Graph


def lanes_of(moves: Moves, v: int) -> list[Lanes]:
    """The elements of value v that depend on the inputs, by the value that makes them: what is joined or written falls into parts.

    Parts of equally many elements share their lanes, and with them what they compute in common. Raises `NotLocal` for programs of
    another kind.
    """
    every = moves.every(moves.graph.types[v].size)
    parts: dict[int, list[tuple[int, Array, Array]]] = {}
    stack = [(v, every, every)]
    while stack:
        v, rows, at = stack.pop()
        if not moves.active[v] or not len(rows):
            continue
        sources = moves.sources(v)
        if sources is None or moves.columns(v) is not None:
            parts.setdefault(len(rows), []).append((v, rows, at))
            continue
        for u, read in sources:
            taken = read[at]
            held = taken >= 0
            stack.append((u, rows, taken) if held.all() else (u, rows[held], taken[held]))
    return [_Walk(moves).lanes(tops) for tops in parts.values()]


@dataclass(slots=True)
class _Ask:
    """A value at some elements (-1: not asked in that lane), and how it is made: op of others, one of others by mask, a leaf, a number."""

    value: int
    at: Array
    op: str = ""
    site: Any = None
    of: tuple[int, ...] = ()
    leaf: int = -1
    number: Array | None = None


class _Walk:
    """One group of lanes followed back to its leaves, values in falling order, so that each is met once with all that is asked of it."""

    def __init__(self, moves: Moves) -> None:
        self._moves = moves
        self._graph = moves.graph
        self._asks: list[_Ask] = []
        self._index: dict[tuple[int, int], int] = {}
        self._open: list[tuple[int, int]] = []
        self._places: dict[Any, list[Array]] = {}
        self._alone: set[int] = set()
        """Arrays of places that are the one with theirs."""
        self._leaves: list[Leaf] = []
        self._leaf_index: dict[Any, int] = {}
        self._budget = GROWTH * (len(moves.graph) + 32)

    def lanes(self, tops: list[tuple[int, Array, Array]]) -> Lanes:
        """Values, their output rows and their elements, one of each in every lane, as a scalar graph."""
        asked = [self._ask(v, at) for v, _, at in tops]
        while self._open:
            _, index = heapq.heappop(self._open)
            self._settle(self._asks[index])
        return Lanes(tuple(rows for _, rows, _ in tops), tuple(self._leaves), self._built(asked))

    def _ask(self, v: int, at: Array) -> int:
        at = self._same(at)
        key = (v, id(at))
        found = self._index.get(key)
        if found is None:
            found = self._index[key] = len(self._asks)
            if found >= self._budget:
                raise NotLocal("the scalar function would be many times longer than the program")
            self._asks.append(_Ask(v, at))
            heapq.heappush(self._open, (-v, found))
        return found

    def _same(self, at: Array) -> Array:
        """The one array with these places."""
        if id(at) in self._alone:
            return at
        held = self._places.setdefault(
            (len(at), int(at[0]), int(at[-1]), int(at[len(at) // 3])), []
        )
        for other in held:
            if np.array_equal(other, at):
                return other
        held.append(at)
        self._alone.add(id(at))
        return at

    def _settle(self, ask: _Ask) -> None:
        moves, v = self._moves, ask.value
        ask.number = None if moves.active[v] else moves.values.number(v)
        if ask.number is not None:
            ask.op = "number"
            return
        if not moves.active[v] or v < len(self._graph.inputs):
            ask.leaf = self._leaf(v, ask.at, moves.columns(v) if moves.active[v] else None)
            return
        k = moves.producer[v]
        site = self._graph.sites[k]
        sources = moves.sources(v)
        if sources is not None:
            self._move(ask, sources)
        elif site.op.batching == "elementwise":
            ask.op, ask.site = "apply", site
            ask.of = tuple(
                self._beside(ask, k, i, u) for i, u in enumerate(self._graph.operands[k])
            )
        elif site.op.name in ("sum", "mean", "matmul"):
            self._sum(ask, k)
        else:
            raise NotLocal(f"{site.op.name} is no elementwise op, no move and no short sum")

    def _beside(self, ask: _Ask, k: int, i: int, u: int) -> int:
        """Operand i of an elementwise node in the lanes that ask for the node; in lanes where a known mask hides it, none of it."""
        site = self._graph.sites[k]
        read = (
            self._moves.reads(k, i)
            if site.op.reads is not None and self._moves.smooth(k, i)
            else None
        )
        if read is not None and (read < 0).any():
            return self._ask(u, self._through(read[:, 0], ask.at))
        inner, outer = site.ins[i], site.out
        if inner.shape == outer.shape:
            return self._ask(u, ask.at)
        if inner.size == 1:
            return self._ask(u, np.zeros(1, np.int64))
        spread = np.broadcast_to(self._moves.every(inner.size).reshape(inner.shape), outer.shape)
        return self._ask(u, self._through(spread.reshape(-1), ask.at))

    def _move(self, ask: _Ask, sources: list[tuple[int, Array]]) -> None:
        taken = [(u, self._through(read, ask.at)) for u, read in sources]
        if len(taken) == 1 and taken[0][1].min() >= 0:
            ask.op, ask.of = "same", (self._ask(*taken[0]),)
            return
        asked = ask.at >= 0
        held = [at >= 0 for _, at in taken]
        for (u, at), mask in zip(taken, held, strict=True):
            if (mask == asked).all():
                ask.op, ask.of = "same", (self._ask(u, at),)
                return
        columns = self._moves.columns(ask.value)
        if columns is not None or not any(mask.any() for mask in held):
            ask.leaf = self._leaf(ask.value, ask.at, columns)
            return
        ask.op, ask.leaf = "pick", self._leaf(ask.value, ask.at, None)
        parts: list[int] = []
        for (u, at), mask in zip(taken, held, strict=True):
            if mask.any():
                parts += [self._given(mask), self._ask(u, at)]
        ask.of = tuple(parts)

    def _sum(self, ask: _Ask, k: int) -> None:
        site, operands = self._graph.sites[k], self._graph.operands[k]
        terms: list[int] = []
        reads = [self._moves.reads(k, i) for i in range(len(operands))]
        lengths = {-1 if r is None else r.shape[1] for r in reads}
        if (
            len(lengths) != 1
            or not 0 < min(lengths) <= SHORT
            or any((r < 0).any() for r in reads if r is not None)
        ):
            raise NotLocal(f"{site.op.name} is over more than {SHORT} elements")
        for j in range(min(lengths)):
            terms += [
                self._ask(u, self._through(r[:, j], ask.at))
                for u, r in zip(operands, reads, strict=True)
                if r is not None
            ]
        ask.op, ask.site, ask.of = site.op.name, site, tuple(terms)

    def _leaf(self, v: int, at: Array, columns: Array | None) -> int:
        """The variable for these elements; two values that are the same inputs lane by lane are one variable."""
        mine = None if columns is None else self._same(self._through(columns, at))
        key = (v, id(at)) if mine is None or mine.min() < 0 else id(mine)
        found = self._leaf_index.get(key)
        if found is None:
            found = self._leaf_index[key] = len(self._leaves)
            if mine is not None and mine.max() < 0:
                mine = None
            if at.min() < 0:
                at = np.where(at >= 0, at, at[np.argmax(at >= 0)])
            self._leaves.append(Leaf(v, at, type_of(self._graph.types[v].dtype), mine))
        return found

    def _through(self, read: Array, at: Array) -> Array:
        """The elements that these elements read; none (-1) where nothing is asked."""
        every = self._moves.every(len(read))
        if at is every or read is every:
            return read if at is every else at
        taken = read[at]
        return taken if at.min() >= 0 else np.where(at >= 0, taken, -1)

    def _given(self, mask: Array) -> int:
        self._leaves.append(Leaf(-1, np.arange(len(mask)), type_of(BOOL), None, mask))
        return len(self._leaves) - 1

    def _built(self, tops: list[int]) -> Graph:
        xp = Builder(f"local_{self._graph.name}")
        leaves = [xp.input(f"v{i}", leaf.type) for i, leaf in enumerate(self._leaves)]
        made: dict[int, Value] = {}
        for index in sorted(range(len(self._asks)), key=lambda i: self._asks[i].value):
            ask = self._asks[index]
            made[index] = self._value(xp, ask, leaves, made)
        return xp.finish([made[top] for top in tops])

    def _value(self, xp: Builder, ask: _Ask, leaves: list[Value], made: dict[int, Value]) -> Value:
        match ask.op:
            case "":
                return leaves[ask.leaf]
            case "number":
                return xp.constant(ask.number)
            case "same":
                return made[ask.of[0]]
            case "apply":
                return xp.apply_op(ask.site.op, [made[i] for i in ask.of], ask.site.attrs)
            case "pick":
                rest = leaves[ask.leaf]
                for mask, part in zip(ask.of[::2], ask.of[1::2], strict=True):
                    rest = xp.where(leaves[mask], made[part], rest)
                return rest
            case _:
                return self._total(xp, ask, [made[i] for i in ask.of])

    def _total(self, xp: Builder, ask: _Ask, terms: list[Value]) -> Value:
        if ask.op == "matmul":
            terms = [a * b for a, b in zip(terms[::2], terms[1::2], strict=True)]
        total = terms[0]
        for term in terms[1:]:
            total = total + term
        return total / float(len(terms)) if ask.op == "mean" else total
