"""One offline page of a run: every case in a table, those that are not right drawn in full."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gradproof._cli.gate_outputs.told import headline
from gradproof._gate.history import Moment, history
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import MEANINGS

if TYPE_CHECKING:
    from markupsafe import Markup

    from gradproof._html.page import Part

DRAWN: Final = 60
"""Most cases drawn in full, the gravest first; the others stand in the table."""
SIGNS: Final = {"PASS": "✓", "FAIL": "✗", "ERROR": "✗", "GONE": "✗"}


def write(result: GateResult) -> str:
    """The page."""
    from gradproof._html.page import Entry, page

    moments = {case.name: _moments(result, case) for case in result.cases}
    order = sorted(
        range(len(result.cases)), key=lambda k: (result.cases[k].passed, not MEANINGS[result.cases[k].verdict].level, k)
    )  # fmt: skip
    drawn = [k for k in order if result.cases[k].reports][:DRAWN]
    index = [
        Entry(
            f"case-{k}" if k in drawn else "", case.name, str(case.verdict), SIGNS.get(str(case.verdict), "?"),
            case.sentence, _digits(case), _bars(moments[case.name], case.name),
        )
        for k, case in ((k, result.cases[k]) for k in order)
    ]  # fmt: skip
    parts = [
        part for k in drawn for part in _parts(result.cases[k], f"case-{k}", moments[result.cases[k].name])
    ]  # fmt: skip
    return page(f"gradproof gate: {headline(result)}", parts, index, result.trouble)


def _parts(case: CaseResult, key: str, moments: tuple[Moment, ...]) -> list[Part]:
    from gradproof._html.page import Part
    from gradproof._html.view import view_of

    views = case.views
    found: list[Part] = []
    for k, report in enumerate(views):
        at = f", point {k + 1} of {len(views)}" if len(views) > 1 else ""
        view = view_of(
            report, title=f"{case.name}{at}", key=f"{key}-{k}", history=_bars(moments, case.name) if k == 0 else None
        )  # fmt: skip
        found.append(Part(key if k == 0 else f"{key}-{k}", view))
    return found


def _moments(result: GateResult, case: CaseResult) -> tuple[Moment, ...]:
    return history(Path(result.root), case.file) if result.root and case.file else ()


def _bars(moments: tuple[Moment, ...], name: str) -> Markup | None:
    from gradproof._html.history import history_figure

    return history_figure(moments, name)


def _digits(case: CaseResult) -> str:
    claims = [a.digits for a in case.agreements if a.entries and a.subject == "claim"]
    every = claims or [a.digits for a in case.agreements if a.entries]
    return f"{min(every):.1f}" if every else ""
