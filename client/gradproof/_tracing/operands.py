"""What lowerings share: reading arguments that hold traced arrays, and axes as NumPy spells them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.tape import apply, constant


def as_traced(value: Any) -> Traced:
    """Any array-like as a traced array; lists with traced arrays inside are stacked."""
    if isinstance(value, Traced):
        return value
    if isinstance(value, list | tuple) and holds_traced(value):
        return apply("stack", *_common([as_traced(v) for v in value]), axis=0)
    if (
        isinstance(value, np.ndarray)
        and value.dtype == object
        and holds_traced(value.ravel().tolist())
    ):
        return as_traced(value.ravel().tolist()).reshape(value.shape)
    return constant(np.asarray(value))


def _common(values: list[Traced]) -> list[Traced]:
    dtype = np.result_type(*(v.dtype for v in values))
    return [v.astype(dtype) if v.dtype != dtype else v for v in values]


def holds_traced(values: Iterable[Any], live: bool = False) -> bool:
    """Whether a traced array stands somewhere in these arguments; `live`: one that depends on an input."""
    for value in values:
        if isinstance(value, Traced):
            if not live or value.tape is not None:
                return True
        elif isinstance(value, list | tuple):
            if holds_traced(value, live):
                return True
        elif isinstance(value, dict) and holds_traced(value.values(), live):
            return True
    return False


def is_number(value: Any) -> bool:
    """Whether this is a Python number, whose dtype is weak."""
    return type(value) in (bool, int, float)


def floating(x: Traced) -> Traced:
    """The array as a float: what NumPy makes of whole numbers before a root or a mean."""
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def normal(axis: Any, rank: int) -> tuple[int, ...]:
    """Axes as negative numbers, ascending; None is all of them."""
    if axis is None:
        return tuple(range(-rank, 0))
    axes = axis if isinstance(axis, tuple | list) else (axis,)
    return tuple(sorted(one_axis(a, rank) for a in axes))


def one_axis(axis: Any, rank: int) -> int:
    """An axis as a negative number; raises as NumPy does when there is none."""
    axis = int(axis)
    if not -rank <= axis < rank:
        raise np.exceptions.AxisError(axis, rank)
    return axis - rank if axis >= 0 else axis


def moved_last(x: Traced, axis: int) -> Traced:
    """The array with one (negative) axis moved to the end."""
    rank = x.ndim
    at = rank + axis
    order = (*range(at), *range(at + 1, rank), at)
    return x if at == rank - 1 else apply("permute_dims", x, axes=order)


def moved_back(x: Traced, axis: int) -> Traced:
    """Undo `moved_last`."""
    rank = x.ndim
    at = rank + axis
    order = (*range(at), rank - 1, *range(at, rank - 1))
    return x if at == rank - 1 else apply("permute_dims", x, axes=order)
