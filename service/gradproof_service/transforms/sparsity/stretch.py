"""A graph of scalars over a stretch of lanes: calls into buffers that stay in the cache, results where the caller wants them.

What no lane changes is computed once a run, as numbers; the rest are ufuncs on buffers that are used again as soon as nobody needs
them. The last op of a result writes it in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Step, call, plan
from gradproof_service.transforms.plans.memory import aligned
from gradproof_service.transforms.plans.straight import tied, writes_in_place


class _Call(NamedTuple):
    """One node: `into(*xs, out=)` where it can write in place, else the step itself; `buffer` -1 and `result` -1: neither."""

    step: Step
    into: Any
    buffer: int
    result: int


class Stretch:
    """A graph whose inputs are numbers, `lanewise[i]` saying which of them differ from lane to lane."""

    def __init__(self, graph: Graph, lanewise: tuple[bool, ...], lanes: int) -> None:
        prepared = plan(graph, lanewise)
        self.graph = graph
        self.lanes = lanes
        self._known: list[Any] = [None] * len(graph.types)
        self._uniform: list[Step] = []
        self._prepare([s for s in prepared.steps if not s.any_batched])
        self._calls: list[_Call] = []
        self._kinds: list[np.dtype[Any]] = []
        self._idle: list[list[Array]] = []
        self._bind([s for s in prepared.steps if s.any_batched])
        written = {c.result for c in self._calls}
        rest = [(k, v) for k, v in enumerate(graph.outputs) if k not in written]
        self._same = [(k, v) for k, v in rest if not prepared.batched[v]]
        self._left = [(k, v) for k, v in rest if prepared.batched[v]]
        looked_at = {v for s in prepared.steps for v in s.operands} | set(graph.outputs)
        self.reads = tuple(i for i in range(len(lanewise)) if i in looked_at)
        """The inputs that some result depends on."""

    def numbers(self, xs: Sequence[Array | None]) -> list[Any]:
        """The values that no lane changes, by id; None for the others and for lanewise inputs."""
        values = self._known.copy()
        values[: len(xs)] = xs
        for step in self._uniform:
            self._put(values, step, call(step, [values[v] for v in step.operands]))
        return values

    def run(self, values: list[Any], results: Sequence[Array]) -> None:
        """All lanes of the stretch: inputs are in `values` by id, each result that differs by lane is written into its array."""
        try:
            buffers = self._idle.pop()
        except IndexError:  # all are in use by other threads, or none was made yet
            buffers = [aligned(self.lanes * k.itemsize).view(k) for k in self._kinds]
        size = len(results[0])
        held = buffers if size == self.lanes else [b[:size] for b in buffers]
        for step, into, buffer, result in self._calls:
            xs = [values[v] for v in step.operands]
            if into is None:
                self._put(values, step, call(step, xs))
                continue
            out = results[result] if result >= 0 else held[buffer]
            tied(into, xs, out)()
            values[step.first] = out
        for k, v in self._left:
            results[k][...] = values[v]
        self._idle.append(buffers)

    def fill(self, values: list[Any], results: Sequence[Array], some: Sequence[bool]) -> None:
        """Those of `some` results that no lane changes, for any number of lanes; `run` writes the others."""
        for k, v in self._same:
            if some[k]:
                results[k][...] = values[v]

    def _put(self, values: list[Any], step: Step, made: Any) -> None:
        if len(step.site.outs) == 1:
            values[step.first] = made
        else:
            values[step.first : step.first + len(step.site.outs)] = made

    def _prepare(self, steps: list[Step]) -> None:
        """Constants are computed now, what depends on an input that is one number once a run."""
        open_ = set(range(len(self.graph.inputs)))
        with np.errstate(all="ignore"):
            for step in steps:
                if open_.isdisjoint(step.operands):
                    self._put(
                        self._known, step, call(step, [self._known[v] for v in step.operands])
                    )
                else:
                    self._uniform.append(step)
                    open_.update(range(step.first, step.first + len(step.site.outs)))

    def _bind(self, steps: list[Step]) -> None:
        graph = self.graph
        inner = {v for s in steps for v in s.operands}
        ends = {v: k for k, v in enumerate(graph.outputs) if graph.outputs.count(v) == 1}
        free: dict[np.dtype[Any], list[int]] = {}
        home: dict[int, int] = {}
        for step in steps:
            v, t = step.first, step.site.out
            into = writes_in_place(step) if len(step.site.outs) == 1 else None
            result = ends.get(v, -1) if v not in inner else -1
            buffer = -1
            if into is not None and result < 0:
                spare = free.setdefault(t.dtype, [])
                buffer = spare.pop() if spare else len(self._kinds)
                if buffer == len(self._kinds):
                    self._kinds.append(t.dtype)
                home[v] = buffer
            self._calls.append(_Call(step, into, buffer, result if into is not None else -1))
            for u in step.drop:
                if u in home and u not in ends:
                    free[graph.types[u].dtype].append(home.pop(u))
