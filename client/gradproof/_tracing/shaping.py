"""NumPy functions that only move elements: reshaping, joining, making."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced, one_axis
from gradproof._tracing.tape import apply, constant

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


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Traced:
    """The choice of the first condition that holds."""
    out: Any = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        out = apply("where", condition, choice, out)
    return as_traced(out)


def append(arr: Any, values: Any, axis: Any = None) -> Traced:
    """Values behind an array."""
    return concatenate([arr, values], axis)


def shape_question(function: Lowering) -> Lowering:
    """A question about shape and dtype only, which the concrete value answers."""
    return lambda *args: function(*(a.data if isinstance(a, Traced) else a for a in args))


TABLE: Final[dict[Any, Lowering]] = {
    np.reshape: reshape, np.ravel: ravel, np.transpose: transpose,
    np.matrix_transpose: _order_of(np.matrix_transpose),
    np.swapaxes: _order_of(np.swapaxes), np.moveaxis: _order_of(np.moveaxis),
    np.rollaxis: _order_of(np.rollaxis), np.squeeze: squeeze, np.expand_dims: expand_dims,
    np.broadcast_to: broadcast_to, np.broadcast_arrays: broadcast_arrays,
    np.concatenate: concatenate, np.stack: stack, np.hstack: hstack,
    np.vstack: lambda arrays: concatenate([at_least(2)(a) for a in arrays], 0),
    np.dstack: lambda arrays: concatenate([at_least(3)(a) for a in arrays], 2),
    np.column_stack: column_stack, np.append: append,
    np.unstack: lambda x, axis=0: tuple(_order_of(np.moveaxis)(x, axis, 0)),
    np.atleast_1d: at_least(1), np.atleast_2d: at_least(2), np.atleast_3d: at_least(3),
    np.copy: lambda a: as_traced(a).copy(), np.zeros_like: like(0), np.ones_like: like(1),
    np.empty_like: like(0), np.full_like: full_like, np.meshgrid: meshgrid,
    np.select: select, np.array: array, np.asarray: asarray,
    np.asanyarray: asarray, np.ascontiguousarray: asarray, np.require: asarray, np.astype: lambda x, dtype: x.astype(dtype),
    np.asarray_chkfinite: asarray,
    np.shape: lambda a: as_traced(a).shape, np.ndim: lambda a: as_traced(a).ndim,
    np.size: lambda a, axis=None: as_traced(a).size if axis is None else as_traced(a).shape[axis],
    np.result_type: shape_question(np.result_type), np.can_cast: shape_question(np.can_cast),
    np.isscalar: lambda x: False, np.iterable: lambda x: x.ndim > 0, np.may_share_memory: lambda a, b: False,
    np.shares_memory: lambda a, b: False,
}  # fmt: skip
