"""What an independent witness says about a derivative: a value, an error bar, and why the bar is as wide as it is."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gradproof_service.checking.stencil import FloatArray


class Reason(IntEnum):
    """Why an entry's bar is no narrower: what stood in the way of the asked power."""

    OK = 0
    KINK = 1
    NOISE = 2
    DOMAIN = 3
    ALIASING = 4
    OVERFLOW = 5
    BUDGET = 6


class Evaluate(Protocol):
    """A function of many points at once; the witness never calls it with one point when it could ask for several."""

    def __call__(self, points: FloatArray, /) -> tuple[FloatArray, FloatArray]:
        """Points (P, n) to values (P, m) and absolute bounds (P, m) of their rounding errors; NaN where a bound is unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Estimate:
    """Derivatives of m outputs along D directions, each with its bar.

    `value`, `bar` (D, m): `|value - true| <= bar`, inf where nothing could be said. `reason` (D, m) holds `Reason` numbers.
    `directions` (D, n) are the directions that were really probed: the ones asked for, except that a general one is rounded onto
    the grid of exact steps. `left`, `right` (D, m) are the one-sided slopes with their bars, where a kink was met; NaN elsewhere,
    None when none was met.
    """

    value: FloatArray
    bar: FloatArray
    reason: NDArray[np.int8]
    evaluations: int
    directions: FloatArray
    left: FloatArray | None = None
    right: FloatArray | None = None
    left_bar: FloatArray | None = None
    right_bar: FloatArray | None = None
