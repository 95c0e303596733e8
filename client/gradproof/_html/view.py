"""What a page shows of one report, in words and figures: everything is decided here, the templates only place it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import numpy as np
from gradproof_proto.v1 import check_pb2 as pb
from markupsafe import Markup

from gradproof._excerpt import columns_meant, excerpt
from gradproof._html.curves import rate_words, sweep_figure, taylor_figure
from gradproof._html.graph import graph_figure
from gradproof._html.heatmap import heatmap
from gradproof._report import Comparison, Finding, Report, dense

SIGNS: Final = {"agrees": "✓", "disagrees": "✗", "inconclusive": "?"}
_SUSPICION: Final = {"error": 1.0, "warning": 0.6, "info": 0.3}
_OPEN: Final = 3
"""Findings that are unfolded when the page opens."""


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison of a pair, each number as it is written."""

    subject: str
    against: str
    verdict: str
    sign: str
    entries: str
    worst: str
    claimed: str
    reference: str
    bar: str
    digits: str
    power: str


@dataclass(frozen=True, slots=True)
class PairView:
    """One output by one input: its comparisons and its figures."""

    id: str
    name: str
    verdict: str
    sign: str
    words: str
    rows: tuple[Row, ...]
    heatmap: Markup | None
    sweep: Markup | None
    sweep_words: str
    taylor: Markup | None
    taylor_words: str
    entry: str


@dataclass(frozen=True, slots=True)
class FrameLine:
    """One line of a code frame; `inside` is the part that is meant."""

    mark: str
    number: str
    before: str
    inside: str
    after: str
    meant: bool


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding with its code frame."""

    code: str
    name: str
    severity: str
    place: str
    message: str
    cause: str
    mend: str
    frame: tuple[FrameLine, ...]
    open: bool


@dataclass(frozen=True, slots=True)
class ReportView:
    """One report, ready to be placed on a page."""

    verdict: str
    sign: str
    title: str
    facts: str
    pairs: tuple[PairView, ...]
    findings: tuple[FindingView, ...]
    graph: Markup | None
    footer: str


def view_of(
    report: Report, *, title: str = "", text: str = "", key: str = "report"
) -> ReportView:  # fmt: skip
    """The view of a report; `text` is the source of an expression, `key` keeps the ids of several reports on one page apart."""
    message = report.message
    name = title or report.name
    names = list(dict.fromkeys(_pair(c) for c in report.comparisons))
    return ReportView(
        report.verdict, SIGNS.get(report.verdict, "?"), name, _facts(report),
        tuple(_pair_view(report, pair, f"{key}-{k}") for k, pair in enumerate(names)),
        tuple(_finding(f, k < _OPEN and f.severity == "error", text) for k, f in enumerate(report.findings)),
        graph_figure(message.nodes, _suspects(report), key),
        f"gradproof {message.service_version}; rng seed {message.options.rng_seed}; program "
        f"{message.program_digest.hex()[:16] or 'unknown: a black box'}",
    )  # fmt: skip


Pair = tuple[str, str, str]


def _pair(c: Comparison | pb.Derivative | pb.Evidence) -> Pair:
    return c.output, c.input, c.second_input


def _named(pair: Pair) -> str:
    output, *inputs = pair
    return f"d {output} / " + " ".join(f"d {i}" for i in inputs if i)


def _facts(report: Report) -> str:
    seen = f"{report.entries_checked} of {report.entries_total} entries compared"
    return f"{seen}, {report.evaluations} evaluations, witnesses: {', '.join(report.witnesses) or 'none'}"


def _pair_view(report: Report, pair: Pair, id: str) -> PairView:
    mine = [c for c in report.comparisons if _pair(c) == pair]
    claims = [c for c in mine if c.subject == "claim"]
    deciding = claims or mine
    verdict = next(
        (v for v in ("disagrees", "inconclusive") if any(c.verdict == v for c in deciding)),
        "agrees",
    )
    evidence = next((e for e in report.message.evidence if _pair(e) == pair), None)
    name = _named(pair)
    entry, sweep, taylor, sweep_words, taylor_words = "", None, None, "", ""
    if evidence is not None:
        entry = " along a seeded direction" if evidence.along_direction else _entry(evidence.index)
        sweep = sweep_figure(evidence.sweep, evidence.slope, name)
        sweep_words = _sweep_words(evidence)
        taylor = taylor_figure(evidence.taylor, name)
        taylor_words = rate_words(evidence.taylor)
    worst = next((c for c in deciding if c.verdict == verdict), None)
    return PairView(
        id, name, verdict, SIGNS[verdict], worst.detail if worst else "", tuple(map(_row, mine)),
        _heatmap(report, pair, name), sweep, sweep_words, taylor, taylor_words, entry,
    )  # fmt: skip


def _entry(index: Sequence[int]) -> str:
    return f" at entry [{', '.join(map(str, index))}]" if index else ""


def _sweep_words(evidence: pb.Evidence) -> str:
    sweep = evidence.sweep
    if not isfinite(sweep.error_bar):
        return "No step gave a slope that can be trusted."
    said = f"Estimate {sweep.estimate:.10g} ± {sweep.error_bar:.1e}, the slope held against it {evidence.slope:.10g}."
    if sweep.plateau_low > 0:
        said += f" Steps from {sweep.plateau_low:.1e} to {sweep.plateau_high:.1e} agree."
    return said


def _row(c: Comparison) -> Row:
    whole = c.entries == c.entries_total
    entries = f"all {c.entries_total}" if whole else f"{c.entries} of {c.entries_total}"
    if c.entries_wrong:
        entries += f", {c.entries_wrong} wrong"
    if c.entries_unclear:
        entries += f", {c.entries_unclear} unclear"
    return Row(
        c.subject, c.against, c.verdict, SIGNS.get(c.verdict, "?"), entries,
        f"[{', '.join(map(str, c.worst_index))}]" if c.worst_index else "",
        f"{c.claimed:.10g}", f"{c.reference:.10g}", f"{c.error_bar:.1e}", f"{c.digits:.1f}",
        f"{c.power:.0e}" if isfinite(c.power) else "nothing",
    )  # fmt: skip


def _heatmap(report: Report, pair: Pair, name: str) -> Markup | None:
    """Claim beside reference where both are whole; for one number a picture says nothing."""
    claimed = next((d for d in report.message.claimed if _pair(d) == pair), None)
    reference = next((d for d in report.derivatives if _pair(d.proto) == pair), None)
    if claimed is None or reference is None:
        return None
    theirs, ours = dense(claimed), reference.value
    if ours.size < 2 or theirs.size != ours.size:
        return None
    return heatmap(_matrix(theirs, report, pair), _matrix(ours, report, pair), name)


def _matrix(value: np.ndarray[Any, Any], report: Report, pair: Pair) -> np.ndarray[Any, Any]:
    """The derivative as a matrix: one row for each output element; a gradient as its own rows, or folded when it is long."""
    value = np.asarray(value, dtype=np.float64)
    output = report.outputs.get(pair[0])
    rows = 1 if output is None else output.size
    if pair[2] or rows == 1:
        rows = value.shape[0] if value.ndim > 1 else 1
    matrix = value.reshape(rows, -1)
    if rows == 1 and value.size > 12:  # a long row is folded, its last line filled up with NaN
        side = int(np.ceil(np.sqrt(value.size)))
        padded = np.full(side * side, np.nan)
        padded[: value.size] = value.ravel()
        matrix = padded.reshape(side, side)[: -(-value.size // side)]
    return matrix


def _suspects(report: Report) -> dict[str, float]:
    """How much the findings say against each node of the function."""
    suspects: dict[str, float] = {}
    for node in report.message.nodes:
        for f in report.findings:
            here = f.node is not None and node.op != "" and f.node == node.node
            if here:
                suspects[node.label] = max(
                    suspects.get(node.label, 0.0), _SUSPICION.get(f.severity, 0.0)
                )
    return suspects


def _finding(f: Finding, opened: bool, text: str) -> FindingView:
    place = f.location
    return FindingView(
        f.code, f.name, f.severity, str(place) if place else "", f.message, f.cause, f.mend,
        tuple(_frame(f, text)), opened,
    )  # fmt: skip


def _frame(f: Finding, text: str) -> list[FrameLine]:
    lines: list[FrameLine] = []
    for line in excerpt(f.location, text):
        meant = columns_meant(f.location, line.text) if line.meant else None
        start, end = meant or (len(line.text), len(line.text))
        lines.append(
            FrameLine(
                ">" if line.meant else " ", f"{line.number:>4}", line.text[:start], line.text[start:end],
                line.text[end:], line.meant,
            )
        )  # fmt: skip
    return lines
