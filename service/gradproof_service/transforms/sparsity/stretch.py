"""A graph of scalars over a stretch of lanes: calls into buffers that stay in the cache, results where the caller wants them.

What no lane changes is computed once a run, as numbers; the rest are ufuncs on buffers that are used again as soon as nobody needs
them. The last op of a result writes it in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Step, call, plan
from gradproof_service.transforms.plans.memory import aligned
from gradproof_service.transforms.plans.straight import by_position, writes_in_place

Slots = list[Any]
"""What is known of each value in a run, by id: a number, an array of lanes, or a buffer."""


class Stretch:
    """A graph whose inputs are numbers, `lanewise[i]` saying which of them differ from lane to lane.

    At most `lanes` of them run together, in flat arrays. Outputs that are to go `straight` are written where the caller says,
    into arrays of more axes unless `flat`.
    """

    def __init__(
        self, graph: Graph, lanewise: tuple[bool, ...], lanes: int, straight: Sequence[bool], *, flat: bool
    ) -> None:  # fmt: skip
        prepared = plan(graph, lanewise)
        self.graph = graph
        self.lanes = lanes
        self._known: Slots = [None] * len(graph.types)
        self._uniform: list[Step] = []
        self._prepare([s for s in prepared.steps if not s.any_batched])
        self._calls: list[tuple[Callable[..., Any] | None, Any]] = []
        self._kinds: list[np.dtype[Any]] = []
        self._homes: list[tuple[int, int]] = []
        self._idle: list[list[Array]] = []
        self.uniform = frozenset(v for v in graph.outputs if not prepared.batched[v])
        """Output values that no lane changes: one number in `slots`."""
        self.written: set[int] = set()
        """Output values that are written into the array that stands for them in `slots`; the others stand there after a run."""
        self._bind([s for s in prepared.steps if s.any_batched], straight, flat)
        looked_at = {v for s in prepared.steps for v in s.operands} | set(graph.outputs)
        self.reads = tuple(i for i in range(len(lanewise)) if i in looked_at)
        """The inputs that some result depends on."""

    def numbers(self, xs: dict[int, Array]) -> Slots:
        """The values that no lane changes, by id; `xs` are the inputs among them."""
        slots = self._known.copy()
        for v, x in xs.items():
            slots[v] = x
        for step in self._uniform:
            _put(slots, step, call(step, [slots[v] for v in step.operands]))
        return slots

    def run(self, slots: Slots, lanes: int) -> list[Array]:
        """So many lanes, whose inputs are in `slots`; what it returns is given to `done` when the outputs have been read."""
        try:
            buffers = self._idle.pop()
        except IndexError:  # all are in use by other threads, or none was made yet
            buffers = [aligned(self.lanes * k.itemsize).view(k) for k in self._kinds]
        held = buffers if lanes == self.lanes else [b[:lanes] for b in buffers]
        for v, buffer in self._homes:
            slots[v] = held[buffer]
        for into, what in self._calls:
            if into is None:
                _put(slots, what, call(what, [slots[v] for v in what.operands]))
            else:
                into(*what(slots))
        return buffers

    def done(self, buffers: list[Array]) -> None:
        """The buffers of a run may be used again."""
        self._idle.append(buffers)

    def _prepare(self, steps: list[Step]) -> None:
        """Constants are computed now, what depends on an input that is one number once a run."""
        open_ = set(range(len(self.graph.inputs)))
        with np.errstate(all="ignore"):
            for step in steps:
                if open_.isdisjoint(step.operands):
                    _put(self._known, step, call(step, [self._known[v] for v in step.operands]))
                else:
                    self._uniform.append(step)
                    open_.update(range(step.first, step.first + len(step.site.outs)))

    def _bind(self, steps: list[Step], straight: Sequence[bool], flat: bool) -> None:
        """Calls in order, each with the buffer or the result that it writes."""
        graph = self.graph
        inner = {v for s in steps for v in s.operands}
        ends = {
            v
            for v, f in zip(graph.outputs, straight, strict=True)
            if f and graph.outputs.count(v) == 1
        }
        free: dict[np.dtype[Any], list[int]] = {}
        home: dict[int, int] = {}
        for step in steps:
            v, t = step.first, step.site.out
            into = writes_in_place(step) if len(step.site.outs) == 1 else None
            if into is None:
                self._calls.append((None, step))
            elif v in ends - inner and (flat or isinstance(into, np.ufunc)):
                self.written.add(v)
                into = by_position(into)
                self._calls.append((into if flat else _shaped(into), itemgetter(*step.operands, v)))
            else:
                spare = free.setdefault(t.dtype, [])
                buffer = spare.pop() if spare else len(self._kinds)
                if buffer == len(self._kinds):
                    self._kinds.append(t.dtype)
                home[v] = buffer
                self._homes.append((v, buffer))
                self._calls.append((by_position(into), itemgetter(*step.operands, v)))
            for u in step.drop:
                if u in home and u not in graph.outputs:
                    free[graph.types[u].dtype].append(home.pop(u))


def _put(slots: Slots, step: Step, made: Any) -> None:
    if len(step.site.outs) == 1:
        slots[step.first] = made
    else:
        slots[step.first : step.first + len(step.site.outs)] = made


def _shaped(ufunc: Callable[..., Any]) -> Callable[..., Any]:
    """A ufunc on flat operands and a result that may have more axes."""

    def into(*arrays: Array) -> None:
        *xs, out = arrays
        ufunc(*[x.reshape(out.shape) if x.ndim else x for x in xs], out)

    return into
