"""NumPy functions that pick elements by their places: cutting, turning, repeating, diagonals, borders."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.indexing import get
from gradproof._tracing.operands import as_traced, normal, one_axis
from gradproof._tracing.shaping import (
    Lowering,
    broadcast_to,
    concatenate,
    ravel,
    reshape,
    transpose,
)
from gradproof._tracing.tape import apply
from gradproof._tracing.unsupported import refuse


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Traced]:
    """Consecutive pieces."""
    x = as_traced(ary)
    n = x.shape[axis]
    cuts = (
        np.array_split(np.arange(n), indices_or_sections)
        if isinstance(indices_or_sections, int)
        else np.split(np.arange(n), indices_or_sections)
    )
    place = one_axis(axis, x.ndim)
    out: list[Traced] = []
    start = 0
    for piece in cuts:
        out.append(
            get(x, (Ellipsis, slice(start, start + len(piece)), *(slice(None),) * (-place - 1)))
        )
        start += len(piece)
    return out


def flip(m: Any, axis: Any = None) -> Traced:
    """The order of elements reversed along axes."""
    x = as_traced(m)
    return apply("flip", x, axes=normal(axis, x.ndim)) if x.ndim else x


def roll(a: Any, shift: Any, axis: Any = None) -> Traced:
    """Elements moved round along axes."""
    x = as_traced(a)
    places = np.roll(np.arange(x.size).reshape(x.shape), shift, axis)
    return reshape(_pick(ravel(x), places.ravel()), x.shape)


def rot90(m: Any, k: int = 1, axes: tuple[int, int] = (0, 1)) -> Traced:
    """A quarter turn, k times."""
    x = as_traced(m)
    places = np.rot90(np.arange(x.size).reshape(x.shape), k, axes)
    return reshape(_pick(ravel(x), places.ravel()), places.shape)


def _pick(flat: Traced, places: Any) -> Traced:
    return get(flat, (np.asarray(places),))


def tile(A: Any, reps: Any) -> Traced:
    """Copies of the whole array along each axis."""
    x = as_traced(A)
    reps = tuple(reps) if isinstance(reps, tuple | list | np.ndarray) else (reps,)
    rank = max(x.ndim, len(reps))
    x = reshape(x, (1,) * (rank - x.ndim) + x.shape)
    return apply("tile", x, repeats=(1,) * (rank - len(reps)) + tuple(map(int, reps)))


def repeat(a: Any, repeats: Any, axis: Any = None) -> Traced:
    """Each element several times."""
    x = as_traced(a)
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.repeat(np.arange(x.shape[axis]), repeats), axis)


def take(a: Any, indices: Any, axis: Any = None, mode: str = "raise") -> Traced:
    """Elements at places along an axis."""
    x = as_traced(a)
    if axis is None:
        x, axis = ravel(x), 0
    if not isinstance(indices, Traced):
        indices = np.asarray(indices)
    before = (slice(None),) * (one_axis(axis, x.ndim) + x.ndim)
    return get(x, (*before, indices))


def pad(
    array: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0, **options: Any
) -> Traced:
    """With a border."""
    x = as_traced(array)
    if options or mode not in ("constant", "reflect", "edge", "wrap") or np.ndim(constant_values):
        refuse("unknown-option", f"np.pad with mode {mode!r} and these options is not recorded")
    widths = np.broadcast_to(np.asarray(pad_width), (x.ndim, 2)).ravel()
    return apply(
        "pad", x, pad_width=tuple(map(int, widths)), mode=mode, value=float(constant_values)
    )


def triangle(op: str) -> Lowering:
    """tril and triu."""
    return lambda m, k=0: apply(op, as_traced(m), k=int(k))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Traced:
    """A diagonal of matrices, as the last axis."""
    x = as_traced(a)
    one, two = one_axis(axis1, x.ndim) + x.ndim, one_axis(axis2, x.ndim) + x.ndim
    rest = [i for i in range(x.ndim) if i not in (one, two)]
    x = transpose(x, (*rest, one, two)) if (one, two) != (x.ndim - 2, x.ndim - 1) else x
    return apply("diagonal", x, offset=int(offset))


def diag(v: Any, k: int = 0) -> Traced:
    """A matrix with v on a diagonal, or a matrix's diagonal."""
    x = as_traced(v)
    return apply("diag_embed", x, offset=int(k)) if x.ndim == 1 else diagonal(x, k)


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = None, append: Any = None) -> Traced:
    """Differences of neighbours, n times over."""
    x = as_traced(a)
    place = one_axis(axis, x.ndim)
    for extra, first in ((prepend, True), (append, False)):
        if extra is not None:
            e = as_traced(extra)
            if e.ndim == 0:
                e = broadcast_to(
                    e, tuple(1 if i == place + x.ndim else m for i, m in enumerate(x.shape))
                )
            x = concatenate([e, x] if first else [x, e], place)
    after = (slice(None),) * (-place - 1)
    for _ in range(n):
        x = get(x, (Ellipsis, slice(1, None), *after)) - get(x, (Ellipsis, slice(None, -1), *after))
    return x


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Traced:
    """Elements at their own places along an axis."""
    x = as_traced(arr)
    if axis is None:
        x, axis = ravel(x), 0
    return apply("take_along_axis", x, indices, axis=one_axis(axis, x.ndim))


def delete(arr: Any, obj: Any, axis: Any = None) -> Traced:
    """Without the elements at places along an axis."""
    x = as_traced(arr)
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


def triangle_places(function: Lowering) -> Lowering:
    """Functions that only look at a shape."""
    return lambda arr, k=0: function(np.empty(arr.shape, np.bool_), k)


TABLE: Final[dict[Any, Lowering]] = {
    np.split: split, np.array_split: split, np.hsplit: lambda a, n: split(a, n, 1 if a.ndim > 1 else 0),
    np.vsplit: lambda a, n: split(a, n, 0), np.delete: delete,
    np.flip: flip, np.fliplr: lambda m: flip(m, 1), np.flipud: lambda m: flip(m, 0), np.roll: roll,
    np.rot90: rot90, np.tile: tile, np.repeat: repeat, np.take: take, np.pad: pad,
    np.take_along_axis: take_along_axis,
    np.tril: triangle("tril"), np.triu: triangle("triu"), np.diagonal: diagonal, np.diag: diag,
    np.diagflat: lambda v, k=0: diag(ravel(v), k), np.diff: diff, np.ediff1d: lambda a: diff(ravel(a)),
    np.tril_indices_from: triangle_places(np.tril_indices_from),
    np.triu_indices_from: triangle_places(np.triu_indices_from),
    np.diag_indices_from: lambda arr: np.diag_indices(arr.shape[0], arr.ndim),
}  # fmt: skip
