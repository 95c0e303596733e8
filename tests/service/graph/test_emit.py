"""A typed graph written as a program and typed again means the same."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_service.arrays import F64, type_of
from gradproof_service.diagnostic import Location
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.emit import emit
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.typing import type_program
from gradproof_service.transforms.derivative_graph import hessian_graph, jacobian_graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import gradient_graph, jacobian
from gradproof_service.transforms.reverse import vjp

X = np.array([0.3, -1.2, 2.0])


def looped() -> Graph:
    """loss = sum of a scan of x -> x sin(x), four steps, plus a part that no output needs."""
    body = Builder("body")
    c = body.input("c", type_of(F64, (3,)))
    step = body.finish([c * body.sin(c)])
    xp = Builder("looped")
    x = xp.input("x", type_of(F64, (3,)))
    xp.location = Location("m.py", 4)
    y = xp.scan(x, body=step, length=4, carried=1)
    xp.exp(x)
    return xp.finish([xp.sum(y * 0.5, axes=(-1,)), y], ["loss", "last"])


def typed(graph: Graph) -> Graph:
    """The graph, written and typed again."""
    program = emit(graph)
    again, findings = type_program(program, graph.input_types)
    assert not findings
    assert again is not None
    return again


@pytest.mark.parametrize(
    "make",
    [
        lambda g: g,
        lambda g: jvp(g, (0,)),
        lambda g: vjp(g, (0,), (0, 1)),
        lambda g: gradient_graph(g, (0,)),
        lambda g: jacobian_graph(g, (0,), (0, 1)),
        lambda g: hessian_graph(g, (0,), (0,)),
        lambda g: vjp(gradient_graph(g, (0,)), (0,), (0,)),
    ],
    ids=["primal", "jvp", "vjp", "gradient", "jacobian", "hessian", "second order"],
)
def test_a_graph_survives_being_written(make: object) -> None:
    """The program of each derivative computes the derivative, bit for bit."""
    graph = make(looped())  # type: ignore[operator]
    again = typed(graph)
    rng = np.random.default_rng(0)
    inputs = [X, *(rng.standard_normal(t.shape) for t in graph.input_types[1:])]
    assert again.output_names == graph.output_names
    for one, two in zip(evaluate(graph, inputs), evaluate(again, inputs), strict=True):
        np.testing.assert_array_equal(one, two)


def test_whole_jacobians_are_the_jacobians() -> None:
    """The emitted Jacobian equals the one computed by seeds."""
    graph = looped()
    expected = jacobian(graph, [X], (0,), (0, 1)).blocks
    loss, last = evaluate(jacobian_graph(graph, (0,), (0, 1)), [X])
    np.testing.assert_allclose(loss, expected[0][0], rtol=1e-14)
    np.testing.assert_allclose(last, expected[1][0], rtol=1e-14, atol=1e-15)


def test_what_no_output_needs_is_left_out() -> None:
    """Dead nodes and unwanted outputs are not sent; places and functions are."""
    program = emit(looped(), [0])
    main = program.main
    assert "gp.exp" not in main.ops
    assert main.output_names == ("loss",)
    assert [f.name for f in program.functions] == ["looped", "body"]
    assert main.location(0) == Location("m.py", 4)
    np.testing.assert_array_equal(main.constants[0], 0.5)


def test_names_stay_distinct() -> None:
    """An input that is called like a tangent does not clash with one."""
    xp = Builder("f")
    x, other = xp.input("x", type_of(F64)), xp.input("x_dot", type_of(F64))
    program = emit(jvp(xp.finish([x * other], ["y"]), (0,)))
    assert [i.name for i in program.main.inputs] == ["x", "x_dot", "x_dot_"]


def test_a_long_chain_of_calls_is_flat() -> None:
    """Functions that call functions are collected without recursion."""
    depth = 3000
    inner = Builder("f0")
    graph = inner.finish([inner.sin(inner.input("x", type_of(F64)))])
    for k in range(1, depth):
        xp = Builder(f"f{k}")
        graph = xp.finish([xp.call(xp.input("x", type_of(F64)), function=graph)])
    assert len(emit(graph).functions) == depth
