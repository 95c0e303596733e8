"""`lint`: what the look of a function tells about its derivatives, without computing any."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._cli import numbers
from gradproof._cli.asking import Format, deliver, service, write_file
from gradproof._cli.case import Case
from gradproof._cli.check import Level, exit_code
from gradproof._cli.findings_page import LEVELS, add_findings
from gradproof._cli.json_text import json_text
from gradproof._cli.page import Page, page_for, show
from gradproof._cli.progress import at_work
from gradproof._cli.subject import Aimed, aimed, in_our_words
from gradproof._report import Report
from gradproof._suppression import noted


@dataclass(frozen=True, slots=True)
class Linted:
    """One call of `lint`, as it was asked."""

    target: str
    at: tuple[str, ...] = ()
    suppress: tuple[str, ...] = ()
    select: tuple[str, ...] = ()
    form: Format = "text"
    out: Path | None = None
    timeout_s: float | None = None
    server: str = ""
    exit_zero: bool = False
    fail_level: Level = "error"
    structure: tuple[str, ...] = ()


def run_lint(asked: Linted) -> int:
    """Show the static findings, and give the exit code they stand for."""
    with at_work(f"reading {asked.target}"):
        this = aimed(asked.target, asked.at, structure=asked.structure, partial=True)
        with in_our_words(this.target):
            answer = _inspect(this, asked)
    if asked.form == "json":
        found = Report(pb.Report(findings=answer.findings)).to_dict()["findings"]
        told = {
            "findings": found,
            "function": this.program.name,
            "program_digest": answer.program_digest.hex(),
            "suppressed": answer.suppressed,
        }
        deliver(json_text(told), asked.out)
    else:
        page = page_for() if asked.out is None else Page()
        _add(page, answer, Case(asked.target, at=asked.at), this.source)
        if asked.out is None:
            show(page)
        else:
            write_file(asked.out, page.plain())
    judged = pb.Report(verdict=pb.VERDICT_AGREES, findings=answer.findings)
    return exit_code(judged, asked.fail_level, exit_zero=asked.exit_zero)


def _inspect(this: Aimed, asked: Linted) -> der.InspectResponse:
    request = der.InspectRequest(
        program=this.program.message,
        point=this.subject.point if this.subject else (),
        options=pb.Options(
            suppress=[*asked.suppress, *noted(this.program.message)], select=asked.select
        ),
    )
    with service(asked.server) as transport:
        return transport.inspect(request, timeout_s=asked.timeout_s)


def _add(page: Page, answer: der.InspectResponse, case: Case, source: str) -> None:
    counts: dict[str, int] = {}
    for f in answer.findings:
        level = LEVELS.get(f.severity, "warning")
        counts[level] = counts.get(level, 0) + 1
    left_out = (
        f" ({numbers.plural(answer.suppressed, 'finding')} suppressed)" if answer.suppressed else ""
    )
    if not counts:
        page.add(("✓ nothing found", "bold green"), f": {case.target}{left_out}")
        return
    said = ", ".join(
        numbers.plural(counts[level], level) if level != "info" else f"{counts[level]} to know"
        for level in ("error", "warning", "info")
        if level in counts
    )
    grave = "error" in counts
    page.add(
        (f"{'✗' if grave else '!'} {said}", "bold red" if grave else "bold yellow"),
        f": {case.target}{left_out}",
    )
    for f in answer.findings:
        add_findings(page, [f], source=source)
