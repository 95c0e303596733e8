"""Whole derivatives as graphs: what a caller gets who asks for the program and not only for its numbers.

Each returns the derivatives alone, in the order (output, input), named after them. A Jacobian of a vector is one scan of
the reverse program over the rows of an identity.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.jacobian import gradient_graph, hvp
from gradproof_service.transforms.reverse import vjp

Pair = tuple[int, ...]


def gradients_graph(graph: Graph, wrt: Pair, outs: Pair) -> Graph:
    """inputs -> the gradient of each scalar output by each input, of the input's shape."""
    xp, inputs = _opened(f"gradient_{graph.name}", graph)
    made: list[Value] = []
    for o in outs:
        made += xp.inline(gradient_graph(graph, wrt, o), inputs)
    return xp.finish(made, _names(graph, wrt, outs))


def jacobian_graph(graph: Graph, wrt: Pair, outs: Pair) -> Graph:
    """inputs -> the Jacobian of each output by each input, of shape (*output.shape, *input.shape)."""
    xp, inputs = _opened(f"jacobian_{graph.name}", graph)
    made: list[Value] = []
    for o in outs:
        made += _rows(xp, inputs, graph, wrt, o)
    return xp.finish(made, _names(graph, wrt, outs))


def hessian_graph(graph: Graph, wrt: Pair, outs: Pair) -> Graph:
    """inputs -> for each scalar output and pair of inputs a, b the Hessian, of shape (*a.shape, *b.shape)."""
    xp, inputs = _opened(f"hessian_{graph.name}", graph)
    made: list[Value] = []
    names: list[str] = []
    for o in outs:
        gradient = gradient_graph(graph, wrt, o)
        for a in range(len(wrt)):
            made += _rows(xp, inputs, gradient, wrt, a)
            first = f"d_{graph.output_names[o]}_d_{graph.inputs[wrt[a]]}"
            names += [f"{first}_d_{graph.inputs[b]}" for b in wrt]
    return xp.finish(made, names)


def hvps_graph(graph: Graph, wrt: Pair, outs: Pair) -> Graph:
    """(inputs, tangents of `wrt`) -> for each scalar output and input the Hessian times the tangents."""
    xp, inputs = _opened(f"hvp_{graph.name}", graph)
    tangents = [xp.input(f"{graph.inputs[i]}_dot", graph.types[i]) for i in wrt]
    made: list[Value] = []
    for o in outs:
        made += xp.inline(hvp(graph, wrt, o), [*inputs, *tangents])[len(wrt) :]
    return xp.finish(made, _names(graph, wrt, outs))


def _opened(name: str, graph: Graph) -> tuple[Builder, list[Value]]:
    xp = Builder(name)
    return xp, [xp.input(n, t) for n, t in zip(graph.inputs, graph.input_types, strict=True)]


def _rows(xp: Builder, inputs: list[Value], graph: Graph, wrt: Pair, o: int) -> list[Value]:
    out = graph.types[graph.outputs[o]]
    pull = vjp(graph, wrt, (o,))
    body = Builder(f"row_{graph.name}")
    values = [body.input(n, t) for n, t in zip(pull.inputs, pull.input_types, strict=True)]
    bars = body.inline(pull, values)[len(graph.outputs) :]
    row = body.finish(bars)
    eye = xp.constant(np.eye(out.size, dtype=out.dtype).reshape(out.size, *out.shape))
    stacked = xp.scan(*inputs, eye, body=row, length=out.size, consts=len(inputs))
    blocks = stacked if isinstance(stacked, tuple) else (stacked,)
    return [
        xp.fit(
            xp.reshape(block, shape=(*out.shape, *graph.types[i].shape)),
            graph.types[i].with_dtype(out.dtype).with_shape((*out.shape, *graph.types[i].shape)),
        )
        for block, i in zip(blocks, wrt, strict=True)
    ]


def _names(graph: Graph, wrt: Pair, outs: Pair) -> list[str]:
    return [f"d_{graph.output_names[o]}_d_{graph.inputs[i]}" for o in outs for i in wrt]
