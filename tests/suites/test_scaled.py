"""A correct derivative is accused at no scale: seven hundred points that nobody chose with care.

Whole layers are saturated at some of these points: their derivative is zero to within rounding, or no number in either
mode, and the witness decides. A tenth of the points runs always, all of them by `pytest -m long tests/suites/test_scaled.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import pytest
from gradproof_service.checking.report import Verdict

from tests.suites.model import Subject
from tests.suites.scaled import everywhere, judged

MOST_UNDECIDED = 0.02
SATURATED = ("gru x 30", "gated_unit x 30", "lstm x 1000", "dense x 1000", "attention x 30")


def assert_judged(points: Iterable[tuple[str, Subject]], undecided: float) -> None:
    """None disagrees, and hardly any is left open."""
    verdicts = {name: judged(subject).verdict for name, subject in points}
    assert [name for name, v in verdicts.items() if v is Verdict.DISAGREES] == []
    still = [name for name, v in verdicts.items() if v is Verdict.INCONCLUSIVE]
    assert len(still) <= undecided * len(verdicts), still


def test_a_sample_of_points_at_other_scales_is_right() -> None:
    """Every eleventh point, in the order of the suite."""
    assert_judged(islice(everywhere(), 5, None, 11), 0.05)


def test_saturated_units_are_right() -> None:
    """Zero times infinity in both modes, and claims that are zero where the truth is 1e-160: all decided."""
    found = {name: subject for name, subject in everywhere() if name in SATURATED}
    assert set(found) == set(SATURATED)
    assert_judged(found.items(), 0.0)


@pytest.mark.long
def test_a_correct_derivative_is_accused_at_no_scale() -> None:
    """The derivatives of the planted-fault suite, as they are written, at other points."""
    assert_judged(everywhere(), MOST_UNDECIDED)
