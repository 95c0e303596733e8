"""The reference: both modes over the graph, held against each other, with a bound for rounding.

In full where every seed is affordable, else one mode in full and the other along directions,
else both along directions only; what was looked at is counted and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import compare, row_scale
from gradproof_service.checking.report import Comparison, Source
from gradproof_service.checking.scene import Scene
from gradproof_service.transforms.evaluate import batch_of, evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import Mode, Run
from gradproof_service.transforms.planned import planned
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.rounding import (
    BLURRED,
    blurred,
    disturbed,
    spread_bounds,
    spreads,
)
from gradproof_service.transforms.unit_sweeps import matrices

SEED_LIMIT = 4096
"""Most seeds that a mode may take to be run in full."""
WORK_LIMIT = 2e9
"""Most element operations (seeds times elements of the graph) that one mode may take."""
BLOCK_LIMIT = 1 << 24
"""Most elements of all Jacobian blocks together."""
DIRECTIONS = 4
"""Directions per input where coordinates are too many; one fewer for very long inputs."""
LONG_INPUT = 50_000
SHORT_INPUT = 4096
"""Directions of inputs up to this size are drawn once and kept."""
UNEVEN = 8
"""A mode that takes more than so many times the other's seeds is run along directions only, where values alone show every entry."""
LITTLE = 2e5
"""Element operations (seeds times elements of the graph) that a mode may always take."""
CLOSE = 2.0**-40
"""Bars below this part of their entry (or of its row's typical size) need not be known closely."""
FIRST = 3
"""Disturbed runs that may be enough, where the bars they show are `CLOSE` even when taken `WIDER`."""
WIDER = 2.0
PART = 512
"""So many entries of a block tell how quiet its entries are."""


@dataclass(slots=True)
class Block:
    """The Jacobian of one output by one input as a matrix (m, n), an error bar for each entry."""

    value: Array
    bar: Array


@dataclass(slots=True)
class Reference:
    """Blocks by (output, input) position; empty when only directions were affordable."""

    blocks: dict[tuple[int, int], Block]
    source: Source
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    directions: int = 0
    lost: dict[tuple[int, int], Array] = field(default_factory=dict[tuple[int, int], Array])
    """Entries where reverse mode was not a number although forward mode was, by pair."""
    settled: dict[tuple[int, int], Array] = field(default_factory=dict[tuple[int, int], Array])
    """By pair: the error bars that float64 had before extended precision replaced the entries."""


def refer(scene: Scene, tau: float, *, witnessed: bool = False) -> Reference:
    """Both modes at the scene's point, compared pair by pair.

    `witnessed` says that values alone will be held against every entry: then the far dearer of the two
    modes need not show each of them again.
    """
    n = sum(scene.size_in(i) for i in scene.wrt)
    m = sum(scene.size_out(o) for o in scene.outs)
    elements = scene.graph.elements
    fits = n * m <= BLOCK_LIMIT
    full = [
        mode
        for mode, seeds in sorted((("reverse", m), ("forward", n)), key=lambda p: p[1])
        if fits and seeds <= SEED_LIMIT and seeds * elements <= WORK_LIMIT
    ]
    if not scene.wrt or not scene.outs:
        return Reference({}, Source.REVERSE)
    if len(full) == 2:
        uneven = max(n, m) > UNEVEN * min(n, m) and max(n, m) * elements > LITTLE
        if not (uneven and witnessed):
            return _both(scene, tau)
        said = _one(scene, tau, "reverse" if m < n else "forward")
        whole = all(np.isfinite(b.value).all() for b in said.blocks.values())
        return said if whole else _both(scene, tau)
    if full == ["reverse"]:
        return _one(scene, tau, "reverse")
    if full == ["forward"]:
        return _one(scene, tau, "forward")
    return _directions_only(scene, tau)


def blocks_of(scene: Scene, mode: Mode, eps: float | None = None) -> dict[tuple[int, int], Block]:
    """Jacobian blocks in one mode, with the spread of randomly rounded runs as their bars."""
    graph, inputs, wrt, outs = scene.graph, scene.inputs, scene.wrt, scene.outs

    def once(_: int) -> Run:
        return lambda g, xs: planned(g, xs, tick=scene.tick)

    def again(k: int) -> list[Array]:
        def moved(n: int) -> Run:
            seed = (scene.rng_seed, k, 1, n) if n else (scene.rng_seed, k, 1)
            return lambda g, xs: disturbed(g, xs, seed, eps, tick=scene.tick)

        return matrices(graph, inputs, wrt, outs, mode, moved)

    values = matrices(graph, inputs, wrt, outs, mode, once)
    pairs = [(o, i) for o in outs for i in wrt]
    return {
        pair: Block(value, bar)
        for pair, value, bar in zip(pairs, values, _spread(values, again), strict=True)
    }


def _spread(values: Sequence[Array], again: Callable[[int], Sequence[Array]]) -> list[Array]:
    """Bars from the first disturbed runs where those are enough, else from all."""
    early = [again(k) for k in range(FIRST)]
    return _wide(values, early) or spread_bounds(
        values, lambda k: early[k] if k < FIRST else again(k)
    )


def _wide(values: Sequence[Array], early: Sequence[Sequence[Array]]) -> list[Array] | None:
    """Bars of matrices from a few disturbed runs, taken wide; None unless all are far too small to matter.

    Few runs may all fall together by chance: no entry is trusted to be much quieter than the others.
    """
    bars: list[Array] = []
    for value, bound in zip(values, spreads(values, early.__getitem__, len(early)), strict=True):
        size = np.abs(value)
        if not np.isfinite(size.max(initial=0.0)):
            return None
        bar, close = _widened(bound, size), CLOSE * size
        if not (bar <= close).all():
            if (bound > BLURRED * size).any():
                bar = _widened(blurred(bound, value), size)
            if not ((bar <= close) | (bar <= CLOSE * row_scale(size))).all():
                return None
        bars.append(bar)
    return bars


def _widened(bound: Array, size: Array) -> Array:
    """Bounds `WIDER`, none of them much below that of the middle entry beside its size."""
    some = slice(None, None, max(1, size.size // PART))
    part, moved = size.reshape(-1)[some], bound.reshape(-1)[some]
    quiet = np.sort(moved[part > 0] / part[part > 0])
    half = len(quiet) // 2
    middle = float(quiet[half] + quiet[~half]) / 2 if quiet.size else 0.0
    bar = 0.5 * middle * size
    np.maximum(bound, bar, out=bar)
    bar *= WIDER
    return bar


def push(scene: Scene, i: int, directions: Array, eps: float | None = None) -> tuple[Array, Array]:
    """Forward mode along directions (D, n) of input i: slopes (D, m) and their bars.

    `eps` replaces the dtypes' own spacing in the bars.
    """
    graph = jvp(scene.graph, (i,))
    seeds = directions.reshape(len(directions), *scene.graph.types[i].shape)
    inputs = [*scene.inputs, seeds]
    floats = [o for o, t in enumerate(scene.graph.output_types) if t.is_float]
    at = {o: len(scene.graph.outputs) + floats.index(o) for o in scene.outs}

    def flat(results: list[Array]) -> Array:
        rows = [
            batch_of(results[at[o]], scene.graph.types[scene.graph.outputs[o]].rank, len(seeds))
            for o in scene.outs
        ]
        return np.concatenate([r.reshape(len(seeds), -1) for r in rows], axis=1)

    slopes = flat(evaluate(graph, inputs, tick=scene.tick))

    def again(k: int) -> list[Array]:
        return [flat(disturbed(graph, inputs, (scene.rng_seed, k, 2), eps, tick=scene.tick))]

    return slopes, _spread([slopes], again)[0]


def directions_for(scene: Scene, i: int) -> Array:
    """Seeded directions (D, n) of input i, to be read only: dense signs, a sparse one, a block, a ramp.

    Signs are symmetric, so that one wrong entry is not lost in a sum that grows with n; entries
    are powers of two, so that steps along them are exact.
    """
    n = scene.size_in(i)
    draw = _drawn if n <= SHORT_INPUT else _drawn.__wrapped__
    return draw(scene.rng_seed, i, n)


@lru_cache(maxsize=32)
def _drawn(rng_seed: int, i: int, n: int) -> Array:
    count = DIRECTIONS - (n > LONG_INPUT)
    rng = np.random.default_rng((rng_seed, i, 3))
    rows = rng.integers(0, 2, (count, n)) * 2.0 - 1.0
    if count > 1 and n > 8:
        rows[1] *= rng.random(n) < max(8 / n, 0.02)
        if not rows[1].any():
            rows[1, int(rng.integers(n))] = 1.0
    if count > 2 and n > 8:
        start = int(rng.integers(n // 2))
        rows[2, :start] = 0
        rows[2, start + max(1, n // 4) :] = 0
    rows.flags.writeable = False
    return rows


def _both(scene: Scene, tau: float) -> Reference:
    reverse = blocks_of(scene, "reverse")
    forward = blocks_of(scene, "forward")
    reference = Reference(reverse, Source.REVERSE)
    for (o, i), block in reverse.items():
        other = forward[o, i]
        _fill(reference, (o, i), block, other)
        bar = block.bar + other.bar
        reference.comparisons.append(
            compare(
                scene.pair(o, i, Source.REVERSE, Source.FORWARD), block.value, other.value, bar,
                scale=scene.floor(o, i, other.value, bar), tau=tau,
                shape=scene.block_shape(o, i), reason=_why(scene, other.value),
            ).comparison
        )  # fmt: skip
        # two methods of the same rounding: what they differ by is part of the doubt
        with np.errstate(all="ignore"):
            gap = np.minimum(np.abs(block.value - other.value), bar)
        block.bar = np.maximum(block.bar, np.where(gap < np.inf, gap, 0.0))
    return reference


def _fill(reference: Reference, pair: tuple[int, int], block: Block, other: Block) -> None:
    """Where one mode is not a number and the other is (0 times inf off the path taken), take that."""
    known, known_too = np.isfinite(block.value), np.isfinite(other.value)
    if known.all() and known_too.all():
        return
    lost, lost_too = ~known & known_too, ~known_too & known
    if lost.any():
        reference.lost[pair] = lost
    for mine, its, where in ((block, other, lost), (other, block, lost_too)):
        mine.value = np.where(where, its.value, mine.value)
        mine.bar = np.where(where, its.bar, mine.bar)


def _one(scene: Scene, tau: float, mode: Mode) -> Reference:
    blocks = blocks_of(scene, mode)
    source = Source.REVERSE if mode == "reverse" else Source.FORWARD
    reference = Reference(blocks, source)
    if mode == "forward":
        _pulled_against(scene, tau, blocks, reference)
        return reference
    for i in scene.wrt:
        rows = directions_for(scene, i)
        pushed, pushed_bar = push(scene, i, rows)
        reference.directions += len(rows)
        at = 0
        for o in scene.outs:
            block, m = blocks[o, i], scene.size_out(o)
            along = rows @ block.value.T
            bar = pushed_bar[:, at : at + m] + np.abs(rows) @ block.bar.T / np.sqrt(
                block.bar.shape[1]
            )
            along_scale = row_scale(along.T).T
            reference.comparisons.append(
                compare(
                    scene.pair(o, i, Source.REVERSE, Source.FORWARD), along, pushed[:, at : at + m], bar + _sum_rounding(rows, block.value),
                    scale=along_scale, tau=tau, entries_total=block.value.size,
                    directions=len(rows), reason=_why(scene, along),
                ).comparison
            )  # fmt: skip
            at += m
    return reference


def _pulled_against(
    scene: Scene, tau: float, blocks: dict[tuple[int, int], Block], reference: Reference
) -> None:
    """Reverse mode along seeded cotangents against the forward Jacobian."""
    for (o, i), block in blocks.items():
        v, pulled = pull(scene, o, i)
        reference.directions += len(v)
        along = v @ block.value
        bar = np.abs(v) @ block.bar + 2 * _sum_rounding(v, block.value.T)
        reference.comparisons.append(
            compare(
                scene.pair(o, i, Source.REVERSE, Source.FORWARD), pulled, along, bar, scale=row_scale(along), tau=tau,
                entries_total=block.value.size, directions=len(v), reason=_why(scene, along),
            ).comparison
        )  # fmt: skip


def pull(scene: Scene, o: int, i: int) -> tuple[Array, Array]:
    """Seeded cotangents (D, m) of output o and what reverse mode makes of them, (D, n)."""
    rng = np.random.default_rng((scene.rng_seed, i, o, 4))
    v = rng.integers(0, 2, (DIRECTIONS, scene.size_out(o))) * 2.0 - 1.0
    graph = vjp(scene.graph, (i,), (o,))
    seeds = v.reshape(len(v), *scene.graph.types[scene.graph.outputs[o]].shape)
    bars = evaluate(graph, [*scene.inputs, seeds], tick=scene.tick)[-1]
    return v, batch_of(bars, scene.graph.types[i].rank, len(v)).reshape(len(v), -1)


def _directions_only(scene: Scene, tau: float) -> Reference:
    """<v, J u> by forward mode against <J^T v, u> by reverse mode."""
    reference = Reference({}, Source.FORWARD)
    for i in scene.wrt:
        rows = directions_for(scene, i)
        pushed, pushed_bar = push(scene, i, rows)
        reference.directions += len(rows)
        at = 0
        for o in scene.outs:
            m = scene.size_out(o)
            v, pulled = pull(scene, o, i)
            left, right = v @ pushed[:, at : at + m].T, pulled @ rows.T
            bar = np.abs(v) @ pushed_bar[:, at : at + m].T
            bar = bar + _sum_rounding(pulled, rows) + _sum_rounding(v, pushed[:, at : at + m])
            reference.comparisons.append(
                compare(
                    scene.pair(o, i, Source.REVERSE, Source.FORWARD), right, left, bar, scale=float(np.abs(left).max(initial=0.0)),
                    tau=tau, entries_total=m * scene.size_in(i), directions=len(rows),
                    reason=_why(scene, left),
                ).comparison
            )  # fmt: skip
            at += m
    return reference


def _sum_rounding(a: Array, b: Array) -> Array:
    """Rounding of the inner products a @ b.T in float64."""
    return 2.0**-52 * np.sqrt(a.shape[1]) * (np.abs(a) @ np.abs(b).T)


def _why(scene: Scene, value: Array) -> str:
    return "noise" if np.isfinite(value).all() else "overflow"
