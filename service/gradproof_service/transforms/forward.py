"""Forward mode: a graph that carries tangents along beside the values."""

from __future__ import annotations

from typing import Any

from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import Derive, reaches


def jvp(graph: Graph, wrt: tuple[int, ...]) -> Graph:
    """The graph (inputs..., tangents of `wrt`...) -> (outputs..., tangents of float outputs...).

    `wrt` are input positions; every one must be a float. A tangent has its primal's type. An
    output that does not depend on `wrt` has the tangent zero. One pass over the nodes.
    """
    key = ("jvp", wrt)
    found = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _jvp(graph, wrt)
    return found


def _jvp(graph: Graph, wrt: tuple[int, ...]) -> Graph:
    from gradproof_service.transforms.reverse import vjp  # the two lend each other to rules

    xp = Builder(f"jvp_{graph.name}", Derive(jvp, vjp))
    inputs = [xp.input(n, graph.types[i]) for i, n in enumerate(graph.inputs)]
    seeds = [xp.input(f"{graph.inputs[i]}_dot", graph.types[i]) for i in wrt]
    ids = xp.copy(graph, inputs)
    active = reaches(graph, wrt)
    dots: list[Value | None] = [None] * len(graph.types)
    for i, seed in zip(wrt, seeds, strict=True):
        dots[i] = seed
    for k, op, site, operands, outs in graph.nodes():
        if not any(active[v] for v in outs):
            continue
        x_dots = [dots[v] for v in operands]
        if not any(d is not None for d in x_dots):
            continue
        xp.location = graph.location(k)
        xs = tuple([xp.value(ids[v]) for v in operands])
        ys = tuple([xp.value(ids[v]) for v in outs])
        if op.jvp_all is not None:
            y_dots = op.jvp_all(xp, site, xs, ys, tuple(x_dots))
            terms = [tuple(y_dots)]
        else:
            terms = []
            for i, x_dot in enumerate(x_dots):
                rule = op.jvp_rule(i) if x_dot is not None else None
                if rule is not None:
                    y_dot = rule(xp, site, xs, ys, x_dot)
                    terms.append(y_dot if isinstance(y_dot, tuple) else (y_dot,))
        _gather(xp, site.outs, outs, terms, dots)
    tangents: list[Value] = []
    for v in graph.outputs:
        if graph.types[v].is_float:
            dot = dots[v]
            tangents.append(xp.zeros(graph.types[v]) if dot is None else dot)
    outputs = [xp.value(ids[v]) for v in graph.outputs]
    names = [*graph.output_names]
    names += [
        f"{n}_dot"
        for n, v in zip(graph.output_names, graph.outputs, strict=True)
        if graph.types[v].is_float
    ]
    return xp.finish([*outputs, *tangents], names)


def _gather(
    xp: Builder, types: Any, outs: range, terms: list[tuple[Any, ...]], dots: list[Value | None]
) -> None:
    """Sum the operands' contributions to each output's tangent, fitted to its type."""
    for j, (out, t) in enumerate(zip(outs, types, strict=True)):
        if not t.is_float:
            continue
        total: Value | None = None
        for term in terms:
            part = term[j]
            if part is not None:
                part = xp.fit(part, t)
                total = part if total is None else total + part
        dots[out] = total
