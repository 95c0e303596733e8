"""How much one evaluation holds at once, known before it begins: in elements, as limits count, or in bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from gradproof_service.graph.cost import called
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import plan

Unit = Literal["size", "nbytes"]
"""What is counted, by the name that it has on a type."""


def live(graph: Graph, flags: tuple[bool, ...], batch: int | None, unit: Unit = "size") -> int:
    """Most elements (or bytes) alive at once, inputs and results included.

    `flags` say which inputs carry a batch axis, of length `batch` (None or 0: none does); what does not depend on those
    counts once.
    """
    made = plan(graph, flags)
    times = max(1, batch or 1)
    sizes = [
        getattr(t, unit) * (times if b else 1)
        for t, b in zip(graph.types, made.batched, strict=True)
    ]
    alive = most = sum(sizes[: len(graph.inputs)])
    for site, operands, first, drop in made.nodes():
        for v in range(first, first + len(site.outs)):
            alive += sizes[v]
        inside = 0
        if site.op.batching == "run":
            inside = within(site, [made.batched[v] for v in operands], times, unit)
        most = max(most, alive + inside)
        for v in drop:
            alive -= sizes[v]
    return most


def largest_batch(graph: Graph, flags: tuple[bool, ...], total: int, most: float) -> int:
    """The batch size, at most `total`, with which an evaluation holds some `most` elements; one at least.

    What is alive is a convex function of the size, so the chord over it never says too much.
    """
    one, every = live(graph, flags, 1), live(graph, flags, total)
    if every <= most or every == one:
        return max(1, total)
    return max(1, 1 + int((most - one) * (total - 1) // (every - one)))


def within(site: Site, batched: Sequence[bool], batch: int, unit: Unit) -> int:
    """The most that a node which calls functions holds besides its operands and results.

    One step of a scan, one trip of a loop, and what the kernel keeps meanwhile.
    """
    inside = max((held(graph, unit) for graph in called(site)), default=0)
    inside *= batch if any(batched) else 1
    if site.op.keeps is None:
        return inside
    kept = site.op.keeps(site)
    each = sum(getattr(t, unit) for t in kept.types)
    return inside + kept.copies * each * (
        batch if any(batched[kept.operands.start : kept.operands.stop]) else 1
    )


def held(graph: Graph, unit: Unit) -> int:
    """The most of a function's own values at once, its outputs included, its inputs not."""
    key = ("held", unit)
    found = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _most(graph, unit)
    return found


def _most(graph: Graph, unit: Unit) -> int:
    sizes = [0] * len(graph.types)
    alive = most = 0
    for site, _, first, drop in plan(graph, (False,) * len(graph.inputs)).nodes():
        if not site.op.moves:
            for v, t in enumerate(site.outs, first):
                sizes[v] = getattr(t, unit)
                alive += sizes[v]
        inside = within(site, (), 1, unit) if site.op.batching == "run" else 0
        most = max(most, alive + inside)
        alive -= sum(sizes[v] for v in drop)
    return most
