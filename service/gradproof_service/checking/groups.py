"""Every entry of a sparse Jacobian at the cost of a few: elements of an input that meet in no output move together.

The structure of the Jacobian is known from the op records; its columns are coloured, one direction moves all elements of a
colour, and each output's slope along it is one entry. That the structure misses nothing is itself held against forward mode:
the entries times a random direction must be the slope along it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import ROW_FLOOR, compare
from gradproof_service.checking.reference import Reference, push
from gradproof_service.checking.report import Comparison, Source
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.structure import FREE
from gradproof_service.checking.unformed import pulled
from gradproof_service.diagnostic import Fault

GROUPS = 64
"""Most groups that are looked at, each at the cost of one element."""
WORK = 2e9
"""Most element operations (groups times elements of the graph, and a short ladder each) that this may take."""
LADDER = 16
"""Evaluations of a short ladder, for the estimate of the work."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Entries of all looked-at outputs, one below the other, by one input (n,): entry e stands at (`rows[e]`, `columns[e]`).

    Element c of the input is in group `of[c]`, -1 where nothing depends on it; `steps[c]` is how far it moves.
    """

    rows: Array
    columns: Array
    of: Array
    count: int
    steps: Array

    def directions(self) -> Array:
        """(count, n): the elements of each group by their own typical sizes, powers of two."""
        return np.where(self.of == np.arange(self.count)[:, None], self.steps, 0.0)

    def entries(self, slopes: Array) -> Array:
        """The entries in slopes (count, m) along the directions; error bars likewise."""
        return slopes[self.of[self.columns], self.rows] / self.steps[self.columns]

    def element(self, row: int, group: int) -> int:
        """The element of the input that a row's slope along a group belongs to, -1 for none."""
        low, high = np.searchsorted(self.rows, (row, row + 1))
        mine = self.columns[low:high]
        hit = mine[self.of[mine] == group]
        return int(hit[0]) if len(hit) else -1

    def told(self, scene: Scene, o: int, i: int, held: Comparison) -> Comparison:
        """A comparison of output o's slopes (rows, groups and more directions) as one of entries, indices and all."""
        start = sum(scene.size_out(p) for p in scene.outs[: scene.outs.index(o)])
        low, high = np.searchsorted(self.rows, (start, start + scene.size_out(o)))
        count = int(high - low)

        def entry(at: tuple[int, ...]) -> tuple[int, ...]:
            if len(at) != 2 or at[1] >= self.count:
                return ()
            column = self.element(start + at[0], at[1])
            return entry_index(scene, o, i, at[0], column) if column >= 0 else ()

        return replace(
            held, entries=count, entries_total=count, worst_index=entry(held.worst_index),
            wrong=tuple(e for e in map(entry, held.wrong) if e),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Known:
    """Groups with the reference along them: entries of the sparse Jacobian and their error bars."""

    groups: Groups
    value: Array
    bar: Array


def groups_of(scene: Scene, i: int, budget: int = 0) -> Groups | None:
    """The groups of input i; None where they would be too many, or where the structure does not hold against forward mode.

    A short ladder along each must be within the `budget` of evaluations; 0 is no limit.
    """
    key = ("groups", i, scene.outs)
    point = blake2b(b"".join(np.ascontiguousarray(x).tobytes() for x in scene.inputs)).digest()
    kept: tuple[bytes, Groups | None] | None = scene.graph.plans.get(key)
    if (
        kept is None or kept[0] != point
    ):  # indices may be another structure, elements have other sizes
        kept = scene.graph.plans[key] = point, _grouped(scene, i)
    found = kept[1]
    return None if found is None or 0 < budget < LADDER * found.count else found


def both_modes(scene: Scene, reference: Reference, tau: float) -> None:
    """Where only directions were affordable, hold reverse against forward mode in every entry that groups give; told instead."""
    if reference.blocks:
        return
    for i in scene.wrt:
        known = known_of(scene, i)
        for o in scene.outs if known is not None else ():
            assert known is not None
            held = _reverse(scene, o, i, known, tau)
            if held is not None:
                kept = [
                    c
                    for c in reference.comparisons
                    if (c.output, c.input) != (held.output, held.input)
                ]
                reference.comparisons[:] = [*kept, held]


def _reverse(scene: Scene, o: int, i: int, known: Known, tau: float) -> Comparison | None:
    """The entries of output o by input i in reverse mode, one seed for all rows that do not meet; None for too many seeds."""
    from gradproof_service.transforms.sparsity.colouring import colour
    from gradproof_service.transforms.sparsity.pattern import of_entries

    start, m = sum(scene.size_out(p) for p in scene.outs[: scene.outs.index(o)]), scene.size_out(o)
    low, high = np.searchsorted(known.groups.rows, (start, start + m))
    rows, columns = known.groups.rows[low:high] - start, known.groups.columns[low:high]
    across = of_entries(columns, rows, scene.size_in(i), m)
    found = None if int(across.lengths.max(initial=0)) > GROUPS else colour(across)
    if found is None or not 0 < found.count <= GROUPS:
        return None
    seeds = (found.of == np.arange(found.count)[:, None]).astype(np.float64)
    bars, doubt = pulled(scene, o, i, seeds, None)
    at = (found.of[rows], columns)
    top = np.zeros(m)
    np.maximum.at(top, rows, np.nan_to_num(np.abs(known.value[low:high]), posinf=0.0))
    held = compare(
        scene.pair(o, i, Source.REVERSE, Source.FORWARD), bars[at], known.value[low:high],
        known.bar[low:high] + doubt[at], scale=ROW_FLOOR * top[rows], tau=tau,
        reason="noise" if np.isfinite(known.value[low:high]).all() else "overflow",
    ).comparison  # fmt: skip

    def entry(place: tuple[int, ...]) -> tuple[int, ...]:
        return (
            entry_index(scene, o, i, int(rows[place[0]]), int(columns[place[0]])) if place else ()
        )

    return replace(held, worst_index=entry(held.worst_index), wrong=tuple(map(entry, held.wrong)))


def entry_index(scene: Scene, o: int, i: int, row: int, column: int) -> tuple[int, ...]:
    """The entry (row, column) of output o by input i as an index of the derivative."""
    found = [
        np.unravel_index(k, t.shape) if t.shape else ()
        for k, t in (
            (row, scene.graph.types[scene.graph.outputs[o]]),
            (column, scene.graph.types[i]),
        )
    ]
    return tuple(int(k) for at in found for k in at)


def known_of(scene: Scene, i: int, eps: float | None = None) -> Known | None:
    """The reference's entries by input i, formed along the groups, with the bars that computing at spacing `eps` would have."""
    groups = groups_of(scene, i)
    if groups is None:
        return None
    slopes, bar = push(scene, i, groups.directions(), eps)
    return Known(groups, groups.entries(slopes), groups.entries(bar))


def _grouped(scene: Scene, i: int) -> Groups | None:
    from gradproof_service.transforms.sparsity import (
        pattern as pat,  # scipy, which small checks do without
    )
    from gradproof_service.transforms.sparsity.colouring import colour
    from gradproof_service.transforms.sparsity.propagate import structure

    graph = scene.graph
    if graph.types[i].structure not in FREE:
        return None
    try:
        parts, _ = structure(graph, scene.inputs, (i,), scene.outs, tick=scene.tick)
        pattern = pat.stacked(parts)
    except (pat.TooDense, Fault):
        return None
    found = None if int(pattern.lengths.max(initial=0)) > GROUPS else colour(pattern)
    elements = graph.elements
    if found is None or found.count > GROUPS or LADDER * found.count * elements > WORK:
        return None
    steps = 2.0 ** np.round(np.log2(np.maximum(scene.scale(i), 2.0**-100)))
    groups = Groups(pattern.row_of.astype(np.int64), pattern.columns, found.of, found.count, steps)
    return groups if _holds(scene, i, groups) else None


def _holds(scene: Scene, i: int, groups: Groups) -> bool:
    """Whether the entries explain the slopes along a random direction, row by row."""
    rng = np.random.default_rng((scene.rng_seed, i, 11))
    signs = (rng.integers(0, 2, (1, scene.size_in(i))) * 2.0 - 1.0) * groups.steps
    slopes, bar = push(scene, i, np.concatenate((groups.directions(), signs)))
    m = slopes.shape[1]
    value, doubt = groups.entries(slopes), groups.entries(bar)
    with np.errstate(all="ignore"):
        moved = signs[0][groups.columns]
        told = np.bincount(groups.rows, value * moved, m)
        size = np.bincount(groups.rows, np.abs(value * moved), m)
        allowed = (
            4 * (np.bincount(groups.rows, doubt * np.abs(moved), m) + bar[-1]) + 2.0**-45 * size
        )
        off = np.abs(told - slopes[-1])
    return bool(((off <= allowed) | ~np.isfinite(slopes[-1])).all())
