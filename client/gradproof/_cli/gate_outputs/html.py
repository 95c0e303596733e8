"""One offline page of a run: every case in a table, and below it each with its numbers, pictures and baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gradproof._cli.gate_outputs.told import details, headline, work_told
from gradproof._gate.history import Moment, history
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import MEANINGS

if TYPE_CHECKING:
    from gradproof._html.page import Case, Part

DRAWN: Final = 60
"""Most cases told in full, the gravest first; the others stand in the table."""
LAST: Final = 6
"""Baselines that are told in words, the newest first; all are drawn."""


def write(result: GateResult) -> str:
    """The page."""
    from gradproof._html.page import Count, run_page

    order = sorted(
        range(len(result.cases)), key=lambda k: (result.cases[k].passed, not MEANINGS[result.cases[k].verdict].level, k)
    )  # fmt: skip
    drawn = [k for k in order if result.cases[k].reports or _wrong(result.cases[k])][:DRAWN]
    cases = [_case(result, k, drawn=k in drawn) for k in order]
    counts = [Count(str(v), MEANINGS[v].sign, n) for v, n in result.counts.items()]
    line = headline(result)
    return run_page(
        f"gradproof gate: {line}", f"{line}. {work_told(result)}.", cases, counts, result.trouble
    )


def _case(result: GateResult, number: int, *, drawn: bool) -> Case:
    from gradproof._html.history import history_figure
    from gradproof._html.page import Case as Shown

    case = result.cases[number]
    meaning = MEANINGS[case.verdict]
    wrong = _wrong(case)
    moments = history(Path(result.root), case.file) if result.root and case.file else ()
    return Shown(
        id=f"case-{number}",
        name=case.name,
        verdict=str(case.verdict),
        sign=meaning.sign,
        sentence=case.sentence,
        digits=_digits(case),
        place=str(case.place) if case.place and wrong else "",
        told=tuple(details(case)) if wrong and drawn else (),
        bars=history_figure(moments, case.name),
        moments=tuple(map(_told, moments[: -LAST - 1 : -1])),
        parts=tuple(_parts(case, f"case-{number}")) if drawn else (),
        right=not wrong,
    )


def _wrong(case: CaseResult) -> bool:
    return bool(MEANINGS[case.verdict].exit_code)


def _parts(case: CaseResult, key: str) -> list[Part]:
    from gradproof._html.page import Part as Shown
    from gradproof._html.view import view_of

    views = case.views
    found: list[Part] = []
    for k, report in enumerate(views):
        at = f", point {k + 1} of {len(views)}" if len(views) > 1 else ""
        found.append(
            Shown(f"{key}-{k}", view_of(report, title=f"{case.name}{at}", key=f"{key}-{k}"))
        )
    return found


def _told(moment: Moment) -> str:
    return f"{moment.day}: {moment.digits:.1f} digits. {moment.reason}"


def _digits(case: CaseResult) -> str:
    claims = [a.digits for a in case.agreements if a.entries and a.subject == "claim"]
    every = claims or [a.digits for a in case.agreements if a.entries]
    return f"{min(every):.1f}" if every else ""
