"""Expressions, each once, and the arrays computed for them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gradproof_service.arrays import Array, Frozen, Type
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import Tick, apply
from gradproof_service.transforms.incremental.expressions import Expressions


class Store(Expressions):
    """A builder that only grows, with the values computed so far; `compacted` makes a new one of what is still needed."""

    def __init__(self) -> None:
        super().__init__()
        self._values: dict[int, Array] = {}
        self._fresh: set[int] = set()
        self.elements = 0
        """Elements of all arrays held."""

    def fresh(self, type: Type, array: Array) -> int:
        """A leaf with this value that equals no other, whatever their bits; its value id."""
        site = Site(OPS["constant"], {"value": Frozen(array)}, (), (type,))
        made = self.xp.append(site, ())
        self._fresh.add(made)
        self._keep(made, array)
        return made

    def value(self, v: int) -> Array:
        """The array of a value that `compute` was asked for."""
        return np.asarray(self._values[v])

    def compute(self, wanted: Iterable[int], tick: Tick) -> int:
        """Make sure that these values are there; how many nodes had to be computed. Raises what `tick` raises."""
        missing = self._missing(wanted)
        values, sites, operands, first = (
            self._values, self._view.sites, self._view.operands, self._view.first,
        )  # fmt: skip
        with np.errstate(all="ignore"):
            for k in missing:
                outs = apply(sites[k], [values[v] for v in operands[k]], tick)
                if len(sites[k].outs) == 1:
                    self._keep(first[k], outs)
                else:
                    for v, y in enumerate(outs, first[k]):
                        self._keep(v, y)
                tick()
        return len(missing)

    def _missing(self, wanted: Iterable[int]) -> list[int]:
        waiting, found = list(wanted), set[int]()
        while waiting:
            v = waiting.pop()
            if v not in self._values:
                k = self.node_of(v)
                if k not in found:
                    found.add(k)
                    waiting.extend(self._view.operands[k])
        return sorted(found)

    def _keep(self, v: int, array: Array) -> None:
        self._values[v] = array
        self.elements += self._view.types[v].size

    def compacted(self, roots: Iterable[int]) -> tuple[Store, dict[int, int]]:
        """A store of these values and what they are computed from, and the new id of each of its values."""
        alive = bytearray(len(self))
        waiting = [self.node_of(v) for v in roots]
        while waiting:
            k = waiting.pop()
            if not alive[k]:
                alive[k] = 1
                waiting.extend([self.node_of(v) for v in self._view.operands[k]])
        made, ids = Store(), dict[int, int]()
        for k in range(len(self)):
            if not alive[k]:
                continue
            old, site = self._view.first[k], self._view.sites[k]
            args = tuple([ids[v] for v in self._view.operands[k]])
            if old in self._fresh:
                new = made.xp.append(site, args)
                made._fresh.add(new)
            else:
                new = made.xp.add_once(site, args)
            for j in range(len(site.outs)):
                ids[old + j] = new + j
                if old + j in self._values:
                    made._keep(new + j, self._values[old + j])
        return made, ids
