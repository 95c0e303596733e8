"""Planted faults: every wrong derivative is found, in the right argument, at the right entries."""

from __future__ import annotations

import pytest

from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import faults_of, masked
from tests.suites.model import Subject
from tests.suites.planted import Score, score_subject

MOST_MASKED = 0.02
"""Largest share of faults that may have no effect at their point."""


def test_there_are_many_subjects_and_classes():
    """At least forty realistic derivatives, and at least twenty classes of mistakes."""
    names = [s.name for s in SUBJECTS]
    assert len(names) == len(set(names)) >= 40
    assert len({e.fault for s in SUBJECTS for e in s.edits}) >= 20


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_every_planted_fault_is_found(subject: Subject):
    """The correct derivative agrees; each wrong one disagrees, in its arguments and entries alone."""
    _hold(subject, "one")


@pytest.mark.long
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_every_planted_fault_is_found_in_every_argument(subject: Subject):
    """The same with each class of spoiled values in each argument in turn."""
    _hold(subject, "all")


def test_few_faults_are_masked():
    """Hardly any fault is without effect at its point, so the suite asks what it seems to ask."""
    faults = [f for subject in SUBJECTS for f in faults_of(subject, "one")]
    assert sum(map(masked, faults)) <= MOST_MASKED * len(faults)


def _hold(subject: Subject, arguments: str) -> None:
    correct, scores, _ = score_subject(subject, faults_of(subject, arguments))
    assert correct.entries, correct.note
    missed: list[Score] = [s for s in scores if not s.masked and not s.entries]
    assert not missed, "\n".join(f"{s.name}: {s.note}" for s in missed)
