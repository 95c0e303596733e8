"""Extrapolate a ladder of difference quotients to step zero, with an error bar that has earned its width.

Pure array arithmetic over entries: no function is evaluated here. The rule is NUMERICS e5: Richardson's scheme (Ridders, Adv.
Eng. Softw. 4:75, 1982) with the rounding bound carried through the same combination, the truncation charged with the last
difference undivided, the expected contraction demanded, and every smaller step explained, raw and in the accepted column.
"""

from dataclasses import dataclass

import numpy as np

from gradproof_service.checking.stencil import UNIT_ROUNDOFF, BoolArray, FloatArray

_COLUMNS = 4
"""Extrapolations at most; a further column amplifies noise more than it removes truncation."""

_ARITHMETIC = 8 * UNIT_ROUNDOFF
"""Rounding of the scheme's own arithmetic, relative to the estimate."""

_BLOCK = 1 << 19
"""Elements of the largest temporary; entries are taken in blocks so that it stays in cache-sized memory."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """Which levels are extrapolated together: `levels` (L,) steps relative to the largest, `rungs` one slice for each ladder.

    `power` is 2 for central quotients (even error expansion) and 1 for one-sided ones. `cautious` charges the whole gain of the
    last column, for ladders too short to be checked against another. `below` smaller steps must exist and be explained.
    """

    levels: FloatArray
    rungs: tuple[slice, ...]
    cautious: bool
    power: int = 2
    below: int = 2

    def one_sided(self) -> "Ladder":
        """The same steps, for quotients whose error has all powers of the step."""
        return Ladder(self.levels, self.rungs, self.cautious, 1, self.below)


@dataclass(frozen=True, slots=True)
class Settled:
    """Per entry (E,): the estimate, its error bar (inf where no step was acceptable) and the rounding share of the bar."""

    value: FloatArray
    bar: FloatArray
    rounding: FloatArray


def _short() -> Ladder:
    levels = np.array(
        [
            odd * 2.0 ** (-8 * octave - shift)
            for octave in range(3)
            for odd, shift in ((1, 0), (5, 5), (3, 7))
        ]
    )
    return Ladder(levels, (slice(0, len(levels)),), cautious=True)


def _long(count: int) -> Ladder:
    halvings = np.exp2(-np.arange(count, dtype=np.float64))
    return Ladder(
        np.concatenate([halvings, 11 / 16 * halvings]),
        (slice(0, count), slice(count, 2 * count)),
        cautious=False,
    )


SHORT = _short()
"""Nine steps over seven decades, ratios 6 to 6.7 with odd factors, so that no dyadic period hides in all of them: 18 evaluations."""

LONG = _long(46)
"""Two ladders of 46 halvings, offset by 11/8 (NUMERICS uses 1.3717; five bits keep the steps exact): 184 evaluations."""


def settle(
    ladder: Ladder, quotient: FloatArray, bound: FloatArray, available: BoolArray
) -> Settled:
    """Estimate the limit of `quotient` (L, E) at step zero, given rounding bounds (L, E) and which levels (L, E) exist.

    A level that exists and is not finite refuses every larger step: it was not explained.
    """
    entries = quotient.shape[1]
    size = max(1, _BLOCK // len(ladder.levels) ** 2)
    cuts = [slice(start, start + size) for start in range(0, entries, size)]
    parts = [_settle_block(ladder, quotient[:, c], bound[:, c], available[:, c]) for c in cuts]
    if not parts:
        return Settled(*(np.zeros(0) for _ in range(3)))
    return Settled(
        *(
            np.concatenate(column)
            for column in zip(*((p.value, p.bar, p.rounding) for p in parts), strict=True)
        )
    )


def _settle_block(
    ladder: Ladder, quotient: FloatArray, bound: FloatArray, available: BoolArray
) -> Settled:
    """The best estimate of each ladder, and the bar that covers their disagreement."""
    with np.errstate(all="ignore"):
        best = [_best(ladder, rung, quotient, bound, available) for rung in ladder.rungs]
    order = np.argmin([b.bar for b in best], axis=0)
    value, bar, rounding = (
        np.choose(order, [getattr(b, name) for b in best]) for name in ("value", "bar", "rounding")
    )
    for other in best if len(best) > 1 else ():
        with np.errstate(invalid="ignore"):
            apart = np.abs(other.value - value)
        bar = np.where(np.isfinite(other.bar), np.maximum(bar, apart), np.inf)
    return Settled(value, bar, rounding)


def _best(
    ladder: Ladder, rung: slice, quotient: FloatArray, bound: FloatArray, available: BoolArray
) -> Settled:
    """The acceptable entry of one ladder's tableau with the smallest bar; its most extrapolated guess where none is."""
    levels = ladder.levels[rung]
    values, bounds, present = quotient[rung], bound[rung], available[rung]
    rank = levels[:, None] > ladder.levels
    enough = (rank[..., None] & available & np.isfinite(quotient)).sum(axis=1) >= ladder.below
    shrink = np.where(rank, (ladder.levels / levels[:, None]) ** ladder.power, 0.0)[..., None]
    own = np.arange(len(levels))[:, None] < np.arange(len(levels))
    raw, previous = values, np.full_like(values, np.nan)
    entries = values.shape[1]
    best = Settled(np.full(entries, np.nan), np.full(entries, np.inf), np.full(entries, np.inf))
    for column in range(_COLUMNS + 1):
        if column:
            ratio = _shifted(levels, column) ** ladder.power / levels**ladder.power
            gain = (1 / (ratio - 1))[:, None]
            previous, values = values, values + (values - _shifted(values, 1)) * gain
            bounds = bounds * (1 + gain) + _shifted(bounds, 1) * gain
        last, before = _shifted(values, 1), _shifted(values, 2)
        gap, wider = np.abs(values - last), np.abs(last - before)
        truncation = np.fmax(gap, np.abs(values - previous)) if ladder.cautious else gap
        bar = truncation + bounds + _ARITHMETIC * np.abs(values)
        candidate = (
            _contracts(ladder, levels, column, gap, wider, bounds) & enough & np.isfinite(bar)
        )
        slack = 2 * np.abs(raw - values)[:, None] * shrink
        explained = np.abs(quotient - values[:, None]) <= bar[:, None] + bound + slack
        candidate &= (explained | ~available | ~rank[..., None]).all(axis=1)
        same = np.abs(values - values[:, None]) <= bar[:, None] + bounds
        candidate &= (same | ~present | ~own[..., None]).all(axis=1)
        best = _better(best, Settled(values, np.where(candidate, bar, np.inf), bounds))
    return best


def _contracts(
    ladder: Ladder,
    levels: FloatArray,
    column: int,
    gap: FloatArray,
    wider: FloatArray,
    bounds: FloatArray,
) -> BoolArray:
    """Whether two neighbouring differences can stand in the ratio that the error expansion predicts, within a factor of two."""
    error = np.ones_like(levels)
    for back in range(column + 1):
        error = error * _shifted(levels, back) ** ladder.power
    last = _shifted(error, 1)
    expected = ((_shifted(error, 2) - last) / (last - error))[:, None]
    doubt, wider_doubt = bounds + _shifted(bounds, 1), _shifted(bounds, 1) + _shifted(bounds, 2)
    slow_enough = wider - wider_doubt <= 2 * expected * (gap + doubt)
    return slow_enough & (wider + wider_doubt >= 0.5 * expected * (gap - doubt))


def _better(best: Settled, tableau: Settled) -> Settled:
    """Fold one column (L, E) of candidates into the best so far."""
    row = np.argmin(tableau.bar, axis=0)
    which = np.arange(len(row))
    bar = tableau.bar[row, which]
    wins = bar < best.bar
    return Settled(
        np.where(wins, tableau.value[row, which], best.value),
        np.where(wins, bar, best.bar),
        np.where(wins, tableau.rounding[row, which], best.rounding),
    )


def _shifted(a: FloatArray, by: int) -> FloatArray:
    """The array moved down its first axis, NaN where nothing was."""
    if by == 0:
        return a
    out = np.full_like(a, np.nan)
    out[by:] = a[:-by]
    return out
