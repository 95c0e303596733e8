"""SARIF 2.1.0: a result for each finding that counts, or for the verdict itself, with fingerprints that stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from gradproof._gate.result import CaseResult, GateResult, Place, Told
from gradproof._gate.verdicts import MEANINGS, Verdict

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
ROOT: Final = "%SRCROOT%"
MOST: Final = 5000
"""Results that GitHub shows of one run."""
LEVELS: Final = {"error": "error", "warning": "warning", "info": "note"}


def write(result: GateResult) -> str:
    """The run as a SARIF log."""
    found = [one for case in result.cases for one in _results(case)]
    rules = {rule["id"]: rule for _, rule in found}
    order = {rule: k for k, rule in enumerate(rules)}
    results = [{**one, "ruleIndex": order[rule["id"]]} for one, rule in found[:MOST]]
    notices = [n for n in (result.trouble, _left_out(len(found))) if n]
    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "gradproof",
                "version": result.version,
                "semanticVersion": result.version,
                "rules": list(rules.values()),
            }
        },
        "automationDetails": {"id": f"gradproof/{result.command}/"},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [
            {
                "executionSuccessful": result.exit_code not in (2, 4) and not result.trouble,
                "exitCode": result.exit_code,
                "toolExecutionNotifications": [
                    {"level": "error", "message": {"text": text}} for text in notices
                ],
            }
        ],
        "results": results,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _left_out(count: int) -> str:
    return f"{count - MOST} more results are left out" if count > MOST else ""


def _results(case: CaseResult) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Results of a case with their rules: its findings, and its verdict when no finding stands for it."""
    for told in case.findings:
        text = f"{case.name}: {told.message}"
        if told.cause:
            text = f"{text.rstrip('.')}. Likely cause: {told.cause}."
        rule = {
            "id": told.code,
            "name": _pascal(told.name),
            "shortDescription": {"text": told.name},
        }
        key = (case.name, told.code, told.input, told.output)
        yield (
            _result(
                case, told.code, LEVELS.get(told.severity, "warning"), text, _where(told, case), key
            ),
            rule,
        )
    if case.verdict in (Verdict.PASS, Verdict.SKIPPED) or any(t.fails for t in case.findings):
        return
    code = f"GATE-{case.verdict}"
    meaning = MEANINGS[case.verdict]
    level = meaning.level if not case.passed else "note"
    rule = {
        "id": code,
        "name": _pascal(f"gate-{case.verdict}".lower()),
        "shortDescription": {"text": meaning.says},
    }
    yield (
        _result(case, code, level, f"{case.name}: {case.sentence}", case.place, (case.name, code)),
        rule,
    )


def _result(
    case: CaseResult, code: str, level: str, text: str, place: Place, key: tuple[str, ...]
) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"fullyQualifiedName": case.name}]}
    if place:
        physical: dict[str, Any] = {
            "artifactLocation": {"uri": quote(place.file), "uriBaseId": ROOT}
        }
        if place.line:
            physical["region"] = _region(place)
        location["physicalLocation"] = physical
    return {
        "ruleId": code,
        "level": level,
        "message": {"text": text},
        "locations": [location],
        "partialFingerprints": {
            "gradproofCase/v1": hashlib.sha256("\0".join(key).encode()).hexdigest()[:32]
        },
        "properties": {"case": case.name, "verdict": str(case.verdict)},
    }


def _region(place: Place) -> dict[str, int]:
    region = {"startLine": place.line}
    if place.column:
        region["startColumn"] = place.column
    if place.end_line > place.line:
        region["endLine"] = place.end_line
    if place.end_column and (place.end_column > place.column or place.end_line > place.line):
        region["endColumn"] = place.end_column
    return region


def _where(told: Told, case: CaseResult) -> Place:
    return told.place if told.place else case.place


def _pascal(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))
