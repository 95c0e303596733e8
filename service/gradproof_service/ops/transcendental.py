"""Exponentials, logarithms, trigonometry and the smooth activations built from them."""

from __future__ import annotations

from dataclasses import replace
from math import pi, sqrt
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.ops.elementwise import binary, float_result, infer_float, unary
from gradproof_service.ops.long_trig import cosine, cosine_into, is_long, sine, sine_into
from gradproof_service.ops.record import Margin, Site

EXP = unary(
    "exp", "e to the power x", "y = e^x;  dy = y dx", np.exp,
    lambda xp, x, y: y, analytic=True, scalar="exp({0})",
)  # fmt: skip

EXPM1 = unary(
    "expm1", "e^x - 1 without cancellation near 0", "y = e^x - 1;  dy = (y + 1) dx",
    np.expm1, lambda xp, x, y: y + 1.0, ulps=2.0, analytic=True, scalar="expm1({0})",
)  # fmt: skip

LOG = unary(
    "log", "natural logarithm", "y = ln x;  dy = dx / x", np.log,
    lambda xp, x, y: xp.reciprocal(x), domain=(0.25, 4.0), analytic=True, scalar="log({0})",
    margins=(Margin("domain", "x > 0", lambda s, xs, ys: xs[0]),),
)  # fmt: skip

LOG1P = unary(
    "log1p", "ln(1 + x) without cancellation near 0", "y = ln(1 + x);  dy = dx / (1 + x)",
    np.log1p, lambda xp, x, y: xp.reciprocal(x + 1.0), domain=(-0.75, 4.0),
    ulps=2.0, analytic=True, scalar="log1p({0})",
    margins=(Margin("domain", "x > -1", lambda s, xs, ys: xs[0] + 1),),
)  # fmt: skip

SIN = replace(
    unary(
        "sin", "sine of x in radians", "y = sin x;  dy = cos x dx", np.sin,
        lambda xp, x, y: xp.cos(x), domain=(-6.0, 6.0), analytic=True, scalar="sin({0})",
    ),
    kernel=sine, into=sine_into, ufunc=lambda s: None if is_long(s) else np.sin, long_ulps=5.0,
)  # fmt: skip

COS = replace(
    unary(
        "cos", "cosine of x in radians", "y = cos x;  dy = -sin x dx", np.cos,
        lambda xp, x, y: -xp.sin(x), domain=(-6.0, 6.0), analytic=True, scalar="cos({0})",
    ),
    kernel=cosine, into=cosine_into, ufunc=lambda s: None if is_long(s) else np.cos, long_ulps=7.0,
)  # fmt: skip


def _to_pole(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """Distance from x to the nearest odd multiple of pi/2."""
    return np.abs(np.remainder(np.real(xs[0]), pi) - pi / 2)


TAN = unary(
    "tan", "tangent of x in radians", "y = tan x;  dy = (1 + y^2) dx", np.tan,
    lambda xp, x, y: xp.square(y) + 1.0, domain=(-1.25, 1.25), analytic=True, ulps=2.0, scalar="tan({0})",
    margins=(Margin("domain", "x is no odd multiple of pi/2", _to_pole),),
)  # fmt: skip


def _inside_one(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """How far x lies inside [-1, 1]."""
    return 1 - np.abs(np.real(xs[0]))


def _arc_slope(xp: Any, x: Any) -> Any:
    """1 / sqrt(1 - x^2), without the cancellation of 1 - x^2 near the ends."""
    return xp.reciprocal(xp.sqrt((1.0 - x) * (1.0 + x)))


ASIN = unary(
    "asin", "the angle in [-pi/2, pi/2] whose sine is x", "y = arcsin x;  dy = dx / sqrt(1 - x^2)", np.arcsin,
    lambda xp, x, y: _arc_slope(xp, x), domain=(-0.875, 0.875), analytic=True, ulps=2.0,
    margins=(Margin("domain", "-1 < x < 1", _inside_one),),
)  # fmt: skip

ACOS = unary(
    "acos", "the angle in [0, pi] whose cosine is x", "y = arccos x;  dy = -dx / sqrt(1 - x^2)", np.arccos,
    lambda xp, x, y: -_arc_slope(xp, x), domain=(-0.875, 0.875), analytic=True, ulps=2.0,
    margins=(Margin("domain", "-1 < x < 1", _inside_one),),
)  # fmt: skip

ATAN = unary(
    "atan", "the angle in (-pi/2, pi/2) whose tangent is x", "y = arctan x;  dy = dx / (1 + x^2)", np.arctan,
    lambda xp, x, y: xp.reciprocal(1.0 + xp.square(x)), analytic=True, ulps=2.0,
)  # fmt: skip


def _to_cut(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """Distance to the half line a = 0, b < 0, across which the angle jumps by 2 pi."""
    a, b = np.broadcast_arrays(*xs)
    return np.where(b < 0, np.abs(a), np.hypot(a, b))


ATAN2 = binary(
    "atan2", "the angle of the point (b, a) in (-pi, pi]", "y = atan2(a, b);  dy = (b da - a db) / (a^2 + b^2)",
    np.arctan2,
    (
        lambda xp, a, b, y: b / (xp.square(a) + xp.square(b)),
        lambda xp, a, b, y: -a / (xp.square(a) + xp.square(b)),
    ),
    domains=((-2.0, 2.0), (0.25, 2.0)), infer=infer_float, ulps=2.0,
    margins=(
        Margin("domain", "a and b are not both 0", lambda s, xs, ys: np.hypot(*xs)),
        Margin("jump", "a = 0 where b < 0", _to_cut),
    ),
)  # fmt: skip

TANH = unary(
    "tanh", "hyperbolic tangent", "y = tanh x;  dy = (1 - y^2) dx", np.tanh,
    lambda xp, x, y: 1.0 - xp.square(y), analytic=True, ulps=2.0, scalar="tanh({0})",
)  # fmt: skip


def _sigmoid(x: Array) -> Array:
    """exp of a number with a negative real part only: never overflows."""
    left = np.real(x) < 0
    z = np.exp(np.where(left, x, -x))
    return np.where(left, z, 1.0) / (1 + z)


SIGMOID = unary(
    "sigmoid", "logistic function", "y = 1 / (1 + e^-x);  dy = y (1 - y) dx",
    float_result(_sigmoid), lambda xp, x, y: y * (1.0 - y), analytic=True, ulps=3.0,
)  # fmt: skip


def _erf(x: Any) -> Any:
    from scipy.special import erf  # scipy costs 0.1 s and more at import: only when used

    return erf(x)


ERF = unary(
    "erf", "Gauss error function", "y = 2/sqrt(pi) int_0^x e^-t^2 dt;  dy = 2/sqrt(pi) e^-x^2 dx",
    float_result(_erf), lambda xp, x, y: (2.0 / sqrt(pi)) * xp.exp(-xp.square(x)),
    analytic=True, ulps=2.0,
)  # fmt: skip

RECORDS = (EXP, EXPM1, LOG, LOG1P, SIN, COS, TAN, ASIN, ACOS, ATAN, ATAN2, TANH, SIGMOID, ERF)
