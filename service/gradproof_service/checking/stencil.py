"""Place the points of a difference ladder exactly, evaluate them in batches, and say what each step really was.

Knows nothing of graphs and never estimates a derivative: it turns (point, directions, steps) into function values with bounds.
A step is exact when `x + h d` is a number of the input's dtype. For a coordinate the realised step is used; for a general
direction the components are first rounded onto a grid on which every step of the ladder is exact (`representable`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

UNIT_ROUNDOFF = 2.0**-53
"""Half the spacing of float64 at one; differences are always formed in float64, whatever the function computes in."""

_CARRIED_BITS = 4
"""A direction component keeps at least this many bits when it is rounded onto the grid, unless it is negligible."""

_COARSEST_GRID = 2.0**-24
"""The grid stays below this part of the largest step where the best-placed component allows it, so that a ladder has room."""


@dataclass(frozen=True, slots=True)
class Stencil:
    """Where a ladder stands: `height` (D,) its largest step, `grid` (D,) the step below which nothing is exact, `directions` (D, n)."""

    directions: FloatArray
    height: FloatArray
    grid: FloatArray

    def rows(self, chosen: NDArray[Any]) -> "Stencil":
        """The same ladder for some of the directions."""
        return Stencil(self.directions[chosen], self.height[chosen], self.grid[chosen])


@dataclass(frozen=True, slots=True)
class Samples:
    """Values at `x + h d` and `x - h d` for L levels, D directions, m outputs; NaN at a level finer than the grid.

    `step` (L, D) is the realised half distance; `skew` (L, D) what is left of the displacement's rounding, relative to the
    step: it multiplies the change of slope across the stencil, and for general directions (`slanted`) the slope as well.
    """

    step: FloatArray
    skew: FloatArray
    slanted: bool
    available: BoolArray
    plus: FloatArray
    minus: FloatArray
    plus_bound: FloatArray
    minus_bound: FloatArray
    evaluations: int


def place(x: FloatArray, directions: FloatArray, height: FloatArray, resolution: float) -> Stencil:
    """Choose the largest step (a power of two not above `height`) and the directions on which its halvings are exact."""
    height = np.exp2(np.floor(np.log2(height)))
    spacing = _spacing(x, resolution)
    one_hot = np.count_nonzero(directions, axis=1) <= 1
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(directions != 0, spacing / np.abs(directions), np.nan)
    coarsest, finest = (
        np.fmax.reduce(each, axis=1, initial=0.0),
        np.fmin.reduce(each, axis=1, initial=np.inf),
    )
    room = np.maximum(height * _COARSEST_GRID, finest * 2.0**_CARRIED_BITS)
    needed = np.where(one_hot, coarsest, np.minimum(coarsest * 2.0**_CARRIED_BITS, room))
    grid = np.where(needed > 0, np.exp2(np.ceil(np.log2(np.where(needed > 0, needed, 1.0)))), 0.0)
    if one_hot.all():
        return Stencil(directions, height, grid)
    cell = np.divide(spacing, grid[:, None], out=np.zeros_like(directions), where=grid[:, None] > 0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        rounded = np.where(cell > 0, np.rint(directions / cell) * cell, directions)
    rounded = np.where(np.isfinite(rounded) & ~one_hot[:, None], rounded, directions)
    return Stencil(rounded, height, grid)


def representable(
    x: FloatArray, directions: FloatArray, scale: FloatArray, *, resolution: float = 2.0**-52
) -> FloatArray:
    """Round directions (D, n) so that every step of a ladder of size `scale` (D,) is exact in the input's dtype.

    Coordinate rows and rows whose entries are signed powers of two near the size of `x` come back unchanged.
    """
    return place(x, directions, scale / 4, resolution).directions


def sample(
    evaluate: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    x: FloatArray,
    stencil: Stencil,
    levels: FloatArray,
    *,
    outputs: int,
    resolution: float,
    chunk: int,
) -> Samples:
    """Evaluate both sides of every level (L,) of every direction (D,), at most `chunk` points in a call."""
    count, rows = len(levels), len(stencil.height)
    nominal = levels[:, None] * stencil.height
    available = lowest_bit(levels)[:, None] * stencil.height >= stencil.grid
    step, skew = np.full((count, rows), np.nan), np.zeros((count, rows))
    plus, minus, plus_bound, minus_bound = (
        np.full((count, rows, outputs), np.nan) for _ in range(4)
    )
    slanted = bool((np.count_nonzero(stencil.directions, axis=1) > 1).any())
    build = _slanted_points if slanted else _coordinate_points
    level, row = np.nonzero(available)
    size = max(1, chunk // 2)
    for start in range(0, len(level), size):
        at = level[start : start + size], row[start : start + size]
        upper, lower, step[at], skew[at] = build(
            x, stencil.directions[at[1]], nominal[at], resolution
        )
        values, bounds = evaluate(np.concatenate([upper, lower]))
        plus[at], minus[at] = np.split(np.asarray(values, dtype=np.float64), 2)
        plus_bound[at], minus_bound[at] = np.split(np.asarray(bounds, dtype=np.float64), 2)
    return Samples(
        step, skew, slanted, available, plus, minus, plus_bound, minus_bound, 2 * len(level)
    )


def round_to(points: FloatArray, resolution: float) -> FloatArray:
    """Round to numbers whose relative spacing at one is `resolution`; the identity for float64."""
    if resolution <= 2.0**-52:
        return points
    bits = 1 - round(float(np.log2(resolution)))
    mantissa, exponent = np.frexp(points)
    return np.ldexp(np.rint(np.ldexp(mantissa, bits)), exponent - bits)


def lowest_bit(levels: FloatArray) -> FloatArray:
    """The largest power of two that divides each number exactly."""
    mantissa, exponent = np.frexp(levels)
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    return np.ldexp((whole & -whole).astype(np.float64), exponent - 53)


def _spacing(x: FloatArray, resolution: float) -> FloatArray:
    """Distance between neighbouring numbers of the input's dtype at each component; zero at zero."""
    _, exponent = np.frexp(x)
    return np.where(x == 0, 0.0, np.ldexp(resolution, exponent - 1))


def _coordinate_points(
    x: FloatArray, rows: FloatArray, steps: FloatArray, resolution: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Points for rows with one entry; the displacement that was realised is the step, its asymmetry the skew."""
    column = np.abs(rows).argmax(axis=1)
    which = np.arange(len(rows))
    entry, centre = rows[which, column], x[column]
    above, below = (
        round_to(centre + steps * entry, resolution),
        round_to(centre - steps * entry, resolution),
    )
    upper, lower = np.tile(x, (len(rows), 1)), np.tile(x, (len(rows), 1))
    upper[which, column], lower[which, column] = above, below
    ahead, behind = above - centre, centre - below
    with np.errstate(divide="ignore", invalid="ignore"):
        realised = np.where(entry != 0, (ahead + behind) / (2 * entry), steps)
        uneven = np.abs(ahead - behind) / np.abs(ahead + behind) + np.abs(realised / steps - 1)
    return upper, lower, realised, np.where(entry != 0, uneven, 0.0)


def _slanted_points(
    x: FloatArray, rows: FloatArray, steps: FloatArray, resolution: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Points for general rows; what rounding did to any component, relative to its displacement, is the skew."""
    move = steps[:, None] * rows
    sides: list[FloatArray] = []
    skew = np.zeros(len(rows))
    for signed in (move, -move):
        total = x + signed
        carried = total - x
        lost = (x - (total - carried)) + (signed - carried)
        point = round_to(total, resolution)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = np.abs((point - total) - lost) / np.abs(move)
        skew = np.maximum(skew, np.where(move != 0, relative, 0.0).max(axis=1, initial=0.0))
        sides.append(point)
    return sides[0], sides[1], steps, skew
