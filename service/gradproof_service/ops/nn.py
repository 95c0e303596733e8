"""Neural-network layers without windows or statistics: activations and softmax."""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type, floating, type_of
from gradproof_service.ops.axes import normal_axis
from gradproof_service.ops.elementwise import (
    float_result,
    infer_float,
    infer_numeric,
    refuse_reserved,
    sample_elementwise,
    unary,
)
from gradproof_service.ops.reads import along_axes, picked
from gradproof_service.ops.record import (
    ATTRIBUTE,
    DTYPE,
    Attr,
    Draw,
    IllTyped,
    Margin,
    Op,
    Sample,
    Site,
)
from gradproof_service.ops.reduction import Inferred, as_float
from gradproof_service.ops.statistics import finite_max

AT_ZERO = (Margin("kink", "x = 0", lambda s, xs, ys: np.abs(xs[0])),)

RELU = unary(
    "relu", "x where it is positive, else 0", "y = max(x, 0);  dy = [x > 0] dx",
    lambda x: np.maximum(x, 0), lambda xp, x, y: xp.astype(xp.greater(x, 0.0), dtype=y.dtype),
    infer=infer_numeric, ulps=0.0, into=lambda s, out, x: np.maximum(x, 0, out=out),
    margins=AT_ZERO, kink="0 at x = 0 (torch and jax agree)",
    reads=picked,
)  # fmt: skip


def _softplus(x: Array) -> Array:
    """exp of a number with a negative real part only: never overflows."""
    right = np.real(x) > 0
    return np.where(right, x, 0) + np.log1p(np.exp(np.where(right, -x, x)))


SOFTPLUS = unary(
    "softplus", "smooth relu, without overflow at large |x|",
    "y = ln(1 + e^x);  dy = sigmoid(x) dx", float_result(_softplus),
    lambda xp, x, y: xp.sigmoid(x), analytic=True, ulps=4.0,
)  # fmt: skip


def _infer_float(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    if ins[0].dtype == BOOL:
        raise IllTyped(DTYPE, "needs numbers, got bool; cast with astype first")
    return infer_float(attrs, ins)


def _sample_with(name: str, *values: Any) -> Callable[[Draw], Sample]:
    """Points on both sides of 0 and one of these values of an attribute."""
    return lambda d: (sample_elementwise(d, ((-3.0, 3.0),))[0], {name: d.choice(values)})


def _leaky(xp: Any, s: Site, xs: Any, ys: Any, d: Any) -> Any:
    return xp.where(xp.greater(xs[0], 0.0), d, d * s["negative_slope"])


LEAKY_RELU = Op(
    "leaky_relu", "x where it is positive, else a multiple a of it",
    "y = x > 0 ? x : a x;  dy = x > 0 ? dx : a dx",
    _infer_float, lambda s, x: np.where(x > 0, x, s["negative_slope"] * as_float(s, x)),
    _sample_with("negative_slope", None, 0.25, -0.5), jvp=(_leaky,), vjp=(_leaky,),
    attrs=(Attr("negative_slope", "float", "the slope a left of 0", 0.01),),
    batching="elementwise", margins=AT_ZERO, kink="a at x = 0 (torch; jax gives 1)",
    conventions={"jax": "1 at x = 0"},
)  # fmt: skip


def _elu(s: Site, x: Array) -> Array:
    x = as_float(s, x)
    return np.where(x > 0, x, s["alpha"] * np.expm1(np.minimum(x, 0)))


def _elu_slope(xp: Any, s: Site, xs: Any, ys: Any, d: Any) -> Any:
    right = xp.greater(xs[0], 0.0)
    left = xp.where(right, xp.constant(0.0, xs[0].dtype), xs[0])
    return xp.where(right, d, d * (s["alpha"] * xp.exp(left)))


ELU = Op(
    "elu", "x where it is positive, else an exponential that levels off at -a",
    "y = x > 0 ? x : a (e^x - 1);  dy = x > 0 ? dx : a e^x dx",
    _infer_float, _elu, _sample_with("alpha", None, 0.5, 1.75),
    jvp=(_elu_slope,), vjp=(_elu_slope,),
    attrs=(Attr("alpha", "float", "minus the limit at -inf, and the slope left of 0", 1.0),),
    batching="elementwise", ulps=4.0, margins=AT_ZERO,
    kink="a at x = 0 (torch and jax agree); only the second derivative jumps when a = 1",
)  # fmt: skip


def _infer_gelu(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    if attrs["approximate"] not in ("none", "tanh"):
        raise IllTyped(ATTRIBUTE, f"approximate is {attrs['approximate']!r}, expected none or tanh")
    return _infer_float(attrs, ins)


def _gelu(s: Site, x: Array) -> Any:
    """Both forms without the cancellation of 1 + erf and 1 + tanh left of 0."""
    x = as_float(s, x)
    if s["approximate"] == "tanh":
        return x / (1 + np.exp(-2 * sqrt(2 / pi) * (x + 0.044715 * (x * x * x))))
    from scipy.special import erfc  # scipy costs 0.1 s and more at import: only when used

    return 0.5 * x * erfc(x * -sqrt(0.5))


def _gelu_slope(xp: Any, s: Site, xs: Any, ys: Any, d: Any) -> Any:
    (x,) = xs
    if s["approximate"] == "tanh":
        inner = sqrt(2 / pi) * (x + 0.044715 * (x * xp.square(x)))
        inner_slope = sqrt(2 / pi) * (1.0 + 3 * 0.044715 * xp.square(x))
        h = xp.tanh(inner)
        return d * (0.5 * (1.0 + h) + 0.5 * x * (1.0 - xp.square(h)) * inner_slope)
    density = xp.exp(-0.5 * xp.square(x)) * sqrt(0.5 / pi)
    return d * (0.5 * (1.0 + xp.erf(x * sqrt(0.5))) + x * density)


GELU = Op(
    "gelu", "x times the normal distribution function of x, or its tanh approximation",
    "y = x P(x);  dy = (P(x) + x p(x)) dx,  p = e^(-x^2/2) / sqrt(2 pi)",
    _infer_gelu, _gelu, _sample_with("approximate", "none", "tanh"),
    jvp=(_gelu_slope,), vjp=(_gelu_slope,),
    attrs=(Attr("approximate", "str", "none: the error function; tanh: the approximation", "none"),),
    batching="elementwise", analytic=True, accumulates=True, ulps=4.0, source="Hendrycks and Gimpel 2016",
)  # fmt: skip


def _infer_softmax(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_reserved(ins)
    (t,) = ins
    return {"axis": normal_axis(attrs["axis"], t.rank)}, (type_of(floating(t.dtype), t.shape),)


def _softmax(s: Site, x: Array) -> Array:
    x = as_float(s, x)
    e = np.exp(x - finite_max(x, (s["axis"],)))
    return e / np.sum(e, axis=s["axis"], keepdims=True)


def _log_softmax(s: Site, x: Array) -> Array:
    x = as_float(s, x)
    x = x - finite_max(x, (s["axis"],))
    return x - np.log(np.sum(np.exp(x), axis=s["axis"], keepdims=True))


def _sample_softmax(d: Draw) -> Sample:
    shape = d.shape(1, 3, 4)
    return (d.real(shape),), {"axis": d.choice((None, 0, -1))}


def _total(xp: Any, s: Site, v: Any) -> Any:
    return xp.sum(v, axes=(s["axis"],), keepdims=True)


SOFTMAX_AXIS = (Attr("axis", "int", "the axis along which the result sums to 1", -1),)

SOFTMAX = Op(
    "softmax", "exponentials along an axis, divided by their sum, without overflow",
    "y_i = e^x_i / sum_j e^x_j;  dy_i = y_i (dx_i - sum_j y_j dx_j)",
    _infer_softmax, _softmax, _sample_softmax,
    jvp=(lambda xp, s, xs, ys, t: ys[0] * (t - _total(xp, s, ys[0] * t)),),
    vjp=(lambda xp, s, xs, ys, c: ys[0] * c - ys[0] * _total(xp, s, ys[0] * c),),
    attrs=SOFTMAX_AXIS, analytic=True, accumulates=True, cost=lambda s: 12 * s.out.size,
    kink="an x at -inf has y = 0 and slope 0; NaN where all are -inf or one is +inf (torch, jax)",
    reads=along_axes,
)  # fmt: skip

LOG_SOFTMAX = Op(
    "log_softmax", "logarithm of softmax, exact where softmax would underflow",
    "y_i = x_i - log sum_j e^x_j;  dy_i = dx_i - sum_j e^y_j dx_j",
    _infer_softmax, _log_softmax, _sample_softmax,
    jvp=(lambda xp, s, xs, ys, t: t - _total(xp, s, xp.exp(ys[0]) * t),),
    vjp=(lambda xp, s, xs, ys, c: c - xp.exp(ys[0]) * _total(xp, s, c),),
    attrs=SOFTMAX_AXIS, analytic=True, accumulates=True, cost=lambda s: 12 * s.out.size,
    kink="an x at -inf has y = -inf and no weight; NaN where all are -inf or one is +inf (torch, jax)",
    reads=along_axes,
)  # fmt: skip

RECORDS = (RELU, SOFTPLUS, LEAKY_RELU, ELU, GELU, SOFTMAX, LOG_SOFTMAX)
