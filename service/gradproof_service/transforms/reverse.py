"""Reverse mode: a graph that carries cotangents back from the outputs to the inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from typing import Final

from gradproof_service.diagnostic import NOWHERE
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import Derive, reaches
from gradproof_service.transforms.evaluate import MEMORY, Memory
from gradproof_service.transforms.hoist import hoisted
from gradproof_service.transforms.rules import reverse_piece

_ADD: Final = OPS["add"]


def vjp(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph:
    """The graph (inputs..., cotangents of `outs`...) -> (outputs..., cotangents of `wrt`...).

    `wrt` are input positions, `outs` output positions; all must be floats. A cotangent has its
    primal's type. Contributions to a value used several times are summed in the order in which
    the reverse sweep meets its users. One pass forward, one pass back.
    """
    key = ("vjp", wrt, outs)
    found = graph.plans.get(key)
    if found is None:
        memory: Memory | None = graph.plans.get(MEMORY)
        found = None if memory is None else memory.vjp(wrt, outs)
        found = graph.plans[key] = _vjp(graph, wrt, outs) if found is None else found
    return found


def cotangents_graph(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]
) -> tuple[Graph, list[int | None]]:
    """The graph (inputs..., cotangents of `outs`...) -> the cotangents of values, and for each value which of these it is.

    None: no cotangent arrives there. They are those that `vjp` passes through.
    """
    key = ("cotangents", wrt, outs)
    found = graph.plans.get(key)
    if found is None:
        memory: Memory | None = graph.plans.get(MEMORY)
        found = None if memory is None else memory.cotangents(wrt, outs)
        found = graph.plans[key] = found or _cotangents(graph, wrt, outs)
    return found


def _cotangents(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]
) -> tuple[Graph, list[int | None]]:
    spent: dict[int, int] = {}

    def walk(sweep: Sweep) -> None:
        sweep.spent = spent
        sweep.back(sweep.ids, 0, len(graph))
        spent.update((v, bar) for v, bar in enumerate(sweep.bars) if bar is not None)

    swept = reversed_by(graph, wrt, outs, walk)
    where: list[int | None] = [None] * len(graph.types)
    for n, v in enumerate(spent):
        where[v] = n
    return swept.returning(list(spent.values())), where


def _vjp(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph:
    graph = hoisted(graph)
    return reversed_by(graph, wrt, outs, lambda sweep: sweep.back(sweep.ids, 0, len(graph)))


def reversed_by(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], walk: Callable[[Sweep], None],
    carry_bytes: float = inf,
) -> Graph:  # fmt: skip
    """The graph of `vjp`, its nodes being carried back by `walk` from the last to the first.

    `carry_bytes`: what the way back through a loop may keep of its carries at once (see `ops.scan_back`).
    """
    from gradproof_service.transforms.forward import jvp  # the two lend each other to rules

    xp = Builder(f"vjp_{graph.name}", Derive(jvp, vjp, carry_bytes))
    types = graph.types
    inputs = [xp.input(n, types[i]) for i, n in enumerate(graph.inputs)]
    seeds = [xp.input(f"{graph.output_names[o]}_bar", types[graph.outputs[o]]) for o in outs]
    ids = xp.copy(graph, inputs)
    sweep = Sweep(
        xp, graph, ids, reaches(graph, wrt), [None] * len(types), seeds[0].id if seeds else 0
    )
    bars = sweep.bars
    for o, seed in zip(outs, seeds, strict=True):
        v = graph.outputs[o]
        bars[v] = plus(xp, bars[v], seed.id)
    walk(sweep)
    cotangents: list[Value] = []
    for i in wrt:
        bar = bars[i]
        cotangents.append(xp.zeros(types[i]) if bar is None else xp.value(bar))
    outputs = [xp.value(ids[v]) for v in graph.outputs]
    names = [*graph.output_names, *(f"{graph.inputs[i]}_bar" for i in wrt)]
    return xp.finish([*outputs, *cotangents], names)


@dataclass(slots=True)
class Sweep:
    """A reverse sweep under way: the graph's values `ids` and their cotangents `bars` as value ids of `xp`."""

    xp: Builder
    graph: Graph
    ids: list[int]
    active: bytearray
    bars: list[int | None]
    latest: int
    """The cotangent that was made last; before there is one, a seed."""
    spent: dict[int, int] | None = None
    """The cotangents of values whose users are done, by value, if they are to be kept."""

    def back(self, ids: Sequence[int] | Mapping[int, int], start: int, stop: int) -> None:
        """Carry the cotangents through the nodes [start, stop), the last first; `ids` are the values that rules read."""
        xp, graph, active, bars = self.xp, self.graph, self.active, self.bars
        located = len(graph.locations)
        for k in range(stop - 1, start - 1, -1):
            site, operands, first = graph.sites[k], graph.operands[k], graph.first[k]
            made = range(first, first + len(site.outs))
            y_bars = bars[first : made.stop]
            seeded = tuple([b is not None for b in y_bars])
            if True not in seeded:
                continue
            if self.spent is not None:
                self.spent.update(
                    (v, b) for v, b in zip(made, y_bars, strict=True) if b is not None
                )
            bars[first : made.stop] = [None] * len(site.outs)  # spent: its users are done
            wanted = tuple([active[v] == 1 for v in operands])
            if True not in wanted:
                continue
            xp.location = graph.locations[k] if k < located else NOWHERE
            given = [ids[v] for v in operands]
            x_bars = pulled(xp, site, given, [ids[v] for v in made], y_bars, wanted)
            for v, x_bar in zip(operands, x_bars, strict=True):
                if x_bar is not None:
                    bars[v] = self.latest = plus(xp, bars[v], x_bar)


def pulled(
    xp: Builder, site: Site, xs: list[int], ys: list[int], y_bars: Sequence[int | None],
    wanted: tuple[bool, ...],
) -> list[int | None]:  # fmt: skip
    """One node's cotangents carried back: value ids in, for each operand the id of its cotangent or None."""
    if site.op.vjp_all is None:
        given = [*xs, *ys, *(b for b in y_bars if b is not None)]
        seeded = tuple([b is not None for b in y_bars])
        return reverse_piece(site, wanted, seeded).emit(xp, given)
    lent = tuple([None if b is None else xp.value(b) for b in y_bars])
    back = site.op.vjp_all(xp, site, xp.values(xs), xp.values(ys), lent, list(wanted))
    return [
        None if x_bar is None or not want else xp.unbroadcast(x_bar, t).id
        for t, want, x_bar in zip(site.ins, wanted, back, strict=True)
    ]


def plus(xp: Builder, a: int | None, b: int) -> int:
    """The sum of two cotangents; None is no cotangent yet."""
    if a is None:
        return b
    return xp.add_once(_ADD.site({}, (xp.types[a], xp.types[b])), (a, b))
