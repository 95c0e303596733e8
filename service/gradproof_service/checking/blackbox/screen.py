"""Which entries of a claimed row are wrong, where only dense directions were looked at.

A direction in which every element moves is off by the whole error of every wrong entry. Halving
the elements that move finds one of them in about log2(n) short ladders; what is found is put right
and the search goes on, until the direction agrees or enough entries are named.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.blackbox.slopes import Slopes, along_of
from gradproof_service.checking.compare import KAPPA
from gradproof_service.checking.places import NAMED


def locate(
    slopes: Slopes, i: int, output: int, claimed: Array, direction: Array
) -> list[tuple[int, float, float]]:
    """Wrong entries of a claimed row (n,) of one output element: (index, true slope, its bar), at most eight.

    `direction` (n,) is one along which the row is off by more than its bars.
    """
    scale = slopes.probe.scale(i)
    row = claimed.astype(np.float64).copy()
    found: list[tuple[int, float, float]] = []

    def off(elements: Array) -> bool:
        part = np.zeros_like(direction)
        part[elements] = direction[elements]
        seen = slopes.along(i, part[None], along_of(part[None], scale))
        value, bar = float(seen.value[0, output]), float(seen.bar[0, output])
        rounding = 2.0**-50 * float(np.abs(seen.directions[0]) @ np.abs(row))
        with np.errstate(all="ignore"):
            return bool(abs(float(seen.directions[0] @ row) - value) > KAPPA * bar + rounding)

    while len(found) < NAMED:
        elements = np.flatnonzero(direction)
        if not off(elements):
            return found
        while len(elements) > 1:
            left, right = np.array_split(elements, 2)
            elements = left if off(left) else right
        at = int(elements[0])
        one = np.zeros_like(direction)
        one[at] = 1.0
        seen = slopes.along(i, one[None], scale[at : at + 1])
        value, bar = float(seen.value[0, output]), float(seen.bar[0, output])
        if not abs(row[at] - value) > KAPPA * bar:
            return found
        found.append((at, value, bar))
        row[at] = value
    return found
