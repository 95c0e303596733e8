"""What a check did besides its verdict: points and what they cover, planted faults, the counterexample's file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli import numbers
from gradproof._cli.case import Case
from gradproof._cli.findings_page import add_findings
from gradproof._cli.page import Page
from gradproof._cli.report_parts import derivative_name
from gradproof._points import DTYPES
from gradproof._report import Report

SUFFIXES = {
    np.dtype(dtype): f":{name}" for name, dtype in DTYPES.items() if name not in ("f64", "bool")
}
UNCOVERED = "GP704"
"""The finding about branches of which no point shows a side."""
SHOWN = 3
"""Missed faults and left out points that are named; the others are counted."""


def shown_part(report: Report, case: Case) -> tuple[pb.Report, Case]:
    """The report that is shown in full: of several points the one that decides, and the case at it."""
    if not report.points:
        return report.message, case
    worst = report.points[report.worst]
    at = tuple(f"{name}={_value(x)}" for name, x in worst.at.items())
    return worst.report.message, case if report.worst == 0 else replace(case, at=at)


def _value(x: np.ndarray) -> str:
    return f"{x.tolist()!r}{SUFFIXES.get(x.dtype, '')}"


def notes(page: Page, report: Report, *, prove: bool, source: str = "") -> Page:
    """Lines for the end of the report, on a page of their own that is as wide; `source` as in `Case`."""
    made = Page(page.width)
    _points(made, report, source)
    if prove:
        _proofs(made, report)
    if report.saved:
        made.add(f"  saved: {report.saved}; `gradproof check {report.saved}` shows it again")
    if report.not_saved:
        made.wrap(f"not saved: {report.not_saved}", "    ", "yellow", first="  ")
    return made


def _points(page: Page, report: Report, source: str) -> None:
    if report.coverage is None:
        return
    verdicts = [p.report.verdict for p in report.points]
    counts = [
        f"{verdicts.count(v)} {say}"
        for v, say in (("agrees", "agree"), ("disagrees", "disagree"), ("inconclusive", "unclear"))
        if v in verdicts
    ]
    c = report.coverage
    of = f" of {c.wanted}" if c.points < c.wanted else ""
    told = f"{numbers.plural(c.points, 'point')}{of}: {', '.join(counts)}"
    if len(report.points) > 1:
        told += f"; shown is {f'point {report.worst}' if report.worst else 'the given one'}"
    page.wrap(told, "    ", first="  ")
    if c.sides:
        page.add(f"  covered: {c.sides_seen} of {c.sides} sides of branches")
    add_findings(page, [f.proto for f in report.findings if f.code == UNCOVERED], source=source)
    if c.left_out:
        page.wrap(f"left out where the function fails: {_few(c.left_out)}", "    ", first="  ")
    elsewhere = [
        f"{f.code} {f.name} (point {f.point})" for f in report.findings if f.point != report.worst
    ]
    if elsewhere:
        page.wrap(f"found at other points: {_few(elsewhere)}", "    ", first="  ")


def _proofs(page: Page, report: Report) -> None:
    planted, caught = (sum(getattr(p, n) for p in report.proofs) for n in ("planted", "caught"))
    if not report.proofs:
        page.add(f"  planted no faults: {_unproved(report)}")
        return
    page.add(
        (
            f"  planted {numbers.plural(planted, 'fault')}, caught {caught}",
            "green" if planted == caught else "",
        )
    )
    for p in report.proofs:
        if p.missed:
            name = derivative_name(
                p.output,
                p.input,
                p.input,
                named=True,
                order=2 if p.kind in ("hessian", "hvp") else 1,
            )
            page.add(
                (
                    f"  warning {name}: this check would not have seen {len(p.missed)} of {p.planted} planted faults",
                    "yellow",
                )
            )
            page.wrap(_few(p.missed), "    ")
            page.wrap(
                "mend: ask for less tolerance (rtol, atol), or for a smaller tau",
                "      ",
                first="    ",
            )


def _unproved(report: Report) -> str:
    if not any(c.subject == "claim" for c in report.comparisons):
        return "nothing is claimed"
    if report.carriage == "black box":
        return "the function is a black box"
    return "the claim is wrong as it is" if report.verdict == "disagrees" else "no claim was judged"


def _few(words: tuple[str, ...] | list[str]) -> str:
    left = len(words) - SHOWN
    return "; ".join(words[:SHOWN]) + (f"; and {left} more" if left > 0 else "")
