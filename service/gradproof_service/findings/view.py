"""A graph at a point, ready to be looked at: every value, every margin, every cotangent.

All in float64, as in a check. The cotangents are those of the sum of all outputs looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, is_lost
from gradproof_service.checking.margins import Edge, edges
from gradproof_service.checking.report import Options
from gradproof_service.checking.scene import Scene, make_scene
from gradproof_service.findings.look import look_of
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.planned import planned
from gradproof_service.transforms.reverse import cotangents_graph, vjp

MOST_BIRTHS = 16
"""Nodes looked at for the origin of a cotangent that is not finite."""


@dataclass(frozen=True, slots=True)
class Birth:
    """A node whose rule turns finite cotangents into ones that are not finite.

    `x_bar` is what operand `operand` got from it, `at` the first entry of it that is not finite,
    `silent` whether the cotangent that came in was zero there: 0 times infinity.
    """

    node: int
    operand: int
    x_bar: Array
    at: tuple[int, ...]
    silent: bool


class View:
    """One graph at one point; `values` and `bars` (cotangents) are by value id, None if unknown."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.graph = scene.graph
        self.original = scene.original
        self.values = scene.known()
        self.look = look_of(scene.graph)
        self.notes: dict[str, Any] = {}
        """What detectors found that ask the same of the whole graph."""
        with np.errstate(all="ignore"):
            outs = [self.values[scene.graph.outputs[o]] for o in scene.outs]
            self.finite = all(y is None or bool(np.isfinite(y).all()) for y in outs)

    @cached_property
    def bars(self) -> Sequence[Array | None]:
        """The cotangent of every value."""
        return cotangents(self.scene, self.values)

    @cached_property
    def edges(self) -> list[Edge]:
        """Margins of every op that a float input reaches."""
        return edges(self.scene, self.values)

    def operands(self, k: int) -> list[Array] | None:
        """What node k read, None when it was not evaluated."""
        xs = [self.values[v] for v in self.graph.operands[k]]
        return None if any(x is None for x in xs) else [x for x in xs if x is not None]

    def out(self, k: int) -> int:
        """Id of node k's first output."""
        return self.graph.first[k]

    def bar(self, k: int) -> Array | None:
        """Cotangent of node k's first output, None when nothing depends on it smoothly."""
        return self.bars[self.out(k)]

    def matters(self, k: int) -> bool:
        """Whether some cotangent arrives at node k."""
        bar = self.bar(k)
        return bar is not None and bool((bar != 0).any())

    def struck(self, k: int, bad: Array) -> Array:
        """The entries of `bad` (shaped like node k's output) where a cotangent arrives or is lost.

        At a node whose rule gives birth to a NaN out of a cotangent of zero, all of them.
        """
        bar = self.bar(k)
        if bar is None:
            return np.zeros(bad.shape, dtype=bool)
        return bad if k in self.births else bad & (bar != 0)

    @cached_property
    def births(self) -> dict[int, Birth]:
        """Nodes where cotangents stop being finite, by node; empty when an output is not finite."""
        if not self.finite:
            return {}
        bad = list(map(is_lost, self.bars))
        found: dict[int, Birth] = {}
        if True not in bad:
            return found
        for k, _, _, operands, outs in reversed(list(self.graph.nodes())):
            if (
                len(found) == MOST_BIRTHS
                or not any(bad[v] for v in operands)
                or any(bad[v] for v in outs)
            ):
                continue
            birth = self._birth(k, operands, bad)
            if birth is not None:
                found[k] = birth
        return found

    def _birth(self, k: int, operands: tuple[int, ...], bad: Sequence[bool]) -> Birth | None:
        site = self.graph.sites[k]
        xs = self.operands(k)
        known = [
            j
            for j, t in enumerate(site.outs)
            if t.is_float and self.bars[self.out(k) + j] is not None
        ]
        if xs is None or not known:
            return None
        xp = Builder("one")
        made = xp.append(site, tuple(xp.input(f"x{i}", t).id for i, t in enumerate(site.ins)))
        alone = xp.finish([xp.value(made + j) for j in known])
        y_bars = [self.bars[self.out(k) + j] for j in known]
        for i, v in enumerate(operands):
            if not bad[v]:
                continue
            x_bar = evaluate(vjp(alone, (i,), tuple(range(len(known)))), [*xs, *y_bars])[-1]  # pyright: ignore[reportArgumentType]
            lost = np.argwhere(~np.isfinite(x_bar))
            if len(lost):
                at = tuple(int(n) for n in lost[0])
                bar = y_bars[0]
                assert bar is not None
                silent = bool(bar[at] == 0) if bar.shape == x_bar.shape else not bar.any()
                return Birth(k, i, x_bar, at, silent)
        return None


def make_view(
    graph: Graph, point: Sequence[Array], options: Options | None = None, *, tick: Tick = no_tick
) -> View:
    """The view of a typed graph at a point; raises `Fault` where a check would."""
    return View(make_scene(graph, point, options or Options(), tick))


def cotangents(scene: Scene, values: Sequence[Array | None]) -> list[Array | None]:
    """The cotangent of every value, for ones on the outputs; None where none arrives."""
    graph = scene.graph
    smooth = look_of(graph).smooth
    wanted = [
        v for v, t in enumerate(graph.types) if smooth[v] and values[v] is not None and t.is_float
    ]
    bars: list[Array | None] = [None] * len(graph.types)
    if not wanted or not scene.outs:
        return bars
    inputs = tuple(i for i, t in enumerate(graph.input_types) if t.is_float)
    swept, where = cotangents_graph(graph, inputs, tuple(scene.outs))
    ones = [np.ones(graph.types[graph.outputs[o]].shape) for o in scene.outs]
    results = planned(swept, [*scene.inputs, *ones], tick=scene.tick)
    for v in wanted:
        at = where[v]
        bars[v] = np.zeros(graph.types[v].shape) if at is None else results[at]
    return bars
