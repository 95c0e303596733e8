"""Arrays as text that can be committed: small ones entry by entry, large ones as what tells them apart.

Hexadecimal floats read back to the same bits. A large array is a digest, norms, a seeded sketch and a seeded sample:
the sketch are sums with random signs, so that the root mean square of what two of them differ by is the size of the
difference of the arrays (Alon, Matias and Szegedy 1996). Signs and places come from SHAKE-256, and every sum is exact
before it is rounded, so that no library and no machine changes them.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

Array = np.ndarray[Any, Any]
EXACT: Final = 128
"""Up to so many entries are written one by one."""
SKETCH: Final = 16
"""Sums of a sketch: the size of a difference is known to about a fifth."""
SAMPLE: Final = 16
"""Entries of a large array that are written, besides the one that is largest."""


@dataclass(frozen=True, slots=True)
class Held:
    """An array as a baseline holds it: of a small one the `values` in C order, of a large one all the rest."""

    dtype: str
    shape: tuple[int, ...]
    digest: str
    values: tuple[float, ...] = ()
    norms: tuple[float, ...] = ()
    sketch: tuple[float, ...] = ()
    sample: tuple[tuple[int, float], ...] = ()

    @property
    def size(self) -> int:
        """How many entries it has."""
        return math.prod(self.shape)

    @property
    def scale(self) -> float:
        """The largest absolute value among the finite entries."""
        if self.norms:
            return self.norms[2]
        return max((abs(v) for v in self.values if math.isfinite(v)), default=0.0)

    @property
    def entries(self) -> tuple[tuple[int, float], ...]:
        """The entries that are written, each with its place in C order."""
        return tuple(enumerate(self.values)) if self.values else self.sample

    def index(self, flat: int) -> tuple[int, ...]:
        """A place in C order as one index for each axis."""
        return tuple(int(k) for k in np.unravel_index(flat, self.shape)) if self.shape else ()

    def plain(self) -> dict[str, Any]:
        """What is written: hexadecimal floats as text."""
        plain: dict[str, Any] = {"dtype": self.dtype, "shape": list(self.shape)}
        if self.size <= EXACT:
            return {**plain, "values": [hexed(v) for v in self.values]}
        return {
            **plain,
            "sha256": self.digest,
            "norms": [hexed(v) for v in self.norms],
            "sketch": [hexed(v) for v in self.sketch],
            "sample": [f"{k}: {hexed(v)}" for k, v in self.sample],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Back from what was written; raises `KeyError`, `TypeError` or `ValueError`."""
        dtype, shape = str(np.dtype(plain["dtype"])), tuple(int(n) for n in plain["shape"])
        if math.prod(shape) <= EXACT:
            values = tuple(map(float.fromhex, plain["values"]))
            if len(values) != math.prod(shape):
                raise ValueError(f"expected {math.prod(shape)} values, {len(values)} came")
            return cls(dtype, shape, "", values)
        pairs = (text.split(": ") for text in plain["sample"])
        return cls(
            dtype, shape, str(plain["sha256"]), (), tuple(map(float.fromhex, plain["norms"])),
            tuple(map(float.fromhex, plain["sketch"])), tuple((int(k), float.fromhex(v)) for k, v in pairs),
        )  # fmt: skip


def hold(array: Array) -> Held:
    """The array as a baseline holds it."""
    array = np.ascontiguousarray(array).reshape(array.shape)
    flat = array.reshape(-1).astype(np.float64)
    if array.size <= EXACT:
        return Held(str(array.dtype), array.shape, "", tuple(flat.tolist()))
    finite = np.where(np.isfinite(flat), flat, 0.0)
    size = np.abs(finite)
    largest = int(np.argmax(size))
    power = math.frexp(float(size[largest]))[1]
    scaled = np.ldexp(finite, -power)  # so that no sum overflows

    def back(value: float) -> float:
        with np.errstate(over="ignore"):
            return float(np.ldexp(value, power))

    norms = (
        back(math.fsum(np.abs(scaled))),
        back(math.sqrt(math.fsum(scaled * scaled))),
        float(size[largest]),
    )
    bits = _random_bytes("signs", (array.size * SKETCH + 7) // 8)
    signs = np.unpackbits(np.frombuffer(bits, np.uint8))[: array.size * SKETCH]
    rows = signs.reshape(SKETCH, array.size).astype(bool)
    sketch = tuple(back(math.fsum(np.where(row, scaled, -scaled))) for row in rows)
    places = np.frombuffer(_random_bytes("places", 8 * SAMPLE), "<u8") % np.uint64(array.size)
    chosen = sorted({largest, *map(int, places)})
    return Held(
        str(array.dtype),
        array.shape,
        _digest(array),
        (),
        norms,
        sketch,
        tuple((k, float(flat[k])) for k in chosen),
    )


def hexed(value: float) -> str:
    """A float as hexadecimal text; `nan`, `inf` and `-inf` as they are."""
    return float(value).hex()


def _digest(array: Array) -> str:
    data = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + data).hexdigest()


def _random_bytes(what: str, count: int) -> bytes:
    return hashlib.shake_256(f"gradproof baseline {what}".encode()).digest(count)
