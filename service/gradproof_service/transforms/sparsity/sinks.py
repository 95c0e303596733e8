"""Where a run's derivatives are written: straight into the entries, or into a table first."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.assembly import InOrder, OneByOne, Selected, To


class Sink(Protocol):
    """Takes the derivatives of one block of lanes after another, in order."""

    fresh: bool
    """Whether each block has arrays of its own, so that nothing written before is still there."""

    def begin(self, start: int, stop: int) -> list[Array]:
        """An array for the derivative by each variable, for these lanes."""
        ...

    def end(self, start: int, stop: int) -> None:
        """The arrays are written."""
        ...


def sink_of(data: Array, to: To, block: int) -> Sink:
    """The sink that fills these entries of the data, in blocks of at most so many lanes."""
    match to:
        case InOrder():
            return _Straight(data, to)
        case Selected():
            return _Selecting(data, to, block)
        case OneByOne():
            return _Scattering(data, to, block)


class _Straight:
    fresh = True

    def __init__(self, data: Array, to: InOrder) -> None:
        self._data, self._to = data, to

    def begin(self, start: int, stop: int) -> list[Array]:
        first, step = self._to.first + self._to.step * start, self._to.step
        span = step * (stop - start - 1) + 1
        return [self._data[first + j : first + j + span : max(step, 1)] for j in self._to.back]

    def end(self, start: int, stop: int) -> None:
        pass


class _Selecting:
    fresh = False

    def __init__(self, data: Array, to: Selected, block: int) -> None:
        self._data, self._held, self._at = data, to.held, to.first
        self._table = np.empty((block, len(to.back)), data.dtype)
        self._columns = [self._table[:, j] for j in to.back]

    def begin(self, start: int, stop: int) -> list[Array]:
        return [c[: stop - start] for c in self._columns]

    def end(self, start: int, stop: int) -> None:
        kept = self._table[: stop - start][self._held[start:stop]]
        self._data[self._at : self._at + len(kept)] = kept
        self._at += len(kept)


class _Scattering:
    """Each derivative is added to its entry; within one variable no entry is met twice."""

    fresh = False

    def __init__(self, data: Array, to: OneByOne, block: int) -> None:
        self._data, self._places = data, to.places
        self._table = np.empty((len(to.places), block), data.dtype)

    def begin(self, start: int, stop: int) -> list[Array]:
        return [row[: stop - start] for row in self._table]

    def end(self, start: int, stop: int) -> None:
        for row, places in zip(self._table, self._places, strict=True):
            at, value = places[start:stop], row[: stop - start]
            held = at >= 0
            if held.all():
                self._data[at] += value
            else:
                self._data[at[held]] += value[held]
