"""Reverse mode in pieces: forward values are computed a second time instead of being kept.

The nodes are cut into pieces. What crosses from one piece to later ones is kept; the rest of a piece is
computed again from that when the reverse sweep comes to it, and a piece may be cut again in its turn. Each
depth costs one forward run more: with m pieces on d depths some m d of n^(1/d) pieces' values are alive.
Loops keep few carries besides (see `ops.revolve`). Every node is the same node on the same values, and cotangents are
added in the same order, so results have the bits of the plain sweep.

Sources: Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
differentiation", 1992 (pieces in pieces); Chen, Xu, Zhang and Guestrin, "Training deep nets with
sublinear memory cost", 2016 (cuts where little crosses).
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from typing import NamedTuple

from gradproof_service.graph.graph import Graph
from gradproof_service.ops.ordering import AFTER
from gradproof_service.transforms.derive import independent
from gradproof_service.transforms.hoist import hoisted
from gradproof_service.transforms.reverse import Sweep, reversed_by

Pair = tuple[int, ...]


class Schedule(NamedTuple):
    """How much is computed again: `pieces` on `depth` depths; loops keep at most `carry_bytes` of their carries."""

    pieces: int
    depth: int
    carry_bytes: float = inf


def recomputed(graph: Graph, wrt: Pair, outs: Pair, schedule: Schedule) -> Graph:
    """The graph of `vjp(graph, wrt, outs)` that computes again what the schedule does not keep."""
    graph = hoisted(graph)
    pieces = _Pieces(graph, schedule)
    return reversed_by(graph, wrt, outs, pieces.walk, schedule.carry_bytes)


@dataclass(slots=True)
class _Costs:
    """What cuts cost: `made[k]` bytes are made before node k, `crossing[k]` of them are read at it or later."""

    made: list[int]
    crossing: list[int]


class _Pieces:
    """One reverse sweep in pieces."""

    def __init__(self, graph: Graph, schedule: Schedule) -> None:
        self._graph = graph
        self._schedule = schedule
        self._fixed = independent(graph)
        self._costs = _costs(graph)

    def walk(self, sweep: Sweep) -> None:
        """Carry the cotangents through all nodes."""
        inputs = {v: sweep.ids[v] for v in range(len(self._graph.inputs))}
        self._back(sweep, 0, len(self._graph), inputs, self._schedule.depth)

    def _back(
        self, sweep: Sweep, start: int, stop: int, outside: dict[int, int], depth: int
    ) -> None:
        """Walk back the nodes [start, stop), which read the values `outside` and each other."""
        ids = self._forward(sweep, start, stop, outside)
        if not depth or stop - start < 2:
            sweep.back(ids, start, stop)
            return
        xp = sweep.xp
        first, total = self._graph.first, len(self._graph.types)
        for low, high in self._cut(start, stop):
            end = first[high] if high < len(first) else total
            if all(bar is None for bar in sweep.bars[first[low] : end]):
                continue
            read = self._read(low, high)
            inner = {v: ids[v] for v in read}
            if high < stop:  # the last piece has just been computed
                for v, known in inner.items():
                    site = AFTER.site({}, (xp.types[known], xp.types[sweep.latest]))
                    inner[v] = xp.add_once(site, (known, sweep.latest))
            self._back(sweep, low, high, inner, depth - 1)

    def _forward(
        self, sweep: Sweep, start: int, stop: int, outside: dict[int, int]
    ) -> dict[int, int]:
        """The nodes [start, stop) on the values `outside`: those that stand already are not made anew."""
        graph, xp, ids = self._graph, sweep.xp, dict(outside)
        for k in range(start, stop):
            site, operands, first = graph.sites[k], graph.operands[k], graph.first[k]
            made = range(first, first + len(site.outs))
            for v in operands:
                if self._fixed[v]:
                    ids[v] = sweep.ids[v]
            if self._fixed[first]:
                ids.update((v, sweep.ids[v]) for v in made)
                continue
            xp.location = graph.location(k)
            at = xp.add_once(site, tuple([ids[v] for v in operands]))
            ids.update(zip(made, range(at, at + len(made)), strict=True))
        return ids

    def _read(self, low: int, high: int) -> list[int]:
        """The values from before node `low` that nodes [low, high) read and that depend on an input."""
        first = self._graph.first[low]
        read = {v for k in range(low, high) for v in self._graph.operands[k] if v < first}
        return sorted(v for v in read if not self._fixed[v])

    def _cut(self, start: int, stop: int) -> list[tuple[int, int]]:
        """Pieces that make about the same bytes, cut where little crosses, the last first."""
        made, crossing = self._costs.made, self._costs.crossing
        pieces = min(self._schedule.pieces, stop - start)
        share = (made[stop] - made[start]) / pieces
        cuts = [start]
        for i in range(1, pieces):
            goal = made[start] + i * share
            low = max(cuts[-1] + 1, bisect_left(made, goal - share / 3, start, stop))
            high = min(stop - 1, max(low, bisect_left(made, goal + share / 3, start, stop)))
            if low <= high:
                cuts.append(
                    min(range(low, high + 1), key=lambda k: (crossing[k], abs(made[k] - goal)))
                )
        return [*zip(cuts, [*cuts[1:], stop], strict=True)][::-1]


def _costs(graph: Graph) -> _Costs:
    n = len(graph)
    last = [-1] * len(graph.types)
    for k, operands in enumerate(graph.operands):
        for v in operands:
            last[v] = k
    change = [0] * (n + 1)
    sizes: list[int] = []
    for k, _, site, _, outs in graph.nodes():
        sizes.append(sum(t.nbytes for t in site.outs))
        for v, t in zip(outs, site.outs, strict=True):
            if last[v] > k:
                change[k + 1] += t.nbytes
                change[last[v] + 1] -= t.nbytes
    return _Costs(list(accumulate(sizes, initial=0)), list(accumulate(change)))
