"""The entries of a local Jacobian at a point: lanes read from the inputs and written straight to their places, block by block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.sparsity.assembly import OneByOne
from gradproof_service.transforms.sparsity.pattern import Pattern
from gradproof_service.transforms.sparsity.places import Block
from gradproof_service.transforms.sparsity.stretch import Stretch

View = Callable[[Array], Array]


@dataclass(frozen=True, slots=True)
class Run:
    """Lanes of one scalar gradient, walked block by block; values of the gradient's graph by id, arrays to read by number."""

    gradient: Stretch
    blocks: tuple[Block, ...]
    alike: tuple[tuple[int, int, int], ...]
    """(value, array, place) of variables that are one number."""
    seen: tuple[tuple[int, int, View], ...]
    listed: tuple[tuple[int, int, Array], ...]
    filled: tuple[tuple[int, View], ...]
    """A number and entries side by side, of which the others are written over it."""
    straight: tuple[tuple[int, View], ...]
    """Derivatives whose last op writes its entries."""
    copied: tuple[tuple[int, View], ...]
    scattered: tuple[tuple[tuple[int, ...], OneByOne], ...]


@dataclass(frozen=True, slots=True)
class Local:
    """The local Jacobian of one output, ready to run; `pattern` is its structure, `asked` the inputs on whose values it rests."""

    pattern: Pattern
    sources: Graph
    given: bool
    """Whether the sources are inputs of the program, all of them."""
    masks: tuple[Array, ...]
    """What lanes read besides the sources; they count from the end of all arrays."""
    runs: tuple[Run, ...]
    dtype: np.dtype[np.floating]
    asked: frozenset[int]

    def entries(self, inputs: Sequence[Array], tick: Tick = no_tick) -> Array:
        """The values of the pattern's entries, row by row."""
        if self.given:
            held = [np.asarray(inputs[v]).ravel() for v in self.sources.outputs]
        else:
            held = [x.ravel() for x in evaluate(self.sources, inputs, tick=tick)]
        held += self.masks
        data = np.empty(self.pattern.entries, self.dtype)
        with np.errstate(all="ignore"):
            for run in self.runs:
                _fill(data, run, held, tick)
        return data


def _fill(data: Array, run: Run, held: Sequence[Array], tick: Tick) -> None:
    """All entries of one run, a block of lanes at a time."""
    stretch = run.gradient
    slots = stretch.numbers({v: held[k][at] for v, k, at in run.alike})
    seen = [(v, view(held[k])) for v, k, view in run.seen]
    listed = [(v, held[k], at) for v, k, at in run.listed]
    filled = [(v, view(data)) for v, view in run.filled]
    straight = [(v, view(data)) for v, view in run.straight]
    copied = [(v, view(data)) for v, view in run.copied]
    for index, start, stop in run.blocks:
        for v, x in seen:
            slots[v] = x[index].reshape(-1)
        for v, x, at in listed:
            slots[v] = x[at[start:stop]]
        for v, entries in filled:
            entries[index] = slots[v]
        for v, entries in straight:
            slots[v] = entries[index]
        buffers = stretch.run(slots, stop - start)
        for v, entries in copied:
            x, out = slots[v], entries[index]
            out[...] = x.reshape(out.shape) if x.ndim else x
        for values, to in run.scattered:
            _scatter(data, [slots[v] for v in values], to, start, stop)
        stretch.done(buffers)
        tick()


def _scatter(data: Array, found: Sequence[Array], to: OneByOne, start: int, stop: int) -> None:
    """Some lanes' derivatives each to its entry; within one variable no entry is met twice."""
    if to.whole:
        for x, at in zip(found, to.places, strict=True):
            data[at[start:stop]] = x
        return
    places = np.concatenate([at[start:stop] for at in to.places])
    held = places >= 0
    at = places[held]
    values = np.empty((len(found), stop - start), data.dtype)
    for row, x in zip(values, found, strict=True):
        row[...] = x
    data[at] = 0.0
    np.add.at(data, at, values.reshape(-1)[held])
