"""Which entries are wrong is told: by index where they are few, by their pattern where they make one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.places import named, pattern
from gradproof_service.checking.report import Claim, Kind, Verdict

from tests.service.checking.test_check import X, checked, linear, rosen, rosen_der

EYE = np.eye(4, dtype=bool)


def mask(rows: Any = (), columns: Any = ()) -> np.ndarray:
    """Whole rows and columns of four by four."""
    wrong = np.zeros((4, 4), dtype=bool)
    wrong[list(rows)] = True
    wrong[:, list(columns)] = True
    return wrong


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (mask(rows=[2]), "row 2"),
        (mask(columns=[0, 3]), "columns 0, 3"),
        (EYE, "the diagonal"),
        (~EYE, "all off the diagonal"),
        (np.triu(~EYE), "all above the diagonal"),
        (np.tril(~EYE), "all below the diagonal"),
        (mask(rows=[1], columns=[2]), ""),
        (mask(rows=range(4)), ""),
        (EYE[:1], ""),
    ],
)
def test_a_pattern_is_named_when_it_fits_exactly(wrong: np.ndarray, words: str) -> None:
    """Whole rows, columns, the diagonal, a triangle; anything else has no name."""
    assert pattern(wrong) == words


def test_the_worst_entry_comes_first_and_eight_are_named() -> None:
    """The others follow in the order of the array, none twice."""
    assert named(EYE, (2, 2)) == ((2, 2), (0, 0), (1, 1), (3, 3))
    assert len(named(np.ones((5, 5), dtype=bool), (4, 4))) == 8


def test_every_wrong_entry_of_a_gradient_is_in_the_finding() -> None:
    """Three wrong entries: the worst one first, and how many there are."""
    value = rosen_der(X)
    value[[0, 3, 4]] *= [1.1, 1.5, 1.01]
    (finding,) = checked(rosen, {"x": X}, Claim(Kind.GRADIENT, value=value)).findings
    assert (finding.elements, finding.element_count) == (((3,), (0,), (4,)), 3)


@pytest.mark.parametrize("kind", [Kind.VJP, Kind.JVP])
def test_a_rule_is_told_by_its_own_entry_and_the_seed_apart(kind: Kind) -> None:
    """One wrong entry along one seed: its index in what the rule returns, the seed as a number of its own."""
    x = np.array([0.3, -0.2, 0.5])
    rng = np.random.default_rng(3)
    a = np.array([[1.5, -0.25, 0.5], [0.75, 2.0, -1.0]])
    matrix = (1 - np.tanh(a @ x) ** 2)[:, None] * a
    right = matrix if kind is Kind.VJP else matrix.T
    seeds = rng.standard_normal((4, len(right)))
    value = seeds @ right
    value[2, 1] *= 1.001
    report = checked(linear, {"x": x}, Claim(kind, value=value, seeds=seeds))
    (wrong,) = [c for c in report.comparisons if c.verdict is Verdict.DISAGREES]
    assert (wrong.worst_index, wrong.worst_seed, wrong.wrong) == ((1,), 3, ((1,),))
    finding = next(f for f in report.findings if f.code == "GP800")
    assert finding.elements == ((1,),)
    assert dict(finding.numbers)["seed"] == 3
    assert "at [1] for seed 3" in finding.message
