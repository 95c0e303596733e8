"""Measure the rounding noise of a function that cannot say its own error bound.

The method is ECnoise (Moré and Wild, SIAM J. Sci. Comput. 33:1292, 2011): high differences of equally spaced values are noise,
scaled by `(k!)^2 / (2k)!`. One spacing cannot tell a fast oscillation from noise, so several are taken and compared: noise stays
as the spacing shrinks, an oscillation does not. Never used for a function whose graph gives a bound.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

import numpy as np

from gradproof_service.checking.stencil import UNIT_ROUNDOFF, BoolArray, FloatArray, round_to

_POINTS = 9
_ORDERS = (4, 5, 6)
_SPACINGS = 2.0 ** -np.array([16.0, 22.0, 28.0, 34.0, 40.0])
"""Relative to the argument's scale: from far below any period that the long ladder resolves easily, to near the last bit."""

_SAFETY = 10.0
"""From a standard deviation, measured on nine points, to a bound."""

_FLOOR = 8 * UNIT_ROUNDOFF
"""No value is trusted beyond a few units in its last place."""

_PERSISTENT = 32.0
"""Two spacings whose noise differs by more than this did not see the same noise."""


@dataclass(frozen=True, slots=True)
class Noise:
    """Bounds (D, m) on one value's error: `high` over all spacings, `low` at the finest one that still sees anything.

    `steady` (D, m) says that the two are the same noise. `evaluations` counts points.
    """

    low: FloatArray
    high: FloatArray
    steady: BoolArray
    evaluations: int


def measure_noise(
    evaluate: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    x: FloatArray,
    directions: FloatArray,
    scale: FloatArray,
    *,
    outputs: int,
    resolution: float,
    chunk: int,
) -> Noise:
    """Noise near `x` (n,) along each direction (D, n), in units of the outputs; `scale` (D,) is the argument's typical size."""
    rows = len(directions)
    finest = (
        64
        * np.max(np.abs(x) * resolution)
        / np.maximum(np.abs(directions).max(axis=1, initial=0.0), 1e-300)
    )
    spacing = np.maximum(_SPACINGS[:, None] * scale, finest)
    offset = np.arange(_POINTS) - _POINTS // 2
    values = np.empty((len(_SPACINGS), rows, _POINTS, outputs))
    level, row, place = (a.ravel() for a in np.indices(values.shape[:3]))
    for start in range(0, len(level), chunk):
        at = level[start : start + chunk], row[start : start + chunk], place[start : start + chunk]
        points = x + (spacing[at[0], at[1]] * offset[at[2]])[:, None] * directions[at[1]]
        values[at] = evaluate(round_to(points, resolution))[0]
    with np.errstate(all="ignore"):
        return _judge(values)


def _judge(values: FloatArray) -> Noise:
    """From values (S, D, P, m) at S spacings to bounds."""
    deviation = np.zeros((*values.shape[:2], values.shape[3]))
    for order in _ORDERS:
        squares = np.mean(np.diff(values, order, axis=2) ** 2, axis=2)
        deviation = np.fmax(deviation, np.sqrt(squares / comb(2 * order, order)))
    floor = _FLOOR * np.abs(values).max(axis=(0, 2), initial=0.0)
    blind = np.count_nonzero(np.diff(values, axis=2) == 0, axis=2) >= _POINTS // 2
    usable = np.isfinite(values).all(axis=2) & ~blind
    bound = _SAFETY * deviation
    high = np.fmax(np.where(np.isfinite(bound), bound, 0.0).max(axis=0), floor)
    low = high.copy()
    for step in range(len(bound)):
        low = np.where(usable[step], np.fmax(bound[step], floor), low)
    return Noise(
        low,
        high,
        high <= _PERSISTENT * low,
        int(values.shape[0] * values.shape[1] * values.shape[2]),
    )
