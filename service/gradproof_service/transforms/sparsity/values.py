"""The values of a graph that are known before its structure is: computed when somebody asks, remembered, never twice.

Known is what does not depend on the differentiated inputs: constants, indices, masks. With `everything` the values at the
point count as known too, and the structure holds at that point only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate


class Values:
    """The known values of one graph; `given[i]` is input i's value, None while it is unknown."""

    def __init__(self, graph: Graph, given: Sequence[Array | None]) -> None:
        self.graph = graph
        self.known: dict[int, Array | None] = dict(enumerate(given))
        self.asked: set[int] = set()
        """Inputs whose values were looked at."""
        self._producer = graph.producer()
        self._open = _reached(graph, [x is None for x in given])
        self._from_inputs = _reached(graph, [x is not None for x in given])

    def get(self, v: int) -> Array | None:
        """The value, or None when it depends on an unknown input."""
        if self._open[v]:
            return None
        stack = [v]
        while stack:
            top = stack[-1]
            if top in self.known:
                stack.pop()
                continue
            k = self._producer[top]
            missing = [u for u in self.graph.operands[k] if u not in self.known]
            if missing:
                stack += missing
            else:
                self._compute(k)
        if self._from_inputs[v]:
            self.asked |= self._inputs_of(v)
        return self.known[v]

    def number(self, v: int) -> Array | None:
        """The one number that the value is in every element whatever the inputs are; None for all others."""
        if self._producer[v] < 0 or self._open[v] or self._from_inputs[v]:
            return None
        known = self.get(v)
        if (
            known is None
            or not known.size
            or (known.size > 1 and not (known == known.flat[0]).all())
        ):
            return None
        return known[(0,) * known.ndim]

    def operands(self, node: int) -> Known:
        """The operands of a node, each computed when it is looked at."""
        return Known(self, self.graph.operands[node])

    def _compute(self, k: int) -> None:
        graph = self.graph
        site, first = graph.sites[k], graph.first[k]
        xs = [self.known[u] for u in graph.operands[k]]
        with np.errstate(all="ignore"):
            made = (
                site.op.kernel(site, *xs, run=evaluate)
                if site.op.batching == "run"
                else site.op.kernel(site, *xs)
            )
        for v, y in enumerate(made if len(site.outs) > 1 else (made,), first):
            self.known[v] = np.asarray(y)

    def _inputs_of(self, v: int) -> set[int]:
        """The inputs that the value is made of."""
        found: set[int] = set()
        stack, seen = [v], {v}
        while stack:
            top = stack.pop()
            if self._producer[top] < 0:
                found.add(top)
                continue
            for u in self.graph.operands[self._producer[top]]:
                if u not in seen:
                    seen.add(u)
                    stack.append(u)
        return found


class Known(Sequence[Array | None]):
    """The operands of one node as the rules of `ops.reads` see them."""

    def __init__(self, values: Values, ids: tuple[int, ...]) -> None:
        self._values = values
        self._ids = ids

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, index: int) -> Array | None: ...
    @overload
    def __getitem__(self, index: slice) -> list[Array | None]: ...
    def __getitem__(self, index: int | slice) -> Array | list[Array | None] | None:
        if isinstance(index, slice):
            return [self._values.get(v) for v in self._ids[index]]
        return self._values.get(self._ids[index])

    def __iter__(self) -> Iterator[Array | None]:
        return (self._values.get(v) for v in self._ids)


def _reached(graph: Graph, inputs: Iterable[bool]) -> bytearray:
    """For each value whether one of these inputs can change it."""
    found = bytearray(len(graph.types))
    for i, told in enumerate(inputs):
        found[i] = told
    if 1 in found:
        for site, operands, first in zip(graph.sites, graph.operands, graph.first, strict=True):
            for u in operands:
                if found[u]:
                    for v in range(first, first + len(site.outs)):
                        found[v] = 1
                    break
    return found
