"""Assertions for test suites: a wrong derivative fails the test with its cause, an unclear one says why."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, Final

from gradproof._report import Comparison, Finding, Report
from gradproof._subject import Source

__all__ = ["assert_derivatives", "explain"]

CODE: Final = re.compile(r"F\d\d")
"""How the likely cause of a wrong claim begins."""
SHOWN: Final = 5
"""Pairs that are told in full; the others are counted."""


def assert_derivatives(
    f: Source, *, at: Any, claim: Any = None, allow_inconclusive: bool = False, **options: Any
) -> Report:
    """Check f and raise `AssertionError` unless the verdict is `agrees`; returns the report.

    `options` are those of `gradproof.check`. With `allow_inconclusive` only `disagrees` fails.
    """
    from gradproof._api import check

    __tracebackhide__ = True  # pytest shows the line of the test
    report = check(f, at=at, claim=claim, **options)
    if report.verdict == "disagrees" or (
        report.verdict == "inconclusive" and not allow_inconclusive
    ):
        raise AssertionError(explain(report))
    return report


def explain(report: Report) -> str:
    """The report as a short text: what is wrong and where it is written, who vouches for the reference, what to do next."""
    lines = [f"{report.name}: {report.verdict}"]
    trouble = [c for c in report.comparisons if c.verdict != "agrees"]
    trouble.sort(key=lambda c: (c.verdict != "disagrees", c.subject != "claim", c.digits))
    for c in trouble[:SHOWN]:
        lines += _pair(report, c)
    if len(trouble) > SHOWN:
        lines.append(f"  {len(trouble) - SHOWN} more pairs do not agree")
    lines += [
        f"  {proof}, missed {'; '.join(proof.missed)}" for proof in report.proofs if proof.missed
    ]
    grave = [f for f in report.findings if f.severity != "info"] or report.findings
    told = dict.fromkeys(line for finding in grave for line in _finding(finding))
    lines += told
    lines += _vouched(report)
    if grave:
        first = grave[0]
        found = CODE.match(first.cause)
        lines.append(f"  next: gradproof explain {found[0] if found else first.code}")
    return "\n".join(lines)


def _pair(report: Report, c: Comparison) -> Iterator[str]:
    of = c.second_input or c.input
    point = f" at point {c.point}" if report.points else ""
    count = c.entries_wrong if c.verdict == "disagrees" else c.entries_unclear
    many = f", {count} of {c.entries} entries" if c.entries > 1 else ""
    yield f"  d {c.output} / d {of}{point}: {c.subject} against {c.against} {c.verdict}{many}"
    if c.entries:
        at = f"worst [{', '.join(map(str, c.worst_index))}]: " if c.worst_index else ""
        bar = f" ± {c.error_bar:.2g}" if math.isfinite(c.error_bar) else ", no error bar"
        ratio = f", ratio {c.claimed / c.reference:.6g}" if c.reference else ""
        yield f"    {at}{c.subject} {c.claimed!r}, {c.against} {c.reference!r}{bar}{ratio}, {c.digits:.1f} digits"
    if c.detail or c.reason:
        yield f"    {c.detail or c.reason}"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  {finding}"
    if finding.location.line:
        from gradproof._excerpt import excerpt

        for line in excerpt(finding.location):
            if line.meant:
                yield f"    > {line.text.strip()}"
    yield from (f"    {text}" for text in (finding.cause, finding.mend) if text)


def _vouched(report: Report) -> Iterator[str]:
    """Why the reference can be trusted: who agrees with whom among sources that are not the claim."""
    least: dict[str, float] = {}
    for c in report.comparisons:
        if c.subject != "claim" and c.verdict == "agrees":
            pair = f"{c.subject} = {c.against}"
            least[pair] = min(least.get(pair, math.inf), c.digits)
    if least:
        said = ", ".join(f"{pair} to {digits:.1f} digits" for pair, digits in least.items())
        yield f"  the reference is sound: {said}"
