"""Graphs of single numbers on floats give what the kernels give."""

from __future__ import annotations

import builtins
import re
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import BOOL
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.prepare import prepare
from gradproof_service.transforms.scalar import code
from gradproof_service.transforms.scalar.code import NAMES, scalar_function, scalar_runner

from tests.service.functions import graph_of

SCALAR = [n for n, op in OPS.items() if op.scalar]
POINTS = (
    0.0,
    -0.0,
    0.3,
    -0.3,
    1.0,
    -1.0,
    2.5,
    -7.0,
    1e-300,
    1e300,
    710.0,
    -745.5,
    np.inf,
    -np.inf,
    np.nan,
)


def ulps_apart(a: Any, b: Any) -> float:
    """Units of the last place between two floats; 0 for equal ones, equal zeros have equal signs."""
    if np.isnan(a) and np.isnan(b):
        return 0.0
    if a == b:
        return 0.0 if np.signbit(a) == np.signbit(b) else np.inf
    return float(abs(a - b) / np.spacing(abs(np.float64(b))))


@pytest.mark.parametrize("name", SCALAR)
def test_an_op_on_floats_is_its_kernel(name: str) -> None:
    """Within the op's ulps of it everywhere, special values included; where a float raises, NumPy is asked."""
    op = OPS[name]
    flags = (True, False, True, False)
    for x in POINTS:
        for y in POINTS if op.arity[0] > 1 else (0.0,):
            point = (x, y, x)[: op.arity[0]]
            if op.family == "logic" and name.startswith("logical"):
                point = (x > 0, y > 0)[: op.arity[0]]
            if name == "where":
                point = (flags[POINTS.index(x) % 4], x, y)
            graph, xs = graph_of(
                lambda xp, *v: xp.apply(name, *v), **{f"x{i}": v for i, v in enumerate(point)}
            )
            expected = evaluate(graph, xs)[0]
            try:
                found = scalar_function(op)([v.item() for v in xs], range(len(xs)))
            except (ArithmeticError, ValueError):
                continue
            if expected.dtype == BOOL:
                assert found is bool(expected)
            else:
                assert type(found) is float
                assert ulps_apart(found, expected) <= max(op.ulps, 1.0), point


def _program(xp: Any, x: Any, y: Any) -> Any:
    a = xp.sin(x * y) + xp.exp(-xp.square(y)) / x
    b = xp.where(xp.less(a, y), xp.log1p(xp.square(a)), xp.sqrt(xp.abs(y)))
    return a * xp.tanh(b) + xp.pow(xp.square(x) + 1.0, y)


@pytest.mark.parametrize("lines", [0, 1000])
def test_value_and_gradient_on_floats(monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """As source and as a list of calls, at ordinary points and where floats would raise."""
    monkeypatch.setattr(code, "LINES", lines)
    graph, _ = graph_of(_program, x=0.5, y=0.25)
    prepared = prepare(graph)
    assert scalar_runner(prepared.graph) is not None
    for x, y in ((0.5, 0.25), (-3.0, 2.0), (0.0, 1.0), (1e200, 3.0), (np.nan, 1.0), (np.inf, -1.0)):
        xs = [np.array(x), np.array(y)]
        for found, expected in zip(prepared(*xs), evaluate(prepared.graph, xs), strict=True):
            assert (found.shape, found.dtype) == ((), np.float64)
            np.testing.assert_allclose(found, expected, rtol=1e-14)


def test_what_is_not_a_float64_scalar_runs_on_arrays() -> None:
    """float32, vectors and ops without an expression stay with NumPy."""
    for point in ({"x": np.float32(1), "y": np.float32(2)}, {"x": np.ones(2), "y": np.ones(2)}):
        graph, _ = graph_of(_program, **point)
        assert scalar_runner(graph) is None
    graph, _ = graph_of(lambda xp, x: xp.erf(x), x=0.5)
    assert scalar_runner(graph) is None


def test_expressions_name_only_what_is_allowed() -> None:
    """No builtin can be reached, and no expression holds anything but operands, signs and known functions."""
    assert NAMES["__builtins__"] == {}
    assert set(NAMES) & set(dir(builtins)) <= {"abs", "pow"}
    for name in SCALAR:
        words = set(re.findall(r"[a-z_]\w*", OPS[name].scalar))
        assert words <= {*NAMES, "if", "else", "and", "or", "not"} - {"__builtins__"}


def test_no_text_of_a_client_reaches_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names of inputs and outputs are data, however they look."""
    graph, _ = graph_of(_program, x=0.5, y=0.25)
    evil = Graph(
        "f(): import os", ["x) or (", "__import__('os')"], graph.types, graph.sites, graph.operands,
        graph.first, graph.outputs, ["out\nraise"], graph.locations, {0: "'''"},
    )  # fmt: skip
    runner = scalar_runner(evil)
    assert runner is not None
    xs = [np.array(0.5), np.array(0.25)]
    np.testing.assert_allclose(runner(*xs), evaluate(graph, xs), rtol=1e-14)
