"""Hard but correct: nobody is accused, hardly anything stays undecided, and a kink is named."""

from __future__ import annotations

from functools import cache

import pytest
from gradproof_service.checking.report import Report, Source, Verdict

from tests.suites.hard import CASES
from tests.suites.hard.case import Case
from tests.suites.hard.judge import judge, told
from tests.suites.hard.kinks import EDGES, KINKS, Kink

MOST_UNDECIDED = 0.02


@cache
def _report(index: int) -> Report:
    return judge(CASES[index])


def test_there_are_many_cases():
    """At least two hundred cases, each with a name of its own."""
    assert len({c.name for c in CASES}) == len(CASES) >= 200


@pytest.mark.parametrize("index", range(len(CASES)), ids=lambda k: CASES[k].name)
def test_a_correct_derivative_is_never_accused(index: int):
    """No comparison of any kind says that a correct derivative differs."""
    report = _report(index)
    wrong = [c for c in report.comparisons if c.verdict is Verdict.DISAGREES]
    assert not wrong, told(CASES[index], report)


def test_hardly_any_case_stays_undecided():
    """Of all correct derivatives at hard points at most two in a hundred are inconclusive."""
    open_ones = [k for k in range(len(CASES)) if _report(k).verdict is Verdict.INCONCLUSIVE]
    shown = "\n".join(told(CASES[k], _report(k)) for k in open_ones)
    assert len(open_ones) <= MOST_UNDECIDED * len(CASES), shown


@pytest.mark.parametrize("kink", [k for k in KINKS if k.inside], ids=lambda k: k.case.name)
def test_a_slope_inside_is_named_not_accused(kink: Kink):
    """On a kink any slope between the one-sided ones is not wrong, and never passes without a finding."""
    _named(kink.case, judge(kink.case))


@pytest.mark.parametrize("kink", [k for k in KINKS if not k.inside], ids=lambda k: k.case.name)
def test_a_slope_outside_is_wrong(kink: Kink):
    """On a kink a slope outside of the one-sided ones is found."""
    report = judge(kink.case)
    said = [c.verdict for c in report.comparisons if c.subject is Source.CLAIM]
    assert Verdict.DISAGREES in said, told(kink.case, report)


@pytest.mark.parametrize("case", EDGES, ids=lambda c: c.name)
def test_an_edge_is_named_not_accused(case: Case):
    """On a jump or at the edge of the domain nothing passes without a finding and nobody is accused."""
    _named(case, judge(case))


def _named(case: Case, report: Report) -> None:
    assert report.verdict is not Verdict.DISAGREES, told(case, report)
    assert any(f.code.startswith(("GP1", "GP2")) for f in report.findings), told(case, report)
