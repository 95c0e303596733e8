"""What one run over many nodes left: the value of each, single numbers and short rows of numbers packed with their like."""

from __future__ import annotations

from array import array
from typing import Any, Final

import numpy as np

LOOSE: Final = 255
"""The group of what is not packed."""
PACKED_FROM: Final = 4096
"""Fewer values are not worth packing."""


class Values:
    """The results of kernels in the order in which they were made; those of nodes that came later stand at the end."""

    __slots__ = ("_groups", "_loose", "_matrices", "_rows", "late")

    def __init__(self) -> None:
        self.late: list[Any] = []
        """What came after the last `pack`."""
        self._matrices: list[Any] = []
        self._groups = bytearray()
        self._rows = array("i")
        self._loose: dict[int, Any] = {}

    def __len__(self) -> int:
        """Number of values."""
        return len(self._groups) + len(self.late)

    def __getitem__(self, slot: int) -> Any:
        packed = len(self._groups)
        if slot >= packed:
            return self.late[slot - packed]
        group = self._groups[slot]
        return self._loose[slot] if group == LOOSE else self._matrices[group][self._rows[slot]]

    @property
    def nbytes(self) -> int:
        """About how much memory is taken."""
        packed = sum(m.nbytes for m in self._matrices) + 5 * len(self._groups)
        return packed + sum(_size(x) for part in (self.late, self._loose.values()) for x in part)

    def pack(self) -> None:
        """Put numbers, and contiguous rows of them, side by side with those of the same dtype and length. Once."""
        if self._groups or len(self.late) < PACKED_FROM:
            return
        groups: dict[Any, list[Any]] = {}
        numbers: dict[Any, int] = {}
        for slot, x in enumerate(self.late):
            key = _kind(x)
            number = LOOSE if key is None else numbers.setdefault(key, len(numbers))
            if number >= LOOSE:
                self._groups.append(LOOSE)
                self._rows.append(0)
                self._loose[slot] = x
                continue
            rows = groups.setdefault(key, [])
            self._groups.append(number)
            self._rows.append(len(rows))
            rows.append(x)
        self._matrices = [np.array(groups[key]) for key in list(numbers)[:LOOSE]]
        self.late = []


def _kind(x: Any) -> Any:
    """What two values have in common that can be packed together; None for others."""
    if isinstance(x, np.generic):
        return x.dtype
    if x.ndim == 1 and x.flags.c_contiguous:
        return x.dtype, len(x)
    return None


def _size(x: Any) -> int:
    return 32 if isinstance(x, np.generic) else 120 + x.nbytes
