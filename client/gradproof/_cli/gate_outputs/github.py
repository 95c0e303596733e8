"""Workflow commands that GitHub shows as annotations: at most ten errors and ten warnings, so one for each case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gradproof._cli.gate_outputs.told import headline
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import MEANINGS

MOST: Final = 10
"""Annotations of one level that GitHub shows for a step; it drops the others without a word."""


def write(result: GateResult) -> str:
    """A line for each case that is not right, worst levels first; the last of a full level counts what is left."""
    lines: list[str] = []
    for level in ("error", "warning"):
        cases = [c for c in result.cases if _level(c) == level]
        full = len(cases) > MOST
        lines += [_annotation(level, case) for case in cases[: MOST - 1 if full else MOST]]
        if full:
            lines.append(_rest(level, cases[MOST - 1 :]))
    if result.trouble:
        lines.append(f"::error title=gradproof::{_escaped(result.trouble)}")
    lines.append(f"::notice title=gradproof::{_escaped(headline(result))}")
    return "\n".join(lines) + "\n"


def _level(case: CaseResult) -> str:
    return "" if case.passed else MEANINGS[case.verdict].level or "error"


def _annotation(level: str, case: CaseResult) -> str:
    given: dict[str, object] = {}
    if case.place:
        given["file"] = case.place.file
        if case.place.line:
            given |= {"line": case.place.line, "endLine": max(case.place.end_line, case.place.line)}
        if case.place.column and case.place.end_line in (0, case.place.line):
            given |= {
                "col": case.place.column,
                "endColumn": max(case.place.end_column, case.place.column),
            }
    given["title"] = f"{case.verdict} {case.name}"
    properties = ",".join(f"{k}={_escaped_property(str(v))}" for k, v in given.items())
    return f"::{level} {properties}::{_escaped(case.sentence)}"


def _rest(level: str, cases: Sequence[CaseResult]) -> str:
    names = ", ".join(f"{c.verdict} {c.name}" for c in cases)
    return f"::{level} title=gradproof%3A {len(cases)} more::{_escaped(names)}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escaped_property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")
