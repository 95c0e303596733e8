"""Reverse mode within a budget: of the sweeps that compute values again, the one of least work that fits.

The plan's own lifetimes say what a sweep takes: nothing is run to find out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, inf, log2
from typing import Final, NamedTuple

from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.calling import changing
from gradproof_service.ops.revolve import kept_for
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.sketch import sketch
from gradproof_service.transforms.recompute import Pair, Schedule, recomputed
from gradproof_service.transforms.reverse import vjp

Peak = Callable[[Graph], float]
"""What running a derivative graph would hold at once, in the unit of the budget."""
Then = Callable[[Graph], Graph]
"""What is made of a reverse sweep before it runs."""

PATIENCE: Final = 2
"""Forward runs more that may bring nothing before the search ends."""
PROBES: Final = 12
"""Halvings of the span in which the number of carries is looked for."""


class Found(NamedTuple):
    """A derivative graph and what it holds at once."""

    graph: Graph
    peak: float


class _Loop(NamedTuple):
    """A loop of the graph: at most so many steps, a carry of so many bytes."""

    steps: int
    each: int


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


def required(graph: Graph, found: Found, budget: float, limit: str = "") -> Graph:
    """What was found, when it is within the budget; raises `Fault` that names the least otherwise.

    `limit`: the row of the table of limits that the budget is, in elements; without one it is a budget in bytes.
    """
    if found.peak > budget:
        unit = "elements" if limit else "bytes"
        raised = (
            f"the limit {limit} is {budget:,.0f} {unit}; raise it to"
            if limit
            else f"the budget is {budget:,.0f}; give it"
        )
        raise Fault(
            FaultKind.LIMIT,
            f"{graph.name}: its derivative needs at least {found.peak:,.0f} {unit} at once, though values may be "
            f"computed again; {raised} that much, or send a smaller point",
            limit=limit,
        )
    return found.graph


def lightest(
    graph: Graph, wrt: Pair, outs: Pair, budget: float, peak: Peak, then: Then = lambda pull: pull
) -> Found:
    """The derivative graph of least work that is within the budget by `peak`; the smallest found when none is.

    What runs is what `then` makes of a reverse sweep. One more forward run is tried after the other until `PATIENCE` of
    them have brought nothing. Every schedule that is tried costs as much as making a derivative graph, so `peak` is
    the place to look at a deadline.
    """

    def tried(pull: Graph) -> Found:
        made = then(pull)
        return Found(made, peak(made))

    best = tried(vjp(graph, wrt, outs))
    loops = _loops(graph)
    levels = _levels(loops)
    idle = 0
    for families in _by_work(len(graph), len(levels)):
        least = best.peak
        for depth, level in families:
            before = inf
            for pieces in _pieces(len(graph), depth):
                if best.peak <= budget:
                    return best
                now = tried(recomputed(graph, wrt, outs, Schedule(pieces, depth, levels[level])))
                best = min(best, now, key=lambda f: f.peak)
                if best.peak <= budget and level:

                    def within(
                        carry_bytes: float, pieces: int = pieces, depth: int = depth
                    ) -> Found:
                        return tried(
                            recomputed(graph, wrt, outs, Schedule(pieces, depth, carry_bytes))
                        )

                    span = levels[level], min(levels[level - 1], max(n * each for n, each in loops))
                    return _keeping_most(best, within, span, min(each for _, each in loops), budget)
                if now.peak > before:
                    break  # more pieces keep more than they save
                before = now.peak
        idle = idle + 1 if best.peak == least else 0
        if idle == PATIENCE:
            break
    return best


def _keeping_most(
    best: Found, within: Callable[[float], Found], span: tuple[float, float], each: int, budget: float
) -> Found:  # fmt: skip
    """The sweep that keeps the most carries and still fits: the more are kept the fewer steps run again."""
    low, high = span
    for _ in range(PROBES):
        if high - low <= each:
            break
        middle = (low + high) / 2
        now = within(middle)
        if now.peak <= budget:
            low, best = middle, now
        else:
            high = middle
    return best


def _loops(graph: Graph) -> list[_Loop]:
    found: list[_Loop] = []
    for site in graph.sites:
        if site.op.name in ("scan", "while_loop"):
            first, count = 0, len(site.outs)
            steps = site.attrs.get("max_trips", 0)
            if site.op.name == "scan":
                first, count, steps = site["consts"], site["carried"], site["length"]
            carry = changing(site["body"], first, count)
            found.append(_Loop(steps, sum(t.nbytes for t in carry)))
    return [loop for loop in found if loop.each and loop.steps > 1]


def _levels(loops: list[_Loop]) -> list[float]:
    """What loops keep of their carries, from every one downwards: each level lets steps run more often than the one before.

    No step runs more than 2 log2(steps) + 2 times: less memory than that takes is not worth its work.
    """
    levels = [inf]
    if loops:
        often = max(2 * ceil(log2(loop.steps)) + 2 for loop in loops)
        for runs in range(2, often + 1):
            kept = float(max(kept_for(n, runs) * each for n, each in loops))
            if kept < levels[-1]:
                levels.append(kept)
    return levels


def _by_work(n: int, levels: int) -> Iterator[list[tuple[int, int]]]:
    """(depth of pieces, level of loops) by the forward runs they add together."""
    deepest = ceil(log2(n)) if n > 1 else 0
    for more in range(1, deepest + levels):
        yield [
            (depth, more - depth)
            for depth in range(max(0, more - levels + 1), min(more, deepest) + 1)
        ]


def _pieces(n: int, depth: int) -> Iterator[int]:
    """More and more pieces at the same work."""
    pieces = 2 if depth else 1
    yield pieces
    while depth and pieces**depth < n:
        pieces *= 2
        yield pieces
