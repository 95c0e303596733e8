"""Forward mode: a graph that carries tangents along beside the values."""

from __future__ import annotations

from collections.abc import Sequence

from gradproof_service.diagnostic import NOWHERE
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import Derive, reaches
from gradproof_service.transforms.evaluate import MEMORY, Memory
from gradproof_service.transforms.rules import forward_piece, gathered


def jvp(graph: Graph, wrt: tuple[int, ...]) -> Graph:
    """The graph (inputs..., tangents of `wrt`...) -> (outputs..., tangents of float outputs...).

    `wrt` are input positions; every one must be a float. A tangent has its primal's type. An
    output that does not depend on `wrt` has the tangent zero. One pass over the nodes; the tangents of
    each stand behind it, so that a value is alive no longer than its own users need it.
    """
    key = ("jvp", wrt)
    found = graph.plans.get(key)
    if found is None:
        memory: Memory | None = graph.plans.get(MEMORY)
        found = None if memory is None else memory.jvp(wrt)
        found = graph.plans[key] = _jvp(graph, wrt) if found is None else found
    return found


def _jvp(graph: Graph, wrt: tuple[int, ...]) -> Graph:
    from gradproof_service.transforms.reverse import vjp  # the two lend each other to rules

    xp = Builder(f"jvp_{graph.name}", Derive(jvp, vjp))
    inputs = [xp.input(n, graph.types[i]) for i, n in enumerate(graph.inputs)]
    seeds = [xp.input(f"{graph.inputs[i]}_dot", graph.types[i]) for i in wrt]
    ids = [v.id for v in inputs]
    active = reaches(graph, wrt)
    dots: list[int | None] = [None] * len(graph.types)
    for i, seed in zip(wrt, seeds, strict=True):
        dots[i] = seed.id
    located = len(graph.locations)
    for k, (site, operands, first) in enumerate(
        zip(graph.sites, graph.operands, graph.first, strict=True)
    ):
        xp.location = graph.locations[k] if k < located else NOWHERE
        given = [ids[v] for v in operands]
        at = xp.add_once(site, tuple(given), graph.node_names.get(k, ""))
        count = len(site.outs)
        made = range(at, at + count)
        ids += made
        x_dots = [dots[v] for v in operands]
        if any(active[first : first + count]) and any(d is not None for d in x_dots):
            dots[first : first + count] = pushed(xp, site, given, list(made), x_dots)
    tangents: list[Value] = []
    for v in graph.outputs:
        if graph.types[v].is_float:
            dot = dots[v]
            tangents.append(xp.zeros(graph.types[v]) if dot is None else xp.value(dot))
    outputs = [xp.value(ids[v]) for v in graph.outputs]
    names = [*graph.output_names]
    names += [
        f"{n}_dot"
        for n, v in zip(graph.output_names, graph.outputs, strict=True)
        if graph.types[v].is_float
    ]
    return xp.finish([*outputs, *tangents], names)


def pushed(
    xp: Builder, site: Site, xs: list[int], ys: list[int], x_dots: Sequence[int | None]
) -> list[int | None]:
    """One node's tangents carried on: value ids in, for each output the id of its tangent or None."""
    if site.op.jvp_all is None:
        seeded = tuple([d is not None for d in x_dots])
        return forward_piece(site, seeded).emit(
            xp, [*xs, *ys, *(d for d in x_dots if d is not None)]
        )
    lent = tuple([None if d is None else xp.value(d) for d in x_dots])
    y_dots = site.op.jvp_all(xp, site, xp.values(xs), xp.values(ys), lent)
    return [None if d is None else d.id for d in gathered(xp, site, [tuple(y_dots)])]
