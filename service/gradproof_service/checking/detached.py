"""What `stop_gradient` declares, kept by every witness: at the point checked, its value is a constant.

Differences would else see the dependence that the derivative leaves out on purpose, and accuse it. That holds inside
called functions too: each call holds the values that it has at the point, each step of a scan those of that step, each
trip of a loop those of that trip (a trip more than the point takes holds those of the last one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import Tick, evaluate, evaluate_all, plan

_ENTERED: Final = {"call": "function", "cond": "branches", "scan": "body", "while_loop": "body"}
"""Ops that call functions, and the attribute that holds those."""
_HOLDING: Final = frozenset({"stop_gradient", *_ENTERED})
"""Ops that may hold a value."""
Hold = Callable[[], int]
"""The id of the next value that is held."""


def detached(graph: Graph, inputs: Sequence[Array], tick: Tick) -> Graph:
    """The graph with the value of every `stop_gradient` node at these inputs in its place; itself when it has none.

    Node for node, but that constants stand before a node whose functions hold values; `origins` tell.
    """
    if not _holders(graph):
        return graph
    values, _ = _held(graph, inputs, tick)
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    rest = iter(values)
    origins: list[int] = []

    def hold() -> int:
        return xp.append(xp.constant_site(next(rest)), ())

    for k in _walked(xp, graph, ids, hold):
        sent = graph.origins[k] if k < len(graph.origins) else k
        origins += [-1] * (xp.node_count - len(origins) - 1) + [sent]
    made = xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names, origins)
    made.function = graph.function
    return made


def _functions(site: Site) -> tuple[Graph, ...]:
    """The functions of a node in which values are held."""
    value = site.attrs.get(_ENTERED.get(site.op.name, ""))
    return value if isinstance(value, tuple) else () if value is None else (value,)  # pyright: ignore[reportUnknownVariableType]


def _holders(graph: Graph) -> dict[int, int]:
    """The nodes that hold values, or whose functions do, and how many each; those that no output needs are left out."""
    found: dict[int, int] | None = graph.plans.get("holders")
    if found is None:
        found = {}
        may = [k for k, site in enumerate(graph.sites) if site.op.name in _HOLDING]
        needed = plan(graph, (False,) * len(graph.inputs)).drops if may else ()
        for k in may:
            if needed[k] is not None:
                site = graph.sites[k]
                count = int(site.op.name == "stop_gradient")
                count += sum(sum(_holders(f).values()) for f in _functions(site))
                if count:
                    found[k] = count
        graph.plans["holders"] = found
    return found


def _held(graph: Graph, inputs: Sequence[Array], tick: Tick) -> tuple[list[Array], list[Array]]:
    """(the values held at these inputs, the outputs); what steps hold is stacked along a first axis."""
    values: list[Any] = evaluate_all(graph, inputs, tick=tick)
    found: list[Array] = []
    for k in _holders(graph):
        site = graph.sites[k]
        xs = [values[v] for v in graph.operands[k]]
        match site.op.name:
            case "stop_gradient":
                found.append(np.asarray(values[graph.first[k]]))
            case "call":
                found += _held(site["function"], xs, tick)[0]
            case "cond":
                for branch in site["branches"]:
                    found += _held(branch, xs[1:], tick)[0]
            case _:
                found += _stacked(site, list(_steps(site, xs, tick)))
    return found, [np.asarray(values[v]) for v in graph.outputs]


def _steps(site: Site, xs: list[Array], tick: Tick) -> Iterator[list[Array]]:
    """The values that each step of a loop holds, in the order of a scan's slices or of the trips."""
    body = site["body"]
    if site.op.name == "while_loop":
        carry = xs
        while bool(evaluate(site["cond"], carry, tick=tick)[0]):
            held, carry = _held(body, carry, tick)
            yield held
        return
    consts, rest = xs[: site["consts"]], xs[site["consts"] + site["carried"] :]
    carry = xs[site["consts"] : site["consts"] + site["carried"]]
    steps: list[list[Array]] = []
    order = range(site["length"])
    for k in order[::-1] if site["reverse"] else order:
        held, outs = _held(body, [*consts, *carry, *(x[k] for x in rest)], tick)
        carry = outs[: site["carried"]]
        steps.append(held)
    yield from steps[::-1] if site["reverse"] else steps


def _stacked(site: Site, steps: list[list[Array]]) -> list[Array]:
    """What steps hold, along a new first axis; loops inside may have taken fewer trips in some of them."""
    if not steps:
        blank = [np.zeros(t.shape, t.dtype) for t in _blank(site["body"])]
        count = site["length"] if site.op.name == "scan" else 1
        return [np.zeros((count, *b.shape), b.dtype) for b in blank]
    found: list[Array] = []
    for column in zip(*steps, strict=True):
        shape = np.max([x.shape for x in column], axis=0, initial=0)
        wide = [
            np.pad(x, [(0, int(n) - m) for n, m in zip(shape, x.shape, strict=True)], mode="edge")
            for x in column
        ] if any(x.shape != tuple(shape) for x in column) else column  # fmt: skip
        found.append(np.stack(wide))
    return found


def _blank(graph: Graph) -> list[Type]:
    """Types of what a function holds that never ran."""
    found: list[Type] = []
    for k in _holders(graph):
        site = graph.sites[k]
        inside = [t for f in _functions(site) for t in _blank(f)]
        if site.op.name in ("scan", "while_loop"):
            count = site.attrs.get("length", 1)
            inside = [t.with_shape((count, *t.shape)) for t in inside]
        found += inside or [site.out]
    return found


def _walked(xp: Builder, graph: Graph, ids: list[int], hold: Hold) -> Iterator[int]:
    """Append every node with the values held in their places, `hold` giving one after the other; yields each node then."""
    holders = _holders(graph)
    for k, _, site, operands, outs in graph.nodes():
        xp.location = graph.location(k)
        args = tuple([ids[v] for v in operands])
        name = graph.node_names.get(k, "")
        if k not in holders:
            first = xp.append(site, args, name)
        elif site.op.name == "stop_gradient":
            first = hold()
        else:
            held = [hold() for _ in range(holders[k])]
            first = _entered(xp, site, args, held, name)
        ids.extend(range(first, first + len(outs)))
        yield k


def _entered(xp: Builder, site: Site, args: tuple[int, ...], held: list[int], name: str) -> int:
    """A node whose functions hold values, which are given to them as more operands."""
    types = [xp.types[v] for v in held]
    if site.op.name == "while_loop":
        return _while(xp, site, args, held, name)
    if site.op.name == "scan":
        types = [t.with_shape(t.shape[1:]) for t in types]
    opened: list[Graph] = []
    start = 0
    for function in _functions(site):
        opened.append(_opened(function, types, start))
        start += sum(_holders(function).values())
    key = _ENTERED[site.op.name]
    several = isinstance(site[key], tuple)
    attrs = {**site.attrs, key: tuple(opened) if several else opened[0]}
    operands = (*args, *held)
    return xp.append(site.op.site(attrs, tuple([xp.types[v] for v in operands])), operands, name)


def _opened(graph: Graph, types: Sequence[Type], start: int) -> Graph:
    """The function with more inputs of these types, the values it holds being those from `start` on."""
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    held = [xp.input(f"held{i}", t).id for i, t in enumerate(types)]
    rest = iter(held[start:])
    for _ in _walked(xp, graph, ids, lambda: next(rest)):
        pass
    return xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names)


def _while(xp: Builder, site: Site, args: tuple[int, ...], held: list[int], name: str) -> int:
    """A loop that counts its trips and takes from each stack what that trip holds."""
    stacks = xp.values(held)
    trip = xp.constant(0, np.int64)
    body, cond = xp.new(site["body"].name), xp.new(site["cond"].name)
    carries: list[list[Value]] = []
    for b, function in ((body, site["body"]), (cond, site["cond"])):
        carry = [b.input(n, t) for n, t in zip(function.inputs, function.input_types, strict=True)]
        carry.append(b.input("trip", trip.type))
        carries.append([*carry, *(b.input(f"held{i}", s.type) for i, s in enumerate(stacks))])
    count = len(args)
    carry, n, own = carries[0][:count], carries[0][count], carries[0][count + 1 :]
    now = [body.take(s, body.minimum(n, s.shape[0] - 1), axis=0) for s in own]
    opened = _opened(site["body"], [v.type for v in now], 0)
    turned = body.finish([*body.inline(opened, [*carry, *now]), n + 1, *own])
    going = cond.finish(cond.inline(site["cond"], carries[1][:count]))
    attrs = {**site.attrs, "body": turned, "cond": going}
    operands = (*args, trip.id, *held)
    return xp.append(site.op.site(attrs, tuple([xp.types[v] for v in operands])), operands, name)
