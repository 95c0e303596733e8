"""What a fault truly does to a derivative, found by holding the wrong values against the right ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MASKED = 1e-7
SURE = 9e-7
"""Relative errors from here on must be among the entries named; between `MASKED` and this they may."""
FLOOR = 1e-3
"""Entries below this part of the largest of their derivative may be judged against that part."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What a fault does to the derivative by one argument, entry by entry.

    `own` is the error relative to the entry, `sure` relative to the entry or to `FLOOR` times the
    largest of its seed, whichever is larger: what no checker may overlook.
    """

    own: Any
    sure: Any
    same_shape: bool

    @property
    def size(self) -> float:
        """The largest relative error."""
        return float("inf") if not self.same_shape else float(np.max(self.sure, initial=0.0))


def truth(right: Any, wrong: Any, seeded: bool) -> Truth:
    """Relative errors of `wrong`; with `seeded` the first axis is one of seeds of several sizes."""
    right, wrong = np.asarray(right), np.asarray(wrong)
    if right.shape != wrong.shape:
        everywhere = np.full(right.shape, np.inf)
        return Truth(everywhere, everywhere, same_shape=False)
    axes = tuple(range(1 if seeded else 0, right.ndim))
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(right), np.abs(wrong))
        floor = FLOOR * np.max(np.abs(right), axis=axes, keepdims=True, initial=0.0)
        error = np.abs(right - wrong)
        own, sure = (
            np.where(error > 0, error / np.maximum(s, 1e-300), 0.0)
            for s in (size, np.maximum(size, floor))
        )
    bad = np.isnan(wrong)
    return Truth(np.where(bad, np.inf, own), np.where(bad, np.inf, sure), same_shape=True)
