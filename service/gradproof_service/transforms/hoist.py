"""What every step of a scan computes alike is computed once before it, so that its derivative is taken once too.

A slice of a weight is such a value: its cotangents are then added up over the steps in its own small shape and
put into the weight's once, behind the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site


class _Split(NamedTuple):
    """A scan's body in two: `before` takes the constants, `body` what of them and of its results is read in each step."""

    before: Graph
    reads: list[int]
    """The constants that the body still reads, by position."""
    body: Graph


def hoisted(graph: Graph) -> Graph:
    """The graph with its scans relieved of what they do in each step alike; itself when there is nothing to move."""
    found: Graph | None = graph.plans.get("hoisted")
    if found is None:
        splits = {k: _split(s) for k, s in enumerate(graph.sites) if s.op.name == "scan"}
        kept = {k: split for k, split in splits.items() if split is not None}
        found = graph.plans["hoisted"] = _rebuilt(graph, kept) if kept else graph
    return found


def _split(site: Site) -> _Split | None:
    body, consts = site["body"], site["consts"]
    alike = bytearray(len(body.types))
    alike[:consts] = b"\1" * consts
    bare: set[int] = set()
    """Constants: they cost nothing where they stand."""
    for _, _, _, operands, outs in body.nodes():
        if not operands:
            bare.update(outs)
        if all(alike[v] for v in operands):
            for v in outs:
                alike[v] = 1
    read = set(body.outputs)
    for _, _, _, operands, outs in body.nodes():
        if not alike[outs.start]:
            read.update(operands)
    moved = sorted(v for v in read - bare if alike[v] and v >= len(body.inputs))
    if not moved:
        return None
    reads = [v for v in range(consts) if v in read]
    inputs = [*reads, *moved, *range(consts, len(body.inputs))]
    rest = _part(body, inputs, body.outputs, [not a for a in alike])
    return _Split(_part(body, range(consts), moved, alike), reads, rest)


def _part(
    body: Graph, inputs: Sequence[int], outputs: Sequence[int], mine: Sequence[int | bool]
) -> Graph:
    """The nodes whose values are `mine`, and constants, as a function of these values that returns those."""
    xp = Builder(body.name)
    ids = {v: xp.input(f"x{v}", body.types[v]).id for v in inputs}
    for k, _, site, operands, outs in body.nodes():
        if operands and not mine[outs.start]:
            continue
        xp.location = body.location(k)
        at = xp.add_once(site, tuple([ids[v] for v in operands]), body.node_names.get(k, ""))
        ids.update((v, at + o) for o, v in enumerate(outs))
    return xp.finish([xp.value(ids[v]) for v in outputs], [f"y{i}" for i in range(len(outputs))])


def _rebuilt(graph: Graph, splits: dict[int, _Split]) -> Graph:
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    for k, op, site, operands, outs in graph.nodes():
        xp.location = graph.location(k)
        args = [ids[v] for v in operands]
        split = splits.get(k)
        if split is not None:
            consts = site["consts"]
            values = [v.id for v in xp.inline(split.before, xp.values(args[:consts]))]
            kept = [*(args[i] for i in split.reads), *values]
            args = [*kept, *args[consts:]]
            attrs = {**site.attrs, "body": split.body, "consts": len(kept)}
            relieved = op.site(attrs, tuple([xp.types[v] for v in args]))
            first = xp.append(relieved, tuple(args), graph.node_names.get(k, ""))
        else:
            first = xp.add_once(site, tuple(args), graph.node_names.get(k, ""))
        ids.extend(range(first, first + len(outs)))
    return xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names)
