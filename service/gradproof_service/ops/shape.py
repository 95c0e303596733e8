"""Rearranging one array: shapes, axes, triangles and diagonals. Every op here only moves data."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, broadcast_shapes
from gradproof_service.ops.axes import batch_first, need_matrix, normal_axes, normal_axis
from gradproof_service.ops.reads import masked, moved
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, Draw, IllTyped, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _infer_reshape(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    shape: tuple[int, ...] = attrs["shape"]
    if shape.count(-1) == 1:
        known = prod(n for n in shape if n != -1)
        if known > 0:  # with a side of 0 any number would do, so none is chosen
            shape = tuple(x.size // known if n == -1 else n for n in shape)
    if any(n < 0 for n in shape):
        raise IllTyped(
            ATTRIBUTE,
            f"shape is {shape}, expected sides >= 0, and one -1 only where it can be told",
        )
    if prod(shape) != x.size:
        raise IllTyped(
            SHAPE,
            f"shape {x.shape} has {x.size} elements, {shape} has {prod(shape)}; make them equal",
        )
    return {"shape": shape}, (x.with_shape(shape),)


def _sample_reshape(d: Draw) -> Sample:
    shape = d.shape(0, 3, 4)
    options = [(-1,), (1, *shape), (*shape, 1), tuple(reversed(shape)), (prod(shape), 1)]
    return (d.real(shape),), {"shape": d.choice(options)}


RESHAPE = Op(
    "reshape", "the same elements, in row-major order, in another shape; one side may be -1",
    "y = reshape(x);  dy = reshape(dx)",
    _infer_reshape, lambda s, x: x.reshape(s.lead(x) + s["shape"]), _sample_reshape,
    jvp=(lambda xp, s, xs, ys, t: xp.reshape(t, shape=s["shape"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.reshape(c, shape=s.ins[0].shape),),
    attrs=(Attr("shape", "ints", "the new shape; -1 stands for what is left", required=True),),
    linear=(0,), analytic=True, ulps=0.0, moves="order", source="NumPy reshape, C order",
    reads=moved,
)  # fmt: skip


def _infer_permute(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    axes = tuple(normal_axis(a, x.rank, "axes") for a in attrs["axes"])
    if len(axes) != x.rank or len(set(axes)) < len(axes):
        raise IllTyped(ATTRIBUTE, f"axes is {attrs['axes']}, expected each of {x.rank} axes once")
    return {"axes": axes}, (x.with_shape(x.shape[a] for a in axes),)


def _back(axes: tuple[int, ...]) -> tuple[int, ...]:
    """The inverse permutation, counted from the end."""
    rank = len(axes)
    return tuple(axes.index(a) - rank for a in range(-rank, 0))


def _sample_permute(d: Draw) -> Sample:
    shape = d.shape(0, 4, 3)
    rank = len(shape)
    turned = tuple((i + 1) % rank for i in range(rank)) if rank else ()
    axes = d.choice((turned, tuple(range(rank))[::-1], tuple(range(-rank, 0))))
    return (d.real(shape),), {"axes": axes}


PERMUTE_DIMS = Op(
    "permute_dims", "axes in another order: axis i of y is axis axes[i] of x",
    "y = permute(x, p);  dy = permute(dx, p)",
    _infer_permute, lambda s, x: x.transpose(batch_first(len(s.lead(x)), s["axes"])), _sample_permute,
    jvp=(lambda xp, s, xs, ys, t: xp.permute_dims(t, axes=s["axes"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.permute_dims(c, axes=_back(s["axes"])),),
    attrs=(Attr("axes", "ints", "the axis of x that each axis of y is", required=True),),
    linear=(0,), analytic=True, ulps=0.0, moves="view", source="Array API",
    reads=moved,
)  # fmt: skip


def _infer_expand(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    rank = x.rank + len(attrs["axes"])
    axes = normal_axes(attrs["axes"], rank)
    sides = iter(x.shape)
    shape = tuple(1 if a in axes else next(sides) for a in range(-rank, 0))
    return {"axes": axes}, (x.with_shape(shape),)


def _sample_expand(d: Draw) -> Sample:
    return (d.real(d.shape(0, 3, 3)),), {"axes": d.choice(((0,), (-1,), (0, -1), (0, 1)))}


EXPAND_DIMS = Op(
    "expand_dims", "new axes of side 1, at these places of the result",
    "y = reshape(x);  dy = reshape(dx)",
    _infer_expand, lambda s, x: x.reshape(s.lead(x) + s.out.shape), _sample_expand,
    jvp=(lambda xp, s, xs, ys, t: xp.expand_dims(t, axes=s["axes"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.squeeze(c, axes=s["axes"]),),
    attrs=(Attr("axes", "ints", "where the new axes stand in the result", required=True),),
    linear=(0,), analytic=True, ulps=0.0, moves="order", source="NumPy expand_dims",
    reads=moved,
)  # fmt: skip


def _infer_squeeze(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    given = attrs["axes"]
    if given is None:
        given = tuple(a for a in range(-x.rank, 0) if x.shape[a] == 1)
    axes = normal_axes(given, x.rank)
    if any(x.shape[a] != 1 for a in axes):
        raise IllTyped(
            SHAPE, f"axes {axes} of shape {x.shape} are not all of side 1; leave those out"
        )
    return {"axes": axes}, (x.with_shape(x.shape[a] for a in range(-x.rank, 0) if a not in axes),)


def _sample_squeeze(d: Draw) -> Sample:
    n = d.integer(1, 3)
    shape, axes = d.choice(
        (((1, n), (0,)), ((n, 1, 2, 1), (1, -1)), ((1, 1), (-1,)), ((1, n, 1), None))
    )
    return (d.real(shape),), {"axes": axes}


SQUEEZE = Op(
    "squeeze", "x without these axes of side 1 (all of them when none are named)",
    "y = reshape(x);  dy = reshape(dx)",
    _infer_squeeze, lambda s, x: x.reshape(s.lead(x) + s.out.shape), _sample_squeeze,
    jvp=(lambda xp, s, xs, ys, t: xp.squeeze(t, axes=s["axes"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.expand_dims(c, axes=s["axes"]),),
    attrs=(Attr("axes", "ints", "axes of side 1 to drop"),),
    linear=(0,), analytic=True, ulps=0.0, moves="order", source="NumPy squeeze",
    reads=moved,
)  # fmt: skip


def _infer_broadcast(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    shape: tuple[int, ...] = attrs["shape"]
    if any(n < 0 for n in shape) or broadcast_shapes(x.shape, shape) != shape:
        raise IllTyped(SHAPE, f"shape {x.shape} does not broadcast to {shape}; reshape it first")
    return {"shape": shape}, (x.with_shape(shape),)


def _broadcast(s: Site, x: Array) -> Array:
    lead, core = s.lead(x), s.ins[0].shape
    aligned = x.reshape(lead + (1,) * (len(s["shape"]) - len(core)) + core)
    return np.broadcast_to(aligned, lead + s["shape"])


def _sample_broadcast(d: Draw) -> Sample:
    shape = d.shape(1, 3, 3)
    mine = d.choice((shape, shape[1:], (1, *shape[1:]), (*shape[:-1], 1), ()))
    return (d.real(mine),), {"shape": shape}


BROADCAST_TO = Op(
    "broadcast_to", "x repeated along new leading axes and axes of side 1", "y = x;  dy = dx",
    _infer_broadcast, _broadcast, _sample_broadcast,
    jvp=(lambda xp, s, xs, ys, t: xp.broadcast_to(t, shape=s["shape"]),),
    vjp=(lambda xp, s, xs, ys, c: c,),  # the transforms sum over what was repeated
    attrs=(Attr("shape", "ints", "the shape of the result", required=True),),
    linear=(0,), analytic=True, ulps=0.0, moves="repeat", source="NumPy broadcasting",
    reads=moved,
)  # fmt: skip


def _infer_flip(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    return {"axes": normal_axes(attrs["axes"], ins[0].rank)}, (ins[0].with_shape(ins[0].shape),)


def _sample_flip(d: Draw) -> Sample:
    return (d.real(d.shape(1, 3, 4)),), {"axes": d.choice((None, (0,), (-1,)))}


FLIP = Op(
    "flip", "the order of the elements along these axes reversed (all axes by default)",
    "y[i] = x[n-1-i];  dy = flip(dx)",
    _infer_flip, lambda s, x: np.flip(x, s["axes"]), _sample_flip,
    jvp=(lambda xp, s, xs, ys, t: xp.flip(t, axes=s["axes"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.flip(c, axes=s["axes"]),),
    attrs=(Attr("axes", "ints", "axes to reverse"),),
    linear=(0,), analytic=True, ulps=0.0, moves="view", source="NumPy flip",
    reads=moved,
)  # fmt: skip


def _infer_matrices(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    need_matrix(ins[0])
    return attrs, (ins[0].with_shape(ins[0].shape),)


def _sample_matrices(d: Draw, **attrs: Any) -> Sample:
    return (d.real(d.shape(2, 3, 4)),), attrs


TRIL = Op(
    "tril", "the lower triangle of matrices, zeros above diagonal k",
    "y[i,j] = x[i,j] if j <= i + k else 0;  dy = tril(dx)",
    _infer_matrices, lambda s, x: np.tril(x, s["k"]),
    lambda d: _sample_matrices(d, k=d.integer(-2, 2)),
    jvp=(lambda xp, s, xs, ys, t: xp.tril(t, k=s["k"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.tril(c, k=s["k"]),),
    attrs=(Attr("k", "int", "the last diagonal kept; 0 is the main one, above it positive", 0),),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy tril",
    reads=masked,
)  # fmt: skip

TRIU = Op(
    "triu", "the upper triangle of matrices, zeros below diagonal k",
    "y[i,j] = x[i,j] if j >= i + k else 0;  dy = triu(dx)",
    _infer_matrices, lambda s, x: np.triu(x, s["k"]),
    lambda d: _sample_matrices(d, k=d.integer(-2, 2)),
    jvp=(lambda xp, s, xs, ys, t: xp.triu(t, k=s["k"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.triu(c, k=s["k"]),),
    attrs=(Attr("k", "int", "the first diagonal kept; 0 is the main one, above it positive", 0),),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy triu",
    reads=masked,
)  # fmt: skip


def _infer_diagonal(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    need_matrix(ins[0])
    *lead, n, m = ins[0].shape
    k = min(max(attrs["offset"], -n), m)  # farther out every diagonal is the same: empty
    side = max(0, min(n, m - k) if k >= 0 else min(n + k, m))
    return {"offset": k}, (ins[0].with_shape((*lead, side)),)


def _put_back(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """A square diagonal matrix, with zero rows and columns around it up to x's shape."""
    n, m = s.ins[0].shape[-2:]
    side, k = s.out.shape[-1], s["offset"]
    if not side:
        return xp.zeros(s.ins[0])
    above, left = max(-k, 0), max(k, 0)
    around = (0, 0) * (s.ins[0].rank - 2) + (above, n - above - side, left, m - left - side)
    return xp.pad(xp.diag_embed(c), pad_width=around)


DIAGONAL = Op(
    "diagonal", "a diagonal of matrices (the trailing two axes), as the last axis",
    "y[i] = x[i, i+k];  dy = diagonal(dx)",
    _infer_diagonal, lambda s, x: np.diagonal(x, s["offset"], -2, -1),
    lambda d: _sample_matrices(d, offset=d.integer(-2, 2)),
    jvp=(lambda xp, s, xs, ys, t: xp.diagonal(t, offset=s["offset"]),),
    vjp=(_put_back,),
    attrs=(Attr("offset", "int", "which diagonal; above the main one positive", 0),),
    linear=(0,), analytic=True, ulps=0.0, moves="view", source="NumPy linalg.diagonal",
    reads=moved,
)  # fmt: skip


def _infer_diag_embed(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    if not x.rank:
        raise IllTyped(SHAPE, "operand has shape (), expected a vector (*, n); reshape it to (1,)")
    side = x.shape[-1] + abs(attrs["offset"])
    return attrs, (x.with_shape((*x.shape[:-1], side, side)),)


def _diag_embed(s: Site, x: Array) -> Array:
    side, k = s.out.shape[-1], s["offset"]
    y = np.zeros((*x.shape[:-1], side * side), x.dtype)
    first = k if k >= 0 else -k * side
    y[..., first :: side + 1][..., : x.shape[-1]] = x
    return y.reshape((*x.shape[:-1], side, side))


DIAG_EMBED = Op(
    "diag_embed", "square matrices with x on a diagonal and zeros elsewhere",
    "y[i, i+k] = x[i];  dy = diag_embed(dx)",
    _infer_diag_embed, _diag_embed,
    lambda d: ((d.real(d.shape(1, 3, 3)),), {"offset": d.integer(-2, 2)}),
    jvp=(lambda xp, s, xs, ys, t: xp.diag_embed(t, offset=s["offset"]),),
    vjp=(lambda xp, s, xs, ys, c: xp.diagonal(c, offset=s["offset"]),),
    attrs=(Attr("offset", "int", "which diagonal; above the main one positive", 0),),
    linear=(0,), analytic=True, ulps=0.0, source="torch.diag_embed, trailing axes",
    reads=masked,
)  # fmt: skip


def _infer_transpose(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    need_matrix(ins[0])
    *lead, n, m = ins[0].shape
    return attrs, (ins[0].with_shape((*lead, m, n)),)


MATRIX_TRANSPOSE = Op(
    "matrix_transpose", "the trailing two axes swapped", "Y = X^T;  dY = dX^T",
    _infer_transpose, lambda s, x: np.swapaxes(x, -1, -2), _sample_matrices,
    jvp=(lambda xp, s, xs, ys, t: xp.matrix_transpose(t),),
    vjp=(lambda xp, s, xs, ys, c: xp.matrix_transpose(c),),
    linear=(0,), analytic=True, ulps=0.0, moves="view", source="Array API",
    reads=moved,
)  # fmt: skip

RECORDS = (
    RESHAPE, PERMUTE_DIMS, EXPAND_DIMS, SQUEEZE, BROADCAST_TO, FLIP, TRIL, TRIU, DIAGONAL, DIAG_EMBED,
    MATRIX_TRANSPOSE,
)  # fmt: skip
