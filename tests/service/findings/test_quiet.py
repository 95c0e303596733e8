"""Ordinary, correct functions are left in peace: no warning, no error, and few remarks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Structure
from gradproof_service.diagnostic import Finding, Severity
from gradproof_service.findings.catalogue import FINDINGS, point_findings, static_findings
from gradproof_service.findings.example import findings_of
from gradproof_service.findings.rule import Example
from gradproof_service.findings.view import make_view

from tests.service.findings.test_catalogue import graph_of
from tests.suites import engine
from tests.suites.derivatives import SUBJECTS
from tests.suites.hard import CASES


def normal(*shape: int) -> Any:
    """Seeded normal numbers as lists."""
    return np.random.default_rng(shape).normal(size=shape).tolist()


SPD = [[4.0, 1.0, 0.5], [1.0, 3.0, 0.25], [0.5, 0.25, 5.0]]
LAYERS = {
    "X": normal(8, 4),
    "W": normal(4, 5),
    "b": normal(5),
    "V": normal(5, 1),
    "Y": normal(8, 1),
}

ORDINARY = {
    "a network": Example("h = tanh(X @ W + b); o = h @ V; mean(square(o - Y))", LAYERS),
    "a network of relus": Example("h = relu(X @ W + b); o = h @ V; mean(square(o - Y))", LAYERS),
    "in float32": Example("h = tanh(X @ W + b); o = h @ V; mean(square(o - Y))", LAYERS, dtype="float32"),
    "logistic regression": Example(
        "z = X @ w; mean(softplus(z) - y * z)", {"X": normal(6, 4), "w": normal(4), "y": [0.0, 1.0, 0.0, 1.0, 1.0, 0.0]}
    ),
    "cross entropy": Example(
        "z = X @ W; mean(logsumexp(z, axes=(-1,)) - sum(z * Y, axes=(-1,)))",
        {"X": normal(6, 4), "W": normal(4, 3), "Y": np.eye(3)[[0, 1, 2, 0, 1, 2]].tolist()},
    ),
    "a normal density": Example(
        "L = cholesky(S); u = solve_triangular(L, x - m, lower=True); 0.5 * sum(u * u) + sum(log(diagonal(L)))",
        {"S": SPD, "x": normal(3), "m": normal(3, 1)[0] * 3}, structures={"S": Structure.SPD},
    ),
    "Rosenbrock": Example("100.0 * square(y - x * x) + square(1.0 - x)", {"x": -1.2, "y": 1.0}),
    "variance": Example("mean(square(x - mean(x)))", {"x": normal(9)}),
    "normalisation": Example("c = x - mean(x); c / sqrt(mean(square(c)) + 1e-5)", {"x": normal(9)}),
    "a potential": Example("a = sqrt(x * x + y * y); 1.0 / a + exp(-a) * log(a)", {"x": 1.0, "y": 2.0}),
    "all pairs": Example("d = expand_dims(x, axes=(0,)) - expand_dims(x, axes=(1,)); sum(exp(-square(d)))", {"x": normal(5)}),
    "attention": Example(
        "p = softmax(Q @ matrix_transpose(K) * 0.5); sum(square(p @ V))",
        {"Q": normal(3, 4), "K": normal(5, 4), "V": normal(5, 2)},
    ),
    "a residual of zero": Example("x * x - y", {"x": 2.0, "y": 4.0}),
    "a residual near zero": Example("exp(x) - y", {"x": 1.0, "y": 2.718281828}),
    "a gated cell": Example(
        "i = sigmoid(x * w); f = sigmoid(x * u); c = f * s + i * tanh(x); sum(tanh(c) * i)",
        {"x": normal(4), "w": normal(4), "u": normal(4), "s": normal(4)},
    ),
    "Huber": Example("a = abs(x); sum(where(a < 1.0, 0.5 * x * x, a - 0.5))", {"x": normal(6)}),
    "a deep residual chain": Example("; ".join(["x = x + 0.05 * sin(x)"] * 30) + "; x", {"x": 0.5}),
    "small units": Example("1e-9 * x * x", {"x": 3.0}),
    "large units": Example("1e12 * x * x", {"x": 3.0}),
    "stable softplus": Example("sum(relu(x) + log1p(exp(-abs(x))))", {"x": normal(5)}),
    "stable logsumexp": Example("m = max(x); m + log(sum(exp(x - m)))", {"x": normal(5)}),
}  # fmt: skip


@pytest.mark.parametrize("example", ORDINARY.values(), ids=ORDINARY.keys())
def test_an_ordinary_function_is_left_in_peace(example: Example) -> None:
    """A check of it, reviewed, shows neither a warning nor an error, and at most one remark.

    Whether the check decides every entry is held elsewhere: GP702 only repeats its verdict.
    """
    found = [f for f in findings_of(example) if f.code != "GP702"]
    assert [f for f in found if f.severity is not Severity.INFO] == []
    assert len(found) <= 1


@pytest.mark.parametrize("example", ORDINARY.values(), ids=ORDINARY.keys())
def test_its_graph_is_left_in_peace(example: Example) -> None:
    """Its graph alone gives remarks at most."""
    found = static_findings(graph_of(example))
    assert [f for f in found if f.severity is not Severity.INFO] == []
    assert len(found) <= 4


def found_in(function: Callable[..., Any], at: Any) -> list[Finding]:
    """What the graph of a NumPy function shows, alone and at the point."""
    with np.errstate(all="ignore"):  # tracing evaluates arms that overflow
        graph = engine.graph_of(function, at)
    view = make_view(graph, [np.array(x) for x in at.values()])
    return static_findings(graph) + point_findings(view)


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda s: s.name)
def test_realistic_functions_are_left_in_peace(subject: Any) -> None:
    """Functions as people write them get no warning, except for a logarithm of a sum of exponentials."""
    loud = {
        f.code for f in found_in(subject.function, subject.at) if f.severity is not Severity.INFO
    }
    assert loud <= {"GP301"}


def test_hard_points_fail_no_one() -> None:
    """At points where digits are lost and kinks are near there are warnings, and not one error."""
    for case in CASES:
        errors = [f for f in found_in(case.function, case.at) if f.severity is Severity.ERROR]
        assert errors == [], case.name


def test_only_certain_mistakes_are_errors() -> None:
    """An error stands for a program that does not type, a value that is no number, or a wrong derivative."""
    errors = {r.code for r in FINDINGS.values() if r.severity is Severity.ERROR}
    typing, claims = {f"GP00{k}" for k in range(1, 7)}, {f"GP80{k}" for k in range(5)}
    assert errors == typing | claims | {"GP108", "GP705"}
