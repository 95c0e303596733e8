"""A report as what JSON has: equal reports give equal values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from gradproof._report import Finding, Location, Report

Array = np.ndarray[Any, Any]
COMPARISON_FIELDS: Final = (
    "point", "output", "input", "second_input", "kind", "subject", "against", "verdict", "reason", "detail", "entries",
    "entries_total", "entries_wrong", "entries_unclear", "directions", "digits", "worst_index", "claimed",
    "reference", "error_bar", "max_abs_error", "max_rel_error", "power",
)  # fmt: skip
PROOF_FIELDS: Final = ("output", "input", "kind", "planted", "caught", "missed")
COVERAGE_FIELDS: Final = ("wanted", "points", "sides", "sides_seen", "unseen", "left_out")


def report_to_plain(report: Report) -> dict[str, Any]:
    """Everything in the report as plain values."""
    return {
        "verdict": report.verdict,
        "function": report.function,
        "origin": {
            "name": report.name,
            "carriage": report.carriage,
            "reason": report.carriage_reason,
        },
        "comparisons": [_plain(c, COMPARISON_FIELDS) for c in report.comparisons],
        "findings": [_finding(f) for f in report.findings],
        "outputs": {name: array_to_plain(a) for name, a in report.outputs.items()},
        "derivatives": [
            {
                **_plain(d, ("kind", "output", "input", "second_input")),
                "value": array_to_plain(d.value),
            }
            for d in report.derivatives
        ],
        "witnesses": list(report.witnesses),
        "suppressed": report.suppressed,
        "evaluations": report.evaluations,
        "entries_checked": report.entries_checked,
        "entries_total": report.entries_total,
        "directions": report.directions,
        "proofs": [_plain(p, PROOF_FIELDS) for p in report.proofs],
        "points": [
            {
                "at": {name: array_to_plain(x) for name, x in p.at.items()},
                "verdict": p.report.verdict,
            }
            for p in report.points
        ],
        "worst": report.worst,
        "coverage": None if report.coverage is None else _plain(report.coverage, COVERAGE_FIELDS),
        "program_digest": report.message.program_digest.hex(),
        "service_version": report.message.service_version,
    }


def number_to_plain(value: float) -> float | str:
    """A number as JSON can hold it: what is not finite becomes text."""
    return value if math.isfinite(value) else str(value)


def array_to_plain(array: Array) -> Any:
    """An array as nested lists."""
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        array = np.where(
            np.isfinite(array), array.astype(object), np.vectorize(str, otypes=[object])(array)
        )
    return array.tolist()


def _plain(view: Any, fields: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name in fields:
        value = getattr(view, name)
        out[name] = (
            number_to_plain(value)
            if isinstance(value, float)
            else list(value)
            if isinstance(value, tuple)
            else value
        )
    return out


def _finding(f: Finding) -> dict[str, Any]:
    fields = (
        "point",
        "code",
        "name",
        "severity",
        "message",
        "node",
        "op",
        "input",
        "output",
        "element_count",
        "cause",
        "mend",
        "confirmed",
    )
    return {
        **_plain(f, fields),
        "location": _location(f.location),
        "elements": [list(e) for e in f.elements],
        "numbers": {k: number_to_plain(v) for k, v in f.numbers.items()},
        "related": [_location(r) for r in f.related],
    }


def _location(place: Location) -> dict[str, Any] | None:
    if not place:
        return None
    fields = ("file", "line", "column", "end_line", "end_column", "scope", "source_node")
    return {**_plain(place, fields), "callers": [_plain(c, fields) for c in place.callers]}
