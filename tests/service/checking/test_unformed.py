"""A claimed matrix that is too large to be formed: every row is screened, the suspicious ones are formed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking import reference
from gradproof_service.checking.report import Claim, Kind, Report, Verdict

from tests.service.checking.test_check import checked

RNG = np.random.default_rng(21)
A = RNG.standard_normal((200, 90)) / 9
X = RNG.standard_normal(90)
RIGHT = (1 - np.tanh(A @ X) ** 2)[:, None] * A


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is lowered, so that 18,000 entries are too many."""
    monkeypatch.setattr(reference, "BLOCK_LIMIT", 1000)


def judged(value: Any) -> Report:
    """The report on a claimed Jacobian of a layer."""
    function = lambda xp, x: xp.tanh(xp.constant(A) @ x)
    return checked(function, {"x": X}, Claim(Kind.JACOBIAN, value=value))


def test_a_right_matrix_agrees_and_says_what_could_have_hidden() -> None:
    """All rows are screened, a part of them is formed; the power is that of one entry of a row not formed."""
    report = judged(RIGHT)
    c = report.comparisons[-1]
    assert c.verdict is Verdict.AGREES
    assert 0 < c.entries < c.entries_total == A.size
    assert c.power < 1e-6
    assert c.directions > 0


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1 + 1e-6])
@pytest.mark.parametrize("entry", [(0, 0), (137, 41), (199, 89)])
def test_one_wrong_entry_is_named(entry: tuple[int, int], factor: float) -> None:
    """A millionth in one entry of a matrix that is never formed."""
    value = RIGHT.copy()
    value[entry] *= factor
    report = judged(value)
    c = report.comparisons[-1]
    assert (c.verdict, c.entries_wrong, c.worst_index) == (Verdict.DISAGREES, 1, entry)
    assert c.claimed == value[entry]
    (finding,) = [f for f in report.findings if f.code == "GP800"]
    assert finding.elements == (entry,)


def test_a_matrix_in_single_precision_agrees() -> None:
    """Its rows all stand out of the screen, and the ones that are formed are right."""
    report = judged(RIGHT.astype(np.float32).astype(np.float64))
    assert report.comparisons[-1].verdict is Verdict.AGREES
    assert report.comparisons[-1].power < 1e-3


def test_a_transposed_order_disagrees() -> None:
    """Rows in another order are wrong in most entries."""
    assert judged(RIGHT[::-1].copy()).comparisons[-1].verdict is Verdict.DISAGREES
