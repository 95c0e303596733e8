"""Nodes that only move elements: which element of which operand each output element is."""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.reads import reads_of
from gradproof_service.ops.record import Lands, Op, Site
from gradproof_service.transforms.derive import reaches
from gradproof_service.transforms.sparsity.values import Values


class Moves:
    """What moves in one graph, with respect to some inputs whose elements side by side are the columns."""

    def __init__(self, graph: Graph, wrt: tuple[int, ...], values: Values) -> None:
        self.graph = graph
        self.values = values
        self.active = reaches(graph, wrt)
        self.producer = graph.producer()
        self._sources: dict[int, list[tuple[int, Array]] | None] = {}
        self._columns: dict[int, Array | None] = {}
        self._every: dict[int, Array] = {}
        at = 0
        for i in wrt:
            every = self.every(graph.types[i].size)
            self._columns[i] = every + at if at else every
            at += len(every)

    def every(self, size: int) -> Array:
        """All places of so many, in order: the one array of them, not to be written to."""
        if size not in self._every:
            self._every[size] = np.arange(size)
        return self._every[size]

    def sources(self, v: int) -> list[tuple[int, Array]] | None:
        """For a value that a moving node makes: each operand that matters, and its element that stands at each place (-1: none).

        None for values that are computed, or where two operands meet at one place.
        """
        if v not in self._sources:
            self._sources[v] = self._found(v) if self.producer[v] >= 0 else None
        return self._sources[v]

    def columns(self, v: int) -> Array | None:
        """For a value made of inputs by moving alone: the column of each element, -1 where nothing stands; else None."""
        chain = [v]
        while chain:
            u = chain[-1]
            if u in self._columns:
                chain.pop()
                continue
            sources = self.sources(u)
            missing = [w for w, _ in sources or () if w not in self._columns]
            if missing:
                chain += missing
                continue
            chain.pop()
            self._columns[u] = None if sources is None else self._joined(u, sources)
        return self._columns[v]

    def smooth(self, k: int, i: int) -> bool:
        """Whether operand i of node k matters to the derivative."""
        op = self.graph.sites[k].op
        if not self.active[self.graph.operands[k][i]]:
            return False
        return op.jvp_all is not None or op.vjp_rule(i) is not None or op.jvp_rule(i) is not None

    def reads(self, k: int, i: int, o: int = 0) -> Array | None:
        """What output o of node k reads of operand i, as flat rows (size, K) of addresses; None for everything."""
        site = self.graph.sites[k]
        addresses = self.every(site.ins[i].size).reshape(site.ins[i].shape)
        read = reads_of(site, i, addresses, self.values.operands(k))[o]
        size = site.outs[o].size
        if isinstance(read, Lands):
            return _landed(read, size)
        return None if read is None else read.reshape(size, -1)

    def _found(self, v: int) -> list[tuple[int, Array]] | None:
        k = self.producer[v]
        site = self.graph.sites[k]
        if not (moves(site.op, site) or self._added_to_nothing(k)):
            return None
        found: list[tuple[int, Array]] = []
        for i, u in enumerate(self.graph.operands[k]):
            if not self.smooth(k, i):
                continue
            rows = self.reads(k, i, v - self.graph.first[k])
            if rows is None or rows.shape[1] != 1:
                return None
            found.append((u, rows[:, 0]))
        if len(found) > 1 and (np.sum([at >= 0 for _, at in found], axis=0) > 1).any():
            return None
        return found

    def _added_to_nothing(self, k: int) -> bool:
        """Whether node k adds elements to places of a known array that are all zero: what lands there alone has moved."""
        site, base = self.graph.sites[k], self.graph.operands[k][0]
        if site.op.name != "index_set" or site["reduction"] != "add" or self.active[base]:
            return False
        known = self.values.get(base)
        return known is not None and not known.any()

    def _joined(self, v: int, sources: list[tuple[int, Array]]) -> Array | None:
        made = None
        for u, at in sources:
            columns = self._columns[u]
            if columns is None:
                return None
            taken = columns[at]
            if at.min(initial=0) < 0 or made is not None:
                taken = np.where(at >= 0, taken, -1 if made is None else made)
            made = taken
        return np.full(self.graph.types[v].size, -1) if made is None else made


def moves(op: Op, site: Site) -> bool:
    """Whether every output element is an element of an operand or a constant, copied without rounding."""
    if op.reads is None or op.batching != "all" or site.attrs.get("reduction", "set") != "set":
        return False
    return op.ulps == 0 or (op.exact is not None and op.exact(site))


def _landed(read: Lands, size: int) -> Array | None:
    """One address for each output element, where no two elements land together; else None."""
    places, x = read.places.reshape(-1), read.x.reshape(-1)
    held = places >= 0
    places, x = places[held], x[held]
    found = np.full(size, -1)
    found[places] = x
    return found[:, None] if np.array_equal(found[places], x) else None
