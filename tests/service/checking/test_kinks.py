"""At a kink no slope between the one-sided ones is called wrong, and a profile says which is expected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of
from gradproof_service.checking.check import check
from gradproof_service.checking.kinks import LEFT, RIGHT, THEIRS, rewritten
from gradproof_service.checking.report import (
    Claim,
    Comparison,
    Kind,
    Options,
    Profile,
    Source,
    Verdict,
)
from gradproof_service.checking.seen import COORDINATES
from gradproof_service.findings.example import function_of
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Program, RuleRef
from gradproof_service.graph.typing import type_program
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.jacobian import jacobian

from tests.service.ops.draws import SeededDraw, sample

POINT = np.array([0.0, 1.0, -1.0, 0.25])
Form = Callable[[Any, Any], Any]
FORMS: dict[str, Form] = {
    "abs": lambda xp, x: xp.abs(x),
    "relu": lambda xp, x: xp.relu(x),
    "maximum": lambda xp, x: xp.maximum(x, 0.0),
    "minimum": lambda xp, x: xp.minimum(x, 0.0),
    "clip": lambda xp, x: xp.clip(x, 0.0, 0.5),
    "leaky_relu": lambda xp, x: xp.leaky_relu(x, negative_slope=0.25),
}
SIDES = {
    "abs": (-1.0, 1.0), "relu": (0.0, 1.0), "maximum": (0.0, 1.0), "minimum": (0.0, 1.0), "clip": (0.0, 1.0),
    "leaky_relu": (0.25, 1.0),
}  # fmt: skip
"""The one-sided slopes at 0, by hand."""
JAX = {"abs": 1.0, "relu": 0.0, "maximum": 0.5, "minimum": 0.5, "clip": 0.5, "leaky_relu": 1.0}
TORCH = {"abs": 0.0, "relu": 0.0, "maximum": 0.5, "minimum": 0.5, "clip": 1.0, "leaky_relu": 0.25}
"""The slopes at 0 that jax 0.10 and torch 2.13 gave when they were asked."""


def graph_of(form: Form, n: int) -> Graph:
    """The sum of an elementwise form over n numbers."""
    xp = Builder("f")
    return xp.finish([xp.sum(form(xp, xp.input("x", type_of("float64", (n,)))))])


def slopes(graph: Graph, x: Array) -> Array:
    """The gradient of the sum."""
    return jacobian(graph, [x], (0,), (0,)).blocks[0][0].reshape(-1)


def judged(
    graph: Graph, x: Array, value: Array, kind: Kind = Kind.GRADIENT, **options: Any
) -> Comparison:
    """The comparison of one claim, which is given as a gradient whatever its kind."""
    rng = np.random.default_rng(5)
    claim = Claim(kind, value=value)
    if kind is Kind.VJP:
        seeds = rng.standard_normal(3)
        claim = Claim(kind, value=seeds[:, None] * value, seeds=seeds)
    elif kind is Kind.JVP:
        seeds = np.eye(4, len(x)) * rng.standard_normal((4, 1)) + np.eye(1, len(x), 1)
        claim = Claim(kind, value=seeds @ value, seeds=seeds)
    report = check(None, graph, [x], [claim], Options(**options))
    return next(c for c in report.comparisons if c.subject is Source.CLAIM)


@pytest.mark.parametrize("kind", [Kind.GRADIENT, Kind.VJP, Kind.JVP])
@pytest.mark.parametrize(
    ("name", "n"), [*((name, 4) for name in FORMS), ("maximum", COORDINATES + 1)]
)
def test_no_slope_between_is_wrong_and_none_outside_is_right(name: str, kind: Kind, n: int) -> None:
    """Whatever the kind of claim and the size of the input, the slopes of both sides and those between pass."""
    x = np.concatenate([POINT, np.linspace(1.0, 2.0, n - 4)])
    graph = graph_of(FORMS[name], n)
    right = slopes(graph, x)
    low, high = SIDES[name]
    for part in (0.0, 0.3, 1.0):
        claimed = right.copy()
        claimed[0] = low + part * (high - low)
        assert judged(graph, x, claimed, kind).verdict is not Verdict.DISAGREES
    for off in (low - 2.5, high + 2.5):
        claimed = right.copy()
        claimed[0] = off
        assert judged(graph, x, claimed, kind).verdict is Verdict.DISAGREES
    claimed = right.copy()
    claimed[1] += 1e-3
    assert judged(graph, x, claimed, kind).verdict is Verdict.DISAGREES


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize(("profile", "given"), [(Profile.JAX, JAX), (Profile.TORCH, TORCH)])
@pytest.mark.parametrize("kind", [Kind.GRADIENT, Kind.VJP, Kind.JVP])
def test_a_profile_says_which_slope_is_expected(
    name: str, profile: Profile, given: dict[str, float], kind: Kind
) -> None:
    """The slope that the library was measured to give agrees, by its convention; another one stays open."""
    graph = graph_of(FORMS[name], 4)
    claimed = slopes(graph, POINT)
    differs = claimed[0] != given[name]
    claimed[0] = given[name]
    found = judged(graph, POINT, claimed, kind, profile=profile)
    assert found.verdict is Verdict.AGREES
    assert found.reason == ("convention" if differs else "")
    low, high = SIDES[name]
    claimed[0] = low if abs(low - given[name]) > 0.1 else high
    found = judged(graph, POINT, claimed, kind, profile=profile)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reason in ("kink", "convention")


@pytest.mark.parametrize("name", sorted(set(LEFT) | {n for ops in THEIRS.values() for n in ops}))
def test_other_words_say_the_same(name: str) -> None:
    """Every writing of an op has its values everywhere, and its slopes off the kinks."""
    for words in (LEFT, RIGHT, *THEIRS.values()):
        if name not in words:
            continue
        for rng_seed in range(5):
            xs, attrs = sample(OPS[name], SeededDraw(rng_seed))
            xp = Builder("f")
            inputs = [xp.input(f"x{k}", type_of(x.dtype, x.shape)) for k, x in enumerate(xs)]
            graph = xp.finish([xp.apply(name, *inputs, **attrs)])
            other = rewritten(graph, words)
            assert other is not graph
            np.testing.assert_array_equal(evaluate(other, xs)[0], evaluate(graph, xs)[0])
            ours = jacobian(graph, xs, (0,), (0,)).blocks[0][0]
            np.testing.assert_array_equal(jacobian(other, xs, (0,), (0,)).blocks[0][0], ours)


def test_functions_that_are_called_are_rewritten_too() -> None:
    """A kink inside a called function follows the profile as well."""
    xp = Builder("f")
    x = xp.input("x", type_of("float64", ()))
    inner = xp.new("inner")
    body = inner.finish([inner.abs(inner.input("u", type_of("float64", ())))])
    graph = xp.finish([xp.call(x, function=body)])
    here = [np.array(0.0)]
    assert jacobian(graph, here, (0,), (0,)).blocks[0][0] == 0.0
    theirs = rewritten(graph, THEIRS[Profile.JAX])
    assert jacobian(theirs, here, (0,), (0,)).blocks[0][0] == 1.0
    assert rewritten(graph, {"relu": RIGHT["relu"]}) is graph


@pytest.mark.parametrize(
    ("factor", "verdict"),
    [
        ("astype(x >= 0.0, dtype='float64')", Verdict.INCONCLUSIVE),
        ("astype(x > 0.0, dtype='float64')", Verdict.INCONCLUSIVE),
        ("3.0", Verdict.DISAGREES),
    ],
)
def test_a_rule_that_follows_another_convention_is_not_accused(
    factor: str, verdict: Verdict
) -> None:
    """A rule on a function stands at the same kinks: either side's slope is left open, another is wrong."""
    function = replace(function_of("f", "maximum(x, 0.0)", ("x",)), rules=(RuleRef("jvp", 1),))
    program = Program((function, function_of("rule", f"x_dot * {factor}", ("x", "x_dot"))))
    graph, _ = type_program(program, [type_of("float64", (4,))])
    assert graph is not None
    report = check(program, graph, [POINT])
    assert [c.verdict for c in report.comparisons if c.subject is Source.RULE] == [verdict]
