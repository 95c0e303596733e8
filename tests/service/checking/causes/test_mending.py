"""Mending a claim at one line: each slip of the pen is named by its class, on its line, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.checking.causes.reading import RUNS, read
from gradproof_service.checking.causes.telling import Culprit
from gradproof_service.checking.causes.walk import walk
from gradproof_service.diagnostic import Location
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate

from tests.service.checking.causes.planted import Stage, stage

R = np.random.default_rng(8)
POINT = {
    "x": R.standard_normal((5, 4)), "W": R.standard_normal((4, 4)), "b": R.standard_normal(4),
}  # fmt: skip
Lines = dict[int, Callable[..., Any]]


def layer(xp: Any, x: Any, W: Any, b: Any) -> Any:
    """A layer with a softplus, scaled, and a squared error: enough for every slip."""
    z = x @ W + b
    return xp.sum(xp.square(z * xp.sigmoid(z))) / 2.0


def t(xp: Any, a: Any) -> Any:
    """The transpose."""
    return xp.matrix_transpose(a)


RIGHT: Lines = {
    1: lambda xp, k: k.update(z=k["x"] @ k["W"] + k["b"]),
    2: lambda xp, k: k.update(s=xp.sigmoid(k["z"])),
    3: lambda xp, k: k.update(y_bar=k["z"] * k["s"]),
    4: lambda xp, k: k.update(own=k["s"] * (1.0 - k["s"]) * k["z"]),
    5: lambda xp, k: k.update(slope=k["s"] + k["own"]),
    6: lambda xp, k: k.update(z_bar=k["y_bar"] * k["slope"]),
    7: lambda xp, k: k.update(out_x=k["z_bar"] @ t(xp, k["W"])),
    8: lambda xp, k: k.update(out_W=t(xp, k["x"]) @ k["z_bar"]),
    9: lambda xp, k: k.update(out_b=xp.sum(k["z_bar"], axes=(0,))),
}

# (the line that is changed, what it becomes, the classes that name it, the arguments it spoils)
SLIPS: dict[str, tuple[int, Callable[..., Any], set[str], str]] = {
    "sign of a term": (5, lambda xp, k: k.update(slope=k["s"] - k["own"]), {"F01"}, "xWb"),
    "divided": (6, lambda xp, k: k.update(z_bar=k["y_bar"] / k["slope"]), {"F11"}, "xWb"),
    "square left out": (4, lambda xp, k: k.update(own=k["s"] * (1.0 - xp.square(k["s"])) * k["z"]), {"F11"}, "xWb"),
    "not transposed": (7, lambda xp, k: k.update(out_x=k["z_bar"] @ k["W"]), {"F03"}, "x"),
    "wrong axis": (9, lambda xp, k: k.update(out_b=xp.sum(k["z_bar"], axes=(1,), keepdims=True) + 0.0 * k["b"]), {"F09"}, ""),
    "mean for sum": (9, lambda xp, k: k.update(out_b=xp.mean(k["z_bar"], axes=(0,))), {"F01"}, "b"),
    "a term forgotten": (6, lambda xp, k: k.update(z_bar=k["y_bar"] * k["s"]), {"F05", "F10", "F11"}, "xWb"),
    "a factor forgotten": (6, lambda xp, k: k.update(z_bar=k["slope"] * 1.0), {"F11", "F05"}, "xWb"),
    "another value": (3, lambda xp, k: k.update(y_bar=k["s"] * k["s"]), {"F10", "F11"}, "xWb"),
}  # fmt: skip


def written(lines: Lines) -> Graph:
    """The claim as a graph whose nodes carry the line they were written in, its outputs called after the inputs."""
    xp = Builder("claim")
    known = {n: xp.input(n, type_of_array(a)) for n, a in POINT.items()}
    for number, line in lines.items():
        xp.location = Location("backward.py", number)
        line(xp, known)
    return xp.finish([known[f"out_{n}"] for n in POINT], list(POINT))


def walked(by: str, claim: Graph) -> tuple[Stage, Culprit | None]:
    """The walk over one answer of the claim."""
    here = stage(layer, by, **POINT)
    k = list(POINT).index(by)
    got = evaluate(claim, list(POINT.values()))[k]
    return here, walk(here.mismatch(got), claim, list(POINT.values()), k)


def test_the_claim_is_right_before_it_is_spoiled() -> None:
    """All three answers of the lines as they stand agree with the reference."""
    made: list[Array] = evaluate(written(RIGHT), list(POINT.values()))
    for by, value in zip(POINT, made, strict=True):
        np.testing.assert_allclose(value.reshape(1, -1), stage(layer, by, **POINT).right, rtol=1e-9)


@pytest.mark.parametrize("name", [n for n, slip in SLIPS.items() if slip[3]])
def test_a_slip_is_named_on_its_line(name: str) -> None:
    """Whatever answer is asked about, the slip's line is among few, and its class is a right one or none."""
    number, changed, codes, spoils = SLIPS[name]
    claim = written({**RIGHT, number: changed})
    for by in spoils:
        _, culprit = walked(by, claim)
        assert culprit is not None
        lines = [place.line for place in culprit.locations]
        assert number in lines, culprit.text
        assert len(lines) <= 4
        assert culprit.code in codes | {""}, culprit.text


@pytest.mark.parametrize("name", ["sign of a term", "divided", "not transposed", "mean for sum"])
def test_an_exact_slip_has_its_class(name: str) -> None:
    """Where undoing one slip makes everything right, its class is told and not left open."""
    number, changed, codes, spoils = SLIPS[name]
    _, culprit = walked(spoils[0], written({**RIGHT, number: changed}))
    assert culprit is not None
    assert culprit.code in codes
    assert culprit.locations[0].line == number


def test_all_answers_speak() -> None:
    """A slip that three answers suffer from is proved by all of them at once."""
    number, changed, _, _ = SLIPS["sign of a term"]
    _, culprit = walked("b", written({**RIGHT, number: changed}))
    assert culprit is not None
    assert culprit.mends == 3


def test_a_sum_over_the_wrong_axis_is_called_so() -> None:
    """On a square result both axes have one length, and only running it over the other one tells."""
    point = {"A": R.standard_normal((4, 4))}
    here = stage(lambda xp, A: xp.sum(xp.square(xp.sum(A, axes=(0,), keepdims=True))), **point)
    xp = Builder("claim")
    A = xp.input("A", type_of_array(point["A"]))
    total = 2.0 * xp.sum(A, axes=(1,), keepdims=True)
    claim = xp.finish([total + 0.0 * A], ["A"])
    got = evaluate(claim, list(point.values()))[0]
    culprit = walk(here.mismatch(got), claim, list(point.values()))
    assert culprit is not None
    assert culprit.code == "F09"
    assert "axis -1 where -2 is right" in culprit.text


def test_the_work_is_bounded() -> None:
    """What is run again to put replacements to the proof has a limit, whatever the length of the claim."""
    x = R.standard_normal(3)
    here = stage(lambda xp, x: xp.sum(xp.sin(x)), x=x)
    xp = Builder("claim")
    given = xp.input("x", type_of_array(x))
    out = xp.cos(given)
    for n in range(200):
        out = xp.tanh(out * (1.0 + 0.001 * n)) + given
    claim = xp.finish([out], ["x"])
    reading = read(here.mismatch(evaluate(claim, [x])[0]), claim, [x], 0)
    assert reading is not None
    spared = 3 * len(claim)
    for v in list(reading.steps) * 40:
        reading.settles(v, reading.batch(v) * 1.5)
    assert RUNS <= reading.runs <= RUNS + spared
    assert walk(here.mismatch(evaluate(claim, [x])[0]), claim, [x]) is not None
