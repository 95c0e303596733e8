"""Tangents of an edited function: emitted into the store as forward mode emits them, for each expression once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.derive import passes
from gradproof_service.transforms.forward import pushed
from gradproof_service.transforms.incremental.expressions import Expressions


class Tangents:
    """The tangent of every expression, for seeds given by input."""

    def __init__(self, store: Expressions, seeds: Mapping[int, int]) -> None:
        self.dots = dict(seeds)
        """By value id, where there is one."""
        self._store = store
        self._active = set(seeds)
        self._done = np.zeros(0, np.bool_)

    def settle(self, firsts: Array) -> None:
        """Emit the tangents of these nodes, operands before users; what was emitted before stands."""
        short = len(self._store.xp.types) - len(self._done)
        self._done = np.concatenate((self._done, np.zeros(short, np.bool_)))
        for first in firsts[~self._done[firsts]].tolist():
            self._push(first)
            self._done[first] = True

    def _push(self, first: int) -> None:
        store, active = self._store, self._active
        k = store.node_of(first)
        site, operands = store.site(k), store.operands(k)
        outs = range(first, first + len(site.outs))
        if passes(site, [v in active for v in operands]):
            active.update(v for v, t in zip(outs, site.outs, strict=True) if t.is_float)
        dots = [self.dots.get(v) for v in operands]
        if all(d is None for d in dots) or active.isdisjoint(outs):
            return
        for v, dot in zip(
            outs, pushed(store.xp, site, list(operands), list(outs), dots), strict=True
        ):
            if dot is not None:
                self.dots[v] = dot
