"""The nodes of an edited function, typed into the store: after an edit only the nodes that it reaches are typed again.

Nodes are named by numbers that last; the ranks that `settle` is given say in which order they stand. Equal nodes are one
expression, as in a typed graph, and an expression stands where the first of its nodes stands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from typing import Any, Protocol, cast

from gradproof_service.graph.program import Stated
from gradproof_service.graph.typing import Typing, hold, node_site
from gradproof_service.ops.record import IllTyped, Site, attrs_key
from gradproof_service.transforms.evaluate import Tick
from gradproof_service.transforms.incremental.store import Store

Ranks = Sequence[float]


@dataclass(frozen=True, slots=True)
class Node:
    """One untyped node: operands are value numbers, `stated` what the sender says of its outputs (empty: nothing)."""

    op: str
    operands: tuple[int, ...]
    attrs: Mapping[str, Any]
    count: int = 1
    stated: tuple[Stated | None, ...] = ()


class Watcher(Protocol):
    """Who is told when an expression comes, goes, or stands elsewhere; expressions are named by their first value."""

    def added(self, first: int) -> None:
        """It was not there."""
        ...

    def removed(self, first: int) -> None:
        """It is not there any more."""
        ...

    def moved(self, first: int) -> None:
        """It stands before or behind other expressions than it did."""
        ...


class Primal:
    """Which expression each value of the function is."""

    def __init__(self, typing: Typing, as_declared: bool, cost: Callable[[Site], int]) -> None:
        self.ids: list[int | None] = []
        """The expression of each value, by number; None: it has none."""
        self.faults: dict[int, IllTyped] = {}
        """What keeps nodes from having types, by number."""
        self.elements = 0
        """Elements of all values."""
        self.work = 0
        """Floating operations of one evaluation, as `cost` counts them."""
        self._typing = typing
        self._as_declared = as_declared
        self._cost = cost
        self._nodes: dict[int, Node] = {}
        self._readers: list[set[int]] = []
        self._standing: dict[int, set[int]] = {}
        self._dirty: set[int] = set()
        self._sites: dict[Any, Site] = {}

    def __len__(self) -> int:
        """Number of expressions that stand."""
        return len(self._standing)

    def place(self, number: int, id: int) -> None:
        """Say which expression an input or a constant is."""
        self._reserve(number + 1)
        if self.ids[number] != id:
            self.ids[number] = id
            self._dirty |= self._readers[number]

    def change(self, number: int, node: Node | None) -> None:
        """Put a node in this place, or take away what is there."""
        old = self._nodes.get(number)
        for v in old.operands if old else ():
            self._readers[v].discard(number)
        if node is None:
            self._nodes.pop(number, None)
            self._reserve(number + 1)
        else:
            self._reserve(number + node.count)
            self._nodes[number] = node
            for v in node.operands:
                self._reserve(v + 1)
                self._readers[v].add(number)
        self._dirty.add(number)

    def rank(self, first: int, ranks: Ranks) -> float:
        """Where an expression stands."""
        numbers = self._standing[first]
        if len(numbers) == 1:
            (one,) = numbers
            return ranks[one]
        return min([ranks[n] for n in numbers])

    def stands(self, first: int) -> bool:
        """Whether the expression is a node of the function as it is now."""
        return first in self._standing

    def settle(self, store: Store, ranks: Ranks, watcher: Watcher, tick: Tick) -> int:
        """Type what changed and what that reaches; how many nodes. Raises what `tick` raises and can be called again."""
        for number in [n for n in self._dirty if n not in self._nodes]:
            self._forget(number, store, watcher)
            self._dirty.discard(number)
        heap = [(ranks[n], n) for n in self._dirty]
        heapify(heap)
        done = 0
        while heap:
            tick()
            _, number = heappop(heap)
            if number not in self._dirty:
                continue
            done += 1
            for reader in self._type(number, store, ranks, watcher):
                if reader not in self._dirty:
                    self._dirty.add(reader)
                    heappush(heap, (ranks[reader], reader))
            self._dirty.discard(number)
        return done

    def remap(self, ids: Mapping[int, int]) -> None:
        """Follow the store to its compacted form."""
        self.ids = [None if v is None else ids[v] for v in self.ids]
        self._standing = {ids[first]: numbers for first, numbers in self._standing.items()}

    def _type(self, number: int, store: Store, ranks: Ranks, watcher: Watcher) -> set[int]:
        """Type one node; the readers of what became another expression."""
        node = self._nodes[number]
        args = tuple([self.ids[v] for v in node.operands])
        self.faults.pop(number, None)
        first: int | None = None
        if None not in args:
            placed = cast("tuple[int, ...]", args)
            try:
                first = store.xp.add_once(self._site(node, placed, store), placed)
            except IllTyped as error:
                self.faults[number] = error
        return self._bind(number, node.count, first, store, ranks, watcher)

    def _site(self, node: Node, args: tuple[int, ...], store: Store) -> Site:
        ins = tuple([store.type(v) for v in args])
        key = (node.op, attrs_key(node.attrs), node.count, ins)
        site = self._sites.get(key)
        if site is None:
            site = node_site(self._typing, node.op, node.attrs, ins, node.count)
            if site.op.batching != "run":
                self._sites[key] = site
        for stated, out in zip(node.stated, site.outs, strict=False):
            hold(stated, out, self._as_declared)
        return site

    def _bind(
        self, number: int, count: int, first: int | None, store: Store, ranks: Ranks, watcher: Watcher
    ) -> set[int]:  # fmt: skip
        old = self.ids[number]
        if old == first:
            return set()
        reached: set[int] = set()
        for j in range(count):
            self.ids[number + j] = None if first is None else first + j
            reached |= self._readers[number + j]
        if old is not None:
            self._unbind(number, old, store, watcher)
        if first is not None:
            numbers = self._standing.get(first)
            if numbers is None:
                self._standing[first] = {number}
                self._count(first, store, 1)
                watcher.added(first)
            else:
                before = min([ranks[n] for n in numbers])
                numbers.add(number)
                if ranks[number] < before:
                    watcher.moved(first)
        return reached

    def _forget(self, number: int, store: Store, watcher: Watcher) -> None:
        """A node or a constant went; what read it went or was changed too."""
        old = self.ids[number]
        self.faults.pop(number, None)
        if old is not None and number in self._standing.get(old, ()):
            for j in range(len(store.site(store.node_of(old)).outs)):
                self.ids[number + j] = None
            self._unbind(number, old, store, watcher)
        self.ids[number] = None

    def _unbind(self, number: int, first: int, store: Store, watcher: Watcher) -> None:
        numbers = self._standing[first]
        numbers.discard(number)
        if numbers:
            watcher.moved(first)
        else:
            del self._standing[first]
            self._count(first, store, -1)
            watcher.removed(first)

    def _count(self, first: int, store: Store, by: int) -> None:
        site = store.site(store.node_of(first))
        self.elements += by * sum([t.size for t in site.outs])
        self.work += by * self._cost(site)

    def _reserve(self, count: int) -> None:
        short = count - len(self.ids)
        if short > 0:
            self.ids.extend([None] * short)
            self._readers.extend([set[int]() for _ in range(short)])
