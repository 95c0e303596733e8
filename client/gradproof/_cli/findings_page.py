"""Findings as text: the code and where, the sentence, the source line, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli.frames import add_frame, label
from gradproof._cli.page import Page

ILL_TYPED: Final = frozenset(f"GP00{n}" for n in range(1, 7))
"""The codes of a program that cannot be run at all."""
STYLES: Final = {pb.SEVERITY_ERROR: "red", pb.SEVERITY_INFO: "cyan"}
LEVELS: Final = {pb.SEVERITY_ERROR: "error", pb.SEVERITY_INFO: "info"}
MOST: Final = 5
"""Findings shown; the others are counted."""


def add_findings(page: Page, findings: Sequence[pb.Finding], *, source: str = "") -> None:
    """Add findings, the gravest first as they come; `source` is the text of an expression."""
    for finding in findings[:MOST]:
        _add(page, finding, source)
    if len(findings) > MOST:
        page.add(f"  and {len(findings) - MOST} more; --format json shows them all")


def _add(page: Page, finding: pb.Finding, source: str) -> None:
    style = STYLES.get(finding.severity, "yellow")
    where = label(finding.location) if finding.location.line and not _is_text(finding) else ""
    head = f"  {LEVELS.get(finding.severity, 'warning')} {finding.code} {finding.name}"
    sure = "" if finding.confirmed else " (possible)"
    page.add((head, style), (sure, ""), (f"  {where}" if where else "", ""))
    page.wrap(finding.message, "    ")
    add_frame(page, finding.location, source if _is_text(finding) else "")
    if finding.cause:
        page.wrap(f"cause: {_phrase(finding.cause)}", "      ", first="    ")
    if finding.mend:
        page.wrap(f"mend: {_phrase(finding.mend)}", "      ", first="    ")


def _phrase(sentence: str) -> str:
    """A sentence as it reads behind a colon."""
    first = sentence.split(" ", 1)[0]
    start = sentence[:1].lower() if first[1:].islower() or first == "A" else sentence[:1]
    return (start + sentence[1:]).removesuffix(".")


def _is_text(finding: pb.Finding) -> bool:
    """The finding lies in an expression, which is no file."""
    return not finding.location.file.endswith(".py")
