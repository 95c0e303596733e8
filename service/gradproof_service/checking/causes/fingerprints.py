"""Forms in which a wrong derivative differs from the right one, each with its likely cause.

Only what stands above the noise floor is read, and what does not fit any form is left unnamed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.elsewhere import (
    kink_side,
    missing_factor,
    one_branch,
    wrong_point,
)
from gradproof_service.checking.causes.layout import (
    confined,
    missing_slice,
    permuted,
    symmetric,
    wrong_axis,
)
from gradproof_service.checking.causes.mismatch import Fingerprint, Match, Mismatch, plural
from gradproof_service.checking.causes.sphere import ambient


def constant_factor(m: Mismatch) -> Iterable[Match]:
    """claimed = c * reference."""
    r, g = m.reference, m.claimed
    size = float(np.vdot(r, r))
    if not size:
        return
    c = float(np.vdot(r, g)) / size
    entries = int(m.significant(r).sum())
    named = sizes_of(m.scene.graph).name(c, rel=max(1e-7, _doubt(m)))
    if named is not None and named.value == 0:
        return
    if named is None:
        if entries >= 4 and abs(c) > 1e-12:
            text = f"claimed = {c:.6g} x true in all {plural(entries, 'entry')}: one constant factor too many or missing"
            yield from m.matched("F01", text, c * r, least=0.999)
        return
    story = f"; {named.story}" if named.story else ""
    everywhere = f" in all {plural(entries, 'entry')}" if entries > 1 else ""
    text = f"claimed = {named.text} x true{everywhere}{story}"
    yield from m.matched("F01", text, named.value * r, least=0.999 if entries < 3 else 0.95)


def _doubt(m: Mismatch) -> float:
    """Relative doubt of a factor between the two sides."""
    size = float(np.linalg.norm(m.reference))
    return float(np.linalg.norm(m.bar)) / size if size else 0.0


def block_factor(m: Mismatch) -> Iterable[Match]:
    """The ratio is a whole number that changes from block to block."""
    seen = m.significant(m.reference) & m.significant(m.claimed)
    if seen.sum() < 4 or not (m.wrong <= seen).all():
        return
    for over, under, text in (
        (m.reference, m.claimed, "true / claimed"),
        (m.claimed, m.reference, "claimed / true"),
    ):
        ratio = over[seen] / under[seen]
        whole = np.round(ratio)
        near = (np.abs(ratio - whole) <= 1e-6 * np.abs(ratio)) & (whole > 0) & (whole < 1000)
        kinds, counts = np.unique(whole[near], return_counts=True)
        if not near.all() or not 2 <= len(kinds) <= max(2, seen.sum() // 2) or (counts < 2).all():
            continue
        table = np.ones(m.claimed.shape)
        table[seen] = whole
        said = ", ".join(
            f"{k:g} in {plural(int(n), 'entry')}"
            for k, n in zip(kinds[:5], counts[:5], strict=True)
        )
        story = (
            "overwritten instead of accumulated over its uses"
            if over is m.reference
            else "accumulated too often"
        )
        prediction = m.reference / table if over is m.reference else m.reference * table
        yield from m.matched(
            "F02", f"{text} is a whole number by blocks, {said}: {story}", prediction
        )


def lost_digits(m: Mismatch) -> Iterable[Match]:
    """Every entry is nearly right: float32 inside, or a difference quotient."""
    seen = m.significant(m.reference)
    count = int(seen.sum())
    if count < 2:
        return
    with np.errstate(all="ignore"):
        relative = np.abs(m.gap[seen] / m.reference[seen])
    top, typical = float(relative.max()), float(np.median(relative))
    spread = np.unique(np.sign(m.gap[m.wrong])).size > 1 or np.ptp(relative) > 1e-3 * top
    if (
        not 0 < top < 1e-5
        or (relative > 1e-3 * typical).mean() < 0.8
        or typical < 1e-3 * top
        or not spread
    ):
        return
    inside = "float32 temporaries" if top < 2e-6 else "a difference quotient or low precision"
    text = f"right to {-np.log10(top):.1f} digits in all {plural(count, 'entry')} and no more: {inside}"
    yield Match("F12", text, 1.0, True)


def zero_or_nan(m: Mismatch) -> Iterable[Match]:
    """Nothing but zeros, or something not finite, where the derivative is finite."""
    bad = ~np.isfinite(m.claimed)
    if bad.any():
        kind = "NaN" if np.isnan(m.claimed[bad]).any() else "infinite"
        text = f"{kind} in {int(bad.sum())} of {plural(bad.size, 'entry')} where the derivative is finite: 0 * inf or 0 / 0 in its code"
        right = not m.wrong[~bad].any()
        yield Match("F14", text, 1.0 if right else 0.9, right)
    elif not m.claimed.any() and m.significant(m.reference).any():
        name = m.input_name
        text = f"claimed is exactly 0 everywhere, true reaches {np.abs(m.reference).max():.4g}: {name} is cut off from the output"
        yield Match("F14", text, 1.0, True)


FINGERPRINTS: Final[tuple[Fingerprint, ...]] = (
    Fingerprint("F14", "zero-or-nan", "exactly zero or not finite where the derivative is finite", zero_or_nan, True),
    Fingerprint("F12", "lost-digits", "few digits everywhere: a method's precision, not a wrong formula", lost_digits, True),
    Fingerprint("F08", "kink-side", "the slope of one side of a kink, or a value between the sides", kink_side),
    Fingerprint("F01", "constant-factor", "one constant factor in every entry: a sign, a unit, a count", constant_factor, True),
    Fingerprint("F07", "symmetric-convention", "off-diagonal entries counted once or twice, or one triangle only", symmetric),
    Fingerprint("F03", "permuted", "the right numbers in the wrong places: a transpose, a reshape, an index order", permuted, True),
    Fingerprint("F13", "one-branch", "right on one side of a sign or branch only", one_branch),
    Fingerprint("F02", "block-factor", "whole-number ratios by blocks: overwritten where it should add up", block_factor, True),
    Fingerprint("F04", "missing-slice", "zero in some rows or columns, right elsewhere", missing_slice, True),
    Fingerprint("F09", "wrong-axis", "summed or averaged along the wrong axis, or not summed over a broadcast one", wrong_axis, True),
    Fingerprint("F11", "missing-factor", "off by the value of one node entry by entry: a chain factor missing", missing_factor),
    Fingerprint("F10", "wrong-point", "the derivative at another point, of another output, or by another input", wrong_point),
    Fingerprint("F18", "along-itself", "off only along the input itself: projected onto its sphere, or not", ambient),
    Fingerprint("F15", "confined", "wrong in few entries and right in all others", confined, True),
)  # fmt: skip
"""In the order in which they are believed when several explain the same; lost digits last of all."""

PLACES: Final[tuple[tuple[str, str, str], ...]] = (
    (
        "F05",
        "missing-path",
        "the contribution of one use of a value is missing or counted too often",
    ),
    (
        "F06",
        "spurious-term",
        "a simple combination of the gradients of subexpressions too much or too little",
    ),
    ("F16", "unknown-rule", "a mistake behind one value that is none of the usual ones"),
)
"""What only a search through the graph can tell."""


def fingerprints(m: Mismatch) -> Iterator[Match]:
    """Every fingerprint that fits the difference, in the order of `FINGERPRINTS`."""
    nan = not np.isfinite(m.claimed).all()
    sharp = nan or m.sharp
    few = m.claimed.size >= 1000 and m.wrong.mean() < 0.05
    for fingerprint in FINGERPRINTS:
        if few and fingerprint.code in _EVERYWHERE:
            continue
        if (nan and fingerprint.code != "F14") or (
            m.tangents is not None and not fingerprint.shapeless
        ):
            continue
        if not sharp and fingerprint.code not in ("F12", "F15"):
            continue
        m.scene.tick()
        with np.errstate(all="ignore"):
            yield from fingerprint.test(m)


_EVERYWHERE: Final = ("F01", "F03", "F09", "F10", "F12")
"""Forms that touch most entries: not tried on a large array that is right almost everywhere."""
