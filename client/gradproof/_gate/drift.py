"""What was measured now, held against a baseline: which arrays moved, how far, and which agreements were lost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from gradproof._gate.arrays import SKETCH, Held
from gradproof._gate.baseline import Measured, Quantity
from gradproof._gate.result import Drift

MOST_DIGITS: Final = 17.0
ENOUGH: Final = 12.0
"""Digits above which an agreement is as good as any."""
OF_WITNESSES: Final = {"differences": 6.0}
"""The same for sources whose own error hides the rest."""
LOST: Final = 3.0
"""An agreement that has so many digits less than it had, and less than enough, is lost."""


def drifts(
    then: Measured, now: Measured, point: int, drift_digits: float | None
) -> tuple[Drift, ...]:
    """Every array that is not what it was, the worst first; none when all are the same to the bit."""
    found: list[Drift] = []
    known = {(q.kind, q.name): q for q in then.quantities}
    for q in now.quantities:
        before = known.pop((q.kind, q.name), None)
        if before is None:
            found.append(_appeared(q, point, "new: the baseline does not hold it"))
        elif moved := _moved(before, q, point, drift_digits):
            found.append(moved)
    found += [_appeared(q, point, "gone: it is no longer measured") for q in known.values()]
    return tuple(sorted(found, key=lambda d: (not d.beyond, d.digits - d.tolerance_digits)))


def moved_point(then: Measured, now: Measured) -> str:
    """The first input that is not where the baseline was made; empty when the point is the same."""
    for name in {**then.at, **now.at}:
        if then.at.get(name) is None or now.at.get(name) is None:
            return name
        a, b = then.at[name], now.at[name]
        if (a.dtype, a.shape) != (b.dtype, b.shape) or not _same(a, b):
            return name
    return ""


def lost(then: float | None, now: float, against: str) -> bool:
    """Whether so many digits of agreement with a source are a loss against those of the baseline."""
    enough = OF_WITNESSES.get(against, ENOUGH)
    return then is not None and now < enough and min(then, enough + LOST) - now >= LOST


def tolerance(then: Quantity, now: Quantity, drift_digits: float | None) -> float:
    """How far the largest entry may move: the noise of both, or the digits that were asked for. Absolute."""
    if drift_digits is not None:
        return 10.0**-drift_digits * max(then.held.scale, now.held.scale)
    return max(then.noise, now.noise)


def _same(a: Held, b: Held) -> bool:
    if a.values or b.values:
        return len(a.values) == len(b.values) and all(map(_equal, a.values, b.values))
    return a.digest == b.digest


def _equal(a: float, b: float) -> bool:
    return a == b or (math.isnan(a) and math.isnan(b))


def _moved(before: Quantity, q: Quantity, point: int, drift_digits: float | None) -> Drift | None:
    a, b = before.held, q.held
    if a.shape != b.shape:
        return _appeared(q, point, f"its shape was {a.shape} and is {b.shape}")
    if _same(a, b) and a.dtype == b.dtype:
        return None
    limit = tolerance(before, q, drift_digits)
    scale = max(a.scale, b.scale)
    flat, then, now = _worst(a, b)
    size = _size(a, b, abs(now - then))
    if math.isnan(size):
        size = math.inf
    return Drift(
        point=point,
        quantity=_title(q),
        digits=_digits(size, scale),
        tolerance_digits=_digits(limit, scale),
        ulps=_ulps(then, now, a.dtype),
        worst_index=a.index(flat),
        then=then,
        now=now,
        relative=_relative(then, now),
        beyond=size > limit or a.dtype != b.dtype,
        fingerprint=_fingerprint(a, b, limit),
    )


def _worst(a: Held, b: Held) -> tuple[int, float, float]:
    """The written entry that moved most: its place in C order, then and now."""
    here = dict(b.entries)
    pairs = [(k, v, here[k]) for k, v in a.entries if k in here]

    def gap(pair: tuple[int, float, float]) -> float:
        if _equal(pair[1], pair[2]):
            return -1.0
        size = abs(pair[2] - pair[1])
        return math.inf if math.isnan(size) else size

    return max(pairs, key=gap)


def _size(a: Held, b: Held, worst: float) -> float:
    """How far the arrays lie apart: the largest entry, or by the sketch its root mean square when that is more."""
    if not a.sketch:
        return worst
    square = math.fsum((x - y) ** 2 for x, y in zip(a.sketch, b.sketch, strict=True)) / SKETCH
    return max(worst, math.sqrt(square / a.size))


def _ulps(then: float, now: float, dtype: str) -> float:
    if not math.isfinite(then) or not math.isfinite(now) or np.dtype(dtype).kind != "f":
        return math.inf if not _equal(then, now) else 0.0
    return abs(now - then) / float(np.spacing(np.dtype(dtype).type(abs(then))))


def _relative(then: float, now: float) -> float:
    if _equal(then, now):
        return 0.0
    return (now - then) / abs(then) if then else math.copysign(math.inf, now)


def _digits(size: float, scale: float) -> float:
    if size == 0:
        return MOST_DIGITS
    if not scale or not math.isfinite(size):
        return 0.0
    return min(max(-math.log10(size / scale), 0.0) + 0.0, MOST_DIGITS)


def _fingerprint(a: Held, b: Held, limit: float) -> str:
    """What kind of change it is, when the written entries show one."""
    if a.dtype != b.dtype:
        return f"its type was {a.dtype} and is {b.dtype}"
    here: Mapping[int, float] = dict(b.entries)
    pairs = [(v, here[k]) for k, v in a.entries if k in here]
    changed = [(v, w) for v, w in pairs if not _equal(v, w) and not abs(w - v) <= limit]
    if not changed:
        return ""
    told = "entry" if len(pairs) == 1 else f"{len(changed)} of {len(pairs)} entries"
    alive = [(v, w) for v, w in pairs if v and abs(v) > limit]
    if any(not math.isfinite(w) for _, w in changed):
        return f"not finite in {told}"
    if alive and not any(w for _, w in alive):
        return f"now zero in {told}"
    factor = (
        math.fsum(v * w for v, w in alive) / math.fsum(v * v for v, _ in alive) if alive else 0.0
    )
    if len(alive) > 1 and all(abs(w - factor * v) <= limit for v, w in alive):
        return f"now = {factor:.12g} x then in all entries that are written"
    return "" if len(pairs) == 1 else f"{told} moved"


def _title(q: Quantity) -> str:
    return {"value": "value of ", "claim": "claimed "}.get(q.kind, "") + q.name


def _appeared(q: Quantity, point: int, said: str) -> Drift:
    flat = q.held.entries[0] if q.held.entries else (0, math.nan)
    return Drift(
        point, _title(q), 0.0, 0.0, math.inf, q.held.index(flat[0]), math.nan, flat[1], math.inf, beyond=True,
        fingerprint=said,
    )  # fmt: skip
