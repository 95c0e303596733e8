"""Fingerprints that need the graph: other points and pairs, kinks, branches, missing chain factors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.mismatch import WORK_LIMIT, Match, Mismatch, plural
from gradproof_service.transforms.evaluate import batch_of, evaluate, evaluate_all
from gradproof_service.transforms.reverse import vjp

NEAR = 1e-7
"""Relative distance at which the other side of a kink is looked at."""
NODES = 400
"""Most nodes whose values are tried as a missing factor or a branch."""


def derivatives_at(
    m: Mismatch, points: list[list[Array]], o: int | None = None, i: int | None = None
) -> list[Array]:
    """The rows (R, n) of output o by input i at each point; empty when that is too much work."""
    graph = m.scene.graph
    o, i = m.o if o is None else o, m.i if i is None else i
    rows = m.rows()
    size = len(points) * len(rows)
    if not points or size * sum(t.size for t in graph.types) > WORK_LIMIT:
        return []
    out = graph.types[graph.outputs[o]]
    if rows.shape[1] != out.size:
        return []
    batched = [
        np.repeat(np.stack([p[k] for p in points]), len(rows), axis=0)
        for k in range(len(graph.inputs))
    ]
    seeds = np.tile(rows, (len(points), 1)).reshape(size, *out.shape)
    bars = evaluate(vjp(graph, (i,), (o,)), [*batched, seeds], tick=m.scene.tick)[-1]
    found = batch_of(bars, graph.types[i].rank, size).reshape(len(points), len(rows), -1)
    return list(found)


def kink_side(m: Mismatch) -> Iterable[Match]:
    """claimed is what a point just beside this one has, and the reference is far from it."""
    rng = np.random.default_rng((m.scene.rng_seed, 21))
    x = np.asarray(m.scene.inputs[m.i], dtype=np.float64)
    step = NEAR * m.scene.scale(m.i).reshape(x.shape)
    signs = [np.ones(x.shape), -np.ones(x.shape)]
    signs += [rng.integers(0, 2, x.shape) * 2.0 - 1.0 for _ in range(4)]
    points: list[list[Array]] = []
    for sign in signs:
        inputs = [np.asarray(a) for a in m.scene.inputs]
        inputs[m.i] = x + step * sign
        points.append(inputs)
    near = derivatives_at(m, points)
    if not near:
        return
    jump = np.maximum.reduce([np.abs(d - m.reference) for d in near])
    smooth = 1e-4 * np.maximum(np.abs(m.reference), np.abs(m.reference).max(initial=0.0))
    jumps = (jump > smooth) & np.isfinite(jump)
    if not jumps.any() or not (m.wrong <= jumps).all():
        return
    low = np.minimum.reduce([*near, m.reference])
    high = np.maximum.reduce([*near, m.reference])
    slack = smooth + m.bar
    inside = (low - slack <= m.claimed) & (m.claimed <= high + slack)
    if inside[m.wrong].all():
        count = plural(int(m.wrong.sum()), "entry")
        worst = tuple(np.argwhere(m.wrong)[0])
        text = (
            f"the slope jumps at this point: in {count} claimed lies between the one-sided slopes "
            f"({low[worst]:.4g} to {high[worst]:.4g} where claimed is {m.claimed[worst]:.4g}), another convention and no mistake"
        )
        yield Match("F08", text, 1.0, True)


def wrong_point(m: Mismatch) -> Iterable[Match]:
    """claimed is the derivative at another point, of another pair, or a value of the function."""
    scene, graph = m.scene, m.scene.graph
    x = np.asarray(scene.inputs[m.i], dtype=np.float64)
    name = m.input_name
    others: list[tuple[str, Array]] = [
        (f"at {name} = 0", np.zeros_like(x)), (f"at {name} = 1", np.ones_like(x)), (f"at -{name}", -x),
        (f"at 2 {name}", 2 * x), (f"at {name}/2", x / 2), (f"at {name} + 1", x + 1), (f"at {name} - 1", x - 1),
        (f"at |{name}|", np.abs(x)), (f"at {name} rounded to whole numbers", np.round(x)),
    ]  # fmt: skip
    if x.size > 1:
        others += [
            (f"at {name} in reverse order", np.flip(x)),
            (f"at {name} divided by its norm", x / max(float(np.linalg.norm(x)), 1e-300)),
            (f"at {name} less its mean", x - x.mean()),
        ]
    if x.ndim == 2 and x.shape[0] == x.shape[1]:
        others.append((f"at {name} transposed", x.T))
    for j in scene.wrt:
        if j != m.i and graph.types[j].shape == x.shape:
            others.append(
                (
                    f"at the value of {graph.inputs[j]} in place of {name}",
                    np.asarray(scene.inputs[j]),
                )
            )
    points = [[*scene.inputs[: m.i], p, *scene.inputs[m.i + 1 :]] for _, p in others]
    if m.reference.size > 1 or m.significant(m.reference).any():
        for (text, point), made in zip(others, derivatives_at(m, points), strict=False):
            if not np.array_equal(point, x) and _real(m, made):
                yield from m.matched("F10", f"claimed is the derivative {text}", made, least=0.999)
    if m.reference.size < 2:
        return
    here = [list(scene.inputs)]
    for j in scene.wrt:
        if j != m.i and graph.types[j].size == x.size:
            for made in derivatives_at(m, here, i=j):
                if _real(m, made):
                    text = f"claimed is the derivative by {graph.inputs[j]}, not by {name}: arguments are exchanged"
                    yield from m.matched("F10", text, made, least=0.999)
    for o in scene.outs:
        if o != m.o and m.own_rows and scene.size_out(o) == scene.size_out(m.o):
            for made in derivatives_at(m, here, o=o):
                if _real(m, made):
                    text = f"claimed is the derivative of {graph.output_names[o]}, not of {graph.output_names[m.o]}"
                    yield from m.matched("F10", text, made, least=0.999)
    if len(m.claimed) == 1:
        for label, value in _values(m, m.claimed.size):
            made = value.reshape(m.claimed.shape)
            if _real(m, made) and np.unique(made).size > 1:
                yield from m.matched(
                    "F10",
                    f"claimed is the value of {label} itself, not a derivative",
                    made,
                    least=0.999,
                )


def _real(m: Mismatch, made: Array) -> bool:
    """Whether a proposed claim is finite, not all zero, and not the reference again."""
    if made.shape != m.reference.shape or not np.isfinite(made).all() or not made.any():
        return False
    return bool((np.abs((made - m.reference)[m.wrong]) > m.bar[m.wrong]).any())


_FUNCTIONS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("{}", lambda v: v), ("(1 - {})", lambda v: 1 - v), ("(1 - {}^2)", lambda v: 1 - v * v), ("{}^2", lambda v: v * v),
    ("{0} (1 - {0})", lambda v: v * (1 - v)), ("(1 + {})", lambda v: 1 + v), ("(1 + {}^2)", lambda v: 1 + v * v),
    ("cos({})", np.cos), ("sin({})", np.sin), ("exp({})", np.exp), ("exp(-{})", lambda v: np.exp(-v)),
    ("sqrt({})", np.sqrt), ("|{}|", np.abs), ("log({})", np.log),
)  # fmt: skip


def missing_factor(m: Mismatch) -> Iterable[Match]:
    """claimed / reference is a simple function of one node's value, entry by entry."""
    seen = m.significant(m.reference)
    if seen.sum() < 2 or (m.wrong & ~seen).any():
        return
    ratio = np.where(seen, m.claimed / np.where(seen, m.reference, 1.0), 0.0)
    if np.ptp(ratio[seen]) <= 1e-9 * np.abs(ratio[seen]).max():
        return
    for label, value in _values(m, m.reference.shape[1]):
        flat = value.reshape(1, -1)
        for text, f in _FUNCTIONS:
            factor = np.broadcast_to(f(flat), ratio.shape)
            if not np.isfinite(factor[seen]).all() or not np.all(factor[seen]):
                continue
            for c in (1.0, -1.0, 2.0, 0.5):
                times = "" if c == 1.0 else f"{c:g} * "
                shown = text.format(label)
                if _close(ratio[seen] * factor[seen], c):
                    says = f"true = claimed * {shown}{'' if c == 1 else f' * {1 / c:g}'}, entry by entry: that chain factor is missing"
                    yield from m.matched(
                        "F11",
                        says,
                        np.where(seen, c * m.reference / np.where(seen, factor, 1.0), m.claimed),
                    )
                    return
                if _close(ratio[seen] / factor[seen], c):
                    says = (
                        f"claimed = {times}{shown} * true, entry by entry: that factor is too much"
                    )
                    yield from m.matched(
                        "F11", says, np.where(seen, c * factor * m.reference, m.claimed)
                    )
                    return


def _close(ratio: Array, c: float) -> bool:
    return bool((np.abs(ratio - c) <= 1e-6 * abs(c)).all())


def one_branch(m: Mismatch) -> Iterable[Match]:
    """Wrong exactly where some value is negative, or exactly where it is positive."""
    wrong: Array = np.asarray(m.wrong.any(axis=0))
    telling: Array = np.asarray((m.significant(m.reference) | m.wrong).any(axis=0))
    for label, value in _values(m, wrong.size):
        flat = value.reshape(-1)
        own = label == m.input_name
        for text, other, mask in (("<", ">=", flat < 0), (">", "<=", flat > 0)):
            good, bad = int((~mask & telling).sum()), int((mask & telling).sum())
            if not np.array_equal(wrong[telling], mask[telling]):
                continue
            few = own and good >= 1 and bad >= 2 and _one_factor(m)
            if few or (good + bad >= (4 if own else 8) and min(good, bad) >= 2):
                says = (
                    f"right where {label} {other} 0 ({good}), wrong in all {plural(bad, 'entry')} "
                    f"where {label} {text} 0: one branch is mistaken"
                )
                yield Match("F13", says, 1.0, True)
                return


def _one_factor(m: Mismatch) -> bool:
    """Whether every wrong entry is off by one and the same factor, and not zero."""
    wrong = m.wrong & m.significant(m.reference)
    ratio = m.claimed[wrong] / m.reference[wrong]
    return bool(ratio.all()) and bool(ratio.size and np.ptp(ratio) <= 1e-6 * np.abs(ratio).max())


def _values(m: Mismatch, size: int) -> Iterator[tuple[str, Array]]:
    """The input's value, then those of nodes with as many elements, under their labels."""
    graph = m.scene.graph
    values = evaluate_all(graph, m.scene.inputs, tick=m.scene.tick)
    made = graph.producer()
    order = [m.i, *(v for v in range(len(graph.types)) if v != m.i)]
    for v in order[:NODES]:
        t, value = graph.types[v], values[v]
        if value is None or not t.is_float or t.size != size:
            continue
        if made[v] >= 0 and graph.sites[made[v]].op.name in ("constant", "full"):
            continue
        array = np.asarray(value, dtype=np.float64)
        if np.isfinite(array).all():
            yield (graph.inputs[v] if made[v] < 0 else graph.node_label(made[v])), array
