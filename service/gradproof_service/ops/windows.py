"""Windows that slide along the last axes: their geometry, shared by pooling and convolution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, IllTyped


@dataclass(frozen=True, slots=True)
class Window:
    """One axis: `size` elements `dilation` apart, moved by `stride` over n elements with a border.

    `low` and `high` are elements added before and after (negative: cut off); `count` is the number
    of places the window takes.
    """

    n: int
    size: int
    stride: int
    low: int
    high: int
    dilation: int

    @property
    def reach(self) -> int:
        """Elements from the first to the last that the window covers."""
        return (self.size - 1) * self.dilation + 1

    @property
    def count(self) -> int:
        """Number of places of the window."""
        return max(0, (self.n + self.low + self.high - self.reach) // self.stride + 1)

    def places(self) -> Array:
        """Where each place's elements lie in the bordered axis, int64 (count, size)."""
        first = np.arange(self.count, dtype=np.int64) * self.stride
        return first[:, None] + np.arange(self.size, dtype=np.int64) * self.dilation

    def covered(self) -> Array:
        """How many of the elements at each place are no border, int64 (count,)."""
        at = self.places() - self.low
        return ((at >= 0) & (at < self.n)).sum(axis=1)


def spatial(value: Any, rank: int, name: str, default: int, least: int) -> Shape:
    """An attribute with one number for each spatial axis; one number stands for all."""
    given: Shape = (default,) if value is None else tuple(value)
    wide = given * rank if len(given) == 1 else given
    if len(wide) != rank or any(v < least for v in wide):
        raise IllTyped(
            ATTRIBUTE, f"{name} is {given}, expected {rank} numbers >= {least}; correct it"
        )
    return wide


def borders(value: Any, rank: int) -> Shape:
    """The padding attribute: low and high for each spatial axis; none by default."""
    given: Shape = (0,) * (2 * rank) if value is None else tuple(value)
    if len(given) != 2 * rank:
        raise IllTyped(
            ATTRIBUTE,
            f"padding is {given}, expected {2 * rank} numbers: before and after each axis",
        )
    return given


def need_fit(windows: Sequence[Window], shape: Shape) -> None:
    """Raise `IllTyped` unless every window finds a place."""
    if any(w.count < 1 for w in windows):
        reach = tuple(w.reach for w in windows)
        raise IllTyped(SHAPE, f"windows that reach over {reach} find no place in {shape}; pad it")


def bordered(x: Array, windows: Sequence[Window], fill: Any) -> Array:
    """The last axes with their borders added (value `fill`) or cut off."""
    if all(w.low == 0 == w.high for w in windows):
        return x
    outer = x.shape[: x.ndim - len(windows)]
    y = np.full(outer + tuple(w.n + w.low + w.high for w in windows), fill, x.dtype)
    held = [(max(0, -w.low), min(w.n, w.n + w.high)) for w in windows]
    if all(a < b for a, b in held):
        to = (slice(a + w.low, b + w.low) for (a, b), w in zip(held, windows, strict=True))
        y[(..., *to)] = x[(..., *(slice(a, b) for a, b in held))]
    return y


def slid(x: Array, windows: Sequence[Window]) -> Array:
    """A view (..., *counts, *sizes) of an array whose last axes have their borders already."""
    k = len(windows)
    first = x.ndim - k
    last = x.strides[first:]
    return np.lib.stride_tricks.as_strided(
        x,
        x.shape[:first] + tuple(w.count for w in windows) + tuple(w.size for w in windows),
        x.strides[:first]
        + tuple(w.stride * b for w, b in zip(windows, last, strict=True))
        + tuple(w.dilation * b for w, b in zip(windows, last, strict=True)),
        writeable=False,
    )
