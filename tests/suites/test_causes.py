"""Planted faults are not only found: the class of mistake is named, and the line it stands on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.suites.causes import CODES, diagnoses
from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import Fault, faults_of

LEAST_NAMED = 0.94
LEAST_PLACED = 0.90
SAMPLE = 14
"""Of so many faults one is diagnosed in the short form."""


def _faults() -> list[Fault]:
    return [f for s in SUBJECTS for f in faults_of(s, "one") if f.fault in CODES]


def _hold(faults: Sequence[Fault]) -> None:
    """The share that is asked for gets the right class, and of slips in a source the right line among few."""
    said = [(f, list(diagnoses(f))) for f in faults]
    named = {f.name: all(d.named for d in each) for f, each in said if each}
    placed = {f.name: any(d.placed for d in each) for f, each in said if each and f.line}
    for what, marks, least in (("class", named, LEAST_NAMED), ("line", placed, LEAST_PLACED)):
        missed = [name for name, right in marks.items() if not right]
        assert len(missed) <= (1 - least) * len(marks), f"{what} missed: {', '.join(missed)}"


def test_classes_and_lines_are_named_in_a_sample():
    """A fixed sample of the suite, over all its derivatives and classes of faults."""
    sample = _faults()[::SAMPLE]
    assert len({f.fault for f in sample}) >= 20
    assert sum(bool(f.line) for f in sample) >= 20
    _hold(sample)


@pytest.mark.long
def test_classes_and_lines_are_named():
    """The whole suite, three minutes: `pytest -m long tests/suites/test_causes.py`."""
    _hold(_faults())
