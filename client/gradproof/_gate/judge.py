"""From what the checks of a case found, and its baseline, to one verdict and the sentence for it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._gate.baseline import Baseline, Measured
from gradproof._gate.cases import Case
from gradproof._gate.drift import drifts, lost, moved_point
from gradproof._gate.measure import pair_name
from gradproof._gate.result import Agreement, CaseResult, Drift, Place, Told
from gradproof._gate.sentences import drift_sentence, numbers
from gradproof._gate.verdicts import FINDINGS, MEANINGS, OPEN, PASSED, Verdict
from gradproof._report import Comparison, Finding, Location, Report

ILL_TYPED: Final = "GP00"
"""Findings that say the program cannot be run at all."""
NEVER_FAILS: Final = ("GP703",)
"""Findings that say the case would pass whatever is claimed: always an error of the gate itself."""
WHEN_OPEN: Final = {"tell": OPEN, "fail": FINDINGS, "pass": PASSED}


@dataclass(frozen=True, slots=True)
class Checked:
    """One check of a case: its report, and what was measured."""

    report: Report
    measured: Measured


def judge(
    case: Case, checked: Sequence[Checked], then: Baseline | None, *, held: bool
) -> CaseResult:
    """The result of a case that was checked; `held` says that the configuration wants baselines."""
    told = told_of(case, checked)
    moved = _against(case, checked, then) if then else _Moved()
    agreements = _agreements(checked, then)
    verdict, sentence = _verdict(case, checked, told, agreements, moved, then, held=held)
    drifted = moved.drifted or any(a.lost for a in agreements)
    code = MEANINGS[verdict].exit_code
    if verdict is Verdict.INCONCLUSIVE:
        code = FINDINGS if drifted else WHEN_OPEN[case.settings.inconclusive]
    return CaseResult(
        name=case.name,
        verdict=verdict,
        sentence=sentence,
        target=case.target,
        claim=case.claim,
        place=_place(case, told, checked, verdict),
        exit_code=code,
        findings=told,
        agreements=agreements,
        drifts=moved.drifts,
        notes=moved.notes,
        moved=drifted,
        points=len(checked),
        entries_checked=sum(c.report.entries_checked for c in checked),
        entries_total=sum(c.report.entries_total for c in checked),
    )


def relative_to_root(file: str) -> str:
    """A file as it is called from the root, which is the current folder of whoever checks."""
    if not Path(file).is_absolute():
        return file
    path = os.path.relpath(Path(file).resolve(), Path.cwd())
    return file if path.startswith("..") else Path(path).as_posix()


def place_of(location: Location) -> Place:
    """A location as a place from the root."""
    if not location.file:
        return Place()
    return Place(
        relative_to_root(location.file), location.line, location.column, location.end_line, location.end_column,
        location.scope,
    )  # fmt: skip


def _verdict(
    case: Case, checked: Sequence[Checked], told: Sequence[Told], agreements: Sequence[Agreement], moved: _Moved,
    then: Baseline | None, *, held: bool,
) -> tuple[Verdict, str]:  # fmt: skip
    verdicts = {c.report.verdict for c in checked}
    failing = [t for t in told if t.fails]
    ill = [t for t in failing if t.code.startswith(ILL_TYPED)]
    if ill:
        return Verdict.ERROR, _of_finding(ill[0])
    if "disagrees" in verdicts or failing:
        return Verdict.FAIL, _why_wrong(failing, agreements)
    if "inconclusive" in verdicts or not checked:
        also = f"; besides, {_why_moved(moved, agreements)}" if moved.drifted else ""
        return Verdict.INCONCLUSIVE, _why_open(agreements) + also
    if moved.drifted or any(a.lost for a in agreements):
        return Verdict.DRIFT, _why_moved(moved, agreements)
    good = _how_good(case, checked, agreements)
    if held and then is None:
        return Verdict.NEW, f"{good}; there is no baseline yet"
    if then is None:
        return Verdict.PASS, good
    if not moved.drifts:
        return Verdict.PASS, f"{good}; every number is the baseline's to the bit"
    worst = max(moved.drifts, key=lambda d: d.ulps)
    return Verdict.PASS, f"{good}; moved by rounding only, {worst.ulps:.3g} ULP at most"


def _how_good(case: Case, checked: Sequence[Checked], agreements: Sequence[Agreement]) -> str:
    entries = sum(c.report.entries_checked for c in checked)
    digits = min((a.digits for a in agreements if a.entries), default=0.0)
    many = f" at {len(checked)} points" if len(checked) > 1 else ""
    what = "the claim agrees" if case.claim else "the derivative agrees"
    return (
        f"{what} in {entries} {'entry' if entries == 1 else 'entries'}{many} to {digits:.1f} digits"
    )


def _why_wrong(failing: Sequence[Told], agreements: Sequence[Agreement]) -> str:
    wrong = [a for a in agreements if a.verdict == "disagrees"]
    if failing and not wrong:
        return _of_finding(failing[0])
    worst = min(wrong, key=lambda a: (a.subject != "claim", a.digits))
    caused = next((t for t in failing if t.cause), None)
    said = f"{worst.title}: {numbers(worst)}"
    return f"{said}; {caused.cause}" if caused else said


def _of_finding(told: Told) -> str:
    return f"{told.code} {told.name}: {told.message}"


def _why_open(agreements: Sequence[Agreement]) -> str:
    unclear = [a for a in agreements if a.verdict == "inconclusive"]
    if not unclear:
        return "nothing was compared"
    first = unclear[0]
    return f"{first.title} cannot be decided ({first.reason or 'the error bar is too wide'})"


def _why_moved(moved: _Moved, agreements: Sequence[Agreement]) -> str:
    if moved.why:
        return moved.why
    beyond = [d for d in moved.drifts if d.beyond]
    if beyond:
        more = f"; {len(beyond) - 1} more moved" if len(beyond) > 1 else ""
        return drift_sentence(beyond[0]) + more
    gone = next(a for a in agreements if a.lost)
    return f"{gone.title} lost agreement: was {gone.digits_then:.1f} digits, now {gone.digits:.1f}"


@dataclass(frozen=True, slots=True)
class _Moved:
    """What a baseline shows: arrays that moved, and why it cannot be compared where it cannot."""

    drifts: tuple[Drift, ...] = ()
    why: str = ""
    notes: tuple[str, ...] = ()

    @property
    def drifted(self) -> bool:
        return bool(self.why) or any(d.beyond for d in self.drifts)


def _against(case: Case, checked: Sequence[Checked], then: Baseline) -> _Moved:
    if len(then.points) != len(checked):
        return _Moved(
            why=f"the baseline holds {len(then.points)} points, the case has {len(checked)}"
        )
    if then.profile != case.settings.profile:
        return _Moved(
            why=f"the baseline follows the profile {then.profile}, the case {case.settings.profile}"
        )
    found: list[Drift] = []
    notes: list[str] = []
    for k, (before, now) in enumerate(zip(then.points, checked, strict=True)):
        if name := moved_point(before, now.measured):
            where = f" of point {k}" if len(checked) > 1 else ""
            return _Moved(why=f"the input {name}{where} is not where the baseline was made")
        found += drifts(before, now.measured, k, case.settings.drift_digits)
        if before.program != now.measured.program:
            notes.append("the graph is not the baseline's")
    notes += [
        f"the {what} was {was}, is {now}"
        for what, was, now in (
            ("target", then.target, case.target),
            ("claim", then.claim, case.claim),
        )
        if was != now
    ]
    return _Moved(tuple(found), "", tuple(dict.fromkeys(notes)))


def _agreements(checked: Sequence[Checked], then: Baseline | None) -> tuple[Agreement, ...]:
    found: list[Agreement] = []
    for k, one in enumerate(checked):
        known = then.points[k].digits if then and k < len(then.points) else {}
        found += [_agreement(c, k, known.get(pair_name(c))) for c in one.report.comparisons]
    return tuple(found)


def _agreement(c: Comparison, point: int, then: float | None) -> Agreement:
    return Agreement(
        point, c.output, c.input, c.second_input, c.kind, c.subject, c.against, c.verdict, c.reason, c.entries,
        c.entries_wrong, c.digits, then, c.worst_index, c.claimed, c.reference, c.error_bar,
        lost(then, c.digits, c.against) if c.entries else False,
    )  # fmt: skip


def told_of(case: Case, checked: Sequence[Checked]) -> tuple[Told, ...]:
    """The findings that are wanted, each once; the first point that has it is named."""
    found: dict[tuple[object, ...], Told] = {}
    for k, one in enumerate(checked):
        for f in one.report.findings:
            wanted = f.code.startswith(case.settings.select) and not f.code.startswith(
                case.settings.ignore or ("-",)
            )
            always = f.code in NEVER_FAILS or (
                f.severity == "error" and f.code.startswith(ILL_TYPED)
            )
            if wanted or always:
                told = _one_told(f, k, case, always=always)
                found.setdefault(
                    (f.code, f.input, f.output, told.place.file, told.place.line), told
                )
    return tuple(sorted(found.values(), key=lambda t: not t.fails))


def _one_told(f: Finding, point: int, case: Case, *, always: bool) -> Told:
    fails = always or f.severity == "error" or f.code.startswith(case.settings.errors or ("-",))
    return Told(
        f.code, f.name, "error" if fails else f.severity, f.message, place_of(f.location), f.cause, f.mend, f.input,
        f.output, point, fails,
    )  # fmt: skip


def _place(case: Case, told: Sequence[Told], checked: Sequence[Checked], verdict: Verdict) -> Place:
    """Where to look: the line that a failing finding names, else the function."""
    if verdict in (Verdict.FAIL, Verdict.ERROR):
        for t in told:
            if t.fails and t.place.line:
                return t.place
    return Place(case.file, case.line)
