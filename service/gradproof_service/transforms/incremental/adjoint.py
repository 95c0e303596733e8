"""Cotangents of an edited function: emitted into the store as the reverse sweep emits them, and again only where they change.

An expression hands to each operand a contribution; a value's cotangent is the sum of its seeds and of the contributions of
its users, in the order in which the reverse sweep meets them. Both are kept. Where neither an expression nor the cotangents
of its outputs changed, what it handed on stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import Protocol

from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import passes
from gradproof_service.transforms.evaluate import Tick
from gradproof_service.transforms.incremental.expressions import Expressions
from gradproof_service.transforms.incremental.primal import Ranks
from gradproof_service.transforms.reverse import plus, pulled

Seeds = Sequence[tuple[int, int]]
"""Each output in question, in order: its expression and that of its cotangent."""


class Order(Protocol):
    """Which expressions are nodes of the function as it is now, and how they stand to each other."""

    def rank(self, first: int, ranks: Ranks) -> float:
        """Where an expression stands, the first the least."""
        ...

    def stands(self, first: int) -> bool:
        """Whether it is one of them."""
        ...


class Adjoint:
    """The cotangent of every value; a `Watcher` of the primal."""

    def __init__(self, store: Expressions, order: Order) -> None:
        self.store = store
        self.order = order
        """Which expressions stand now; may be set to another when they do."""
        self._active: set[int] = set()
        self._bars: dict[int, int | None] = {}
        self._handed: dict[int, tuple[int | None, ...]] = {}
        self._users: dict[int, dict[int, tuple[int, ...]]] = {}
        self._seeds: dict[int, tuple[int, ...]] = {}
        self._changed: set[int] = set()
        self._open: set[int] = set()

    def activate(self, v: int) -> None:
        """An input that is differentiated by."""
        self._active.add(v)

    def bar(self, v: int) -> int | None:
        """The cotangent of a value after `settle`, None when it has none."""
        return self._bars.get(v)

    def roots(self) -> Iterable[int]:
        """Every value of the store that the cotangents rest on."""
        yield from (b for b in self._bars.values() if b is not None)
        yield from (x for handed in self._handed.values() for x in handed if x is not None)
        yield from (seed for seeds in self._seeds.values() for seed in seeds)

    def remap(self, store: Expressions, ids: Mapping[int, int]) -> None:
        """Follow the store to its compacted form; what is not in it is forgotten."""
        self.store = store
        self._active = {ids[v] for v in self._active if v in ids}
        self._bars = {ids[v]: _at(ids, b) for v, b in self._bars.items() if v in ids}
        self._handed = {
            ids[f]: tuple([_at(ids, x) for x in handed]) for f, handed in self._handed.items()
        }
        self._users = {
            ids[v]: {ids[f]: places for f, places in users.items()}
            for v, users in self._users.items()
            if v in ids
        }
        self._seeds = {
            ids[v]: tuple([ids[s] for s in seeds]) for v, seeds in self._seeds.items() if v in ids
        }
        self._changed = {ids[f] for f in self._changed}
        self._open = {ids[v] for v in self._open if v in ids}

    def added(self, first: int) -> None:
        """An expression came: it will hand on what it gets."""
        site, operands = self._site(first), self._operands(first)
        for place, v in enumerate(operands):
            users = self._users.setdefault(v, {})
            users[first] = (*users.get(first, ()), place)
        if passes(site, [v in self._active for v in operands]):
            self._active.update(v for v, t in enumerate(site.outs, first) if t.is_float)
        self._changed.add(first)
        self._open.update(range(first, first + len(site.outs)))

    def removed(self, first: int) -> None:
        """An expression went, and with it what it handed on."""
        for v, x in zip(self._operands(first), self._handed.pop(first, ()), strict=False):
            if x is not None:
                self._open.add(v)
        for v in self._operands(first):
            self._users[v].pop(first, None)
        for v in range(first, first + len(self._site(first).outs)):
            self._bars.pop(v, None)
            self._open.discard(v)
        self._changed.discard(first)

    def moved(self, first: int) -> None:
        """The sums that it adds to have another order."""
        self._open.update(self._operands(first))

    def settle(self, seeds: Seeds, ranks: Ranks, tick: Tick) -> int:
        """Bring every cotangent up to date; how many expressions were looked at.

        Raises what `tick` raises and can be called again.
        """
        self._seed(seeds)
        heap: list[tuple[float, int]] = []
        queued: set[int] = set()

        def push(first: int | None) -> None:
            if first is not None and first not in queued:
                queued.add(first)
                heap.append((-self.order.rank(first, ranks), first))

        for first in self._changed:
            push(first)
        for v in self._open:
            push(self._maker(v))
        heapify(heap)
        done = 0
        while heap:
            tick()
            _, first = heappop(heap)
            queued.discard(first)
            done += 1
            for maker in self._renew(first, ranks):
                if maker not in queued:
                    queued.add(maker)
                    heappush(heap, (-self.order.rank(maker, ranks), maker))
        for v in self._open:  # inputs and constants: nobody makes them
            self._bars[v] = self._sum(v, ranks)
        self._open.clear()
        return done

    def _renew(self, first: int, ranks: Ranks) -> set[int]:
        """Sum an expression's cotangents; when they changed, what it hands on. Those who make the operands concerned."""
        site = self._site(first)
        made = range(first, first + len(site.outs))
        for v in made:
            if v in self._open:
                bar = self._sum(v, ranks)
                if self._bars.get(v, -1) != bar:
                    self._changed.add(first)
                    self._bars[v] = bar
                self._open.discard(v)
        if first not in self._changed:
            return set()
        operands = self._operands(first)
        new = self._hand(site, operands, made)
        old = self._handed.get(first, (None,) * len(new))
        self._handed[first] = new
        reached: set[int] = set()
        for v, before, after in zip(operands, old, new, strict=True):
            if before != after:
                self._open.add(v)
                maker = self._maker(v)
                if maker is not None:
                    reached.add(maker)
        self._changed.discard(first)
        return reached

    def _hand(self, site: Site, operands: tuple[int, ...], made: range) -> tuple[int | None, ...]:
        y_bars = [self._bars[v] for v in made]
        wanted = tuple([v in self._active for v in operands])
        if True not in wanted or all(b is None for b in y_bars):
            return (None,) * len(operands)
        return tuple(pulled(self.store.xp, site, list(operands), list(made), y_bars, wanted))

    def _sum(self, v: int, ranks: Ranks) -> int | None:
        xp, total = self.store.xp, None
        for seed in self._seeds.get(v, ()):
            total = plus(xp, total, seed)
        users = self._users.get(v, {})
        order = users
        if len(users) > 1:
            order = sorted(users, key=lambda f: -self.order.rank(f, ranks))
        for first in order:
            handed = self._handed.get(first)
            if handed is None:
                continue
            for place in users[first]:
                x = handed[place]
                if x is not None:
                    total = plus(xp, total, x)
        return total

    def _seed(self, seeds: Seeds) -> None:
        wanted: dict[int, tuple[int, ...]] = {}
        for v, seed in seeds:
            wanted[v] = (*wanted.get(v, ()), seed)
        for v in {*wanted, *self._seeds}:
            if wanted.get(v) != self._seeds.get(v) and (v in wanted or self._alive(v)):
                self._open.add(v)
        self._seeds = wanted

    def _alive(self, v: int) -> bool:
        """Whether the value is one of the function as it is now."""
        return v in self._bars

    def _maker(self, v: int) -> int | None:
        """The expression that makes a value, None for inputs and constants."""
        k = self.store.node_of(v)
        first = self.store.first(k) if k >= 0 else -1
        return first if self.order.stands(first) else None

    def _site(self, first: int) -> Site:
        return self.store.site(self.store.node_of(first))

    def _operands(self, first: int) -> tuple[int, ...]:
        return self.store.operands(self.store.node_of(first))


def _at(ids: Mapping[int, int], v: int | None) -> int | None:
    return None if v is None else ids[v]
