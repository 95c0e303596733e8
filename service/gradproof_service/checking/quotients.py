"""Turn the samples of a ladder into estimates: quotients with rounding bounds, kinks, and the reason for a wide bar.

Everything is done for all (direction, output) entries at once; nothing is evaluated here.
"""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradproof_service.checking.estimate import Reason
from gradproof_service.checking.ladder import Ladder, Settled, settle
from gradproof_service.checking.noise import Noise
from gradproof_service.checking.stencil import UNIT_ROUNDOFF, BoolArray, FloatArray, Samples

_KINK = 6.0
"""A jump of the slope must exceed this many of its own bars (NUMERICS e13)."""

_DIGITS = 2.0**-10
"""A function whose rounding bound exceeds this part of its own values may hide any slope below its noise: no bar is given."""


@dataclass(frozen=True, slots=True)
class Readings:
    """One tier's answer, every array (D, m); the one-sided fields are NaN where no kink was met."""

    value: FloatArray
    bar: FloatArray
    reason: FloatArray
    left: FloatArray
    right: FloatArray
    left_bar: FloatArray
    right_bar: FloatArray

    @staticmethod
    def empty(rows: int, outputs: int, reason: Reason) -> "Readings":
        """Nothing known yet, for one reason."""
        nan = np.full((rows, outputs), np.nan)
        inf, why = np.full_like(nan, np.inf), np.full_like(nan, float(reason))
        return Readings(nan.copy(), inf, why, nan.copy(), nan.copy(), nan.copy(), nan.copy())

    def put(self, rows: np.ndarray, other: "Readings", where: BoolArray | bool = True) -> None:
        """Overwrite the entries of some rows with another tier's."""
        for field in fields(self):
            mine = getattr(self, field.name)
            mine[rows] = np.where(where, getattr(other, field.name), mine[rows])


@dataclass(frozen=True, slots=True)
class _Entries:
    """Samples with the (direction, output) axes joined: (L, E), and the centre (E,)."""

    step: FloatArray
    skew: FloatArray
    slanted: bool
    available: BoolArray
    plus: FloatArray
    minus: FloatArray
    plus_bound: FloatArray
    minus_bound: FloatArray
    centre: FloatArray
    centre_bound: FloatArray

    def at(self, chosen: BoolArray | NDArray[np.intp] | slice) -> "_Entries":
        if isinstance(chosen, slice):
            return self
        parts: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        return _Entries(
            **{
                name: part if name == "slanted" else part[..., chosen]
                for name, part in parts.items()
            }
        )


def read(
    samples: Samples,
    ladder: Ladder,
    centre: FloatArray,
    centre_bound: FloatArray,
    noise: Noise | None,
    *,
    at_edge: BoolArray,
    wanted: FloatArray,
    tau: float,
    chosen: BoolArray | None = None,
) -> Readings:
    """Judge every entry; `at_edge` (D,) marks points on a kink or edge, `wanted` (D, m) the size below which power is not asked.

    Only the entries `chosen` (D, m) are looked at when it is given; the others stay unknown.
    """
    with np.errstate(all="ignore"):
        rows, outputs = samples.plus.shape[1:]
        pick = slice(None) if chosen is None or chosen.all() else np.flatnonzero(chosen)
        entries = _entries(samples, centre, centre_bound, None if noise is None else noise.high)
        entries, floor = entries.at(pick), wanted.ravel()[pick]
        quotient, bound = _central(entries)
        best = settle(ladder, quotient, bound, entries.available)
        if noise is not None and not noise.steady.all():
            quiet = _entries(samples, centre, centre_bound, noise.low).at(pick)
            best = _second_opinion(best, ladder, quiet, ~noise.steady.ravel()[pick])
        drowned = _drowned(entries, best)
        best = Settled(best.value, np.where(drowned, np.inf, best.bar), best.rounding)
        bent = ~drowned & _bends(entries, ladder, best.bar) | (
            np.repeat(at_edge, outputs)[pick] & ~drowned
        )
        reason = _reasons(entries, quotient, bound, best, floor, tau)
        reason = np.where(drowned & (reason == Reason.ALIASING), Reason.NOISE, reason)
        value, bar = best.value, best.bar
        sides = [np.full(len(value), np.nan) for _ in range(4)]
        if bent.any():
            value, bar = value.copy(), bar.copy()
            right, left = (_one_sided(entries.at(bent), ladder, side) for side in (1, -1))
            found = (left.value, right.value, left.bar, right.bar)
            for whole, part in zip(sides, found, strict=True):
                whole[bent] = part
            value[bent], bar[bent] = _joined(left, right)
            hopeless = np.isin(reason, (Reason.DOMAIN, Reason.OVERFLOW))
            wide = ~(bar <= tau * np.maximum(np.abs(value), floor))
            reason = np.where(bent & ~hopeless, np.where(wide, Reason.KINK, Reason.OK), reason)
        out = Readings.empty(rows, outputs, Reason.BUDGET)
        for field, found in zip(fields(out), (value, bar, reason, *sides), strict=True):
            getattr(out, field.name).reshape(-1)[pick] = found
        return out


def _entries(
    samples: Samples, centre: FloatArray, centre_bound: FloatArray, unknown: FloatArray | None
) -> _Entries:
    """Join the axes; where a bound is not known, put the measured noise."""
    levels, rows, outputs = samples.plus.shape

    def bounded(values: FloatArray, bounds: FloatArray) -> FloatArray:
        if unknown is None:
            return bounds.reshape(levels, -1)
        return np.where(np.isnan(bounds) & np.isfinite(values), unknown, bounds).reshape(levels, -1)

    middle = np.broadcast_to(centre_bound, (rows, outputs))
    if unknown is not None:
        middle = np.where(np.isnan(middle), unknown, middle)
    return _Entries(
        np.repeat(samples.step, outputs, axis=1),
        np.repeat(samples.skew, outputs, axis=1),
        samples.slanted,
        np.repeat(samples.available, outputs, axis=1),
        samples.plus.reshape(levels, -1),
        samples.minus.reshape(levels, -1),
        bounded(samples.plus, samples.plus_bound),
        bounded(samples.minus, samples.minus_bound),
        np.tile(centre, rows),
        middle.ravel(),
    )


def _central(entries: _Entries) -> tuple[FloatArray, FloatArray]:
    """Central quotients (L, E) and bounds of everything in them that is not truncation."""
    change = entries.plus - entries.minus
    quotient = change / (2 * entries.step)
    rounding = (entries.plus_bound + entries.minus_bound + 4 * UNIT_ROUNDOFF * np.abs(change)) / (
        2 * entries.step
    )
    bend = np.abs((entries.plus - entries.centre) + (entries.minus - entries.centre)) / entries.step
    wander = np.abs(np.diff(quotient, axis=0, prepend=np.nan))
    slope = np.abs(quotient)
    touched = bend + (slope if entries.slanted else np.where(np.isfinite(wander), wander, slope))
    return quotient, rounding + np.where(entries.skew > 0, entries.skew * touched, 0.0)


def _one_sided(entries: _Entries, ladder: Ladder, side: int) -> Settled:
    """The slope on one side (+1 or -1), from the same samples and the centre."""
    far, far_bound = (
        (entries.plus, entries.plus_bound) if side > 0 else (entries.minus, entries.minus_bound)
    )
    change = (far - entries.centre) * side
    quotient = change / entries.step
    bound = (far_bound + entries.centre_bound + 4 * UNIT_ROUNDOFF * np.abs(change)) / entries.step
    return settle(
        ladder.one_sided(), quotient, bound + 2 * entries.skew * np.abs(quotient), entries.available
    )


def _joined(left: Settled, right: Settled) -> tuple[FloatArray, FloatArray]:
    """Two sides that agree make one derivative between them; two that do not make none."""
    apart = np.abs(left.value - right.value)
    agree = apart <= 2 * (left.bar + right.bar)
    bar = np.where(agree, apart / 2 + np.maximum(left.bar, right.bar), np.inf)
    return (left.value + right.value) / 2, np.where(np.isfinite(bar), bar, np.inf)


def _drowned(entries: _Entries, best: Settled) -> BoolArray:
    """Entries (E,) whose function has no digits left: their quotients are quiet only because everything is noise.

    Against the largest sampled value always; against the typical one when the estimate is no larger than its bar.
    """
    size = np.fmax(np.abs(entries.plus), np.abs(entries.minus))
    size = np.where(np.isfinite(size), size, np.nan)
    centre = np.abs(entries.centre)
    largest = np.fmax(np.fmax.reduce(size, axis=0), centre)
    nothing = entries.centre_bound > _DIGITS * largest
    silent = ~(best.bar < np.abs(best.value))
    if silent.any():
        typical = np.zeros_like(centre)
        typical[silent] = np.nanmedian(
            np.where(np.isfinite(size[:, silent]), size[:, silent], 0.0), axis=0
        )
        nothing |= silent & (entries.centre_bound > _DIGITS * np.fmax(typical, centre))
    return nothing


def _bends(entries: _Entries, ladder: Ladder, bar: FloatArray) -> BoolArray:
    """Entries whose slope jumps at the point itself: a central ladder is blind to that, it sees the mean of both sides.

    The second difference over the step is odd in the step for a smooth function; what remains when the linear part is
    eliminated is the jump. It must stand out on two neighbouring levels.
    """
    bent = np.zeros(entries.plus.shape[1], dtype=bool)
    for rung in ladder.rungs:
        levels, step = ladder.levels[rung], entries.step[rung]
        over = (entries.plus[rung] - entries.centre) + (entries.minus[rung] - entries.centre)
        jump = over / step
        noise = (
            entries.plus_bound[rung] + entries.minus_bound[rung] + 2 * entries.centre_bound
        ) / step
        noise = noise + 2 * entries.skew[rung] * np.abs(
            (entries.plus[rung] - entries.minus[rung]) / step
        )
        ratio = (levels[:-1] / levels[1:])[:, None]
        rest = (ratio * jump[1:] - jump[:-1]) / (ratio - 1)
        doubt = (ratio * noise[1:] + noise[:-1]) / (ratio - 1)
        change = np.abs(np.diff(rest, axis=0))
        stands = np.abs(rest[1:]) > _KINK * (doubt[1:] + change)
        stands &= np.abs(rest[1:]) > 2 * np.where(np.isfinite(bar), bar, 0.0)
        bent |= (stands[1:] & stands[:-1]).any(axis=0)
    return bent


def _second_opinion(best: Settled, ladder: Ladder, quiet: _Entries, doubtful: BoolArray) -> Settled:
    """Where the noise depends on the spacing, believe neither reading of it: the bar covers the estimates under both.

    `quiet` are the entries with the lower noise.
    """
    if not doubtful.any():
        return best
    entries = quiet.at(doubtful)
    other = settle(ladder, *_central(entries), entries.available)
    value, bar = best.value.copy(), best.bar.copy()
    wider = np.maximum(bar[doubtful], np.abs(other.value - value[doubtful]) + other.bar)
    bar[doubtful] = np.where(np.isfinite(wider), wider, np.inf)
    return Settled(value, bar, best.rounding)


def _reasons(
    entries: _Entries,
    quotient: FloatArray,
    bound: FloatArray,
    best: Settled,
    wanted: FloatArray,
    tau: float,
) -> np.ndarray:
    """Why each bar (E,) is as wide as it is; OK where it is narrow enough."""
    size = np.maximum(np.abs(np.where(np.isfinite(best.value), best.value, 0.0)), wanted)
    broken = entries.available & ~np.isfinite(quotient)
    inside = entries.available & np.isfinite(quotient)
    overflow = (broken & (np.isinf(entries.plus) | np.isinf(entries.minus))).any(axis=0) | np.isinf(
        entries.centre
    )
    lost = ~np.isfinite(entries.centre) | (broken.any(axis=0) & (inside.sum(axis=0) < 6))
    typical = np.fmax(size, np.nanmin(np.where(inside, np.abs(quotient), np.inf), axis=0))
    quietest = np.nanmin(np.where(inside, bound, np.inf), axis=0)
    noisy = np.where(np.isfinite(best.bar), 2 * best.rounding >= best.bar, quietest > tau * typical)
    why = np.where(noisy, Reason.NOISE, Reason.ALIASING)
    why = np.where(
        lost & ~np.isfinite(best.bar), np.where(overflow, Reason.OVERFLOW, Reason.DOMAIN), why
    )
    return np.where(best.bar <= tau * size, Reason.OK, why)
