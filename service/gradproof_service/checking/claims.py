"""What the caller believes, brought to the form of the reference and held against it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.checking.claim_form import (
    claimed_values,
    expected_shape,
    positions,
    seeds_of,
)
from gradproof_service.checking.claim_told import differs, differs_unformed, note_precision
from gradproof_service.checking.compare import KAPPA, ROW_FLOOR, Held, compare
from gradproof_service.checking.judge import Expected, Judge, pair_of
from gradproof_service.checking.kinks import at_kink
from gradproof_service.checking.prove import prove
from gradproof_service.checking.reference import Block
from gradproof_service.checking.report import Block as Given
from gradproof_service.checking.report import (
    Claim,
    Kind,
    SparseValue,
    Verdict,
)
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.single import single_faults
from gradproof_service.checking.sparse_claims import fits, judge_sparse
from gradproof_service.checking.structure import FREE, project
from gradproof_service.checking.unformed import SIGNS, form_rows, pulled, pushed, screen

RTOL = 5e-7
RTOL_COARSE = 1e-4
"""Relative error forgiven in a claim when the caller states none, in float64 and in float32: the
first between what a float32 temporary costs (6e-8) and the smallest mistake worth accusing (1e-6)."""
BLUR = 2.0**-23
"""By how many norms of its terms, times 1 + 2 (number of terms)^(1/4), a float32 temporary may move
what a rule returns: the sum itself may be far smaller than its terms."""
NOTHING = 2.0**-62
"""Part of |f| / |x| below which no formula in float64 can be held to a slope: what a saturated
unit loses is lost whichever way its derivative is written."""
SLACK = 3.0
"""A claim may round differently from the reference: its allowance is this many bars."""


def judge_claim(judge: Judge, claim: Claim, index: int) -> None:
    """Compare one claim with the reference; adds a comparison, and a finding when it is wrong."""
    o, i = positions(judge.scene, claim)
    if claim.sparse is not None:
        _judge_sparse(judge, claim, o, i, claim.sparse)
        return
    seeds = seeds_of(judge.scene, claim, o, i, index)
    claimed = claimed_values(judge, claim, index, seeds, o, i)
    if claimed is not None:
        judge_values(judge, claim, o, i, claimed, seeds)


def _judge_sparse(judge: Judge, claim: Claim, o: int, i: int, given: SparseValue) -> None:
    """A sparse claim: like a dense one where the Jacobian is formed, else entry by entry of its structure."""
    if not fits(judge, claim, o, i, given):
        return
    if (o, i) in judge.reference.blocks:
        whole = given.dense().reshape(expected_shape(judge.scene, claim, o, i, None))
        judge_values(judge, claim, o, i, whole, None)
        return
    usual = (
        RTOL_COARSE if max(judge.scene.eps, np.finfo(given.values.dtype).eps) > 2.0**-52 else RTOL
    )
    rtol = usual if judge.options.rtol is None else judge.options.rtol
    judge_sparse(judge, claim, o, i, given, rtol, SLACK, NOTHING * judge.scene.magnitude(o, i))


def judge_values(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, seeds: Array | None
) -> None:
    """Compare claimed values (for a rule: one row per seed) with the reference."""
    wanted = expected_shape(judge.scene, claim, o, i, seeds)
    if claimed.shape != wanted and not claimed.size == 1 == int(np.prod(wanted, dtype=object)):
        message = f"has shape {claimed.shape}, expected {wanted}"
        judge.refuse(claim, o, i, "GP801", "claim-shape", message, "return an array of that shape")
        return
    if claimed.dtype.kind in "iu":
        claimed = claimed.astype(np.float64)
    if claimed.dtype not in FLOATS:
        message = f"has dtype {claimed.dtype}, expected float64 or float32"
        judge.refuse(claim, o, i, "GP802", "claim-dtype", message, "return a float array")
        return
    eps = max(judge.scene.eps, float(np.finfo(claimed.dtype).eps))
    block = judge.block(o, i, eps)
    if block is None and seeds is None:
        _screened(judge, claim, o, i, claimed.reshape(wanted), eps)
        return
    expected = (
        _unformed(judge, claim, o, i, seeds, eps)
        if block is None
        else _expected(claim, block, seeds, eps)
    )
    if block is not None and (o, i) in judge.reference.settled:
        doubt = _expected(claim, Block(block.value, judge.reference.settled[o, i]), seeds, eps).bar
        expected = replace(expected, doubt=2 * SLACK * doubt)
    claimed = claimed.reshape(wanted)
    if judge.options.evidence and seeds is None:
        pair = pair_of(judge, claim, o, i)
        judge.claimed.append(Given(claim.kind, pair.output, pair.input, claimed, pair.second_input))
    if claim.kind is not Kind.JVP and judge.scene.graph.types[i].structure not in FREE:
        claimed, expected = _on_manifold(judge.scene, i, claimed, expected)
    if block is not None:
        expected = at_kink(judge, claim.kind, o, i, claimed, expected, seeds)
    _compare(judge, claim, o, i, claimed, expected, seeds, eps)


def _compare(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, expected: Expected,
    seeds: Array | None, eps: float,
) -> None:  # fmt: skip
    options, shape = judge.options, claimed.shape
    usual = RTOL_COARSE if eps > 2.0**-52 else RTOL
    rtol = usual if options.rtol is None else options.rtol
    nothing = (
        NOTHING * judge.scene.magnitude(o, i) if seeds is None else _nothing(judge, o, i, seeds)
    )
    forgiven = rtol * np.abs(expected.value)
    if options.rtol is None:
        forgiven = np.maximum(forgiven, expected.blur)
    forgiven = forgiven * ~_single(judge, claim, o, i, claimed, expected, seeds, rtol, eps)
    forgiven = forgiven + (options.atol or 0.0) + nothing
    pair = pair_of(judge, claim, o, i)

    floor = judge.scene.floor(o, i, expected.value, expected.bar)
    if seeds is not None:
        floor = np.maximum(floor, _usual(judge, o, i, seeds))

    def hold(given: Array) -> Held:
        return compare(
            pair, given, expected.value.reshape(shape), SLACK * expected.bar.reshape(shape),
            forgiven=forgiven.reshape(shape), doubt=np.reshape(np.broadcast_to(expected.doubt, expected.value.shape), shape),
            scale=floor.reshape(shape),
            tau=options.tau, directions=0 if seeds is None else len(seeds), seeded=seeds is not None,
            reason=expected.reason if np.isfinite(expected.value).all() else "overflow",
        )  # fmt: skip

    held = hold(claimed)
    comparison = held.comparison
    if comparison.reason == "noise" and rtol >= options.tau:
        comparison = replace(comparison, reason="tolerance")
    if expected.by_convention and comparison.verdict is Verdict.AGREES:
        comparison = replace(comparison, reason="convention")
    judge.comparisons.append(comparison)
    if comparison.verdict is Verdict.DISAGREES:
        judge.findings.append(differs(judge, claim, o, i, held, claimed, expected, seeds))
        return
    if options.prove:
        judge.proofs.append(prove(pair, claimed, options.tau, lambda given: hold(given).comparison))
    if comparison.verdict is Verdict.AGREES and options.rtol is None:
        note_precision(judge, claim, o, i, comparison, claimed, expected)


def _single(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, expected: Expected,
    seeds: Array | None, rtol: float, eps: float,
) -> Array:  # fmt: skip
    """Where a rule's results show one wrong entry of the Jacobian, (S, n); nothing is forgiven there."""
    block = None if seeds is None else judge.block(o, i, eps)
    if seeds is None or block is None or judge.scene.graph.types[i].structure not in FREE:
        return np.zeros(expected.value.shape, dtype=bool)
    turned = (block.value, block.bar) if claim.kind is Kind.VJP else (block.value.T, block.bar.T)
    with np.errstate(all="ignore"):
        error = claimed.astype(np.float64).reshape(expected.value.shape) - expected.value
        flat = seeds.reshape(len(seeds), -1).astype(np.float64)
        found = single_faults(
            error, expected.value, KAPPA * SLACK * expected.bar, flat, *turned, rtol
        )
    return np.broadcast_to(found, expected.value.shape)


def _unformed(
    judge: Judge, claim: Claim, o: int, i: int, seeds: Array | None, eps: float
) -> Expected:
    """What the rule must make of its seeds, by a mode of our own along them."""
    assert seeds is not None
    flat = seeds.reshape(len(seeds), -1).astype(np.float64)
    along = pulled if claim.kind is Kind.VJP else pushed
    return Expected(*along(judge.scene, o, i, flat, eps))


def _screened(judge: Judge, claim: Claim, o: int, i: int, claimed: Array, eps: float) -> None:
    """A claimed matrix by a screen of all its rows, and entry by entry in the rows that matter."""
    scene, options = judge.scene, judge.options
    matrix = claimed.astype(np.float64).reshape(scene.size_out(o), scene.size_in(i))
    seen = screen(scene, o, i, matrix, eps)
    value, bar = form_rows(scene, o, i, seen.rows, eps)
    usual = RTOL_COARSE if eps > 2.0**-52 else RTOL
    rtol = usual if options.rtol is None else options.rtol
    forgiven = rtol * np.abs(value) + (options.atol or 0.0) + NOTHING * scene.magnitude(o, i)
    pair = pair_of(judge, claim, o, i)
    held = compare(
        pair, matrix[seen.rows], value, SLACK * bar, forgiven=forgiven,
        scale=scene.floor(o, i, value, bar), tau=options.tau, entries_total=matrix.size,
    )  # fmt: skip
    hidden = seen.power(matrix)
    said = replace(
        held.comparison, directions=SIGNS, power=max(held.comparison.power, hidden),
        worst_index=_unrolled(judge, o, i, seen.rows, held.comparison.worst_index),
        wrong=tuple(_unrolled(judge, o, i, seen.rows, at) for at in held.comparison.wrong),
    )  # fmt: skip
    if said.verdict is Verdict.AGREES and hidden > options.tau:
        said = replace(
            said, verdict=Verdict.INCONCLUSIVE, reason="budget", entries_unclear=matrix.size - said.entries,
            detail=f"the Jacobian is too large to be formed; its rows differ along {SIGNS} directions by more than "
            f"rounding, and the {len(seen.rows)} rows that were formed are right",
        )  # fmt: skip
    judge.comparisons.append(said)
    if said.verdict is Verdict.DISAGREES:
        judge.findings.append(differs_unformed(judge, claim, o, i, said))


def _unrolled(judge: Judge, o: int, i: int, rows: Array, at: tuple[int, ...]) -> tuple[int, ...]:
    """An entry of some rows as an entry of the whole derivative."""
    scene = judge.scene
    flat = int(rows[at[0]]) * scene.size_in(i) + at[1]
    return tuple(int(k) for k in np.unravel_index(flat, scene.block_shape(o, i)))


def _usual(judge: Judge, o: int, i: int, seeds: Array) -> Array:
    """For each seed (seeds, 1) the size below which what it gives needs no relative accuracy.

    A sparse seed may meet zeros only, where there is nothing that an error could be relative to.
    """
    block = judge.reference.blocks.get((o, i))
    finite = np.zeros(0) if block is None else block.value[np.isfinite(block.value)]
    top = float(np.abs(finite).max(initial=0.0))
    size = np.sqrt(np.square(seeds.reshape(len(seeds), -1)).sum(axis=1, keepdims=True))
    return ROW_FLOOR * top * size


def _nothing(judge: Judge, o: int, i: int, seeds: Array) -> Array:
    """The same for a rule: each seed weighs by its size, (seeds, 1)."""
    size = np.abs(seeds.reshape(len(seeds), -1)).sum(axis=1, keepdims=True)
    return NOTHING * judge.scene.magnitude(o, i) * size


def _expected(claim: Claim, block: Block, seeds: Array | None, eps: float) -> Expected:
    if seeds is None:
        return Expected(block.value, block.bar)
    flat = seeds.reshape(len(seeds), -1).astype(np.float64)
    vjp = claim.kind is Kind.VJP
    value, bar = (block.value, block.bar) if vjp else (block.value.T, block.bar.T)
    with np.errstate(all="ignore"):
        rounding = eps * (np.abs(flat) @ np.abs(value))
        terms = 1 + 2 * np.count_nonzero(flat, axis=1, keepdims=True) ** 0.25
        blur = BLUR * terms * np.sqrt(np.square(flat) @ np.square(value))
        return Expected(flat @ value, np.abs(flat) @ bar + rounding, blur=blur)


def _on_manifold(
    scene: Scene, i: int, claimed: Array, expected: Expected
) -> tuple[Array, Expected]:
    """Both sides projected onto the tangent space of a structured input."""
    structure, x = scene.graph.types[i].structure, scene.inputs[i]
    rows = claimed.astype(np.float64).reshape(expected.value.shape)
    value = project(structure, x, expected.value)
    bar = expected.bar + project(structure, np.abs(x), expected.bar) + 2.0**-51 * np.abs(value)
    return project(structure, x, rows).reshape(claimed.shape), replace(
        expected, value=value, bar=np.abs(bar)
    )
