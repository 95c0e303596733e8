"""Reading and writing by index: NumPy's basic and advanced indexing as `index_get` and `index_set`.

Whole numbers, slices, new axes and plain masks shape the result, so they are attributes; arrays of
places are operands, also when they are inputs of the function.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from gradproof._index_spec import Entry, encode
from gradproof._tracing.array import Traced
from gradproof._tracing.tape import constant, lift, record
from gradproof._tracing.unsupported import refuse


def get(x: Traced, index: Any) -> Traced:
    """x[index]; a view, in NumPy's sense, when the index holds no arrays."""
    entries = normalise(index, x.shape)
    out = _get(x, entries)
    if any(kind == "array" for kind, _ in entries):
        return out
    return out.view_of(x, lambda p: _get(p, entries), lambda p, new: _put(p, entries, new))


def put(x: Traced, index: Any, value: Any) -> Traced:
    """The array that x becomes by x[index] = value."""
    return _put(x, normalise(index, x.shape), _cast(value, x))


def _get(x: Traced, entries: list[Entry]) -> Traced:
    arrays = [item for kind, item in entries if kind == "array"]
    data = x.data[concrete(entries)]
    return record("index_get", [x, *arrays], {"spec": encode(entries)}, np.array(data))


def _put(x: Traced, entries: list[Entry], value: Traced) -> Traced:
    arrays = [item for kind, item in entries if kind == "array"]
    data = np.array(x.data)
    data[concrete(entries)] = value.data
    return record("index_set", [x, value, *arrays], {"spec": encode(entries)}, data)


def _cast(value: Any, x: Traced) -> Traced:
    from gradproof._tracing.operands import as_traced

    new = as_traced(value) if isinstance(value, Traced | list | tuple) else lift([x, value])[1]
    return new if new.dtype == x.dtype else new.astype(x.dtype)


def concrete(entries: list[Entry]) -> tuple[Any, ...]:
    """The index as NumPy takes it, arrays by their values at the point."""
    return tuple(None if k == "new" else v.data if k == "array" else v for k, v in entries)


def normalise(index: Any, shape: tuple[int, ...]) -> list[Entry]:
    """The parts of an index, its ellipsis spelled out and its masks turned into places."""
    parts: list[Any] = list(index) if isinstance(index, tuple) else [index]
    parts = [_plain(part) for part in parts]
    used = sum(_axes_used(part) for part in parts if part is not Ellipsis)
    if used > len(shape):
        raise IndexError(f"too many indices: the array has {len(shape)} axes, {used} came")
    fill = [slice(None)] * (len(shape) - used)
    at = next((i for i, part in enumerate(parts) if part is Ellipsis), None)
    parts = [*parts, *fill] if at is None else [*parts[:at], *fill, *parts[at + 1 :]]
    if any(part is Ellipsis for part in parts):
        raise IndexError("an index can only have a single ellipsis ('...')")
    entries: list[Entry] = []
    for part in parts:
        entries.extend(_entries(part))
    return entries


def _plain(part: Any) -> Any:
    """An index part in one of few forms; lists become arrays."""
    if isinstance(part, Traced):
        if part.tape is None:
            return _plain(part.data)
        if part.dtype.kind == "b":
            refuse(
                "branch-on-value",
                "a mask that depends on values selects elements",
                "np.where(mask, x, 0)",
            )
        if part.dtype.kind == "f":
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        return part
    if part is None or part is Ellipsis:
        return part
    if isinstance(part, slice):
        return slice(
            *(None if n is None else operator.index(n) for n in (part.start, part.stop, part.step))
        )
    if isinstance(part, list | tuple):
        from gradproof._tracing.operands import as_traced

        return _plain(as_traced(part)) if part else np.zeros(0, np.int64)
    if isinstance(part, np.ndarray) and (part.ndim or part.dtype == np.bool_):
        return part
    if isinstance(part, bool | np.bool_):
        return np.asarray(part)
    return operator.index(part)


def _axes_used(part: Any) -> int:
    if part is None:
        return 0
    if isinstance(part, np.ndarray) and part.dtype == np.bool_:
        return part.ndim
    return 1


def _entries(part: Any) -> list[Entry]:
    if part is None:
        return [("new", None)]
    if isinstance(part, slice):
        return [("slice", part)]
    if isinstance(part, int):
        return [("int", part)]
    if isinstance(part, Traced):
        return [("array", part)]
    if part.dtype == np.bool_:
        if not part.ndim:
            refuse("unknown-option", "a plain truth value is used as an index", "np.where")
        return [("array", constant(places)) for places in np.nonzero(part)]
    return [("array", constant(part.astype(np.int64)))]
