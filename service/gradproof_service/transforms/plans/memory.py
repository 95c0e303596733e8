"""Buffers of plans: aligned for vector units, used again as soon as nobody needs what they hold."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from math import prod
from typing import Any, Final, NamedTuple

import numpy as np

from gradproof_service.arrays import Array, Shape

ALIGNMENT: Final = 64
"""Bytes; NumPy's arithmetic is twice as fast on operands that start at a cache line."""
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1


def aligned(nbytes: int) -> Array:
    """So many uninitialised bytes that start at a multiple of `ALIGNMENT`."""
    raw = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]


class _Buffer(NamedTuple):
    """Bytes, and the arrays that they were handed out as."""

    raw: Array
    arrays: dict[Any, Array]


class Arena:
    """Hands out buffers and takes them back; the one freed last is given first, it is still in the cache.

    A buffer taken again in the same form is the same array: NumPy computes in place at once where
    operand and result are one object, and looks for overlaps (0.17 us a call) where they are two.
    """

    def __init__(self) -> None:
        self.nbytes = 0
        """Bytes of all buffers ever made here: they live as long as the arena."""
        self._free: dict[int, list[_Buffer]] = {}
        self._held: dict[int, _Buffer] = {}

    def take(self, shape: Shape, dtype: Any, strides: Sequence[int] | None = None) -> Array:
        """A buffer of this shape; `strides` (in bytes) lay it out, C order by default."""
        kind = np.dtype(dtype)
        size = prod(shape) * kind.itemsize
        start = 0
        if strides is not None and size:
            reach = [(n - 1) * s for n, s in zip(shape, strides, strict=True)]
            size = kind.itemsize + sum(map(abs, reach))
            start = -sum(r for r in reach if r < 0)
        room = -(-max(size, 1) // ALIGNMENT) * ALIGNMENT
        free = self._free.get(room)
        if free:
            buffer = free.pop()
        else:
            buffer = _Buffer(aligned(room), {})
            self.nbytes += room
        key = (shape, kind, None if strides is None else tuple(strides))
        array = buffer.arrays.get(key)
        if array is None:
            array = np.ndarray(shape, kind, buffer.raw.data, start, strides)
            buffer.arrays[key] = array
        self._held[id(array)] = buffer
        return array

    def give_back(self, array: Array) -> None:
        """What `take` returned is free to be used again."""
        buffer = self._held.pop(id(array))
        self._free.setdefault(len(buffer.raw), []).append(buffer)


def keep_freed_memory(most_bytes: int = 2**31 - 1) -> bool:
    """Tell the C library to keep this much freed memory for the next array; True when it could be told.

    By default glibc gives every array of 128 KiB and more back to the system, and the next one pays
    for its pages again: up to twice the time of a NumPy program. For a process's start; glibc only.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 32 << 20)) and bool(mallopt(_TRIM_THRESHOLD, most_bytes))
