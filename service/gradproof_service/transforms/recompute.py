"""Reverse mode within a budget: forward values are computed a second time instead of being kept.

The nodes are cut into pieces. What crosses from one piece to later ones is kept; the rest of a piece is
computed again from that when the reverse sweep comes to it, and a piece may be cut again in its turn. Each
depth costs one forward run more: with m pieces on d depths some m d of n^(1/d) pieces' values are alive.
Every node is the same node on the same values, and cotangents are added in the same order, so results have the
bits of the plain sweep. The plan's own lifetimes say what a schedule takes: nothing is run to find out.

Sources: Griewank, "Achieving logarithmic growth of temporal and spatial complexity in reverse automatic
differentiation", 1992 (pieces in pieces); Chen, Xu, Zhang and Guestrin, "Training deep nets with
sublinear memory cost", 2016 (cuts where little crosses).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import ceil, log2
from typing import Final, NamedTuple

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.ordering import AFTER
from gradproof_service.ops.scan_back import SHORT
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.sketch import sketch
from gradproof_service.transforms.reverse import Sweep, reversed_by, vjp

Pair = tuple[int, ...]
Peak = Callable[[Graph], float]
"""What running a derivative graph would hold at once, in the unit of the budget."""


PATIENCE: Final = 2
"""Forward runs more that may bring nothing before the search ends."""


class Schedule(NamedTuple):
    """How much is computed again: `pieces` on `depth` depths, scans on `scan_levels` levels."""

    pieces: int
    depth: int
    scan_levels: int


class Found(NamedTuple):
    """A reverse sweep and what it holds at once."""

    graph: Graph
    peak: float


def vjp_within(
    graph: Graph, wrt: Pair, outs: Pair, budget_bytes: int, *, batch: int | None = None
) -> Graph:
    """`vjp(graph, wrt, outs)` as a graph whose plan holds at most `budget_bytes` at once, with the same bits.

    The least work that fits: the plain sweep when it does. `batch`: how many seeds come at once. Raises `Fault`
    that names the least when nothing fits. The graph is for running here: it has nodes that no program has.
    """
    flags = (False,) * len(graph.inputs) + (batch is not None,) * len(outs)
    found = lightest(
        graph, wrt, outs, budget_bytes, lambda g: sketch(optimise(g), flags, batch).peak_bytes
    )
    return required(graph, found, budget_bytes)


def required(graph: Graph, found: Found, budget_bytes: int) -> Graph:
    """What was found, when it is within the budget; raises `Fault` that names the least otherwise."""
    if found.peak > budget_bytes:
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: its reverse sweep could be brought down to {found.peak:,.0f} bytes at once by "
            f"computing values again, the budget is {budget_bytes:,}; give it that much, or send a smaller point",
        )
    return found.graph


def lightest(graph: Graph, wrt: Pair, outs: Pair, budget: float, peak: Peak) -> Found:
    """The reverse sweep of least work that is within the budget by `peak`; the smallest found when none is.

    One more forward run is tried after the other until `PATIENCE` of them have brought nothing. Every schedule that is tried costs as much
    as making a derivative graph, so `peak` is the place to look at a deadline.
    """
    plain = vjp(graph, wrt, outs)
    best = Found(plain, peak(plain))
    idle = 0
    for families in _by_work(graph):
        least = best.peak
        for family in families:
            before = float("inf")
            for schedule in family:
                if best.peak <= budget:
                    return best
                made = recomputed(graph, wrt, outs, schedule)
                now = peak(made)
                best = min(best, Found(made, now), key=lambda f: f.peak)
                if now > before:
                    break  # more pieces keep more than they save
                before = now
        idle = idle + 1 if best.peak == least else 0
        if idle == PATIENCE:
            break
    return best


def recomputed(graph: Graph, wrt: Pair, outs: Pair, schedule: Schedule) -> Graph:
    """The graph of `vjp(graph, wrt, outs)` that computes again what the schedule does not keep."""
    pieces = _Pieces(graph, schedule)
    return reversed_by(graph, wrt, outs, pieces.walk, schedule.scan_levels)


def _by_work(graph: Graph) -> Iterator[list[Iterator[Schedule]]]:
    """Families of schedules by the forward runs they add; within a family more and more pieces, at the same work."""
    n = len(graph)
    steps = max((site["length"] for site in graph.sites if site.op.name == "scan"), default=0)
    deepest = ceil(log2(n)) if n > 1 else 0
    levels = ceil(log2(steps)) if steps >= SHORT else 1
    for more in range(1, deepest + levels):
        depths = range(max(0, more - levels + 1), min(more, deepest) + 1)
        yield [_family(n, depth, more - depth + 1) for depth in depths]


def _family(n: int, depth: int, scan_levels: int) -> Iterator[Schedule]:
    if not depth:
        yield Schedule(1, 0, scan_levels)
        return
    pieces = 2
    while True:
        yield Schedule(pieces, depth, scan_levels)
        if pieces**depth >= n:
            return
        pieces *= 2


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
        self._fixed = _independent(graph)
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


def _independent(graph: Graph) -> bytearray:
    """For each value whether it depends on no input: plans compute those once."""
    fixed = bytearray(len(graph.types))
    for _, _, _, operands, outs in graph.nodes():
        if all(fixed[v] for v in operands):
            for v in outs:
                fixed[v] = 1
    return fixed


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
