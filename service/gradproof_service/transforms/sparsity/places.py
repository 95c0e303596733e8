"""Where lanes read and write: a grid of regular steps, or a list."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import prod
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np

from gradproof_service.arrays import Array

SHORT_ROW: Final = 16
"""Shorter rows are not worth being told apart from a list."""
LEVELS: Final = 4
"""Most axes that are looked for."""

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Lanes laid in C order as an array of this shape; lane (i, j, ...) is at place `start + i * steps[0] + j * steps[1] + ...`."""

    start: int
    steps: tuple[int, ...]
    shape: Shape

    def moved(self, by: int) -> Grid:
        """All places so much further."""
        return Grid(self.start + by, self.steps, self.shape)

    def beside(self, count: int) -> Grid:
        """At each place so many side by side, along an axis more."""
        return Grid(self.start, (*self.steps, 1), (*self.shape, count))

    def listed(self) -> Array:
        """The places one by one."""
        found = np.array([self.start])
        for step, count in zip(self.steps, self.shape, strict=True):
            found = (found[:, None] + step * np.arange(count)).reshape(-1)
        return found

    @property
    def view(self) -> Callable[[Array], Array]:
        """What shows these places of a flat array as an array of the grid's shape, without a copy."""
        if len(self.shape) == 1 and (self.steps[0] > 0 or self.shape[0] == 1):
            step, span = self.steps[0], self.steps[0] * (self.shape[0] - 1)
            return itemgetter(slice(self.start, self.start + span + 1, step or 1))
        start, steps, shape = self.start, self.steps, self.shape

        def view(x: Array) -> Array:
            n = x.itemsize
            return np.ndarray(shape, x.dtype, x, start * n, tuple([s * n for s in steps]))

        return view


@dataclass(frozen=True, slots=True)
class Listed:
    """Lane l is at place `at[l]`; -1: nowhere."""

    at: Array


Places = Grid | Listed


class Block(NamedTuple):
    """Lanes `start` to `stop`, which stand at `index` in an array of the grid's shape."""

    index: Any
    start: int
    stop: int


def places_of(at: Array) -> Places:
    """The places as a grid when they are regular, else as they are."""
    if len(at) == 1:
        return Grid(int(at[0]), (0,), (1,))
    firsts = at
    steps: list[int] = []
    shape: list[int] = []
    while len(firsts) > 1:
        level = _level(firsts)
        if level is None or len(shape) == LEVELS:
            return Listed(at)
        if not shape and level[0] < min(SHORT_ROW, len(at)):
            return Listed(at)
        shape.insert(0, level[0])
        steps.insert(0, level[1])
        firsts = firsts[:: level[0]]
    lowest = int(at[0]) + sum(min(0, s * (n - 1)) for s, n in zip(steps, shape, strict=True))
    return Grid(int(at[0]), tuple(steps), tuple(shape)) if lowest >= 0 else Listed(at)


def alone(at: Places) -> bool:
    """Whether all lanes are at one place."""
    return isinstance(at, Grid) and at.shape == (1,)


def common_shape(places: Sequence[Places], lanes: int) -> Shape:
    """The shape that lanes are walked in: that of a grid of the most axes."""
    shapes = [p.shape for p in places if isinstance(p, Grid) and not alone(p)]
    return max(shapes, key=len, default=(lanes,))


def in_shape(places: Grid, shape: Shape) -> Places:
    """The same places, as a grid of this shape where they are one."""
    if alone(places) or places.shape == shape:
        return places
    if len(places.shape) > 1:
        return Listed(places.listed())
    inner = [prod(shape[k + 1 :]) for k in range(len(shape))]
    return Grid(places.start, tuple([places.steps[0] * n for n in inner]), shape)


def blocks(shape: Shape, most: int) -> Iterator[Block]:
    """The lanes of a grid in pieces of at most so many that lie side by side along one axis (a longer row is cut)."""
    axis = next((k for k in range(len(shape)) if prod(shape[k + 1 :]) <= most), len(shape) - 1)
    inner = prod(shape[axis + 1 :])
    rows = max(1, most // inner)
    at = 0
    for outer in np.ndindex(shape[:axis]):
        for low in range(0, shape[axis], rows):
            high = min(low + rows, shape[axis])
            stop = at + (high - low) * inner
            yield Block((*outer, slice(low, high)), at, stop)
            at = stop


def _level(at: Array) -> tuple[int, int] | None:
    """How many places follow each other with one step before there is a turn, always equally many, and that step."""
    apart = at[1:] - at[:-1]
    step = int(apart[0])
    turns = np.flatnonzero(apart != step)
    if not len(turns):
        return len(at), step
    width = int(turns[0]) + 1
    if len(at) % width or not np.array_equal(turns, np.arange(width - 1, len(at) - 1, width)):
        return None
    return width, step
