"""Claims given as sparse matrices: every stored entry is compared, and every entry that is not stored is claimed to be zero."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.checking.claim_told import differs_unformed
from gradproof_service.checking.compare import ROW_FLOOR, compare
from gradproof_service.checking.groups import entry_index, known_of
from gradproof_service.checking.judge import Judge, pair_of
from gradproof_service.checking.report import Claim, Comparison, SparseValue, Verdict
from gradproof_service.checking.unformed import pushed

DIRECTIONS = 6
"""Dense directions along which a claim is held where the Jacobian's structure is not sparse."""


@dataclass(frozen=True, slots=True)
class Met:
    """Entries of the claim and of the reference's structure together: where, what is claimed, what it is, and its bar."""

    rows: Array
    columns: Array
    claimed: Array
    value: Array
    bar: Array


def fits(judge: Judge, claim: Claim, o: int, i: int, given: SparseValue) -> bool:
    """Whether the claim has the Jacobian's rows and columns and holds floats; refuses it otherwise."""
    scene = judge.scene
    wanted = (scene.size_out(o), scene.size_in(i))
    came = (prod(given.shape[: given.row_axes]), prod(given.shape[given.row_axes :]))
    if came != wanted:
        message = f"has {came[0]} rows and {came[1]} columns, expected {wanted[0]} and {wanted[1]}"
        judge.refuse(claim, o, i, "GP801", "claim-shape", message, "return a matrix of that shape")
        return False
    if given.values.dtype not in FLOATS:
        message = f"has dtype {given.values.dtype}, expected float64 or float32"
        judge.refuse(claim, o, i, "GP802", "claim-dtype", message, "return a float matrix")
        return False
    return True


def judge_sparse(
    judge: Judge, claim: Claim, o: int, i: int, given: SparseValue, rtol: float, slack: float, nothing: float
) -> None:  # fmt: skip
    """Compare a sparse claim about a Jacobian that is too large to be formed whole; `nothing` is a size too small to be held."""
    scene, options = judge.scene, judge.options
    eps = max(scene.eps, float(np.finfo(given.values.dtype).eps))
    met = _met(judge, o, i, given, eps)
    if met is None:
        judge.comparisons.append(_along(judge, claim, o, i, given, eps))
        return
    pair = pair_of(judge, claim, o, i)
    held = compare(
        pair, met.claimed, met.value, slack * met.bar,
        forgiven=rtol * np.abs(met.value) + (options.atol or 0.0) + nothing, scale=_floor(met, scene.size_out(o)),
        tau=options.tau, entries_total=len(met.value),
        reason="noise" if np.isfinite(met.value).all() else "overflow",
    ).comparison  # fmt: skip

    def told(at: tuple[int, ...]) -> tuple[int, ...]:
        return entry_index(scene, o, i, int(met.rows[at[0]]), int(met.columns[at[0]])) if at else ()

    said = replace(held, worst_index=told(held.worst_index), wrong=tuple(map(told, held.wrong)))
    judge.comparisons.append(said)
    if said.verdict is Verdict.DISAGREES:
        judge.findings.append(differs_unformed(judge, claim, o, i, said))


def _met(judge: Judge, o: int, i: int, given: SparseValue, eps: float) -> Met | None:
    """The entries that either side has; None where the reference's are not known one by one."""
    scene = judge.scene
    known = known_of(scene, i, eps if eps > 2.0**-52 else None)
    if known is None:
        return None
    start = sum(scene.size_out(p) for p in scene.outs[: scene.outs.index(o)])
    low, high = np.searchsorted(known.groups.rows, (start, start + scene.size_out(o)))
    width = scene.size_in(i)
    mine = (known.groups.rows[low:high] - start) * width + known.groups.columns[low:high]
    theirs = given.row_of * width + given.columns.astype(np.int64)
    place = np.union1d(mine, theirs)
    claimed, value, bar = (np.zeros(len(place)) for _ in range(3))
    claimed[np.searchsorted(place, theirs)] = given.values
    at = np.searchsorted(place, mine)
    value[at], bar[at] = known.value[low:high], known.bar[low:high]
    return Met(place // max(width, 1), place % max(width, 1), claimed, value, bar)


def _floor(met: Met, rows: int) -> Array:
    """For each entry the part of its row's largest below which it needs no relative accuracy of its own."""
    top = np.zeros(rows)
    np.maximum.at(top, met.rows, np.nan_to_num(np.abs(met.value), posinf=0.0))
    return ROW_FLOOR * top[met.rows]


def _along(
    judge: Judge, claim: Claim, o: int, i: int, given: SparseValue, eps: float
) -> Comparison:
    """The claim times dense directions against forward mode: wrong where that differs, else left open."""
    scene = judge.scene
    rng = np.random.default_rng((scene.rng_seed, o, i, 12))
    signs = rng.integers(0, 2, (DIRECTIONS, scene.size_in(i))) * 2.0 - 1.0
    value, bar = pushed(scene, o, i, signs, eps)
    claimed = np.zeros(value.shape)
    size = np.zeros(value.shape)
    for k, sign in enumerate(signs):
        terms = given.values * sign[given.columns]
        claimed[k] = np.bincount(given.row_of, terms, value.shape[1])
        size[k] = np.bincount(given.row_of, np.abs(terms), value.shape[1])
    held = compare(
        pair_of(judge, claim, o, i), claimed, value, bar + 2.0**-45 * size,
        forgiven=judge.options.atol or 0.0, tau=judge.options.tau, directions=DIRECTIONS,
        entries_total=scene.size_out(o) * scene.size_in(i), reason="budget",
    ).comparison  # fmt: skip
    if held.verdict is Verdict.DISAGREES:
        judge.findings.append(differs_unformed(judge, claim, o, i, held))
        return held
    return replace(
        held, verdict=Verdict.INCONCLUSIVE, reason="budget",
        detail=f"the Jacobian is not sparse and too large to be formed; the claim is right along {DIRECTIONS} directions",
    )  # fmt: skip
