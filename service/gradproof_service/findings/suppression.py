"""Findings that a caller does not want: which they are, and how many were left out.

An error carries the verdict (the program cannot be checked, the function is not finite, a
derivative is wrong): it is shown whatever was asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from gradproof_service.checking.report import Options
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.findings.catalogue import FINDINGS


def sifted(findings: Iterable[Finding], options: Options) -> tuple[list[Finding], int]:
    """The findings that are wanted, in their order, and how many were left out."""
    came = list(findings)
    kept = [f for f in came if f.severity is Severity.ERROR or _wanted(f, options)]
    return kept, len(came) - len(kept)


def named(finding: Finding, specs: Sequence[str]) -> bool:
    """Whether one of the specs names this finding.

    A spec is a code, whole or a prefix ("GP305", "GP3"), or a name ("cancellation"); what follows an
    "@" limits it to a node by its label ("GP305@subtract#3") or to a line ("GP305@model.py:31").
    """
    for spec in specs:
        code, _, place = spec.partition("@")
        same = finding.name == code or (code != "" and finding.code.startswith(code.upper()))
        if same and (not place or place == finding.node or _on_line(finding, place)):
            return True
    return False


def require_known(specs: Sequence[str], field: str) -> None:
    """Raise `Fault` for the first spec that names no finding of the catalogue, with the nearest that does."""
    codes, names = list(FINDINGS), [rule.name for rule in FINDINGS.values()]
    for spec in specs:
        code, _, place = spec.partition("@")
        if code in names or (code and any(c.startswith(code.upper()) for c in codes)):
            continue
        near = get_close_matches(code.upper(), codes, 1) or get_close_matches(code, names, 1)
        hint = f"did you mean {near[0]!r}?" if near else "write a code such as 'GP302'"
        where = f" ({place})" if place else ""
        raise Fault(
            FaultKind.INVALID,
            f"{field}: there is no finding {code[:40]!r}{where}; {hint}",
            field_path=f"options.{field}",
        )


def _wanted(finding: Finding, options: Options) -> bool:
    if options.select and not named(finding, options.select):
        return False
    return not named(finding, options.suppress)


def _on_line(finding: Finding, place: str) -> bool:
    file, _, line = place.rpartition(":")
    here = finding.location
    if not line.isdigit() or here.file != file:
        return False
    return here.line <= int(line) <= max(here.line, here.end_line)
