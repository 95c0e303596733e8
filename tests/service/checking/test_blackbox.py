"""Black boxes: noise first, bars from differences, wrong entries by name however many there are, bad boxes told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Structure
from gradproof_service.checking.blackbox import check_black_box
from gradproof_service.checking.report import (
    Answer,
    Ask,
    BlackBox,
    Claim,
    Kind,
    Options,
    Report,
    Source,
    Verdict,
)
from gradproof_service.diagnostic import Fault

X = np.array([0.7, -1.3, 2.1, 0.4])
DRAWS = iter(np.random.default_rng(9).standard_normal((8, 4)))
LONG = np.random.default_rng(4).standard_normal(100_000)


def boxed(
    function: Callable[..., Any], *claims: Claim, x: Any = X, claim: Any = None, **options: Any
) -> Report:
    """The report on a function of one array that is asked point by point; `claim` answers asked claims."""

    def ask(question: Ask) -> Answer:
        rows: list[np.ndarray] = []
        for k in range(question.batch):
            try:
                given = [p[k] for p in (*question.points, *question.seeds)]
                rows.append(np.asarray((function if question.claim < 0 else claim)(*given)))
            except ArithmeticError as error:
                return Answer(error=str(error))
        return Answer((("out", np.stack(rows)),))

    box = BlackBox(("x",), (Structure.NONE,), "box")
    return check_black_box(box, [np.asarray(x)], claims, Options(**options), ask=ask)


def wave(x: Any) -> Any:
    """A scalar of any number of elements."""
    return np.sum(np.sin(x) * x)


def slope(x: Any) -> Any:
    """Its gradient."""
    return np.cos(x) * x + np.sin(x)


def gradient(value: Any) -> Claim:
    """A claimed gradient."""
    return Claim(Kind.GRADIENT, value=np.asarray(value))


def changed(entries: dict[int, float], x: Any = X) -> np.ndarray:
    """The gradient with some entries off by factors."""
    value = slope(x)
    for at, factor in entries.items():
        value[at] *= factor
    return value


def test_a_right_gradient_agrees_and_says_how_sharply() -> None:
    """Noise is measured before anything is compared."""
    report = boxed(wave, gradient(slope(X)))
    assert report.verdict is Verdict.AGREES
    assert 0 < report.comparisons[0].power < 1e-6
    assert report.witnesses == (Source.DIFFERENCES,)


@pytest.mark.parametrize("factor", [-1.0, 0.0, 1.5, 1 + 1e-6])
def test_a_wrong_entry_is_named(factor: float) -> None:
    """A millionth is more than the bars."""
    report = boxed(wave, gradient(changed({2: factor})))
    (c,) = report.comparisons
    assert (c.verdict, c.entries_wrong, c.worst_index) == (Verdict.DISAGREES, 1, (2,))
    assert report.findings[0].elements == ((2,),)


@pytest.mark.parametrize(
    ("entries", "size"), [({41_234: 1.01}, 100_000), ({7: -1.0, 4_999: 0.0, 90: 3.0}, 5_000)]
)
def test_wrong_entries_of_100_000_are_found_by_halving(
    entries: dict[int, float], size: int
) -> None:
    """Eight dense directions see one wrong entry among 100,000; halves of them lead to it."""
    x = LONG[:size]
    report = boxed(wave, gradient(changed(entries, x)), x=x)
    (c,) = report.comparisons
    assert c.verdict is Verdict.DISAGREES
    assert set(c.wrong) == {(at,) for at in entries}
    assert c.claimed == changed(entries, x)[c.worst_index]
    assert c.reference == pytest.approx(slope(x)[c.worst_index], rel=1e-6)


def test_a_right_gradient_of_100_000_agrees_with_the_power_of_one_entry() -> None:
    """All entries are covered, and the power is that of seeing a single typical one wrong."""
    report = boxed(wave, gradient(slope(LONG)), x=LONG)
    (c,) = report.comparisons
    assert (c.verdict, c.entries, c.entries_total) == (Verdict.AGREES, 100_000, 100_000)
    assert 1e-12 < c.power < 1e-3
    assert c.directions == 8


def layer(x: Any) -> Any:
    """R^4 -> R^4."""
    return np.sin(x) + 0.1 * np.sum(x)


def layer_jacobian(x: Any) -> Any:
    """Of `layer`."""
    return np.diag(np.cos(x)) + 0.1


@pytest.mark.parametrize("kind", [Kind.JACOBIAN, Kind.VJP, Kind.JVP])
@pytest.mark.parametrize("factor", [1.0, 1.001])
def test_every_kind_is_judged_and_proved(kind: Kind, factor: float) -> None:
    """Values and asked rules; planted faults are caught by the very check that passed."""
    wrong = np.ones((4, 4))
    wrong[1, 2] = factor

    def asked(x: Any, *seed: Any) -> Any:
        matrix = layer_jacobian(x) * wrong
        if kind is Kind.JACOBIAN:
            return matrix
        return seed[0] @ matrix if kind is Kind.VJP else matrix @ seed[0]

    report = boxed(layer, Claim(kind, asked=True), claim=asked, prove=True)
    (c,) = report.comparisons
    assert c.verdict is (Verdict.AGREES if factor == 1 else Verdict.DISAGREES)
    if factor == 1:
        (proof,) = report.proofs
        assert proof.planted == proof.caught > 5
    else:
        place = {Kind.JACOBIAN: (1, 2), Kind.VJP: (2,), Kind.JVP: (1,)}[kind]
        assert place in c.wrong


@pytest.mark.parametrize(
    ("claim", "asked", "code"),
    [
        (gradient(np.zeros(3)), None, "GP801"),
        (gradient(np.zeros(4, dtype=complex)), None, "GP802"),
        (Claim(Kind.GRADIENT, asked=True), lambda x: 1 / 0, "GP804"),
        (Claim(Kind.GRADIENT, asked=True), lambda x: slope(x) + next(DRAWS), "GP707"),
    ],
)
def test_a_claim_that_cannot_be_compared_is_a_finding(claim: Claim, asked: Any, code: str) -> None:
    """Shape, dtype, failure and flicker, each under its own code."""
    report = boxed(wave, claim, claim=asked)
    assert report.verdict is Verdict.DISAGREES
    assert [f.code for f in report.findings] == [code]


def test_a_claim_with_nan_disagrees() -> None:
    """NaN is no slope."""
    assert boxed(wave, gradient(changed({1: np.nan}))).comparisons[0].wrong == ((1,),)


def test_noise_widens_the_bars_and_is_named() -> None:
    """Random answers: a right claim is not accused, and the box is told to be random."""
    rng = np.random.default_rng(3)
    report = boxed(lambda x: wave(x) + 1e-9 * rng.standard_normal(), gradient(slope(X)))
    assert report.verdict is not Verdict.DISAGREES
    assert "GP707" in {f.code for f in report.findings}
    wrong = boxed(lambda x: wave(x) + 1e-9 * rng.standard_normal(), gradient(changed({0: 1.2})))
    assert wrong.verdict is Verdict.DISAGREES


def test_a_box_that_drifts_is_told() -> None:
    """The first answer is asked for again at the end."""
    calls: list[int] = []

    def drifting(x: Any) -> Any:
        calls.append(1)
        return wave(x) + 1e-3 * len(calls)

    assert "GP707" in {f.code for f in boxed(drifting, gradient(slope(X))).findings}


def test_a_box_that_fails_beside_the_point_is_outside_its_domain_there() -> None:
    """A failing point is one without a value; the others of its batch still count."""

    def rooted(x: Any) -> Any:
        if x[0] < 0.69:
            raise ArithmeticError("no root here")
        return np.sum(np.sqrt(x - 0.69))

    x = np.array([0.7, 1.5])
    report = boxed(rooted, gradient(0.5 / np.sqrt(x - 0.69)), x=x)
    assert report.verdict is Verdict.AGREES


def growing() -> Callable[..., Any]:
    """A function that returns more from its second call on."""
    calls: list[int] = []

    def function(x: Any) -> Any:
        calls.append(1)
        return np.zeros(() if len(calls) == 1 else (2,))

    return function


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x: 1 / 0, "the function failed: division by zero"),
        (growing(), "outputs are now 'out' of shape"),
        (lambda x: np.array([1, 2]), "no float output"),
    ],
)
def test_a_box_that_cannot_be_asked_is_refused(function: Any, message: str) -> None:
    """One sentence: what it did, and what was expected."""
    with pytest.raises(Fault, match=message):
        boxed(function, gradient(slope(X)))


def test_too_few_answers_are_refused() -> None:
    """Every point of a question must be answered."""
    box = BlackBox(("x",), (Structure.NONE,), "box")
    with pytest.raises(Fault, match=r"output 'out' has shape \(3,\), expected 1 points"):
        check_black_box(
            box, [X], [gradient(slope(X))], Options(),
            ask=lambda question: Answer((("out", np.zeros(question.batch + 2)),)),
        )  # fmt: skip


def test_evidence_of_a_box_shows_its_sweep_and_the_rate_of_the_claim() -> None:
    """Rate two for a right gradient, one for a wrong one."""
    right, wrong = (
        boxed(wave, gradient(changed({1: factor})), evidence=True).evidence[0]
        for factor in (1.0, 1.01)
    )
    assert abs(right.taylor.rate - 2) < 0.1
    assert abs(wrong.taylor.rate - 1) < 0.1
    assert wrong.index == (1,)
    assert wrong.slope == changed({1: 1.01})[1]
    assert right.sweep.plateau[0] < right.sweep.chosen_step < right.sweep.plateau[1]
