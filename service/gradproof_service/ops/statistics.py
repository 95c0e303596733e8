"""Spread, soft maximum and running sums: var, std, logsumexp, cumulative_sum."""

from __future__ import annotations

from math import prod
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Type, floating, type_of
from gradproof_service.ops.axes import count, normal_axis
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.reads import over_axes, running
from gradproof_service.ops.record import (
    ATTRIBUTE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Margin,
    Op,
    Sample,
    Site,
)
from gradproof_service.ops.reduction import (
    AXES,
    Inferred,
    accumulator,
    as_float,
    mean_of,
    normal_reduction,
    sample_reduction,
    spread,
)

SPREAD_AXES: Final = (
    *AXES,
    Attr("correction", "float", "taken off the count: 0 for a population, 1 for a sample", 0.0),
)


def _infer_spread(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, shape = normal_reduction(attrs, ins[0])
    n = prod(ins[0].shape[a] for a in attrs["axes"])
    if not n > attrs["correction"]:
        raise IllTyped(
            ATTRIBUTE, f"correction is {attrs['correction']:g}, expected less than the {n} elements "
            f"along axes {attrs['axes']} of {ins[0].shape}; lower it or reduce more",
        )  # fmt: skip
    return attrs, (type_of(floating(ins[0].dtype), shape),)


def _var(s: Site, x: Array) -> Any:
    """Squares of what is left after taking off one element and then the mean.

    A large mean cancels nothing, and equal elements give exactly 0 whatever they are.
    """
    x = as_float(s, x)
    first = [slice(0, 1) if a in s["axes"] else slice(None) for a in range(-s.ins[0].rank, 0)]
    d = x - x[(..., *first)]
    d = d - mean_of(s, d, True)
    return np.sum(d * d, axis=s["axes"], keepdims=s["keepdims"]) / (count(s) - s["correction"])


def _centred(xp: Any, s: Site, x: Any) -> Any:
    return x - xp.mean(x, axes=s["axes"], keepdims=True)


def _var_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    products = _centred(xp, s, xs[0]) * _centred(xp, s, t)
    total = xp.sum(products, axes=s["axes"], keepdims=s["keepdims"])
    return total * (2.0 / (count(s) - s["correction"]))


def _var_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    return _centred(xp, s, xs[0]) * spread(xp, s, c * (2.0 / (count(s) - s["correction"])))


def _sample_spread(d: Draw) -> Sample:
    (x,), attrs = sample_reduction(d)
    correction = d.choice((0.0, 0.0, 1.0)) if attrs["axes"] != () else 0.0
    if x.size == 1 or any(n == 1 for n in x.shape):
        correction = 0.0
    return (x,), {**attrs, "correction": correction}


VAR = Op(
    "var", "variance along axes; divides by n - correction",
    "y = 1/(n-c) sum_i (x_i - m)^2, m the mean;  dy = 2/(n-c) sum_i (x_i - m) dx_i",
    _infer_spread, _var, _sample_spread,
    jvp=(_var_tangent,), vjp=(_var_cotangent,),
    attrs=SPREAD_AXES, analytic=True, accumulates=True, cost=lambda s: 4 * s.ins[0].size,
    reads=over_axes,
)  # fmt: skip


def _half_inverse(xp: Any, y: Any) -> Any:
    """1 / (2 y), and 0 where y = 0, in such a way that its own derivative is 0 there too."""
    alive = xp.greater(y, 0.0)
    one = xp.constant(1.0, y.dtype)
    return xp.where(alive, 0.5 / xp.where(alive, y, one), xp.constant(0.0, y.dtype))


def _std_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    return _var_tangent(xp, s, xs, ys, t) * _half_inverse(xp, ys[0])


def _std_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    return _var_cotangent(xp, s, xs, ys, c * _half_inverse(xp, ys[0]))


def _half_range(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """How far every element must move to make them all equal; inf where there is only one."""
    x = as_float(s, xs[0])
    if count(s) == 1:
        return np.full(x.shape, np.inf)
    return np.ptp(x, axis=s["axes"], keepdims=True) / 2


STD = Op(
    "std", "standard deviation along axes; divides by n - correction",
    "y = sqrt(var x);  dy = 1/((n-c) y) sum_i (x_i - m) dx_i",
    _infer_spread, lambda s, x: np.sqrt(_var(s, x)), _sample_spread,
    jvp=(_std_tangent,), vjp=(_std_cotangent,),
    attrs=SPREAD_AXES, analytic=True, accumulates=True, cost=lambda s: 4 * s.ins[0].size,
    kink="0 where y = 0, the smallest subgradient (torch; jax gives NaN)",
    conventions={"jax": "NaN where y = 0"},
    margins=(Margin("kink", "all elements are equal", _half_range),),
    reads=over_axes,
)  # fmt: skip


def _infer_logsumexp(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, shape = normal_reduction(attrs, ins[0])
    return attrs, (type_of(floating(ins[0].dtype), shape),)


def finite_max(x: Array, axes: tuple[int, ...]) -> Array:
    """The largest real part along axes, axes kept; 0 where that is infinite or there is none.

    exp(x - finite_max) does not overflow for finite x, and -inf stays -inf.
    """
    top = np.max(np.real(x), axis=axes, keepdims=True, initial=-np.inf)
    return np.where(np.isfinite(top), top, top.dtype.type(0))


def _logsumexp(s: Site, x: Array) -> Any:
    x = as_float(s, x)
    top = finite_max(x, s["axes"])
    y = np.log(np.sum(np.exp(x - top), axis=s["axes"], keepdims=True)) + top
    return y if s["keepdims"] else np.squeeze(y, s["axes"])


def _weights(xp: Any, s: Site, x: Any, y: Any) -> Any:
    """softmax of x, e^(x - y): 0 for x = -inf, also where every x is."""
    alive = xp.not_equal(x, -np.inf)
    zero = xp.constant(0.0, x.dtype)
    return xp.where(alive, xp.exp(xp.where(alive, x - spread(xp, s, y), zero)), zero)


LOGSUMEXP = Op(
    "logsumexp", "logarithm of the sum of exponentials along axes, without overflow",
    "y = log sum_i e^x_i;  dy = sum_i w_i dx_i,  w_i = e^(x_i - y)",
    _infer_logsumexp, _logsumexp, sample_reduction,
    jvp=(lambda xp, s, xs, ys, t: xp.sum(
        _weights(xp, s, xs[0], ys[0]) * t, axes=s["axes"], keepdims=s["keepdims"]),),
    vjp=(lambda xp, s, xs, ys, c: _weights(xp, s, xs[0], ys[0]) * spread(xp, s, c),),
    attrs=AXES, analytic=True, accumulates=True, cost=lambda s: 10 * s.ins[0].size,
    kink="an x at -inf has slope 0, also where all are (y = -inf); NaN where an x is +inf",
    reads=over_axes,
)  # fmt: skip


def _infer_cumulative(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (t,) = ins
    refuse_reserved(ins)
    axis = attrs["axis"]
    if axis is None:
        if t.rank != 1:
            raise IllTyped(
                SHAPE,
                f"shape {t.shape} has {t.rank} axes, expected 1 when axis is not given; name one",
            )
        axis = -1
    axis = normal_axis(axis, t.rank)
    shape = list(t.shape)
    shape[axis] += attrs["include_initial"]
    return {**attrs, "axis": axis}, (type_of(accumulator(t), tuple(shape)),)


def _cumulative_sum(s: Site, x: Array) -> Array:
    axis = s["axis"]
    y = np.flip(np.cumsum(np.flip(x, axis), axis), axis) if s["reverse"] else np.cumsum(x, axis)
    if s["include_initial"]:
        side = list(y.shape)
        side[axis] = 1
        zero = np.zeros(side, y.dtype)
        y = np.concatenate((y, zero) if s["reverse"] else (zero, y), axis)
    return y


def _cumulative_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """The running sum from the other end: x_i is part of y_i and of all that follow."""
    axis = s["axis"]
    if s["include_initial"]:  # the zero does not depend on x
        n = s.ins[0].shape[axis]
        parts = xp.split(c, sizes=(n, 1) if s["reverse"] else (1, n), axis=axis)
        c = parts[0 if s["reverse"] else 1]
    return xp.cumulative_sum(c, axis=axis, reverse=not s["reverse"])


def _sample_cumulative(d: Draw) -> Sample:
    shape = d.shape(1, 3, 4)
    axis = d.choice((0, -1) if len(shape) > 1 else (0, None))
    flags = {name: d.choice((False, True)) for name in ("include_initial", "reverse")}
    return (d.real(shape),), {"axis": axis, **flags}


CUMULATIVE_SUM = Op(
    "cumulative_sum", "running sum along an axis; integers and bool are summed in 64 bits",
    "y_k = sum_{i <= k} x_i;  dy_k = sum_{i <= k} dx_i",
    _infer_cumulative, _cumulative_sum, _sample_cumulative,
    jvp=(lambda xp, s, xs, ys, t: xp.cumulative_sum(t, **s.attrs),),
    vjp=(_cumulative_cotangent,),
    attrs=(
        Attr("axis", "int", "axis to sum along; may be left out for a vector"),
        Attr("include_initial", "bool", "begin with a 0 (one element more)", False),
        Attr("reverse", "bool", "sum from the last element to the first", False),
    ),
    linear=(0,), analytic=True, accumulates=True, source="Array API; reverse as in jax.lax.cumsum",
    reads=running,
)  # fmt: skip

RECORDS = (VAR, STD, LOGSUMEXP, CUMULATIVE_SUM)
