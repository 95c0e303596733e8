"""NumPy functions that only move elements: reshaping, joining, cutting, repeating, making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.indexing import get
from gradproof._tracing.operands import as_traced, normal, one_axis
from gradproof._tracing.tape import apply, constant
from gradproof._tracing.unsupported import refuse

Lowering = Callable[..., Any]


def reshape(
    a: Any, /, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: Any = None
) -> Traced:
    """Another shape in row-major order; the result shares what is written, as NumPy's view does."""
    x = as_traced(a)
    shape = newshape if shape is None else shape
    side = np.empty(x.shape, np.bool_).reshape(_plain_shape(shape)).shape
    if side == x.shape:
        return _view(x.copy(), x, lambda p: p.copy(), lambda p, new: new)
    return _view(
        apply("reshape", x, shape=side), x,
        lambda p: apply("reshape", p, shape=side), lambda p, new: apply("reshape", new, shape=p.shape),
    )  # fmt: skip


def _plain_shape(shape: Any) -> Any:
    if isinstance(shape, list | tuple):
        return tuple(int(n) for n in shape)
    return tuple(int(n) for n in shape) if isinstance(shape, np.ndarray) else int(shape)


def _view(new: Traced, parent: Traced, forward: Lowering, backward: Lowering) -> Traced:
    return new.view_of(parent, forward, backward)


def ravel(a: Any) -> Traced:
    """One axis, in row-major order."""
    return reshape(a, -1)


def transpose(a: Any, axes: Any = None) -> Traced:
    """Axes in another order, reversed by default."""
    x = as_traced(a)
    if x.ndim < 2:
        return x
    order = tuple(range(x.ndim))[::-1] if axes is None else tuple(int(i) % x.ndim for i in axes)
    back = tuple(int(i) for i in np.argsort(order))
    return _view(
        apply("permute_dims", x, axes=order), x,
        lambda p: apply("permute_dims", p, axes=order), lambda p, new: apply("permute_dims", new, axes=back),
    )  # fmt: skip


def _order_of(function: Lowering) -> Lowering:
    """A function that reorders axes, by asking NumPy what it makes of the axes' numbers."""

    def lowered(a: Any, *args: Any) -> Traced:
        x = as_traced(a)
        probe = function(np.empty(tuple(range(2, 2 + x.ndim)), np.bool_), *args)
        return transpose(x, tuple(n - 2 for n in probe.shape))

    return lowered


def squeeze(a: Any, axis: Any = None) -> Traced:
    """Without sides of 1."""
    x = as_traced(a)
    return reshape(x, np.squeeze(np.empty(x.shape, np.bool_), axis).shape)


def expand_dims(a: Any, axis: Any) -> Traced:
    """With new sides of 1."""
    x = as_traced(a)
    return reshape(x, np.expand_dims(np.empty(x.shape, np.bool_), axis).shape)


def broadcast_to(array: Any, shape: Any) -> Traced:
    """Repeated along new axes and sides of 1."""
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    x = as_traced(array)
    return x if x.shape == shape else apply("broadcast_to", x, shape=shape)


def broadcast_arrays(*args: Any) -> tuple[Traced, ...]:
    """All in their common shape."""
    xs = [as_traced(a) for a in args]
    shape = np.broadcast_shapes(*(x.shape for x in xs))
    return tuple(broadcast_to(x, shape) for x in xs)


def _alike(arrays: Any) -> list[Traced]:
    xs = [as_traced(a) for a in arrays]
    dtype = np.result_type(*(x.dtype for x in xs))
    return [x.astype(dtype) if x.dtype != dtype else x for x in xs]


def concatenate(arrays: Any, axis: Any = 0, dtype: Any = None) -> Traced:
    """One after the other along an axis; flattened when the axis is None."""
    xs = _alike(arrays)
    if axis is None:
        xs, axis = [ravel(x) for x in xs], 0
    out = apply("concat", *xs, axis=one_axis(axis, xs[0].ndim))
    return out if dtype is None else out.astype(dtype)


def stack(arrays: Any, axis: int = 0, dtype: Any = None) -> Traced:
    """Side by side along a new axis."""
    xs = _alike(arrays)
    out = apply("stack", *xs, axis=one_axis(axis, xs[0].ndim + 1))
    return out if dtype is None else out.astype(dtype)


def at_least(rank: int) -> Lowering:
    """atleast_1d and its kin."""
    function = (None, np.atleast_1d, np.atleast_2d, np.atleast_3d)[rank]
    assert function is not None

    def lowered(*args: Any) -> Any:
        xs = [as_traced(a) for a in args]
        out = [reshape(x, function(np.empty(x.shape, np.bool_)).shape) for x in xs]
        return out[0] if len(out) == 1 else tuple(out)

    return lowered


def hstack(arrays: Any) -> Traced:
    """Side by side along the second axis, or the first of vectors."""
    xs = [at_least(1)(a) for a in arrays]
    return concatenate(xs, 0 if xs[0].ndim == 1 else 1)


def column_stack(arrays: Any) -> Traced:
    """Vectors as the columns of a matrix."""
    xs = [as_traced(a) for a in arrays]
    return concatenate([reshape(x, (-1, 1)) if x.ndim < 2 else x for x in xs], 1)


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


def array(
    object: Any, dtype: Any = None, *, copy: Any = True, ndmin: int = 0, **options: Any
) -> Traced:
    """np.array and np.asarray of traced values: stacked, in a new array."""
    x = as_traced(object)
    x = x.copy() if dtype is None or np.dtype(dtype) == object else x.astype(dtype)
    return x if x.ndim >= ndmin else reshape(x, (1,) * (ndmin - x.ndim) + x.shape)


def asarray(a: Any, dtype: Any = None, **options: Any) -> Traced:
    """np.asarray of a traced array: itself where nothing needs to change."""
    if isinstance(a, Traced) and (dtype is None or np.dtype(dtype) == a.dtype):
        return a
    return array(a, dtype)


def like(value: float) -> Lowering:
    """zeros_like and ones_like: an array of its own, that may be written into."""

    def lowered(a: Any, dtype: Any = None, *, shape: Any = None, **options: Any) -> Traced:
        return constant(np.full(a.shape if shape is None else shape, value, dtype or a.dtype))

    return lowered


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, *, shape: Any = None, **options: Any
) -> Traced:
    """An array of a's shape filled with one value."""
    side = a.shape if shape is None else shape
    return apply(
        "broadcast_to", as_traced(fill_value).astype(dtype or a.dtype), shape=tuple(side)
    ).copy()


def meshgrid(
    *xi: Any, indexing: str = "xy", sparse: bool = False, copy: bool = True
) -> tuple[Traced, ...]:
    """Coordinate arrays from coordinate vectors."""
    n = len(xi)
    xs = [reshape(ravel(x), tuple(-1 if i == j else 1 for j in range(n))) for i, x in enumerate(xi)]
    if indexing == "xy" and n > 1:
        xs = [_order_of(np.swapaxes)(x, 0, 1) for x in xs]
    return tuple(xs) if sparse else broadcast_arrays(*xs)


def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Traced:
    """Elements at their own places along an axis."""
    x = as_traced(arr)
    if axis is None:
        x, axis = ravel(x), 0
    return apply("take_along_axis", x, indices, axis=one_axis(axis, x.ndim))


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Traced:
    """The choice of the first condition that holds."""
    out: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = apply("where", condition, choice, out)
    return as_traced(out)


def append(arr: Any, values: Any, axis: Any = None) -> Traced:
    """Values behind an array."""
    return concatenate([arr, values], axis)


def delete(arr: Any, obj: Any, axis: Any = None) -> Traced:
    """Without the elements at places along an axis."""
    x = as_traced(arr)
    if axis is None:
        x, axis = ravel(x), 0
    return take(x, np.delete(np.arange(x.shape[axis]), obj), axis)


def shape_question(function: Lowering) -> Lowering:
    """A question about shape and dtype only, which the concrete value answers."""
    return lambda *args: function(*(a.data if isinstance(a, Traced) else a for a in args))


def triangle_places(function: Lowering) -> Lowering:
    """Functions that only look at a shape."""
    return lambda arr, k=0: function(np.empty(arr.shape, np.bool_), k)


TABLE: Final[dict[Any, Lowering]] = {
    np.reshape: reshape, np.ravel: ravel, np.transpose: transpose,
    np.matrix_transpose: _order_of(np.matrix_transpose),
    np.swapaxes: _order_of(np.swapaxes), np.moveaxis: _order_of(np.moveaxis),
    np.rollaxis: _order_of(np.rollaxis), np.squeeze: squeeze, np.expand_dims: expand_dims,
    np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays,
    np.concatenate: concatenate, np.stack: stack, np.hstack: hstack,
    np.vstack: lambda arrays: concatenate([at_least(2)(a) for a in arrays], 0),
    np.dstack: lambda arrays: concatenate([at_least(3)(a) for a in arrays], 2),
    np.column_stack: column_stack, np.append: append, np.delete: delete,
    np.split: split, np.array_split: split, np.hsplit: lambda a, n: split(a, n, 1 if a.ndim > 1 else 0),
    np.vsplit: lambda a, n: split(a, n, 0), np.unstack: lambda x, axis=0: tuple(_order_of(np.moveaxis)(x, axis, 0)),
    np.atleast_1d: at_least(1), np.atleast_2d: at_least(2), np.atleast_3d: at_least(3),
    np.flip: flip, np.fliplr: lambda m: flip(m, 1), np.flipud: lambda m: flip(m, 0), np.roll: roll,
    np.rot90: rot90, np.tile: tile, np.repeat: repeat, np.take: take, np.pad: pad,
    np.tril: triangle("tril"), np.triu: triangle("triu"), np.diagonal: diagonal, np.diag: diag,
    np.diagflat: lambda v, k=0: diag(ravel(v), k), np.diff: diff, np.ediff1d: lambda a: diff(ravel(a)),
    np.copy: lambda a: as_traced(a).copy(), np.zeros_like: like(0), np.ones_like: like(1),
    np.empty_like: like(0), np.full_like: full_like, np.meshgrid: meshgrid,
    np.take_along_axis: take_along_axis, np.select: select, np.array: array, np.asarray: asarray,
    np.asanyarray: asarray, np.ascontiguousarray: asarray, np.require: asarray, np.astype: lambda x, dtype: x.astype(dtype),
    np.asarray_chkfinite: asarray,
    np.shape: lambda a: as_traced(a).shape, np.ndim: lambda a: as_traced(a).ndim,
    np.size: lambda a, axis=None: as_traced(a).size if axis is None else as_traced(a).shape[axis],
    np.result_type: shape_question(np.result_type), np.can_cast: shape_question(np.can_cast),
    np.isscalar: lambda x: False, np.iterable: lambda x: x.ndim > 0, np.may_share_memory: lambda a, b: False,
    np.shares_memory: lambda a, b: False, np.tril_indices_from: triangle_places(np.tril_indices_from),
    np.triu_indices_from: triangle_places(np.triu_indices_from),
    np.diag_indices_from: lambda arr: np.diag_indices(arr.shape[0], arr.ndim),
}  # fmt: skip
