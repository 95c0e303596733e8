"""Planted faults, checked and scored: was it found, in the right argument, at the right entries.

The truth comes from calling the correct claim and the wrong one; a fault whose largest effect is
below `MASKED` relative is masked at the point, counted apart and asked of no checker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gradproof_service.checking.report import Claim, Comparison, Kind, Report, Source, Verdict

from tests.suites.engine import run
from tests.suites.faults import Fault, results, seeds_of
from tests.suites.model import Subject
from tests.suites.truth import MASKED, SURE, Truth, truth


@dataclass(slots=True)
class Score:
    """What a checker made of one fault."""

    name: str
    fault: str
    masked: bool = False
    detected: bool = False
    argument: bool = False
    entries: bool = False
    cause: bool | None = None
    line: bool | None = None
    note: str = ""
    causes: tuple[str, ...] = field(default=())


def score_subject(subject: Subject, faults: Sequence[Fault]) -> tuple[Score, list[Score], Report]:
    """One check with the correct claim and every wrong one; scores of the correct and of the wrong."""
    right = results(subject, subject.claim)
    wrongs = [results(subject, f.claim) for f in faults]
    claims = [c for values in (right, *wrongs) for c in claims_of(subject, values)]
    report = run(subject.function, subject.at, claims)
    per = len(subject.inputs)
    judged = [c for c in report.comparisons if c.subject is Source.CLAIM]
    if len(judged) != len(claims):
        raise AssertionError(f"{subject.name}: {len(claims)} claims but {len(judged)} comparisons")
    own = Score(subject.name, "correct")
    verdicts = [c.verdict for c in judged[:per]]
    others = [c for c in report.comparisons if c.subject is not Source.CLAIM]
    own.detected = not any(v is Verdict.DISAGREES for v in verdicts)
    own.entries = all(v is Verdict.AGREES for v in verdicts) and all(
        c.verdict is Verdict.AGREES for c in others
    )
    if not own.entries:
        own.note = "; ".join(f"{c.input} {c.subject.name} {c.against.name} {c.verdict.name} {c.reason}"
                             for c in (*judged[:per], *others) if c.verdict is not Verdict.AGREES)  # fmt: skip
    scores = [
        score_fault(fault, right, wrong, judged[per * (k + 1) : per * (k + 2)])
        for k, (fault, wrong) in enumerate(zip(faults, wrongs, strict=True))
    ]
    return own, scores, report


def claims_of(subject: Subject, values: Sequence[Any]) -> list[Claim]:
    """One claim per float argument, as values."""
    seeds = seeds_of(subject) if subject.kind in ("vjp", "jvp", "hvp") else None
    kind = Kind[subject.kind.upper()]
    return [
        Claim(kind, input=name, value=np.asarray(value), seeds=seeds)
        for name, value in zip(subject.inputs, values, strict=True)
    ]


def score_fault(
    fault: Fault, right: Sequence[Any], wrong: Sequence[Any], judged: Sequence[Comparison]
) -> Score:
    """Hold what the checker said of each argument against what the fault really spoils."""
    seeded = fault.subject.kind in ("vjp", "jvp", "hvp")
    truths = [truth(r, w, seeded) for r, w in zip(right, wrong, strict=True)]
    score = Score(fault.name, fault.fault)
    if max(t.size for t in truths) < MASKED:
        score.masked = True
        return score
    said = [c.verdict is Verdict.DISAGREES for c in judged]
    score.detected = any(said)
    score.argument = all(
        s if t.size >= SURE else (not s or t.size >= MASKED)
        for s, t in zip(said, truths, strict=True)
    )
    score.entries = score.argument and all(
        right_entries(t, c)
        for t, c in zip(truths, judged, strict=True)
        if c.verdict is Verdict.DISAGREES
    )
    if not score.entries:
        score.note = "; ".join(
            f"{c.input}: {c.verdict.name} {c.reason} {c.entries_wrong}/{c.entries} worst {c.worst_index} "
            f"power {c.power:.1e}, truly {int((t.sure >= SURE).sum())} wrong, largest {t.size:.1e}"
            for t, c in zip(truths, judged, strict=True)
        )
    return score


def right_entries(t: Truth, c: Comparison) -> bool:
    """The number of wrong entries is the true one, and the worst named is truly wrong."""
    if not t.same_shape:
        return True
    fewest, most = int((t.sure >= SURE).sum()), int((t.own >= MASKED).sum())
    at = ((c.worst_seed - 1,) if c.worst_seed else ()) + c.worst_index
    return fewest <= c.entries_wrong <= most and bool(t.own[at] >= MASKED)
