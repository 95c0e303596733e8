"""Reductions of NumPy in ops: sums, extremes, moments, and what is built from them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced, floating, normal
from gradproof._tracing.tape import apply

Lowering = Callable[..., Any]


def reduced(op: str, x: Any, axis: Any, keepdims: bool = False) -> Traced:
    """One reducing op over NumPy's axes."""
    x = as_traced(x)
    return apply(op, x, axes=normal(axis, x.ndim), keepdims=bool(keepdims))


def _masked(x: Traced, where: Any, neutral: float) -> Traced:
    return x if where is True else apply("where", where, x, neutral)


def total(op: str, neutral: float) -> Lowering:
    """sum and prod: whole numbers and bools in 64 bits, as NumPy keeps them."""

    def lowered(
        a: Any,
        axis: Any = None,
        dtype: Any = None,
        keepdims: bool = False,
        initial: Any = None,
        where: Any = True,
    ) -> Traced:
        x = as_traced(a)
        if dtype is None and x.dtype.kind in "biu" and x.dtype.itemsize < 8:
            dtype = np.uint64 if x.dtype.kind == "u" else np.int64
        x = x if dtype is None else x.astype(dtype)
        out = reduced(op, _masked(x, where, neutral), axis, keepdims)
        if initial is None:
            return out
        return apply("add" if op == "sum" else "multiply", out, initial)

    return lowered


def extreme(op: str, other: str) -> Lowering:
    """max and min."""

    def lowered(
        a: Any, axis: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
    ) -> Traced:
        x = as_traced(a)
        if where is not True:
            x = apply("where", where, x, initial)
        out = reduced(op, x, axis, keepdims)
        return out if initial is None else apply(other, out, initial)

    return lowered


def truth(op: str) -> Lowering:
    """any and all; numbers mean whether they are not zero."""

    def lowered(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
        x = as_traced(a)
        return reduced(op, x if x.dtype == np.bool_ else apply("not_equal", x, 0), axis, keepdims)

    return lowered


def mean(
    a: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, where: Any = True
) -> Traced:
    """The arithmetic mean; with `where`, over the elements that count."""
    x = floating(as_traced(a)) if dtype is None else as_traced(a).astype(dtype)
    if where is True:
        return reduced("mean", x, axis, keepdims)
    count = np.sum(np.broadcast_to(np.asarray(where), x.shape), axis=axis, keepdims=keepdims)
    return reduced("sum", _masked(x, where, 0.0), axis, keepdims) / count.astype(x.dtype)


def count_along(x: Traced, axis: Any) -> int:
    """How many elements of x make one element of a reduction."""
    return prod(x.shape[a] for a in normal(axis, x.ndim))


def var(
    a: Any, axis: Any = None, dtype: Any = None, ddof: float = 0, keepdims: bool = False,
    correction: Any = None, mean: Any = None,
) -> Traced:  # fmt: skip
    """The mean squared distance from the mean."""
    x = floating(as_traced(a)) if dtype is None else as_traced(a).astype(dtype)
    correction = float(ddof if correction is None else correction)
    return apply(
        "var", x, axes=normal(axis, x.ndim), correction=correction, keepdims=bool(keepdims)
    )


def std(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    correction: Any = None,
) -> Traced:
    """The root of the variance."""
    x = floating(as_traced(a)) if dtype is None else as_traced(a).astype(dtype)
    correction = float(ddof if correction is None else correction)
    return apply(
        "std", x, axes=normal(axis, x.ndim), correction=correction, keepdims=bool(keepdims)
    )


def ptp(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """Largest minus smallest."""
    return reduced("max", a, axis, keepdims) - reduced("min", a, axis, keepdims)


def average(
    a: Any, axis: Any = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False
) -> Any:
    """The weighted mean."""
    x = floating(as_traced(a))
    if weights is None:
        out: Any = reduced("mean", x, axis, keepdims)
        scale: Any = np.asarray(float(count_along(x, axis)))
    else:
        w = as_traced(weights)
        if w.shape != x.shape:
            at = normal(axis, x.ndim)[0] + x.ndim
            w = w.reshape(tuple(n if i == at else 1 for i, n in enumerate(x.shape)))
            w = apply("broadcast_to", w, shape=x.shape)
        scale = reduced("sum", w, axis, keepdims)
        out = reduced("sum", x * w, axis, keepdims) / scale
    return (out, apply("broadcast_to", scale, shape=out.shape)) if returned else out


def place(op: str) -> Lowering:
    """argmax and argmin."""

    def lowered(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
        x = as_traced(a)
        if axis is None:
            return apply(op, x, keepdims=bool(keepdims))
        return apply(op, x, axis=normal(axis, x.ndim)[0], keepdims=bool(keepdims))

    return lowered


def cumsum(a: Any, axis: Any = None, dtype: Any = None) -> Traced:
    """Running sums; over the flattened array when no axis is given."""
    x = as_traced(a) if dtype is None else as_traced(a).astype(dtype)
    if x.dtype.kind in "biu" and x.dtype.itemsize < 8:
        x = x.astype(np.int64)
    if axis is None:
        x, axis = x.reshape(-1), -1
    return apply("cumulative_sum", x, axis=normal(axis, x.ndim)[0])


def cumprod(a: Any, axis: Any = None, dtype: Any = None) -> Traced:
    """Running products: each the product of a triangle's row, in which the rest are ones."""
    x = as_traced(a) if dtype is None else as_traced(a).astype(dtype)
    if axis is None:
        x, axis = x.reshape(-1), -1
    at = normal(axis, x.ndim)[0] + x.ndim
    n = x.shape[at]
    wide = apply("expand_dims", x, axes=(at,))  # (..., 1, n, ...): row i holds x, up to element i
    triangle = np.tril(np.ones((n, n), np.bool_)).reshape((n, n) + (1,) * (x.ndim - at - 1))
    return apply(
        "prod", apply("where", triangle, wide, 1), axes=(at + 1 - x.ndim - 1,), keepdims=False
    )


def logsumexp(
    a: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False
) -> Traced:
    """log of the sum of exponentials; with weights b, log of the weighted sum."""
    x = floating(as_traced(a))
    if return_sign:
        raise TypeError("logsumexp: unknown option return_sign")
    if b is None:
        return reduced("logsumexp", x, axis, keepdims)
    return reduced("logsumexp", apply("add", x, apply("log", b)), axis, keepdims)


def softmax(op: str) -> Lowering:
    """softmax and log_softmax along an axis, or over everything."""

    def lowered(x: Any, axis: Any = None) -> Traced:
        x = floating(as_traced(x))
        if axis is None:
            return apply(op, x.reshape(-1), axis=-1).reshape(x.shape)
        return apply(op, x, axis=normal(axis, x.ndim)[0])

    return lowered


def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Traced:
    """How many elements are not zero."""
    return reduced("sum", apply("not_equal", a, 0).astype(np.int64), axis, keepdims)


def _without_nan(function: Lowering, neutral: float) -> Lowering:
    def lowered(a: Any, axis: Any = None, **options: Any) -> Any:
        x = as_traced(a)
        return function(apply("where", apply("isnan", x), neutral, x), axis=axis, **options)

    return lowered


def nanmean(a: Any, axis: Any = None, keepdims: bool = False) -> Traced:
    """The mean of what is not NaN."""
    x = as_traced(a)
    gone = apply("isnan", x)
    count = reduced("sum", apply("logical_not", gone).astype(x.dtype), axis, keepdims)
    return reduced("sum", apply("where", gone, 0.0, x), axis, keepdims) / count


SUM: Final = total("sum", 0.0)
PROD: Final = total("prod", 1.0)
MAX: Final = extreme("max", "maximum")
MIN: Final = extreme("min", "minimum")

TABLE: Final[dict[Any, Lowering]] = {
    np.sum: SUM, np.prod: PROD, np.max: MAX, np.min: MIN, np.amax: MAX, np.amin: MIN,
    np.any: truth("any"), np.all: truth("all"), np.mean: mean, np.var: var, np.std: std, np.ptp: ptp,
    np.average: average, np.argmax: place("argmax"), np.argmin: place("argmin"),
    np.cumsum: cumsum, np.cumprod: cumprod, np.count_nonzero: count_nonzero,
    np.cumulative_sum: lambda x, axis=None: cumsum(x, axis),
    np.cumulative_prod: lambda x, axis=None: cumprod(x, axis),
    np.nansum: _without_nan(SUM, 0.0), np.nanprod: _without_nan(PROD, 1.0),
    np.nanmax: _without_nan(MAX, -np.inf), np.nanmin: _without_nan(MIN, np.inf), np.nanmean: nanmean,
}  # fmt: skip
