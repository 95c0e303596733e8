"""Scans over the same slices that carry the same values run as one: a forward sweep and the one its reverse sweep keeps carries of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site


class _Joined(NamedTuple):
    """One scan in the place of several: for each of them, which of its outputs are theirs."""

    site: Site
    outs: list[list[int]]


def joined_scans(graph: Graph, needed: Sequence[int]) -> Graph:
    """The graph with such scans put together, itself when there are none; `needed` flags the nodes that outputs need."""
    groups: dict[object, list[int]] = {}
    for k, site in enumerate(graph.sites):
        if site.op.name == "scan" and needed[k]:
            same = tuple([site[name] for name in ("consts", "carried", "length", "reverse")])
            groups.setdefault((graph.operands[k], same), []).append(k)
    found = {
        nodes[0]: (nodes, joined)
        for nodes in groups.values()
        if len(nodes) > 1 and (joined := _joined([graph.sites[k] for k in nodes])) is not None
    }
    return _rebuilt(graph, found) if found else graph


def _joined(sites: list[Site]) -> _Joined | None:
    """The scan that does what these do, None when their carries differ: a step of each is written into one body."""
    first = sites[0]
    b = Builder(first["body"].name)
    types = first["body"].input_types
    inputs = [b.input(f"x{i}", t) for i, t in enumerate(types)]
    count = first["carried"]
    carry: list[int] | None = None
    rows: dict[int, int] = {}
    outs: list[list[int]] = []
    for site in sites:
        made = [v.id for v in b.inline(site["body"], inputs)]
        if carry is not None and made[:count] != carry:
            return None
        carry = made[:count]
        stacked = [rows.setdefault(v, len(rows)) for v in made[count:]]
        outs.append([*range(count), *(count + row for row in stacked)])
    body = b.finish([b.value(v) for v in (*(carry or ()), *rows)])
    return _Joined(first.op.site({**first.attrs, "body": body}, first.ins), outs)


def _rebuilt(graph: Graph, found: dict[int, tuple[list[int], _Joined]]) -> Graph:
    xp = Builder(graph.name)
    ids = {
        v: xp.input(n, t).id
        for v, (n, t) in enumerate(zip(graph.inputs, graph.input_types, strict=True))
    }
    for k, _, site, operands, made in graph.nodes():
        if made.start in ids:
            continue  # it runs with an earlier one
        xp.location = graph.location(k)
        args = tuple([ids[v] for v in operands])
        nodes, joined = found.get(k, ([k], _Joined(site, [list(range(len(made)))])))
        first = xp.append(joined.site, args, graph.node_names.get(k, ""))
        for node, outs in zip(nodes, joined.outs, strict=True):
            at = graph.first[node]
            ids.update((at + o, first + place) for o, place in enumerate(outs))
    return xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names)
