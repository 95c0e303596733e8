"""Inputs that are declared structured: through the SDK and the command, for programs and black boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradproof as gp
import numpy as np
import pytest
from gradproof._structure import ALSO, STRUCTURES

from tests.client.cli.harness import gradproof

S = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 5.0]])


def log_det(S: Any) -> Any:
    """Of a positive definite matrix, by its Cholesky factor."""
    return 2.0 * np.sum(np.log(np.diagonal(np.linalg.cholesky(S))))


def triangle(S: Any) -> Any:
    """A gradient that reads one triangle: right along symmetric matrices, and only there."""
    full = np.linalg.inv(S)
    return np.tril(2.0 * full) - np.diag(np.diagonal(full))


def test_a_claim_is_judged_along_the_tangent_space() -> None:
    """Both ways to write a gradient of a symmetric matrix agree when it is declared, a wrong one never does."""
    for claim in (np.linalg.inv, triangle):
        assert gp.check(log_det, at={"S": S}, claim=claim, structure={"S": "spd"})
    assert gp.check(log_det, at={"S": S}, claim=triangle).verdict == "disagrees"
    report = gp.check(
        log_det, at={"S": S}, claim=lambda S: 1.001 * np.linalg.inv(S), structure={"S": "spd"}
    )
    assert report.verdict == "disagrees"


@pytest.mark.parametrize(
    ("kind", "x", "good", "off"),
    [
        ("simplex", np.array([0.2, 0.3, 0.5]), lambda x: 1 / x + 7.0, lambda x: 1 / x + x),
        ("lower", np.tril(S), lambda x: np.tril(1 / (x + (x == 0))) + np.triu(S, 1), lambda x: np.tril(2 / (x + (x == 0)))),
        ("positive", np.array([0.2, 3.0]), lambda x: 1 / x, lambda x: 2 / x),
    ],
)  # fmt: skip
def test_what_a_claim_says_across_means_nothing(kind: str, x: Any, good: Any, off: Any) -> None:
    """An addition off the tangent space is no error; one along it is."""
    f = {"lower": lambda x: np.sum(np.log(np.abs(x[np.tril_indices(3)])))}.get(
        kind, lambda x: np.sum(np.log(x))
    )
    assert gp.check(f, at={"x": x}, claim=good, structure={"x": kind}).verdict == "agrees"
    assert gp.check(f, at={"x": x}, claim=off, structure={"x": kind}).verdict == "disagrees"


def test_many_points_stay_on_the_set() -> None:
    """Every further point is what its input is declared to be; the function would fail elsewhere."""
    report = gp.check(log_det, at={"S": S}, claim=np.linalg.inv, structure={"S": "spd"}, points=5)
    assert report.verdict == "agrees"
    assert len(report.points) == 5
    for one in report.points:
        assert np.allclose(one.at["S"], one.at["S"].T)
        assert np.linalg.eigvalsh(one.at["S"]).min() > 0


def test_derivatives_are_those_along_the_set() -> None:
    """Gradient, Jacobian and vjp of a declared input are projected; the numbers by hand."""
    weights = np.array([[1.0, 2.0], [6.0, 3.0]])
    at, structure = {"X": np.eye(2)}, {"X": "symmetric"}

    def f(X: Any) -> Any:
        return np.sum(weights * X)

    expected = np.array([[1.0, 4.0], [4.0, 3.0]])
    np.testing.assert_array_equal(gp.gradient(f, at=at, structure=structure), expected)
    np.testing.assert_array_equal(gp.value_and_gradient(f, at=at, structure=structure)[1], expected)
    np.testing.assert_array_equal(gp.jacobian(f, at=at, structure=structure), expected)
    _, bars = gp.vjp(f, at=at, cotangents=2.0, structure=structure)
    np.testing.assert_array_equal(bars, 2.0 * expected)
    np.testing.assert_array_equal(gp.gradient(f, at=at), weights)
    report = gp.check(f, at=at, structure=structure, claim=lambda X: expected)
    assert report
    np.testing.assert_array_equal(report.derivative("X"), expected)


def test_a_group_of_inputs_is_declared_by_its_name() -> None:
    """`params` stands for every array in it."""
    params = {"a": np.array([0.5, 1.0]), "b": np.array([2.0])}
    report = gp.check(
        lambda params: np.sum(np.log(params["a"])) * params["b"][0],
        at={"params": params}, structure={"params": "positive"},
    )  # fmt: skip
    assert report.verdict == "agrees"


@pytest.mark.parametrize(
    ("structure", "told"),
    [
        ({"S": "sdp"}, "'S' cannot be 'sdp'; did you mean 'spd'?"),
        ({"S": "triangular"}, "did you mean 'lower'?"),
        ({"S": "Positive"}, "did you mean 'positive'?"),
        ({"S": "qqq"}, "there are none, symmetric"),
        ({"T": "spd"}, "there is no 'T'; there are S"),
        ({"S": "orthogonal"}, "declared orthogonal, but X^T X differs"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_one_sentence(structure: dict[str, str], told: str) -> None:
    """An unknown kind or input names the nearest; a point off its set is refused."""
    with pytest.raises(gp.RequestError) as caught:
        gp.check(log_det, at={"S": S}, structure=structure)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_words_that_people_try_lead_to_kinds() -> None:
    """Every alias names a kind that exists and is none itself."""
    assert set(ALSO.values()) <= set(STRUCTURES)
    assert not set(ALSO) & set(STRUCTURES)


def test_a_black_box_is_varied_along_its_set_only() -> None:
    """A function that refuses what is not symmetric is checked, and a wrong claim about it is found."""

    def refuses(S: Any) -> Any:
        if not np.array_equal(S, S.T):
            raise ValueError("not symmetric")
        return float(np.sum(np.linalg.svd(S, compute_uv=False)))

    for scale, verdict in ((1.0, "agrees"), (1.001, "disagrees")):
        report = gp.check(
            refuses, at={"S": S}, claim=lambda S, scale=scale: scale * np.eye(3), structure={"S": "spd"}
        )  # fmt: skip
        assert (report.carriage, report.verdict) == ("black box", verdict)


def test_the_command_takes_structures(tmp_path: Path) -> None:
    """`--structure S=spd`: what is judged changes, the command to paste repeats it, mistakes are told."""
    (tmp_path / "m.py").write_text(
        "import numpy as np\n"
        "def f(S):\n    return np.sum(np.log(np.diagonal(np.linalg.cholesky(S))))\n"
        "def df(S):\n    return np.tril(np.linalg.inv(S)) - 0.5 * np.diag(np.diagonal(np.linalg.inv(S)))\n"
        "def wrong(S):\n    return np.linalg.inv(S)\n"
    )
    at = ("--at", "S=[[4,1],[1,3]]", "--structure", "S=spd")
    model = f"{tmp_path}/m.py"
    assert gradproof("check", f"{model}:f", "--claim", f"{model}:df", *at)[0] == 0
    code, out, _ = gradproof("check", f"{model}:f", "--claim", f"{model}:wrong", *at)
    assert code == 1
    assert "--structure S=spd" in out.splitlines()[-1]
    code, out, _ = gradproof(
        "grad", "x[0] - x[1]", "--at", "x=[0.5,0.5]", "--structure", "x=simplex"
    )
    assert (code, out) == (0, "[ 1., -1.]\n")
    for words, told in (
        (("x",), "error: --structure 'x': expected NAME=KIND, such as S=spd"),
        (("x=posit",), "error: x: --structure: 'x' cannot be 'posit'; did you mean 'positive'?"),
        (("x=positive",), "error: x: --at: input 'x' is declared positive, but it is -1, not above zero"),
        (("x=positive", "x=spd"), "error: --structure x: a second kind came"),
    ):  # fmt: skip
        options = [w for word in words for w in ("--structure", word)]
        code, _, err = gradproof("check", "x", "--at", "x=-1", *options)
        assert code == 2
        assert err.startswith(told)
