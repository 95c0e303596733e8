"""What several forms say of one case, in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gradproof._cli.numbers import plural
from gradproof._gate.result import Agreement, CaseResult, Drift, GateResult
from gradproof._gate.sentences import drift_sentence, numbers
from gradproof._gate.verdicts import MEANINGS

FINGERPRINT: Final = re.compile(r"F\d\d")
"""How the likely cause of a wrong claim begins."""
SHOWN_DRIFTS: Final = 5
"""Drifts of one case that are told; the others are counted."""


def headline(result: GateResult) -> str:
    """The run in a line: `30 cases: 28 PASS, 1 DRIFT, 1 FAIL`."""
    counts = ", ".join(f"{n} {verdict}" for verdict, n in result.counts.items())
    told = plural(len(result.cases), "case") + (f": {counts}" if counts else "")
    if proofs := [c.proof for c in result.cases if c.proof is not None]:
        told += f"; found {sum(p.killed for p in proofs)} of {sum(p.planted for p in proofs)} planted faults"
    if result.shard:
        told += f" (shard {result.shard} of {result.collected})"
    if result.stopped_early:
        told += f"; stopped at the first failure, {result.stopped_early} not run"
    return told


def work_told(result: GateResult) -> str:
    """How much was done for it: checks made, checks kept, entries and points."""
    made = sum(c.checks_run for c in result.cases)
    kept = sum(c.checks_cached for c in result.cases)
    entries = sum(c.entries_checked for c in result.cases)
    points = sum(c.points for c in result.cases)
    return (
        f"{plural(entries, 'entry', 'entries')} at {plural(points, 'point')}; {plural(made, 'check')} made,"
        f" {kept} unchanged; {result.seconds:.1f} s"
    )


def details(case: CaseResult) -> Iterator[str]:
    """The lines under a case that is not right: numbers, drifts, agreement then and now, causes, notes."""
    lost: set[tuple[str, str]] = set()
    for a in case.agreements:
        if a.verdict != "agrees" and a.entries and numbers(a) not in case.sentence:
            yield _agreement(a)
        elif a.lost:
            lost.add((a.subject, a.against))
            yield f"{a.title}: was {a.digits_then:.1f} digits, now {a.digits:.1f}"
    beyond = [d for d in case.drifts if d.beyond]
    for d in beyond[:SHOWN_DRIFTS]:
        if drift_sentence(d) not in case.sentence:
            yield drift_told(d, several=case.points > 1)
        elif _ulps(d):
            yield f"{d.quantity}: that is {_ulps(d)}"
    if (left := len(beyond) - SHOWN_DRIFTS) > 0:
        yield f"{left} more arrays moved"
    if beyond:
        yield from _digits(case, lost)
    yield from dict.fromkeys(_findings(case))
    if case.proof is not None:
        yield from (f"not found: {name}" for name in case.proof.survivors)
    yield from case.notes


def _findings(case: CaseResult) -> Iterator[str]:
    """The findings that count, and what to do; a cause that the sentence tells is not told again."""
    for t in case.findings:
        if t.fails:
            where = f"{t.place}: " if t.place else ""
            if (t.cause or t.message) not in case.sentence:
                yield f"{where}{t.code} {t.name}: {t.cause or t.message}"
            if t.mend:
                yield f"mend: {t.mend}"


def drift_told(d: Drift, *, several: bool) -> str:
    """One drift, with the units in the last place, and the point where there are several."""
    point = f"point {d.point}: " if several else ""
    return f"{point}{drift_sentence(d)}{', ' if _ulps(d) else ''}{_ulps(d)}"


def _ulps(d: Drift) -> str:
    return f"{d.ulps:.3g} ULP" if d.ulps not in (0.0, float("inf")) else ""


def _agreement(a: Agreement) -> str:
    at = f" at {list(a.worst_index)}" if a.worst_index else ""
    wrong = f", {a.entries_wrong} of {a.entries} entries" if a.entries_wrong else ""
    return (
        f"{a.title} {a.verdict}{wrong}{at}: {a.claimed:.10g} against {a.reference:.10g} ± {a.error_bar:.2g},"
        f" {a.digits:.1f} digits"
    )


def _digits(case: CaseResult, told: set[tuple[str, str]]) -> Iterator[str]:
    """The least agreement of each pair of sources that is not told yet, in the baseline and now."""
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    for a in case.agreements:
        if a.digits_then is not None and a.entries and (a.subject, a.against) not in told:
            then, now = pairs.get((a.subject, a.against), (17.0, 17.0))
            pairs[a.subject, a.against] = min(then, a.digits_then), min(now, a.digits)
    for (subject, against), (then, now) in pairs.items():
        yield f"{subject} against {against}: was {then:.1f} digits, now {now:.1f}"


def next_command(case: CaseResult) -> str:
    """What helps with a case, ready to be pasted; empty when nothing is left to do."""
    meaning = MEANINGS[case.verdict]
    if not meaning.exit_code:
        return ""
    match str(case.verdict):
        case "FAIL" if case.findings:
            told = case.findings[0]
            cause = FINGERPRINT.match(told.cause)
            return f"gradproof explain {cause[0] if cause else told.code}"
        case "NEW" | "DRIFT" | "GONE":
            return "gradproof gate review"
        case _:
            return ""
