"""How far the point is from every kink, jump and domain edge, and how fast a direction gets there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.scene import Scene
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import reaches
from gradproof_service.transforms.evaluate import MEMORY, Memory, batch_of, evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import SEED_BYTES, chunks_of


@dataclass(frozen=True, slots=True)
class Edge:
    """One op's margin at the point: a signed distance for each entry of one operand.

    `node` and `operand` say where, `kind` is "kink", "jump" or "domain", `text` what the margin
    measures, `distance` the margins in units of the operand (negative: outside the domain).
    """

    node: int
    operand: int
    kind: str
    text: str
    distance: Array


def edges(scene: Scene, values: Sequence[Array | None]) -> list[Edge]:
    """Margins of every op that the differentiated inputs reach; `values` by value id."""
    moved = moving(scene.graph, scene.wrt)
    found: list[Edge] = []
    graph = scene.graph
    for k, site in enumerate(graph.sites):
        op = site.op
        if not op.margins or not any(moved[v] for v in graph.operands[k]):
            continue
        operands, first = graph.operands[k], graph.first[k]
        xs = tuple(values[v] for v in operands)
        ys = tuple(values[first : first + len(site.outs)])
        if any(x is None for x in xs) or any(y is None for y in ys):
            continue
        for margin in op.margins:
            if moved[operands[margin.operand]]:
                with np.errstate(all="ignore"):
                    distance = np.asarray(margin.value(site, xs, ys), dtype=np.float64)  # pyright: ignore[reportArgumentType]
                found.append(Edge(k, margin.operand, margin.kind, margin.text, distance))
    return found


def moving(graph: Graph, wrt: Sequence[int]) -> bytearray:
    """For each value whether it depends on the inputs `wrt` at all, smoothly or not."""
    memory: Memory | None = graph.plans.get(MEMORY)
    seeds = dict.fromkeys(wrt, 1)
    found = None if memory is None else memory.flags(("moving", tuple(wrt)), seeds, _moved)
    if found is not None:
        return found
    moved = bytearray(len(graph.types))
    for i in wrt:
        moved[i] = 1
    for site, operands, first in zip(graph.sites, graph.operands, graph.first, strict=True):
        if 1 in [moved[v] for v in operands]:
            for v in range(first, first + len(site.outs)):
                moved[v] = 1
    return moved


def _moved(site: Site, operands: list[int]) -> list[int]:
    return [int(1 in operands)] * len(site.outs)


def reach(scene: Scene, i: int, directions: Array, found: Sequence[Edge]) -> Array:
    """Distance along each direction (D, n) of input i to the nearest edge, to first order: (D,).

    Infinite where no edge lies ahead or behind; zero where the point is on one and leaves it.
    """
    nearest = np.full(len(directions), np.inf)
    graph = scene.graph
    smooth = reaches(graph, (i,))
    wanted: dict[int, list[Edge]] = {}
    for edge in found:
        v = graph.operands[edge.node][edge.operand]
        if smooth[v]:
            wanted.setdefault(v, []).append(edge)
    if not wanted:
        return nearest
    view = _view(graph, tuple(wanted))
    pushed = jvp(view, (i,))
    for part in chunks_of(len(directions), SEED_BYTES * graph.elements):
        rows = directions[part]
        seeds = rows.reshape(len(rows), *graph.types[i].shape)
        dots = evaluate(pushed, [*scene.inputs, seeds], tick=scene.tick)[len(wanted) :]
        for (v, at), dot in zip(wanted.items(), dots, strict=True):
            core = graph.types[v].shape
            moving_by = np.abs(batch_of(dot, len(core), len(rows)))
            for edge in at:
                # a distance may be as wide as what the operand is broadcast to
                wider = (1,) * max(0, edge.distance.ndim - len(core))
                speed = moving_by.reshape(len(rows), *wider, *core)
                with np.errstate(all="ignore"):
                    time = np.where(speed > 0, np.abs(edge.distance) / speed, np.inf)
                time = np.where(np.isnan(time), np.inf, time).reshape(len(rows), -1)
                nearest[part] = np.minimum(nearest[part], time.min(axis=1, initial=np.inf))
    return nearest


def _view(graph: Graph, values: tuple[int, ...]) -> Graph:
    """The graph that returns these values, remembered with what is derived from it."""
    key = ("returning", values)
    view = graph.plans.get(key)
    if view is None:
        view = graph.plans[key] = graph.returning(values)
        memory: Memory | None = graph.plans.get(MEMORY)
        view.plans[MEMORY] = None if memory is None else memory.returning(view)
    return view
