"""Each pattern is found in every form in which people write it, and not in what only looks alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.report import Options
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.catalogue import static_findings
from gradproof_service.findings.example import findings_of
from gradproof_service.findings.rule import Example

from tests.service.findings.test_catalogue import graph_of

AB = {"x": [0.5, 1.5], "y": [2.0, 3.0]}
A = {"A": [[2.0, 1.0], [1.0, 3.0]], "b": [1.0, 2.0]}


@pytest.mark.parametrize(
    ("code", "text", "at"),
    [
        ("GP101", "sum(where(x > 1.0, log(x), 0.0))", AB),
        ("GP101", "sum(where(x > 1.0, y / x, 0.0))", AB),
        ("GP101", "sum(where(x > 1.0, 0.0, 2.0 * sqrt(x) + 1.0))", AB),
        ("GP102", "sum(sqrt(relu(x)))", AB),
        ("GP103", "sqrt(sum(x * x))", AB),
        ("GP103", "sqrt(sum(square(x)))", AB),
        ("GP103", "sqrt(sum(x ** 2.0))", AB),
        ("GP103", "sum(sqrt(x * x + y * y))", AB),
        ("GP103", "sqrt(x @ x)", AB),
        ("GP103", "sqrt(einsum(x, x, equation='i,i->'))", AB),
        ("GP104", "sum(x / sqrt(sum(x * x)))", AB),
        ("GP104", "sum(x / sum(abs(x)))", AB),
        ("GP104", "sum(reciprocal(square(x)))", AB),
        ("GP104", "sum(x / std(x))", AB),
        ("GP105", "sum(log(softmax(x)))", AB),
        ("GP105", "sum(log(1.0 / (1.0 + exp(-x))))", AB),
        ("GP105", "sum(log(reciprocal(exp(x) + 1.0)))", AB),
        ("GP105", "sum(log(square(x)))", AB),
        ("GP106", "sum(x ** y)", AB),
        ("GP106", "sum(square(x) ** 0.25)", AB),
        ("GP107", "sum(acos(cos(x)))", AB),
        ("GP107", "acos((x @ y) / (sqrt(x @ x) * sqrt(y @ y)))", AB),
        ("GP301", "log(sum(exp(x), keepdims=True))", AB),
        ("GP301", "sum(log(exp(x) + exp(y)))", AB),
        ("GP302", "sum(log(1.0 + x))", AB),
        ("GP302", "sum(log(x + 1.0))", AB),
        ("GP302", "sum(log(1.0 - x))", AB),
        ("GP302", "sum(log(1 + x))", AB),
        ("GP302", "sum(log(x - -1.0))", AB),
        ("GP303", "sum(exp(x) - 1.0)", AB),
        ("GP303", "sum(-1.0 + exp(x))", AB),
        ("GP303", "sum(1.0 - exp(x))", AB),
        ("GP304", "sum(1.0 - cos(x))", AB),
        ("GP304", "sum(1.0 - tanh(x) ** 2.0)", AB),
        ("GP304", "t = tanh(x); sum(1.0 - t * t)", AB),
        ("GP304", "sum(1.0 - sigmoid(x))", AB),
        ("GP306", "mean(square(x)) - square(mean(x))", AB),
        ("GP306", "m = mean(x); mean(x ** 2.0) - m * m", AB),
        ("GP308", "sum(log(exp(x) + 1.0))", AB),
        ("GP308", "sum(log1p(exp(x)))", AB),
        ("GP308", "s = sigmoid(x); -sum(y * log(s) + (1.0 - y) * log(1.0 - s))", AB),
        ("GP402", "sum(x * stop_gradient(y))", AB),
        ("GP205", "sum(sign(x) * y)", AB),
        ("GP205", "sum(where(x > 1.0, y, 0.0))", AB),
        ("GP403", "sum(x), 2.0 * 3.0", AB),
        ("GP503", "inv(A) @ b", A),
        ("GP503", "b @ inv(A)", A),
        ("GP504", "log(abs(det(A)))", A),
        ("GP601", "sum(x) + mean(x)", AB),
    ],
)  # fmt: skip
def test_a_form_is_found(code: str, text: str, at: Any) -> None:
    """The graph alone shows the pattern."""
    assert code in {f.code for f in static_findings(graph_of(Example(text, at)))}


@pytest.mark.parametrize(
    ("code", "text", "at"),
    [
        ("GP101", "sum(where(x > 1.0, x, 0.1 * x))", AB),
        ("GP101", "sum(where(x > 1.0, log(where(x > 1.0, x, 1.0)), 0.0))", AB),
        ("GP101", "sum(where(x > 1.0, exp(x) ** 2.0, 0.0))", AB),
        ("GP102", "sum(sqrt(x))", AB),
        ("GP102", "sum(sqrt(square(x) + 1e-12))", AB),
        ("GP102", "sum(sqrt(exp(x)))", AB),
        ("GP103", "sqrt(sum(x * x) + 1e-12)", AB),
        ("GP103", "sqrt(sum(x * y))", AB),
        ("GP104", "sum(x / (1.0 + square(y)))", AB),
        ("GP104", "sum(x / exp(y))", AB),
        ("GP104", "sum(x / 3.0)", AB),
        ("GP105", "sum(log(1.0 + square(x)))", AB),
        ("GP105", "sum(log(exp(x)))", AB),
        ("GP105", "sum(log(2.0 / (1.0 + exp(-x))))", AB),
        ("GP105", "sum(log(1.0 / (1.0 + square(x))))", AB),
        ("GP106", "sum(x ** 2.0)", AB),
        ("GP106", "sum(exp(x) ** y)", AB),
        ("GP107", "sum(asin(clip(x, -0.99, 0.99)))", AB),
        ("GP107", "sum(asin(x))", AB),
        ("GP107", "sum(atan2(x, y))", AB),
        ("GP301", "m = max(x); m + log(sum(exp(x - m)))", AB),
        ("GP301", "m = stop_gradient(max(x, keepdims=True)); sum(m) + log(sum(exp(x - m)))", AB),
        ("GP302", "sum(log(2.0 + x))", AB),
        ("GP302", "sum(log1p(x))", AB),
        ("GP303", "sum(exp(x) - 2.0)", AB),
        ("GP303", "sum(exp(x) + 1.0)", AB),
        ("GP304", "sum(1.0 + cos(x))", AB),
        ("GP304", "sum(1.0 - tanh(x))", AB),
        ("GP306", "mean(square(x)) - square(mean(y))", AB),
        ("GP306", "mean(square(x - mean(x)))", AB),
        ("GP308", "sum(relu(x) + log1p(exp(-abs(x))))", AB),
        ("GP308", "sum(abs(x) + log1p(exp(-2.0 * abs(x))))", AB),
        ("GP205", "sum(where(x > 1.0, x * y, 0.0))", AB),
        ("GP401", "sum(stop_gradient(x) * y)", AB),
        ("GP503", "solve(A, b)", A),
        ("GP601", "sum(x) / 2.0", AB),
        ("GP601", "sum(x) + mean(y)", AB),
        ("GP602", "mean(square(expand_dims(x, axes=(1,)) - x))", AB),
        ("GP602", "expand_dims(x, axes=(1,)) - y", AB),
    ],
)  # fmt: skip
def test_what_looks_alike_is_left_alone(code: str, text: str, at: Any) -> None:
    """The graph alone does not show the pattern."""
    assert code not in {f.code for f in static_findings(graph_of(Example(text, at)))}


@pytest.mark.parametrize(
    ("code", "text", "at"),
    [
        ("GP101", "sum(where(x > 0.0, log(x), 0.0))", {"x": [2.0, 0.0]}),
        ("GP101", "sum(where(x > 0.0, y / x, 0.0))", {"x": [2.0, 0.0], "y": [0.0, 1.0]}),
        ("GP101", "n = sqrt(sum(x * x)); where(n > 0.0, n, 0.0)", {"x": [0.0, 0.0]}),
        ("GP103", "square(sqrt(sum(x * x)))", {"x": [0.0, 0.0]}),
        ("GP104", "sum(x / sqrt(sum(x * x)))", {"x": [0.0, 0.0]}),
        ("GP106", "sum(x ** y)", {"x": [0.0, 2.0], "y": [2.0, 2.0]}),
        ("GP107", "sum(asin(x))", {"x": [0.5, -1.0]}),
        ("GP107", "sum(atan2(x, y))", {"x": [0.0, 1.0], "y": [0.0, 1.0]}),
        ("GP201", "sum(maximum(x, y))", {"x": [1.0, 2.0], "y": [3.0, 2.0 + 1e-12]}),
        ("GP204", "sum(relu(x))", {"x": [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0]}),
        ("GP301", "log(sum(exp(x)))", {"x": [-800.0, -900.0]}),
        ("GP306", "mean(x * x) - mean(x) ** 2.0", {"x": [1e4, 1e4 + 1.0]}),
        ("GP308", "log(1.0 + exp(x))", {"x": 720.0}),
        ("GP404", "; ".join(["x = tanh(0.4 * x)"] * 20) + "; x", {"x": 0.5}),
        ("GP404", "sigmoid(x)", {"x": 40.0}),
        ("GP503", "sum(inv(A))", {"A": [[1.0, 1.0], [1.0, 1.0 + 1e-12]]}),
        ("GP503", "sum(solve_triangular(A, b))", {"A": [[1.0, 1.0], [0.0, 1e-12]], "b": [1.0, 2.0]}),
        ("GP504", "s, d = slogdet(A); d", {"A": [[1.0, 1.0], [1.0, 1.0 + 1e-12]]}),
    ],
)  # fmt: skip
def test_a_point_confirms_it(code: str, text: str, at: Any) -> None:
    """What was only possible is seen at the point."""
    found = [f for f in findings_of(Example(text, at)) if f.code == code]
    assert any(f.confirmed for f in found)
    numbers = [value for f in found for _, value in f.numbers]
    assert not np.isnan(numbers).any()


@pytest.mark.parametrize(("code", "text"), [("GP503", "sum(inv(A) @ b)"), ("GP504", "log(det(A))")])
def test_a_form_that_no_point_excuses_stays_a_remark(code: str, text: str) -> None:
    """At a sound matrix the form is still told, and not as something that was seen."""
    found = [f for f in findings_of(Example(text, A)) if f.code == code]
    assert [(f.confirmed, f.severity) for f in found] == [(False, Severity.INFO)]


def test_a_length_that_is_squared_again_is_told_so() -> None:
    """The mend for a squared length is the sum of squares, and the message says it."""
    found = findings_of(Example("square(sqrt(sum(x * x)))", {"x": [0.0, 0.0]}))
    assert any("squared again" in f.message for f in found)


def test_at_most_ten_of_a_kind() -> None:
    """Many findings of one code are cut, and the last one says how many were left out."""
    lines = [f"a{k} = log({k + 1}.5 * x + 1.0)" for k in range(30)]
    text = "; ".join(lines) + "; " + " + ".join(f"a{k}" for k in range(30))
    found = [f for f in static_findings(graph_of(Example(text, {"x": 0.5}))) if f.code == "GP302"]
    assert len(found) == 10
    assert found[-1].message.endswith("(and 20 more like it)")


@pytest.mark.parametrize(
    ("rtol", "expected"), [(1e-6, ""), (0.01, "no claim can agree"), (1.0, "wrong by half passes")]
)
def test_a_tolerance_that_hides_errors_is_told_for_what_it_is(rtol: float, expected: str) -> None:
    """Not as noise of the function: the tolerance alone keeps the verdict open."""
    found = findings_of(Example("x * x", {"x": 2.0}, claim="2.0 * x", options=Options(rtol=rtol)))
    assert [f.code for f in found] == (["GP703"] if expected else [])
    assert all(expected in f.message for f in found)
