"""One colour scale for all figures: readable without colour vision, in print, on light and on dark ground.

The anchors follow cividis (Nuñez, Anderton, Renslow, "Optimizing colormaps with consideration for color vision deficiency",
2018): lightness rises evenly, so grey tones alone carry the order.
"""

from __future__ import annotations

from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

_ANCHORS: Final = np.array(
    [
        (0, 34, 78), (18, 53, 112), (59, 73, 108), (87, 93, 109), (112, 113, 115),
        (138, 134, 120), (165, 156, 116), (195, 179, 105), (225, 204, 85), (254, 232, 56),
    ],
    dtype=np.float64,
)  # fmt: skip
UNKNOWN: Final = (150, 150, 150)
"""What is not a number."""


def colours(level: NDArray[Any]) -> NDArray[np.uint8]:
    """RGB triples, shape (*level.shape, 3), for levels in [0, 1]; NaN is grey."""
    at = np.clip(np.nan_to_num(level), 0.0, 1.0) * (len(_ANCHORS) - 1)
    low = np.minimum(at.astype(np.int64), len(_ANCHORS) - 2)
    part = (at - low)[..., None]
    mixed = _ANCHORS[low] * (1 - part) + _ANCHORS[low + 1] * part
    mixed[np.isnan(level)] = UNKNOWN
    return np.rint(mixed).astype(np.uint8)


def css(level: float) -> str:
    """The colour of one level as CSS."""
    r, g, b = (int(c) for c in colours(np.array(level)))
    return f"#{r:02x}{g:02x}{b:02x}"


def ink(level: float) -> str:
    """Black or white, whichever reads better on that colour."""
    return "#000" if level > 0.5 or isnan(level) else "#fff"


def level_of(value: float, low: float, high: float) -> float:
    """Where a value lies in a range, 0 to 1; 0 in an empty range."""
    return min(1.0, max(0.0, (value - low) / (high - low))) if high > low else 0.0
