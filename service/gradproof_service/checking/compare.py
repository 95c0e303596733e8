"""Holding two derivatives against each other, entry by entry, with what each may be wrong by.

An entry is wrong when the difference exceeds the error bars and what the caller forgives. It is
unclear when those are so wide that a relative error of `tau` would pass unseen. One wrong entry
makes the pair disagree, one unclear entry makes it inconclusive; only otherwise does it agree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.places import named
from gradproof_service.checking.report import Comparison, Kind, Source, Verdict

KAPPA = 2.0
"""Bars are doubled before anyone is accused."""
ROW_FLOOR = 1e-3
ROW_TYPICAL = 0.3
"""Entries below this part of their row's largest, or of its root mean square, need no relative
accuracy of their own: the power to see an error in them is measured against that part."""
UNDERFLOW = 1e-290
"""Below this (the smallest normal number over the unit roundoff) products lose their digits."""
FAR_ABOVE = 2.0**60
"""Beside a number so many times larger, another adds nothing to it."""
MOST_DIGITS = 15.95
"""Digits of float64: an exact match says no more."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What is compared: names, kind, and the two sources."""

    output: str
    input: str
    kind: Kind
    subject: Source
    against: Source
    second_input: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """A comparison with its entries, all of the compared shape: which are wrong, and the power in each."""

    comparison: Comparison
    wrong: Array
    power: Array


def compare(
    pair: Pair,
    subject: Array,
    reference: Array,
    bar: Array,
    *,
    forgiven: Array | float = 0.0,
    doubt: Array | float = 0.0,
    scale: Array | float = 0.0,
    size: Array | None = None,
    tau: float,
    shape: tuple[int, ...] | None = None,
    seeded: bool = False,
    entries_total: int | None = None,
    directions: int = 0,
    reason: str | Callable[[], str] = "noise",
) -> Held:
    """Compare arrays of one shape; `bar` is the sum of both sides' error bars, not yet doubled.

    An error beyond all that but within `doubt` leaves its entry unclear instead of wrong.
    `shape` is the shape in which the worst entry's index is told (None: that of the arrays; along
    `directions` there is none); `seeded` says that the first axis counts seeds and is no part of an
    entry's index. `scale` is the size below which an entry needs no relative accuracy (see
    `row_scale`); `size` is what power is relative to where that is not the entry itself: for a slope
    along a direction the size of one entry in it, so that the power is that of one entry wrong. The
    reference must be finite where a verdict is wanted: entries where it is not are unclear. `reason` is
    why a verdict stays open, asked for only where it does.
    """
    subject = np.asarray(subject, dtype=np.float64)
    reference = np.asarray(reference, dtype=np.float64)
    own = subject.shape if shape is None else shape
    slanted = directions > 0 and not seeded
    with np.errstate(all="ignore"):
        allowed = KAPPA * bar
        if isinstance(forgiven, np.ndarray) or forgiven:
            allowed = allowed + forgiven
        if not allowed.min(initial=np.inf) > FAR_ABOVE * UNDERFLOW:
            allowed = (
                allowed + np.where(allowed > 0, UNDERFLOW, 0.0) + UNDERFLOW * (subject != reference)
            )
        error = np.abs(subject - reference)
        seen = allowed + bar  # an error must exceed the bars and not be hidden by them
        expected = np.maximum(np.abs(reference), scale)
        if size is None:
            size = np.maximum(expected, np.abs(subject))
        read = _all_well(allowed, error, seen, size, expected, tau) or _read(
            subject, reference, allowed, error, seen, size, expected, tau, doubt
        )
    verdict, wrong, at = read.verdict, read.wrong, read.worst
    entries = int(subject.size)
    told = _index_in(own, at, subject.shape) if entries and not slanted else ()
    marked = wrong.reshape(own)
    if seeded:
        marked = np.asarray(marked.any(axis=0))
    comparison = Comparison(
        output=pair.output, input=pair.input, second_input=pair.second_input, kind=pair.kind,
        subject=pair.subject, against=pair.against, verdict=verdict,
        reason="" if verdict is not Verdict.INCONCLUSIVE else reason() if callable(reason) else reason,
        entries=entries, entries_total=entries if entries_total is None else entries_total,
        entries_wrong=read.entries_wrong, entries_unclear=read.entries_unclear,
        directions=directions, digits=digits_of(read.relative),
        worst_index=told[1:] if seeded else told,
        claimed=float(subject[at]) if entries else 0.0,
        reference=float(reference[at]) if entries else 0.0,
        error_bar=float(allowed[at]) if entries else 0.0,
        max_abs_error=read.error,
        max_rel_error=read.relative,
        power=read.blindest,
        worst_seed=told[0] + 1 if seeded and told else 0,
        wrong=named(marked, told[1:] if seeded else told) if read.entries_wrong and not slanted else (),
    )  # fmt: skip
    return Held(comparison, marked, read.power)


@dataclass(frozen=True, slots=True)
class _Read:
    """What the entries show: which are wrong, the power in each, the worst of them, and the largest errors."""

    verdict: Verdict
    wrong: Array
    power: Array
    blindest: float
    worst: tuple[int, ...]
    entries_wrong: int
    entries_unclear: int
    error: float
    relative: float


def _all_well(
    allowed: Array, error: Array, seen: Array, size: Array, expected: Array, tau: float
) -> _Read | None:
    """`_read` where every entry is a number, within its bars and clear: in half the steps. None elsewhere."""
    if not (error.size and (error <= allowed).all() and expected.min() > 0 and size.min() > 0):
        return None
    blind = seen / size
    blindest = float(blind.max())
    top = float((error / expected).max())
    if not (blindest <= tau and top < np.inf):
        return None
    excess = error / (allowed if allowed.min() > 0 else np.where(allowed > 0, allowed, 1.0))
    worst = np.unravel_index(int(np.argmax(excess)), error.shape)
    return _Read(
        Verdict.AGREES, np.zeros(error.shape, dtype=bool), blind, blindest,
        tuple(int(k) for k in worst), 0, 0, float(error.max()), top,
    )  # fmt: skip


def _read(
    subject: Array, reference: Array, allowed: Array, error: Array, seen: Array, size: Array,
    expected: Array, tau: float, doubt: Array | float,
) -> _Read:  # fmt: skip
    """`expected` is the size of the reference, or what is taken for it where that is too small."""
    known = np.isfinite(reference) & np.isfinite(allowed)
    same = (error <= allowed) | (subject == reference)
    doubtful = ~same & (error <= allowed + doubt)
    wrong = known & ~same & ~doubtful
    blind = np.where(size > 0, seen / size, np.where(seen > 0, np.inf, 0.0))
    unclear = ~known | doubtful | (~wrong & (blind > tau))
    relative = np.where(error > 0, error / expected, 0.0)
    excess = np.where(known, np.where(error > 0, error / allowed, 0.0), -1.0)
    excess = np.where(
        wrong & ~np.isfinite(subject), np.inf, np.nan_to_num(excess, nan=np.inf, posinf=1e300)
    )
    verdict = _verdict(wrong, unclear)
    worst = _worst(wrong, unclear, excess, blind, verdict)
    top = float(relative[known & np.isfinite(relative)].max(initial=0.0))
    if wrong.any() and not np.isfinite(subject[wrong]).all():
        top = float("inf")
    power = np.where(known, blind, np.inf)
    return _Read(
        verdict, wrong, power, float(power.max(initial=0.0)), tuple(int(k) for k in worst),
        int(wrong.sum()), int(unclear.sum()),
        float(error[known].max(initial=0.0)) if known.any() else 0.0, top,
    )  # fmt: skip


def row_scale(jacobian: Array) -> Array:
    """For each entry of a Jacobian (m, n) the floor that its row sets, see `ROW_FLOOR`."""
    if not jacobian.size:
        return np.zeros(jacobian.shape)
    size = np.abs(jacobian)
    top = size.max(axis=1, keepdims=True)
    if not np.isfinite(top).all():
        size = np.where(np.isfinite(size), size, 0.0)
        top = size.max(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        part = size / np.where(top > 0, top, 1.0)
    part *= part
    typical = ROW_TYPICAL * top * np.sqrt(np.mean(part, axis=1, keepdims=True))
    return np.broadcast_to(np.maximum(ROW_FLOOR * top, typical), jacobian.shape)


def digits_of(relative_error: float) -> float:
    """Decimal digits that a relative error leaves right, 0 to `MOST_DIGITS`."""
    if relative_error == 0:
        return MOST_DIGITS
    if not np.isfinite(relative_error):
        return 0.0
    return float(np.clip(-np.log10(relative_error), 0.0, MOST_DIGITS))


def overall(comparisons: tuple[Comparison, ...]) -> Verdict:
    """One verdict of many: any disagreement, else any doubt, else agreement."""
    found = {c.verdict for c in comparisons}
    if Verdict.DISAGREES in found:
        return Verdict.DISAGREES
    if Verdict.INCONCLUSIVE in found or not found:
        return Verdict.INCONCLUSIVE
    return Verdict.AGREES


def _index_in(shape: tuple[int, ...], at: tuple[int, ...], own: tuple[int, ...]) -> tuple[int, ...]:
    flat = int(np.ravel_multi_index(at, own)) if at else 0
    return tuple(int(k) for k in np.unravel_index(flat, shape)) if shape else ()


def _verdict(wrong: Array, unclear: Array) -> Verdict:
    if wrong.any():
        return Verdict.DISAGREES
    return Verdict.INCONCLUSIVE if unclear.any() else Verdict.AGREES


def _worst(
    wrong: Array, unclear: Array, excess: Array, blind: Array, verdict: Verdict
) -> tuple[np.intp, ...]:
    if not excess.size:
        return ()
    if verdict is Verdict.INCONCLUSIVE:
        blind = np.where(unclear, np.nan_to_num(blind, nan=np.inf, posinf=1e300), -1.0)
        return np.unravel_index(int(np.argmax(blind)), blind.shape)
    shown = np.where(wrong, excess, -1.0) if verdict is Verdict.DISAGREES else excess
    return np.unravel_index(int(np.argmax(shown)), shown.shape)
