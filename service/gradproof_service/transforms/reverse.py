"""Reverse mode: a graph that carries cotangents back from the outputs to the inputs."""

from __future__ import annotations

from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import Derive, reaches


def vjp(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph:
    """The graph (inputs..., cotangents of `outs`...) -> (outputs..., cotangents of `wrt`...).

    `wrt` are input positions, `outs` output positions; all must be floats. A cotangent has its
    primal's type. Contributions to a value used several times are summed in the order in which
    the reverse sweep meets its users. One pass forward, one pass back.
    """
    key = ("vjp", wrt, outs)
    found = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _vjp(graph, wrt, outs)
    return found


def _vjp(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph:
    from gradproof_service.transforms.forward import jvp  # the two lend each other to rules

    xp = Builder(f"vjp_{graph.name}", Derive(jvp, vjp))
    types = graph.types
    inputs = [xp.input(n, types[i]) for i, n in enumerate(graph.inputs)]
    seeds = [xp.input(f"{graph.output_names[o]}_bar", types[graph.outputs[o]]) for o in outs]
    ids = xp.copy(graph, inputs)
    active = reaches(graph, wrt)
    bars: list[Value | None] = [None] * len(types)
    for o, seed in zip(outs, seeds, strict=True):
        v = graph.outputs[o]
        bars[v] = _plus(bars[v], seed)
    for k, op, site, operands, made in reversed(list(graph.nodes())):
        y_bars = tuple([bars[v] for v in made])
        if not any(b is not None for b in y_bars):
            continue
        wanted = [bool(active[v]) for v in operands]
        if not any(wanted):
            continue
        xp.location = graph.location(k)
        xs = tuple([xp.value(ids[v]) for v in operands])
        ys = tuple([xp.value(ids[v]) for v in made])
        if op.vjp_all is not None:
            x_bars = op.vjp_all(xp, site, xs, ys, y_bars, wanted)
            for v, want, x_bar in zip(operands, wanted, x_bars, strict=True):
                if want and x_bar is not None:
                    bars[v] = _plus(bars[v], xp.unbroadcast(x_bar, types[v]))
        else:
            y_bar = y_bars[0] if len(made) == 1 else y_bars
            for i, v in enumerate(operands):
                rule = op.vjp_rule(i) if wanted[i] else None
                if rule is not None:
                    x_bar = rule(xp, site, xs, ys, y_bar)
                    if x_bar is not None:
                        bars[v] = _plus(bars[v], xp.unbroadcast(x_bar, types[v]))
        for v in made:
            bars[v] = None  # every use stands behind us: the cotangent is spent
    cotangents: list[Value] = []
    for i in wrt:
        bar = bars[i]
        cotangents.append(xp.zeros(types[i]) if bar is None else bar)
    outputs = [xp.value(ids[v]) for v in graph.outputs]
    names = [*graph.output_names, *(f"{graph.inputs[i]}_bar" for i in wrt)]
    return xp.finish([*outputs, *cotangents], names)


def _plus(a: Value | None, b: Value) -> Value:
    return b if a is None else a + b
