"""Assertions for test suites: a wrong derivative fails the test with its cause, an unclear one says why."""

from __future__ import annotations

from typing import Any

from gradproof._report import Report
from gradproof._subject import Source

__all__ = ["assert_derivatives", "explain"]


def assert_derivatives(
    f: Source, *, at: Any, claim: Any = None, allow_inconclusive: bool = False, **options: Any
) -> Report:
    """Check f and raise `AssertionError` unless the verdict is `agrees`; returns the report.

    `options` are those of `gradproof.check`. With `allow_inconclusive` only `disagrees` fails.
    """
    from gradproof._api import check

    report = check(f, at=at, claim=claim, **options)
    if report.verdict == "disagrees" or (
        report.verdict == "inconclusive" and not allow_inconclusive
    ):
        raise AssertionError(explain(report))
    return report


def explain(report: Report) -> str:
    """The report as a short text: the comparisons that do not agree, then the findings."""
    lines = [f"{report.name}: {report.verdict}"]
    for c in report.comparisons:
        if c.verdict == "agrees":
            continue
        at = f"[{', '.join(map(str, c.worst_index))}]" if c.worst_index else ""
        of = c.second_input or c.input
        point = f" at point {c.point}" if report.points else ""
        lines.append(
            f"  d {c.output} / d {of}{at}{point}: {c.subject} against {c.against} {c.verdict}"
        )
        lines.append(
            f"    {c.subject} {c.claimed!r}, {c.against} {c.reference!r}, error bar {c.error_bar:.2g}"
        )
        if c.detail or c.reason:
            lines.append(f"    {c.detail or c.reason}")
    lines += [
        f"  {proof}, missed {'; '.join(proof.missed)}" for proof in report.proofs if proof.missed
    ]
    for finding in report.findings:
        lines.append(f"  {finding}")
        lines += [f"    {text}" for text in (finding.cause, finding.mend) if text]
    return "\n".join(lines)
