"""One report of `gradproof check` in the forms of the gate: a run over one case without a baseline."""

from __future__ import annotations

from pathlib import Path

from gradproof._cli.case import Case as Shown
from gradproof._cli.gate_outputs import WRITERS
from gradproof._gate.cases import Case
from gradproof._gate.config import Settings
from gradproof._gate.judge import Checked, judge
from gradproof._gate.measure import measured
from gradproof._gate.result import GateResult, printable
from gradproof._report import Report
from gradproof._targets import Target
from gradproof._words import PRODUCER_VERSION

FAILING = {"error": (), "warning": ("error", "warning"), "info": ("error", "warning", "info")}
"""Severities that fail a check at each level, beyond what always does."""


def written(form: str, report: Report, shown: Shown, target: Target | None, fail_level: str) -> str:
    """The report in one of the forms of `WRITERS`."""
    codes = tuple(f.code for f in report.findings if f.severity in FAILING[fail_level])
    place, line = (target.file, target.line) if target and target.kind == "function" else ("", 0)
    case = Case(
        name=shown.title, target=shown.target, claim=shown.claim, claim_kind=None, at={}, structure={}, wrt=shown.wrt,
        outputs=shown.outputs, skip="", settings=Settings(errors=codes), file=_from_here(place), line=line, written="",
    )  # fmt: skip
    reports = [p.report for p in report.points] or [report]
    checked = [Checked(one, measured((), (), one)) for one in reports]
    result = judge(case, checked, None, held=False)
    run = GateResult((result,), 1, "check", str(Path.cwd()), version=PRODUCER_VERSION)
    return WRITERS[form].write(printable(run))


def _from_here(file: str) -> str:
    path = Path(file)
    return (
        path.relative_to(Path.cwd()).as_posix()
        if file and path.is_relative_to(Path.cwd())
        else file
    )
