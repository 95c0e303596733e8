"""`check`: the verdict over a function's derivatives, and over those that are claimed for it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._check import run_check as check
from gradproof._cli.asking import service, write_file
from gradproof._cli.case import Case
from gradproof._cli.findings_page import ILL_TYPED
from gradproof._cli.page import Page, page_for, show, write
from gradproof._cli.progress import at_work
from gradproof._cli.report_notes import notes, shown_part
from gradproof._cli.report_page import add_report
from gradproof._cli.subject import in_our_words, point_of, resolved, structure_of
from gradproof._cli.trouble import AGREES, FINDINGS, INCONCLUSIVE, USAGE, Mistake
from gradproof._program import COUNTEREXAMPLE_SUFFIX
from gradproof._report import Report
from gradproof._targets import Target

Level = Literal["error", "warning", "info"]
LEVELS: Final = {
    "info": pb.SEVERITY_INFO, "warning": pb.SEVERITY_WARNING, "error": pb.SEVERITY_ERROR,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `check`, as it was asked; the options mean what `check.proto` says of them."""

    target: str
    claim: str
    claim_kind: str | None
    at: tuple[str, ...]
    wrt: tuple[str, ...]
    outputs: tuple[str, ...]
    order: int = 1
    rtol: float | None = None
    atol: float | None = None
    tau: float | None = None
    rng_seed: int = 0
    profile: str = "numpy"
    form: str = "text"
    out: Path | None = None
    timeout_s: float | None = None
    server: str = ""
    exit_zero: bool = False
    fail_level: Level = "error"
    points: int = 1
    prove: bool = False
    save: Path | None = None
    html: Path | None = None
    structure: tuple[str, ...] = ()
    suppress: tuple[str, ...] = ()
    select: tuple[str, ...] = ()


OWN: Final = (
    "at", "claim", "claim_kind", "wrt", "outputs", "order", "rtol", "atol", "tau", "rng_seed", "profile", "points",
    "prove", "save", "structure", "suppress", "select",
)  # fmt: skip
"""What a counterexample holds itself or has no use for."""


def run_check(asked: Asked) -> int:
    """Check, show the report, and give the exit code it stands for."""
    again = asked.target.endswith(COUNTEREXAMPLE_SUFFIX)
    with at_work(f"checking {asked.target}"):
        target = None if again else resolved(asked.target)
        report = _replay(asked) if target is None else _ask(asked, target)
    case = Case(
        asked.target, asked.claim, asked.at, asked.wrt, asked.outputs, asked.server, replayed=again, structure=asked.structure,
        source=asked.target if target is not None and target.kind == "expression" else "",
    )  # fmt: skip
    if asked.html is not None:
        from gradproof._html.page import Part, report_page
        from gradproof._html.view import view_of

        view = view_of(report, title=case.title, text=case.source)
        write_file(asked.html, report_page(f"gradproof: {case.title}", Part("report", view)))
    page = page_for() if asked.out is None else Page()
    shown, case = shown_part(report, case)
    add_report(page, shown, case, notes(page, report, prove=asked.prove, source=case.source))
    if asked.form == "json" and report.not_saved:
        write(f"not saved: {report.not_saved}\n", sys.stderr)
    if asked.form == "text":
        answer = page.plain()
    elif asked.form == "json":
        answer = report.to_json() + "\n"
    else:
        from gradproof._cli.gate_outputs.single import written

        answer = written(asked.form, report, case, target, asked.fail_level)
    if asked.out is not None:
        write_file(asked.out, answer)
        del page.lines[1:]  # the verdict is worth a line even when the report is elsewhere
    if asked.form == "text" or asked.out is not None:
        show(page)
    else:
        write(answer)
    return exit_code(report.message, asked.fail_level, exit_zero=asked.exit_zero)


def _ask(asked: Asked, target: Target) -> Report:
    claim = resolved(asked.claim).subject if asked.claim else None
    point, kinds = point_of(asked.at), structure_of(asked.structure)
    with service(asked.server) as transport, in_our_words(target):
        return check(
            transport, target.subject, at=point, claim=claim, claim_kind=asked.claim_kind,
            wrt=asked.wrt or None, outputs=asked.outputs or None, rtol=asked.rtol, atol=asked.atol,
            tau=asked.tau, structure=kinds or None, suppress=asked.suppress,
            select=asked.select, rng_seed=asked.rng_seed, profile=asked.profile, order=asked.order,
            points=asked.points, prove=asked.prove, evidence=asked.html is not None, save=asked.save, timeout_s=asked.timeout_s,
        )  # fmt: skip


def _replay(asked: Asked) -> Report:
    """A saved counterexample, as it was saved."""
    from gradproof._counterexample import replay

    bare = Asked(asked.target, "", None, (), (), ())
    for name in OWN:
        if getattr(asked, name) != getattr(bare, name):
            option = "output" if name == "outputs" else name.replace("_", "-")
            raise Mistake(
                f"{asked.target}: a counterexample holds its own function, point and options; leave --{option} out"
            )
    with service(asked.server) as transport:
        return replay(transport, asked.target, asked.timeout_s)


def exit_code(report: pb.Report, fail_level: Level, *, exit_zero: bool = False) -> int:
    """The exit code a report stands for; a program that cannot be run is unreadable input."""
    if any(f.code in ILL_TYPED and f.severity == pb.SEVERITY_ERROR for f in report.findings):
        return USAGE
    if exit_zero:
        return AGREES
    least = LEVELS[fail_level]
    grave = any((f.severity or pb.SEVERITY_WARNING) >= least for f in report.findings)
    grave = grave or (least <= pb.SEVERITY_WARNING and any(p.missed for p in report.proofs))
    if report.verdict == pb.VERDICT_DISAGREES or grave:
        return FINDINGS
    return AGREES if report.verdict == pb.VERDICT_AGREES else INCONCLUSIVE
