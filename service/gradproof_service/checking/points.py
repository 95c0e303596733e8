"""More points than the one given: inside the domain, on both sides of every branch that can be reached.

Candidates are drawn around the given point and around zero at several scales, in one batch; those
outside an op's domain or with results that are not finite are dropped; of the rest those are taken
first that show a side of a branch not seen yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.checking.margins import moving
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import Tick, no_tick, run

CANDIDATES = 24
"""Candidates drawn for each point asked for, and never fewer than `FEWEST`."""
FEWEST = 96


@dataclass(frozen=True, slots=True)
class Coverage:
    """What a set of points shows: branch sides seen of those there are, by node label.

    A side is "true" or "false" of the node's condition (x > 0 for abs and relu, a > b for maximum,
    the condition itself for where and comparisons), in any entry at any point.
    """

    points: int
    sides: int
    sides_seen: int
    unseen: tuple[str, ...]


def sample_points(
    graph: Graph, point: Sequence[Array], wrt: Sequence[int], count: int, rng_seed: int, *,
    tick: Tick = no_tick,
) -> tuple[list[tuple[Array, ...]], Coverage]:  # fmt: skip
    """The given point and up to `count - 1` others, each one array per input, and their coverage.

    Inputs not in `wrt` keep their values. Fewer points than asked come back when too few
    candidates stay inside the domain; the coverage says how many.
    """
    rng = np.random.default_rng((rng_seed, 7))
    total = max(FEWEST, CANDIDATES * count)
    batches: list[Array] = []
    for i, x in enumerate(point):
        if i in wrt:
            drawn = _draw(rng, np.asarray(x), graph.types[i].structure, total - 1)
            batches.append(np.concatenate([np.asarray(x)[None], drawn]))
        else:
            batches.append(np.broadcast_to(x, (total, *np.shape(x))))
    values = run(graph, batches, tick=tick, keep=True)[0]
    inside = _inside(graph, values, wrt, total)
    sides = _sides(graph, values, wrt, total)
    chosen = _choose(inside, [s for _, s in sides], count)
    points = [tuple(np.array(b[k]) for b in batches) for k in chosen]
    return points, _coverage(sides, chosen)


def _draw(rng: np.random.Generator, x: Array, structure: Structure, count: int) -> Array:
    """Values near x, around zero, and of many magnitudes, by turns; kept on the structure."""
    size = float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 1.0
    size = size if np.isfinite(size) and size > 0 else 1.0
    noise = rng.standard_normal((count, *x.shape))
    out = x + size * noise
    out[1::4] = size * noise[1::4]
    out[2::4] = size * np.sign(noise[2::4]) * 10.0 ** rng.uniform(-2, 1, noise[2::4].shape)
    out[3::4] = size * np.abs(noise[3::4])
    return _onto(structure, out, size).astype(x.dtype)


def _onto(structure: Structure, out: Array, size: float) -> Array:
    match structure:
        case Structure.SYMMETRIC | Structure.HERMITIAN:
            return 0.5 * (out + np.swapaxes(out, -1, -2))
        case Structure.SPD:
            side = out.shape[-1]
            return out @ np.swapaxes(out, -1, -2) / (size * side) + 0.1 * size * np.eye(side)
        case Structure.LOWER:
            return np.tril(out)
        case Structure.UPPER:
            return np.triu(out)
        case Structure.POSITIVE:
            return np.abs(out)
        case Structure.SIMPLEX:
            parts = np.abs(out) + 1e-3 * size
            return parts / parts.sum(axis=-1, keepdims=True)
        case Structure.ORTHOGONAL:
            return np.linalg.qr(out)[0]
        case _:
            return out


def _inside(graph: Graph, values: Sequence[Array | None], wrt: Sequence[int], total: int) -> Array:
    """Which candidates are inside every domain, off every edge, with finite outputs: (total,)."""
    good = np.ones(total, dtype=bool)
    for v in graph.outputs:
        y = values[v]
        if y is not None and y.dtype.kind in "fc" and y.ndim > graph.types[v].rank:
            good &= np.isfinite(y).reshape(total, -1).all(axis=1)
    moved = moving(graph, wrt)
    for _, op, site, operands, outs in graph.nodes():
        if not op.margins or not any(moved[v] for v in operands):
            continue
        xs = tuple(values[v] for v in operands)
        if any(x is None for x in xs):
            continue
        full = tuple(_aligned(site, [x for x in xs if x is not None], total))
        ys = tuple(
            np.broadcast_to(y, (total, *t.shape)) if y.ndim == t.rank else y
            for y, t in zip((values[v] for v in outs), site.outs, strict=True)
            if y is not None
        )
        for margin in op.margins:
            with np.errstate(all="ignore"):
                distance = np.asarray(margin.value(site, full, ys))
            if distance.shape[:1] == (total,):
                good &= (distance > 0).reshape(total, -1).all(axis=1)
    return good


def _sides(
    graph: Graph, values: Sequence[Array | None], wrt: Sequence[int], total: int
) -> list[tuple[str, Array]]:
    """For each branching node, whether each candidate shows its false and its true side: (total, 2)."""
    moved = moving(graph, wrt)
    found: list[tuple[str, Array]] = []
    for k, op, site, operands, _ in graph.nodes():
        kinked = any(m.kind in ("kink", "jump") for m in op.margins)
        choosing = op.name in ("where", "cond")
        if not (kinked or choosing) or not any(moved[v] for v in operands):
            continue
        xs = [values[v] for v in operands]
        if any(x is None for x in xs) or (op.batching != "elementwise" and not choosing):
            continue
        arrays = _aligned(site, [x for x in xs if x is not None], total)
        first, *rest = arrays
        other = rest[0] if rest else 0
        condition = (first != 0 if choosing else first > other).reshape(total, -1)
        both = np.stack([(~condition).any(axis=1), condition.any(axis=1)], axis=1)
        found.append((graph.node_label(k), both))
    return found


def _aligned(site: Site, xs: list[Array], total: int) -> list[Array]:
    """Operands with the batch axis in front; those of an elementwise op with equal rank as well."""
    rank = max((t.rank for t in site.ins), default=0) if site.op.batching == "elementwise" else 0
    full: list[Array] = []
    for x, t in zip(xs, site.ins, strict=True):
        wide = x if x.ndim > t.rank else np.broadcast_to(x, (total, *x.shape))
        full.append(wide.reshape(total, *(1,) * (rank - t.rank), *t.shape))
    return full


def _choose(inside: Array, sides: list[Array], count: int) -> list[int]:
    """The given point first, then whatever shows most new sides, then in the order drawn."""
    chosen = [0]
    seen = np.stack([s[0] for s in sides]) if sides else np.zeros((0, 2), dtype=bool)
    table = np.stack(sides) if sides else np.zeros((0, len(inside), 2), dtype=bool)
    free = inside.copy()
    free[0] = False
    while len(chosen) < count and free.any():
        gain = (table & ~seen[:, None, :]).sum(axis=(0, 2)) * free
        best = int(np.argmax(gain)) if gain.any() else int(np.argmax(free))
        chosen.append(best)
        free[best] = False
        seen = seen | table[:, best, :]
    return chosen


def _coverage(sides: list[tuple[str, Array]], chosen: list[int]) -> Coverage:
    unseen: list[str] = []
    seen = 0
    for label, both in sides:
        shown: list[bool] = np.asarray(both[chosen].any(axis=0)).tolist()
        seen += sum(shown)
        unseen += [
            f"{label}: {side}" for side, s in zip(("false", "true"), shown, strict=True) if not s
        ]
    return Coverage(len(chosen), 2 * len(sides), seen, tuple(unseen))
