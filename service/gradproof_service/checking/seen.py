"""What the witness has seen: slopes along directions with their bars, and what came of holding them against the reference."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import Held
from gradproof_service.checking.report import Comparison, Source
from gradproof_service.checking.scene import Scene

COORDINATES = 2048
"""Inputs larger than this are looked at along directions."""
WORK = 4e8
"""Element operations that looking at every coordinate may take."""
SHORT = 16
"""Evaluations of a short ladder per direction, for the estimate of the work."""
FEW_UNITS = 128
"""Unit directions up to this many are made faster than a view of them."""


@dataclass(slots=True)
class Witness:
    """What the witness says of all (output, input) pairs."""

    comparisons: list[Comparison]
    sources: list[Source]
    evaluations: int = 0
    directions: int = 0
    exact: dict[int, tuple[Array, Array, Array]] = field(
        default_factory=dict[int, "tuple[Array, Array, Array]"]
    )
    """By input position the coordinates replayed in extended precision: rows, slopes, bars."""
    sides: dict[int, Sides] = field(default_factory=dict[int, "Sides"])
    """One-sided slopes by input position, where a kink was met and every coordinate looked at."""
    looked: dict[int, Looked] = field(default_factory=dict[int, "Looked"])
    """By input position what was looked at."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Between which slopes (m, n) every element of the subdifferential lies; NaN off the kinks."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Looked:
    """Slopes (D, m) of one input along directions (D, n) of typical sizes `scale` (D,), and what was expected of them.

    `every` says that the directions are the elements of the input; `held` is the comparison of each
    output.
    """

    every: bool
    directions: Array
    scale: Array
    expected: Array
    value: Array
    bar: Array
    held: dict[int, Held]


@dataclass(slots=True)
class Slopes:
    """Slopes (D, m) along directions with bars; `why` (D, m) `Reason`s where there is no bar.

    `on_kink` (D,) says along which directions the point itself stands on a kink or edge, `doubt`
    (D, m) how far beyond the bar nobody is accused yet.
    """

    value: Array
    bar: Array
    why: Array
    on_kink: Array
    doubt: Array


def looks_at_each(scene: Scene, i: int, budget: int) -> bool:
    """Whether the witness looks at every element of input i; `budget` 0 is no limit to its evaluations."""
    n = scene.size_in(i)
    elements = scene.graph.elements
    return n <= COORDINATES and SHORT * n * elements <= WORK and (not budget or SHORT * n <= budget)


def along_of(scene: Scene, i: int, directions: Array, size: Array | None = None) -> Array:
    """How far along each direction (D, n) the input's own size (or `size`) reaches: (D,)."""
    moving = directions != 0
    steps = (scene.scale(i) if size is None else size) / np.where(moving, np.abs(directions), 1.0)
    return np.where(moving, steps, np.inf).min(axis=1)


def units(n: int) -> Array:
    """The directions that move one element each, (n, n), to be read only: many are a view of 2 n numbers."""
    if n <= FEW_UNITS:
        return np.eye(n)
    row = np.zeros(2 * n - 1)
    row[n - 1] = 1.0
    return np.lib.stride_tricks.sliding_window_view(row, n)[::-1]
