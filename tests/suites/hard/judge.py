"""Checking one hard case, and saying in a line what was not plain agreement."""

from __future__ import annotations

import numpy as np
from gradproof_service.checking.report import Claim, Kind, Report, Verdict

from tests.suites.engine import run
from tests.suites.hard.case import Case


def judge(case: Case) -> Report:
    """The report on the case's function, point and claims."""
    args = [np.array(v) for v in case.at.values()]
    with np.errstate(all="ignore"):
        given = case.claim(*args)
    parts = given if isinstance(given, tuple) else (given,)
    names = [n for n, v in case.at.items() if np.asarray(v).dtype.kind == "f"]
    kind = Kind[case.kind.upper()]
    claims = [Claim(kind, input=n, value=np.asarray(g)) for n, g in zip(names, parts, strict=True)]
    return run(case.function, case.at, claims)


def told(case: Case, report: Report) -> str:
    """The comparisons that did not agree, with their numbers."""
    rows = [
        f"  {c.input}{list(c.worst_index)}: {c.subject.name} against {c.against.name} {c.verdict.name} "
        f"{c.reason}: {c.claimed:.12g} and {c.reference:.12g}, allowed {c.error_bar:.2g}, power {c.power:.2g}"
        for c in report.comparisons
        if c.verdict is not Verdict.AGREES
    ]
    return "\n".join([f"{report.verdict.name} {case.name}", *rows])
