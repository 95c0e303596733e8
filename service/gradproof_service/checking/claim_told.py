"""What is told of a claim that is wrong, too large, or right with digits lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import Held
from gradproof_service.checking.judge import Expected, Judge, pair_of
from gradproof_service.checking.places import pattern
from gradproof_service.checking.report import (
    Claim,
    Comparison,
    Kind,
)
from gradproof_service.diagnostic import Finding, Severity

if TYPE_CHECKING:
    from gradproof_service.checking.causes import Cause

WHOLE = 0.995
"""What explains this much of a difference needs no runners-up beside it."""


def differs_unformed(judge: Judge, claim: Claim, o: int, i: int, c: Comparison) -> Finding:
    """The finding about a wrong claim of which only some rows were formed: numbers, but no cause."""
    pair = pair_of(judge, claim, o, i)
    formed = f"the {c.entries} entries that were formed of {c.entries_total}"
    if c.entries == c.entries_total:
        formed = f"{c.entries} entries, all others being zero,"
    return Finding(
        "GP800", "derivative-differs", Severity.ERROR,
        f"the claimed {claim.kind.name.lower()} of {pair.output} by {pair.input} is wrong: "
        f"{c.entries_wrong} of {formed} differ; "
        f"worst at {list(c.worst_index)}: claimed {c.claimed:.10g}, reference {c.reference:.10g}, "
        f"allowed error {c.error_bar:.2g}",
        input=pair.input, output=pair.output, location=claim.location, elements=c.wrong,
        element_count=c.entries_wrong,
        numbers=(("claimed", c.claimed), ("reference", c.reference), ("error_bar", c.error_bar)),
        mend="correct the derivative of that argument",
    )  # fmt: skip


def differs(
    judge: Judge, claim: Claim, o: int, i: int, held: Held, claimed: Array, expected: Expected,
    seeds: Array | None,
) -> Finding:  # fmt: skip
    """The finding about a wrong claim: numbers, the entry furthest off, the cause and its place."""
    pair, c = pair_of(judge, claim, o, i), held.comparison
    kind = claim.kind.name.lower()
    where = f" at {list(c.worst_index)}" if c.worst_index else ""
    where += f" for seed {c.worst_seed}" if c.worst_seed else ""
    wrong = f"{c.entries_wrong} of {c.entries} entries differ" if c.entries > 1 else "it differs"
    shared = pattern(held.wrong)
    wrong += f" ({shared})" if shared else ""
    numbers = [("claimed", c.claimed), ("reference", c.reference), ("error_bar", c.error_bar)]
    if c.worst_seed:
        numbers.append(("seed", float(c.worst_seed)))
    cause = _cause(judge, claim, o, i, claimed, expected, seeds)
    places = () if cause is None else (*cause.culprit, *cause.locations)
    return Finding(
        "GP800", "derivative-differs", Severity.ERROR,
        f"the claimed {kind} of {pair.output} by {pair.input} is wrong: {wrong} "
        f"from the reference; worst{where}: claimed {c.claimed:.10g}, "
        f"reference {c.reference:.10g}, allowed error {c.error_bar:.2g}",
        input=pair.input, output=pair.output,
        location=cause.culprit[0] if cause is not None and cause.culprit else claim.location,
        elements=tuple(at for at in c.wrong if at),
        element_count=int(np.count_nonzero(held.wrong)) if c.worst_index else 0, numbers=tuple(numbers),
        cause="" if cause is None else _told(cause),
        mend="correct the derivative of that argument", related=tuple(dict.fromkeys(places)),
    )  # fmt: skip


def _cause(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, expected: Expected,
    seeds: Array | None,
) -> Cause | None:  # fmt: skip
    """Why the claim differs, with the line of a claim that was recorded, when numbers name it."""
    # only what is wrong pays for it
    from gradproof_service.checking.causes import find_cause
    from gradproof_service.checking.causes.recorded import recorded

    scene = judge.scene
    shape = expected.value.shape
    flat = None if seeds is None else seeds.reshape(len(seeds), -1).astype(np.float64)
    index = claim.traced if claim.traced >= 0 else claim.function
    graph, inputs = recorded(judge.program, index, scene, claim.kind, o, i, seeds)
    return find_cause(
        scene, o, i, claimed.reshape(shape), expected.value,
        np.broadcast_to(expected.bar, shape), graph, inputs,
        seeds=flat if claim.kind is Kind.VJP else None,
        tangents=flat if claim.kind in (Kind.JVP, Kind.HVP) else None,
        result_index=claim.result_index,
    )  # fmt: skip


def _told(cause: Cause) -> str:
    """The cause as one line; its runners-up only where it leaves something unexplained."""
    said = f"{cause.code} {cause.name}: {cause.text}"
    if cause.culprit_text and cause.culprit_text != cause.text:
        said += f"; {cause.culprit_text}"
    if cause.explained > WHOLE:
        return said
    others = "".join(f"; or {code}: {text}" for code, text, _ in cause.alternatives)
    return f"{said} ({cause.explained:.0%} explained){others}"


def note_precision(
    judge: Judge, claim: Claim, o: int, i: int, c: Comparison, claimed: Array, expected: Expected
) -> None:
    """A claim that is right but has lost digits that rounding alone does not explain."""
    reference = expected.value.reshape(claimed.shape)
    with np.errstate(all="ignore"):
        explained = 64 * expected.bar.reshape(claimed.shape) + 2.0**-48 * np.abs(reference)
        lost = np.abs(claimed - reference) > explained
    if judge.scene.coarse or claimed.dtype != np.float64 or not lost.any():
        return
    pair = pair_of(judge, claim, o, i)
    judge.findings.append(
        Finding(
            "GP805", "digits-lost", Severity.WARNING,
            f"the claimed {claim.kind.name.lower()} of {pair.output} by {pair.input} is right to "
            f"{c.digits:.1f} digits where float64 gives more; a float32 temporary or a cancellation "
            "loses the rest",
            input=pair.input, output=pair.output, location=claim.location,
            numbers=(("digits", c.digits), ("entries", float(lost.sum()))),
            mend="keep every temporary in float64",
        )
    )  # fmt: skip
