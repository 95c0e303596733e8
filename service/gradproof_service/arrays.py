"""Dtypes, shapes and types: the words for arrays that every floor above uses.

A `Type` is interned: two equal types are one object, so comparing and hashing them is free.
Nothing here allocates an array of a caller's size.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from math import isfinite, prod
from typing import Any, Final
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]


class Structure(Enum):
    """What a matrix or vector is known to be; perturbations stay inside it."""

    NONE = 0
    SYMMETRIC = 1
    HERMITIAN = 2
    LOWER = 3
    UPPER = 4
    SPD = 5
    POSITIVE = 6
    SIMPLEX = 7
    ORTHOGONAL = 8
    INTEGER_VALUED = 9


FLOATS: Final = (np.dtype(np.float64), np.dtype(np.float32))
"""Dtypes that are computed with and have derivatives."""
INTEGERS: Final = tuple(
    np.dtype(name)
    for name in ("int64", "int32", "int16", "int8", "uint64", "uint32", "uint16", "uint8")
)
BOOL: Final = np.dtype(np.bool_)
F64: Final = FLOATS[0]
F32: Final = FLOATS[1]
I64: Final = INTEGERS[0]
COMPUTED: Final = frozenset((*FLOATS, *INTEGERS, BOOL))
"""Dtypes a kernel may be given; float16, bfloat16 and complex are storage or reserved."""


class Type:
    """A dtype and a shape, and what is known of the values' structure.

    Made by `type_of`, never directly: equal types are the same object.
    """

    __slots__ = ("__weakref__", "dtype", "is_float", "shape", "size", "structure")

    dtype: np.dtype[Any]
    shape: Shape
    structure: Structure
    size: int
    """Number of elements, as an exact Python integer."""
    is_float: bool
    """Whether values of this type have tangents and cotangents."""

    def __init__(self, dtype: np.dtype[Any], shape: Shape, structure: Structure) -> None:
        self.dtype = dtype
        self.shape = shape
        self.structure = structure
        self.size = prod(shape)
        self.is_float = dtype in FLOATS

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of one dense array of this type."""
        return self.size * self.dtype.itemsize

    def with_shape(self, shape: Iterable[int]) -> Type:
        """The same dtype in another shape, without structure."""
        return type_of(self.dtype, tuple(shape))

    def with_dtype(self, dtype: Any) -> Type:
        """The same shape with another dtype, without structure."""
        return type_of(dtype, self.shape)

    def __repr__(self) -> str:
        tail = "" if self.structure is Structure.NONE else f" {self.structure.name.lower()}"
        return f"{short_dtype(self.dtype)}{list(self.shape)}{tail}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type_of, (self.dtype, self.shape, self.structure))


_INTERNED: WeakValueDictionary[tuple[np.dtype[Any], Shape, Structure], Type] = WeakValueDictionary()


def type_of(dtype: Any, shape: Shape = (), structure: Structure = Structure.NONE) -> Type:
    """The one `Type` of this dtype, shape and structure."""
    key = (np.dtype(dtype), shape, structure)
    found = _INTERNED.get(key)
    return _INTERNED.setdefault(key, Type(*key)) if found is None else found


def type_of_array(array: Array) -> Type:
    """The type of a NumPy array as it stands."""
    return type_of(array.dtype, array.shape)


def short_dtype(dtype: np.dtype[Any]) -> str:
    """The short name used in text: f64, i32, bool."""
    if dtype == BOOL:
        return "bool"
    return f"{dtype.kind}{8 * dtype.itemsize}"


def promote(*types: Type) -> np.dtype[Any]:
    """NumPy's result dtype of arrays of these types."""
    first = types[0].dtype
    for t in types:
        if t.dtype != first:
            return np.result_type(*(t.dtype for t in types))
    return first


def floating(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The dtype itself when it is a float, else float64: what exp or division make of it."""
    return dtype if dtype in FLOATS else F64


def broadcast_shapes(*shapes: Shape) -> Shape | None:
    """NumPy's broadcast of shapes, or None when they clash; works for shapes of any size."""
    rank = max(map(len, shapes), default=0)
    out = [1] * rank
    for shape in shapes:
        for axis in range(-len(shape), 0):
            n = shape[axis]
            if n != 1:
                if out[axis] not in (1, n):
                    return None
                out[axis] = n
    return tuple(out)


def unit_roundoff(dtype: np.dtype[Any]) -> float:
    """u = half the spacing at 1: 2**-53 for float64, 2**-24 for float32, 0 for exact dtypes."""
    return float(np.finfo(dtype).eps) / 2 if dtype in FLOATS else 0.0


def is_lost(x: Array | None) -> bool:
    """Whether an array holds what is no finite number; None holds nothing."""
    if x is None:
        return False
    if not x.ndim and x.dtype.kind == "f":
        return not isfinite(x)
    return x.dtype.kind in "fc" and not np.isfinite(x).all()


class Frozen:
    """A read-only array that can be a key: equal when dtype, shape and bits are equal.

    Arrays of more than `SMALL` elements are compared by identity, so that a key stays cheap.
    """

    __slots__ = ("_key", "array")
    SMALL: Final = 4096

    def __init__(self, array: Array) -> None:
        view = np.ascontiguousarray(array).reshape(array.shape)
        if view.flags.writeable:
            view = view.copy() if view is array or view.base is not None else view
            view.flags.writeable = False
        self.array = view
        small = view.size <= Frozen.SMALL
        self._key: Any = (view.dtype.str, view.shape, view.tobytes()) if small else id(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        if self.array.size == 1:
            return repr(self.array.item())
        return f"<{type_of_array(self.array)}>"
