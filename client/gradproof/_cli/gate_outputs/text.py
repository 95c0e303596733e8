"""The run as a page: what is not right first and in full, then one line over everything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gradproof._cli.frames import add_frame
from gradproof._cli.gate_outputs.told import details, headline, next_command, work_told
from gradproof._cli.page import Page
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import MEANINGS, Verdict


def write(result: GateResult) -> str:
    """The page without colours."""
    page = Page()
    add_run(page, result)
    return page.plain()


def add_run(page: Page, result: GateResult, *, verbose: bool = False) -> None:
    """Add a whole run; with `verbose` also a line for every case that passed."""
    for case in result.cases:
        if case.verdict in (Verdict.PASS, Verdict.SKIPPED) and not verbose:
            continue
        add_case(page, case, result.root)
    if result.trouble:
        page.wrap(result.trouble, "  ", "bold red", first="✗ ")
    style = (
        "bold green" if result.passed else "bold red" if result.exit_code != 3 else "bold yellow"
    )
    sign = "✓" if result.passed else "✗" if result.exit_code != 3 else "?"
    page.add((f"{sign} {headline(result)}", style))
    page.add((f"  {work_told(result)}", "dim"))
    worst_first = sorted(result.cases, key=lambda case: case.verdict is not Verdict.FAIL)
    if command := next(filter(None, map(next_command, worst_first)), ""):
        page.add(("  next: ", "dim"), command)


def add_case(page: Page, case: CaseResult, root: str) -> None:
    """Add one case: its verdict and sentence, and when it is not right the numbers and the line."""
    meaning = MEANINGS[case.verdict]
    where = f"  {case.place}" if case.place and meaning.exit_code else ""
    page.add(
        (f"{meaning.sign} {case.verdict} ", f"bold {meaning.style}"),
        (" ".join(case.name.split()), "bold"),
        (where, "dim"),
    )
    page.wrap(case.sentence, "    ")
    if not meaning.exit_code:
        return
    told = [line for line in details(case) if line not in case.sentence]
    for line in told:
        page.wrap(line, "      ", "dim", first="    ")
    if case.verdict is Verdict.FAIL and case.place.line:
        add_frame(page, replace(case.place, file=str(Path(root) / case.place.file)))
