"""Flags that flow forward through an edited function: found for each expression once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.evaluate import Flow
from gradproof_service.transforms.incremental.expressions import Expressions


class Flags:
    """A flag for every expression, those of the inputs being given by value id."""

    def __init__(self, store: Expressions, seeds: Mapping[int, int]) -> None:
        self._store = store
        self._found = bytearray(len(store.inputs))
        for v, flag in seeds.items():
            self._found[v] = flag
        self._done = np.zeros(0, np.bool_)

    def settle(self, firsts: Array, rule: Flow, image: Sequence[int]) -> bytearray:
        """The flags of the values `image` of a version with the nodes `firsts`; what was found before stands."""
        store, found = self._store, self._found
        short = len(store.xp.types) - len(self._done)
        self._done = np.concatenate((self._done, np.zeros(short, np.bool_)))
        found.extend(bytes(len(store.xp.types) - len(found)))
        for first in firsts[~self._done[firsts]].tolist():
            k = store.node_of(first)
            flags = rule(store.site(k), [found[v] for v in store.operands(k)])
            found[first : first + len(flags)] = bytes(flags)
            self._done[first] = True
        return bytearray(np.frombuffer(found, np.uint8)[np.asarray(image)])
