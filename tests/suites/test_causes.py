"""Planted faults are not only found: the class of mistake is named, and the line it stands on."""

from __future__ import annotations

import pytest

from tests.suites.causes import CODES, Diagnosis, diagnoses
from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import Fault, faults_of

LEAST_NAMED = 0.9
LEAST_PLACED = 0.8


def _faults() -> list[Fault]:
    return [f for s in SUBJECTS for f in faults_of(s, "one") if f.fault in CODES]


@pytest.mark.long
def test_classes_and_lines_are_named():
    """Nine of ten faults get the right class of cause, four of five slips in a traced source their line."""
    said: list[list[Diagnosis]] = [d for d in (list(diagnoses(f)) for f in _faults()) if d]
    named = [all(d.named for d in each) for each in said]
    placed = [any(d.placed for d in each) for each in said if each[0].fault.line]
    assert sum(named) >= LEAST_NAMED * len(named)
    assert sum(placed) >= LEAST_PLACED * len(placed)


def test_a_slip_is_placed_on_its_line():
    """The first slip of every fifth derivative: somewhere among the few lines named is the wrong one."""
    firsts = [
        f for s in SUBJECTS[::5] if s.kind in ("gradient", "vjp") for f in faults_of(s, "one")[:1]
    ]
    placed = [any(d.placed for d in diagnoses(f)) for f in firsts]
    assert sum(placed) >= 0.5 * len(placed)
