"""One op as a whole graph: its value and its slopes at a point, for tests of single records."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp


def graph_of(op: str, *operands: Any, **attrs: Any) -> Graph:
    """The graph that applies the op once to operands of these types."""
    xp = Builder(op)
    inputs = [xp.input(f"x{i}", type_of_array(np.asarray(x))) for i, x in enumerate(operands)]
    return xp.finish([xp.apply(op, *inputs, **attrs)])


def value(op: str, *operands: Any, **attrs: Any) -> Array:
    """The op's result."""
    xs = [np.asarray(x) for x in operands]
    return evaluate(graph_of(op, *xs, **attrs), xs)[0]


def gradient(op: str, *operands: Any, **attrs: Any) -> Array:
    """Gradient of the sum of the result with respect to the first operand, by the reverse rule."""
    xs = [np.asarray(x) for x in operands]
    graph = graph_of(op, *xs, **attrs)
    ones = np.ones(graph.output_types[0].shape, graph.output_types[0].dtype)
    return evaluate(vjp(graph, (0,), (0,)), [*xs, ones])[1]


def gradient_forward(op: str, *operands: Any, **attrs: Any) -> Array:
    """The same gradient, one basis tangent after the other, by the forward rule."""
    xs = [np.asarray(x) for x in operands]
    derivative = jvp(graph_of(op, *xs, **attrs), (0,))
    basis = np.eye(xs[0].size, dtype=xs[0].dtype).reshape(-1, *xs[0].shape)
    slopes = [np.sum(evaluate(derivative, [*xs, t])[1]) for t in basis]
    return np.asarray(slopes).reshape(xs[0].shape)


def hessian(op: str, *operands: Any, **attrs: Any) -> Array:
    """Second derivatives of the sum of the result, (size, size), forward over reverse."""
    xs = [np.asarray(x) for x in operands]
    graph = graph_of(op, *xs, **attrs)
    ones = np.ones(graph.output_types[0].shape, graph.output_types[0].dtype)
    second = jvp(vjp(graph, (0,), (0,)), (0,))
    basis = np.eye(xs[0].size).reshape(-1, *xs[0].shape)
    return np.stack([evaluate(second, [*xs, ones, t])[3].ravel() for t in basis])
