"""A typed graph made ready to be searched for patterns: who makes a value, from what, who uses it.

Every question looks a bounded number of nodes back, so a search over all nodes is linear.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from gradproof_service.checking.margins import moving
from gradproof_service.findings.ranges import Range, ranges_of
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import reaches

PASSING = frozenset(
    {"astype", "broadcast_to", "expand_dims", "positive", "reshape", "squeeze", "stop_gradient"}
)
"""Ops that a pattern looks through: they move values and leave them as they are."""
DEPTH = 8
"""Most passing ops that are looked through."""
SMALL = 4096
"""Elements of the largest constant that is asked whether it is one number."""


def look_of(graph: Graph) -> Look:
    """Questions to one graph, and their answers, remembered on it."""
    found: Look | None = graph.plans.get("look")
    if found is None:
        found = graph.plans["look"] = Look(graph)
    return found


class Look:
    """Questions to one graph."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.made = graph.producer()

    @cached_property
    def _by_op(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for k, site in enumerate(self.graph.sites):
            found.setdefault(site.op.name, []).append(k)
        return found

    def nodes_of(self, *ops: str) -> list[int]:
        """The nodes of these ops, in order."""
        return sorted(k for op in dict.fromkeys(ops) for k in self._by_op.get(op, ()))

    @cached_property
    def floats(self) -> tuple[int, ...]:
        """Positions of the float inputs."""
        return tuple(i for i, t in enumerate(self.graph.input_types) if t.is_float)

    @cached_property
    def smooth(self) -> bytearray:
        """For each value whether it is a float that depends smoothly on a float input."""
        return reaches(self.graph, self.floats)

    @cached_property
    def moved(self) -> bytearray:
        """For each value whether it depends on a float input at all."""
        return moving(self.graph, self.floats)

    @cached_property
    def users(self) -> list[list[int]]:
        """For each value the nodes that read it, a node twice when it reads it twice."""
        users: list[list[int]] = [[] for _ in self.graph.types]
        for k, operands in enumerate(self.graph.operands):
            for v in operands:
                users[v].append(k)
        return users

    @cached_property
    def ranges(self) -> list[Range]:
        """Between which numbers each value lies."""
        return ranges_of(self.graph)

    @cached_property
    def arms(self) -> dict[int, int]:
        """Nodes that compute an arm of a `where`, each with that `where`."""
        found: dict[int, int] = {}
        for k in self.nodes_of("where"):
            for node in self.behind(self.graph.operands[k][1:]):
                found.setdefault(node, k)
        return found

    def behind(self, values: tuple[int, ...], most: int = 16) -> Iterator[int]:
        """Up to `most` elementwise nodes that these values are computed by."""
        waiting = list(values)
        seen: set[int] = set()
        while waiting and len(seen) < most:
            k = self.made[waiting.pop()]
            if k < 0 or k in seen:
                continue
            op = self.graph.sites[k].op
            if op.batching == "elementwise" or op.name in PASSING:
                seen.add(k)
                yield k
                waiting.extend(self.graph.operands[k])

    def op(self, v: int) -> str:
        """Name of the op that makes a value, empty for an input."""
        k = self.made[v]
        return self.graph.sites[k].op.name if k >= 0 else ""

    def bare(self, v: int) -> int:
        """The value behind casts, broadcasts and reshapes."""
        for _ in range(DEPTH):
            if self.op(v) not in PASSING:
                break
            v = self.graph.operands[self.made[v]][0]
        return v

    def of(self, v: int, *ops: str) -> tuple[int, ...] | None:
        """Operands of the node that makes `v`, looked at bare, when its op is one of these."""
        v = self.bare(v)
        return self.graph.operands[self.made[v]] if self.op(v) in ops else None

    def number(self, v: int) -> float | None:
        """The one number that a constant holds in every entry."""
        k = self.made[self.bare(v)]
        if k < 0:
            return None
        site = self.graph.sites[k]
        if site.op.name == "full":
            return float(site["value"])
        if site.op.name != "constant":
            return None
        array = site["value"].array
        if not 0 < array.size <= SMALL or array.dtype.kind not in "fiu":
            return None
        first = array.flat[0]
        return float(first) if np.all(array == first) else None

    def square(self, v: int) -> int | None:
        """x when the value is x squared."""
        if (args := self.of(v, "square")) is not None:
            return self.bare(args[0])
        if (args := self.of(v, "multiply")) is not None:
            a, b = map(self.bare, args)
            return a if a == b else None
        if (args := self.of(v, "pow")) is not None and self.number(args[1]) == 2:
            return self.bare(args[0])
        return None

    def terms(self, v: int) -> tuple[float, list[tuple[int, int]]]:
        """A sum as (number, [(sign, term), ...]), at most three additions deep."""
        number, terms = 0.0, list[tuple[int, int]]()
        waiting = [(1, self.bare(v), 0)]
        while waiting:
            sign, w, depth = waiting.pop()
            args = self.of(w, "add", "subtract", "negative") if depth < 3 else None
            value = self.number(w)
            if value is not None:
                number += sign * value
            elif args is None:
                terms.append((sign, w))
            else:
                second = -sign if self.op(self.bare(w)) == "subtract" else sign
                first = -sign if len(args) == 1 else sign
                waiting += [
                    (s, self.bare(a), depth + 1)
                    for s, a in zip((first, second), args, strict=False)
                ]
        return number, terms

    def matches(self, v: int, number: float, sign: int) -> int | None:
        """x when the value is `number + sign * x`."""
        found, terms = self.terms(v)
        if found == number and len(terms) == 1 and terms[0][0] == sign:
            return terms[0][1]
        return None
