"""The structure of a Jacobian before any number of it: index sets pushed through the graph, node by node.

Sound for every value of the differentiated inputs, whatever is known of the others (see `Values`); with all values known it is
sound at that point only, where `where`, `cond` and the like take one side. A scan is followed step by step, a while loop until
another trip adds nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.reads import reads_of
from gradproof_service.ops.record import Op, Site
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.sparsity import pattern as pat
from gradproof_service.transforms.sparsity.pattern import Pattern, TooDense
from gradproof_service.transforms.sparsity.values import Known, Values

STEPS = 200_000
"""Most nodes of scanned bodies that are followed one by one."""
TRIPS = 200
"""Trips after which a while loop whose structure still grows is taken to fill up."""

Told = list[Pattern | None]
"""The pattern of each value, None where it does not depend on what is differentiated."""


def structure(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...], *,
    local: bool = False, tick: Tick = no_tick,
) -> tuple[list[Pattern], frozenset[int]]:  # fmt: skip
    """For each output its pattern over the columns of all `wrt` side by side, and the inputs whose values it rests on.

    With `local` it holds at this point only. Raises `TooDense` where knowing the structure would cost more than it spares.
    """
    width = sum(graph.types[i].size for i in wrt)
    given: Told = [None] * len(graph.inputs)
    at = 0
    for i in wrt:
        size = graph.types[i].size
        given[i] = pat.single(np.arange(at, at + size), width)
        at += size
    known = [
        None if given[i] is not None and not local else np.asarray(x) for i, x in enumerate(inputs)
    ]
    values = Values(graph, known)
    found = propagate(graph, given, values, tick)
    sizes = [graph.types[graph.outputs[o]].size for o in outs]
    patterns = [
        pat.empty(n, width) if p is None else p
        for n, p in zip(sizes, [found[o] for o in outs], strict=True)
    ]
    return patterns, frozenset(values.asked)


def propagate(graph: Graph, given: Told, values: Values, tick: Tick = no_tick) -> Told:
    """The patterns of the outputs from those of the inputs."""
    held: Told = [*given, *([None] * (len(graph.types) - len(graph.inputs)))]
    drops = _last_uses(graph)
    for k, op, site, operands, outs in graph.nodes():
        mine = [held[v] for v in operands]
        if any(p is not None for p in mine):
            flow = _FLOWS.get(op.name)
            known = values.operands(k)
            made = _node(op, site, mine, known) if flow is None else flow(site, mine, known, tick)
            for v, p, t in zip(outs, made, site.outs, strict=True):
                held[v] = p if t.is_float else None
            tick()
        for v in drops[k]:
            held[v] = None
    return [held[v] for v in graph.outputs]


def _node(op: Op, site: Site, mine: Told, known: Sequence[Array | None]) -> Told:
    whole = op.jvp_all is not None or op.vjp_all is not None
    terms: list[list[Pattern]] = [[] for _ in site.outs]
    for i, p in enumerate(mine):
        if p is None or not (whole or op.jvp_rule(i) is not None or op.vjp_rule(i) is not None):
            continue
        if (
            op.batching == "elementwise"
            and op.reads is None
            and site.ins[i].shape == site.out.shape
        ):
            terms[0].append(p)
            continue
        addresses = np.arange(site.ins[i].size).reshape(site.ins[i].shape)
        for term, t, read in zip(
            terms, site.outs, reads_of(site, i, addresses, known), strict=True
        ):
            if t.is_float:
                term.append(pat.through(read, t.size, p))
    return [pat.union(term) if term else None for term in terms]


def _call(site: Site, mine: Told, known: Known, tick: Tick) -> Told:
    return propagate(site["function"], mine, Values(site["function"], list(known)), tick)


def _cond(site: Site, mine: Told, known: Known, tick: Tick) -> Told:
    chooser, branches = known[0], site["branches"]
    if chooser is not None:
        branches = branches[min(max(int(chooser), 0), len(branches) - 1) :][:1]
    told = [propagate(b, mine[1:], Values(b, known[1:]), tick) for b in branches]
    return [_either(parts) for parts in zip(*told, strict=True)]


def _while(site: Site, mine: Told, known: Known, tick: Tick) -> Told:
    """The carry after any number of trips: what is added is carried on until nothing is new."""
    body = site["body"]
    nothing: list[Array | None] = [None] * len(mine)
    carry = list(mine)
    for _ in range(TRIPS):
        after = propagate(body, carry, Values(body, nothing), tick)
        grown = [_either(pair) for pair in zip(carry, after, strict=True)]
        if all(_entries(a) == _entries(b) for a, b in zip(grown, carry, strict=True)):
            return carry
        carry = grown
    return _filled(site.outs, mine)


def _scan(site: Site, mine: Told, known: Known, tick: Tick) -> Told:
    body, length = site["body"], site["length"]
    if length * len(body) > STEPS:
        return _filled(site.outs, mine)
    a, b = site["consts"], site["consts"] + site["carried"]
    consts, carry, slices = mine[:a], mine[a:b], mine[b:]
    fixed, carried, sliced = known[:a], known[a:b], known[b:]
    sizes = [t.size for t in body.input_types[b:]]
    rows: list[Told] = []
    for k in range(length - 1, -1, -1) if site["reverse"] else range(length):
        now = [
            None if p is None else p.part(k * n, (k + 1) * n)
            for p, n in zip(slices, sizes, strict=True)
        ]
        seen = [None if x is None else np.asarray(x[k]) for x in sliced]
        values = Values(body, [*fixed, *carried, *seen])
        told = propagate(body, [*consts, *carry, *now], values, tick)
        carry = told[: len(carry)]
        carried = [values.get(v) for v in body.outputs[: len(carry)]]
        rows.append(told[len(carry) :])
    if site["reverse"]:
        rows.reverse()
    kinds = body.output_types[len(carry) :]
    return [*carry, *(_stack([row[j] for row in rows], t.size) for j, t in enumerate(kinds))]


def _stack(parts: Told, size: int) -> Pattern | None:
    width = next((p.width for p in parts if p is not None), None)
    if width is None:
        return None
    return pat.stacked([pat.empty(size, width) if p is None else p for p in parts])


def _pulled(site: Site, mine: Told, known: Known, tick: Tick) -> Told:
    return _filled(site.outs, mine)


def _filled(outs: Sequence[Type], mine: Told) -> Told:
    """Every output reads every operand in full."""
    given = [p for p in mine if p is not None]
    return [
        pat.union([pat.through(None, t.size, p) for p in given]) if t.is_float else None
        for t in outs
    ]


def _either(parts: Sequence[Pattern | None]) -> Pattern | None:
    held = [p for p in parts if p is not None]
    return pat.union(held) if held else None


def _entries(p: Pattern | None) -> int:
    return -1 if p is None else p.entries


def _last_uses(graph: Graph) -> list[list[int]]:
    """For each node the values that nothing behind it reads."""
    drops: list[list[int]] = [[] for _ in range(len(graph))]
    seen = set(graph.outputs)
    for k in range(len(graph) - 1, -1, -1):
        for v in graph.operands[k]:
            if v not in seen:
                seen.add(v)
                drops[k].append(v)
    return drops


_FLOWS: dict[str, Any] = {
    "call": _call, "cond": _cond, "while_loop": _while, "scan": _scan, "while_loop_vjp": _pulled,
}  # fmt: skip

__all__ = ["TooDense", "propagate", "structure"]
