"""Matrix products and vector norms."""

from __future__ import annotations

from math import inf
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type, broadcast_shapes, floating, promote, type_of
from gradproof_service.ops.axes import normal_axes
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.reads import over_axes, product
from gradproof_service.ops.record import (
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Margin,
    Op,
    Sample,
    Site,
)

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def refuse_bool(ins: tuple[Type, ...]) -> None:
    """Refuse operands whose products would be booleans, and dtypes that are only stored."""
    refuse_reserved(ins)
    if all(t.dtype == BOOL for t in ins):
        raise IllTyped(DTYPE, "needs numbers, got bool; cast with astype first")


def _infer_matmul(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_bool(ins)
    a, b = (t.shape for t in ins)
    both = f"{a} @ {b}"
    if not a or not b:
        raise IllTyped(SHAPE, f"an operand has no axes, {both}; multiply instead")
    if a[-1] != b[max(-2, -len(b))]:
        raise IllTyped(SHAPE, f"inner sizes differ, {both}; transpose an operand or reshape")
    batch = broadcast_shapes(a[:-2], b[:-2])
    if batch is None:
        raise IllTyped(SHAPE, f"leading sizes do not broadcast, {both}; reshape or expand_dims")
    row = a[-2:-1]
    column = b[-1:] if len(b) > 1 else ()
    return attrs, (type_of(promote(*ins), (*batch, *row, *column)),)


def _matmul(s: Site, a: Array, b: Array) -> Array:
    """A vector becomes a row or a column; the axis it gained is dropped at the end."""
    rank_a, rank_b = (len(t.shape) for t in s.ins)
    lead = len(s.lead(a))
    if not lead:
        return np.asarray(np.matmul(a, b)) if max(rank_a, rank_b) < 3 else _stacks(a, b)
    a = a[..., None, :] if rank_a == 1 else a
    b = b[..., None] if rank_b == 1 else b
    y = _stacks(widened(a, lead, b.ndim), widened(b, lead, a.ndim))
    y = y[..., 0] if rank_b == 1 else y
    if rank_a == 1:
        y = y[..., 0, :] if rank_b > 1 else y[..., 0]
    return y


def _matmul_into(s: Site, out: Array, a: Array, b: Array) -> None:
    if a.ndim < 3 > b.ndim and len(s.ins[0].shape) == a.ndim:
        np.matmul(a, b, out)
    else:
        out[...] = _matmul(s, a, b)


def widened(x: Array, lead: int, ndim: int) -> Array:
    """Axes of side 1 behind the batch axis, so that core axes stand above core axes."""
    short = max(ndim - x.ndim, 0)
    return x.reshape(x.shape[:lead] + (1,) * short + x.shape[lead:]) if short else x


def _stacks(a: Array, b: Array) -> Array:
    """Products of stacks of matrices, with as few and as large GEMMs as the strides allow.

    A stack that holds one matrix many times (a broadcast view) is multiplied once, with all rows
    (or columns) of the other stack in one matrix: numpy.matmul would read it again per product.
    """
    if a.ndim == 1 or b.ndim == 1:
        return np.matmul(a, b)
    one_a, one_b = the_one(a), the_one(b)
    if one_a is None and one_b is None:
        return np.matmul(a, b)
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    if one_a is not None and one_b is not None:
        y = np.matmul(one_a, one_b)
    elif one_b is not None:
        y = _rows_times(a.reshape(-1, a.shape[-1]), one_b).reshape(*a.shape[:-1], b.shape[-1])
    else:
        assert one_a is not None
        turned = np.swapaxes(b, -1, -2)
        rows = _rows_times(turned.reshape(-1, turned.shape[-1]), one_a.T)
        y = np.swapaxes(rows.reshape(*turned.shape[:-1], one_a.shape[0]), -1, -2)
    whole = (*batch, a.shape[-2], b.shape[-1])
    return y if y.shape == whole else np.broadcast_to(y, whole)


def _rows_times(rows: Array, matrix: Array) -> Array:
    """The product; complex rows times a real matrix as two real products in one, without a complex copy of it."""
    if rows.dtype.kind != "c" or matrix.dtype.kind == "c":
        return np.matmul(rows, matrix)
    parts = np.matmul(np.concatenate((np.real(rows), np.imag(rows))), matrix)
    y = np.empty((len(rows), matrix.shape[1]), rows.dtype)
    y.real, y.imag = parts[: len(rows)], parts[len(rows) :]
    return y


def the_one(x: Array) -> Array | None:
    """The matrix that a stack repeats, or None when it has several (or nothing at all)."""
    stacked = zip(x.shape[:-2], x.strides[:-2], strict=True)
    if x.size and all(n == 1 or not step for n, step in stacked):
        return x[(0,) * (x.ndim - 2)]
    return None


def _left_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """C B^T, with the vectors' cases spelled out."""
    a, b = xs
    if b.rank == 1:
        return c * b if a.rank == 1 else xp.expand_dims(c, axes=(-1,)) * b
    if a.rank == 1:
        if b.rank == 2:
            return b @ c
        return xp.squeeze(b @ xp.expand_dims(c, axes=(-1,)), axes=(-1,))
    return c @ xp.matrix_transpose(b)


def _right_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """A^T C; rows of all stacked matrices are contracted in one product when B is one matrix."""
    a, b = xs
    if a.rank == 1:
        return (
            c * a if b.rank == 1 else xp.expand_dims(a, axes=(-1,)) * xp.expand_dims(c, axes=(-2,))
        )
    if b.rank <= 2 < a.rank:
        k = a.shape[-1]
        rows = a.type.size // k if k else 0
        a = xp.reshape(a, shape=(rows, k))
        c = xp.reshape(c, shape=(rows, *b.shape[1:]))
    return xp.matrix_transpose(a) @ c


def _sample_matmul(d: Draw) -> Sample:
    n, k, m, z = (d.integer(1, 4) for _ in range(4))
    shapes = (
        ((n, k), (k, m)), ((k,), (k,)), ((n, k), (k,)), ((k,), (k, m)), ((z, n, k), (k, m)),
        ((z, n, k), (z, k, m)), ((n, k), (z, k, m)), ((z, n, k), (k,)), ((k,), (z, k, m)),
        ((2, 1, n, k), (z, k, m)),
    )  # fmt: skip
    a, b = d.choice(shapes)
    return (d.real(a), d.real(b)), {}


MATMUL = Op(
    "matmul", "matrix product; stacks of matrices broadcast, a vector is a row or a column",
    "Y = A B;  dY = dA B + A dB",
    _infer_matmul, _matmul, _sample_matmul, (2, 2),
    jvp=(lambda xp, s, xs, ys, t: t @ xs[1], lambda xp, s, xs, ys, t: xs[0] @ t),
    vjp=(_left_cotangent, _right_cotangent),
    linear=(0, 1), analytic=True, accumulates=True,
    cost=lambda s: 2.0 * s.out.size * s.ins[0].shape[-1], source="NumPy matmul, Array API",
    into=_matmul_into, ordered=lambda s: max(t.rank for t in s.ins) < 3,
    reads=product,
)  # fmt: skip


def _infer_norm(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    refuse_bool(ins)
    axes = normal_axes(attrs["axes"], x.rank)
    if not abs(attrs["ord"]) > 0:
        raise IllTyped(
            ATTRIBUTE, f"ord is {attrs['ord']}, expected a number other than 0 or an inf"
        )
    if abs(attrs["ord"]) == inf and any(x.shape[a] == 0 for a in axes):
        raise IllTyped(SHAPE, f"shape {x.shape} has no largest element along {axes}")
    keep = attrs["keepdims"]
    shape = tuple(
        1 if a in axes else x.shape[a] for a in range(-x.rank, 0) if keep or a not in axes
    )
    return {**attrs, "axes": axes}, (type_of(floating(x.dtype), shape),)


def _magnitude(x: Array) -> Array:
    """|x|; for the complex step its continuation x or -x, which is analytic away from 0."""
    return np.abs(x) if x.dtype.kind == "f" else np.where(np.real(x) < 0, -x, x)


def _norm(s: Site, x: Array) -> Array:
    x = x if x.dtype.kind in "fc" else x.astype(np.float64)
    p, axes, keep = s["ord"], s["axes"], s["keepdims"]
    if p == 2.0:
        return np.sqrt(np.sum(np.square(x), axes, keepdims=keep))
    size = _magnitude(x)
    if p == inf:
        return np.max(size, axes, keepdims=keep)
    if p == -inf:
        return np.min(size, axes, keepdims=keep)
    if p == 1.0:
        return np.sum(size, axes, keepdims=keep)
    return np.power(np.sum(np.power(size, p), axes, keepdims=keep), 1.0 / p)


def _spread(xp: Any, s: Site, v: Any) -> Any:
    """An output-shaped value with its reduced axes back as sides of 1."""
    return v if s["keepdims"] or not s["axes"] else xp.expand_dims(v, axes=s["axes"])


def _slope(xp: Any, s: Site, x: Any, y: Any) -> Any:
    """d|x| / dx_i, 0 where the norm is 0: x/y for ord 2, sign(x) (|x|/y)^(p-1) for another p."""
    p, y = s["ord"], _spread(xp, s, y)
    if p == 1.0:
        return xp.sign(x)
    if abs(p) == inf:
        tied = xp.astype(xp.equal(xp.abs(x), y), dtype=s.out.dtype)
        return xp.sign(x) * tied / xp.sum(tied, axes=s["axes"], keepdims=True)
    zero = xp.equal(y, 0.0)
    share = x / xp.where(zero, 1.0, y)
    if p == 2.0:
        return share
    return xp.where(zero, 0.0, xp.sign(x) * xp.pow(xp.abs(xp.where(zero, 1.0, share)), p - 1.0))


def _norm_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    x, y = xs[0], ys[0]
    if s["ord"] == 2.0:  # <x, dx> / |x|
        zero = xp.equal(y, 0.0)
        along = xp.sum(x * t, axes=s["axes"], keepdims=s["keepdims"])
        return xp.where(zero, 0.0, along / xp.where(zero, 1.0, y))
    return xp.sum(_slope(xp, s, x, y) * t, axes=s["axes"], keepdims=s["keepdims"])


def _norm_edge(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """How far an element may move: the norm itself, |x_i|, or the gap to the runner-up."""
    p, axes = s["ord"], s["axes"]
    size = np.abs(xs[0])
    if abs(p) != inf:
        if p > 1.0:
            return np.asarray(np.sqrt(np.sum(np.square(size), axes, keepdims=True)))
        return size
    first = (np.max if p > 0 else np.min)(size, axes, keepdims=True)
    held = size == first
    rest = np.where(held, -np.inf if p > 0 else np.inf, size)
    second = (np.max if p > 0 else np.min)(rest, axes, keepdims=True)
    gap = np.where(np.sum(held, axes, keepdims=True) > 1, 0.0, np.abs(first - second))
    return np.minimum(gap, first)


def _sample_norm(d: Draw) -> Sample:
    x = d.real(d.shape(1, 3, 4))
    axes = d.choice((None, (-1,), (0,), (0, -1) if x.ndim > 1 else (0,)))
    order = d.choice((2.0, 2.0, 1.0, inf, 3.0, 1.5, -inf))
    return (x,), {"axes": axes, "keepdims": d.choice((False, True)), "ord": order}


VECTOR_NORM = Op(
    "vector_norm", "the p-norm over axes: (sum |x|^p)^(1/p), or the largest |x| for ord inf",
    "y = |x|_p;  dy = sum_i sign(x_i) (|x_i|/y)^(p-1) dx_i",
    _infer_norm, _norm, _sample_norm,
    jvp=(_norm_tangent,),
    vjp=(lambda xp, s, xs, ys, c: _spread(xp, s, c) * _slope(xp, s, xs[0], ys[0]),),
    attrs=(
        Attr("axes", "ints", "axes of the vectors; all by default"),
        Attr("keepdims", "bool", "keep the reduced axes with side 1", False),
        Attr("ord", "float", "p: 2, 1, inf, -inf or another number but 0", 2.0),
    ),
    kink="0 at the zero vector (torch; jax gives nan); ord 1: 0 where x_i = 0; ord inf: ties share",
    conventions={"jax": "nan at the zero vector"},
    margins=(Margin("kink", "the zero vector, an x_i = 0 or a tie, by ord", _norm_edge),),
    analytic=True, accumulates=True, ulps=2.0, exact=lambda s: abs(s["ord"]) == np.inf,
    cost=lambda s: 2.0 * s.ins[0].size, source="Array API vector_norm",
    reads=over_axes,
)  # fmt: skip

RECORDS = (MATMUL, VECTOR_NORM)
