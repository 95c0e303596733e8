"""Where lanes read and write: a stride, a block of rows, or a list."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array

SHORT_ROW = 16
"""Shorter rows are not worth being told apart from a list."""


@dataclass(frozen=True, slots=True)
class Strided:
    """Lane l is at place `start + step * l`; step 0: one place for all lanes."""

    start: int
    step: int


@dataclass(frozen=True, slots=True)
class Rowwise:
    """Lane l is in row l // width, and the rows begin at `start`, `start + step`, ...: a block of a larger matrix."""

    start: int
    step: int
    width: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Lane l is at place `at[l]`; -1: nowhere."""

    at: Array


Places = Strided | Rowwise | Listed


def places_of(at: Array) -> Places:
    """The places as strides when they are regular, else as they are."""
    if len(at) == 1:
        return Strided(int(at[0]), 0)
    step = int(at[1]) - int(at[0])
    if at[0] < 0 or step <= 0:
        return Listed(at)
    if int(at[-1]) == int(at[0]) + step * (len(at) - 1) and (at[1:] - at[:-1] == step).all():
        return Strided(int(at[0]), step)
    return _rowwise(at) if step == 1 else Listed(at)


def alone(at: Places) -> bool:
    """Whether all lanes are at one place."""
    return isinstance(at, Strided) and at.step == 0


def read(x: Array, at: Places, start: int, stop: int) -> Array:
    """The elements of lanes start to stop: a view where the places are a stride, one number where they are one place."""
    match at:
        case Strided(first, 0):
            return x[first]
        case Strided(first, step):
            return x[first + step * start : first + step * (stop - 1) + 1 : step]
        case Rowwise(first, step, width):
            low, high = start // width, -(-stop // width)
            rows = np.lib.stride_tricks.as_strided(
                x[first + low * step :],
                (high - low, width),
                (step * x.itemsize, x.itemsize),
                writeable=False,
            )
            return rows.reshape(-1)[start - low * width : stop - low * width]
        case Listed(places):
            return x[places[start:stop]]


def _rowwise(at: Array) -> Places:
    turns = np.flatnonzero(at[1:] - at[:-1] != 1)
    width = int(turns[0]) + 1
    if width < SHORT_ROW or len(at) % width or len(turns) != len(at) // width - 1:
        return Listed(at)
    firsts = at[::width]
    steps = firsts[1:] - firsts[:-1]
    if steps[0] < 0 or (turns[1:] - turns[:-1] != width).any() or (steps != steps[0]).any():
        return Listed(at)
    return Rowwise(int(at[0]), int(steps[0]), width)
