"""Normalisation layers: layer_norm, and batch_norm with given statistics (inference)."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isfinite, prod
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, broadcast_shapes, floating, promote, type_of
from gradproof_service.ops.axes import normal_axes, normal_axis
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.reads import channels, normalised
from gradproof_service.ops.record import (
    ATTRIBUTE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Margin,
    Op,
    Rule,
    Sample,
    Site,
)
from gradproof_service.ops.reduction import Inferred, as_float


def _check_epsilon(attrs: dict[str, Any]) -> None:
    if not (attrs["epsilon"] >= 0 and isfinite(attrs["epsilon"])):
        raise IllTyped(ATTRIBUTE, f"epsilon is {attrs['epsilon']}, expected a finite number >= 0")


def _infer_layer_norm(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_reserved(ins)
    _check_epsilon(attrs)
    x = ins[0]
    axes = normal_axes(attrs["axes"], x.rank)
    k = len(axes)
    if not k or axes != tuple(range(-k, 0)):
        raise IllTyped(
            ATTRIBUTE, f"axes is {attrs['axes']}, expected the last axes; permute_dims first"
        )
    tail = x.shape[x.rank - k :]
    if not prod(tail):
        raise IllTyped(SHAPE, f"x has shape {x.shape}, expected elements along axes {axes}")
    for name, t in zip(("scale", "bias"), ins[1:], strict=True):
        if broadcast_shapes(t.shape, tail) != tail:
            raise IllTyped(
                SHAPE, f"{name} has shape {t.shape}, expected {tail}, x's normalised axes"
            )
    return {**attrs, "axes": axes}, (type_of(floating(promote(*ins)), x.shape),)


def _aligned(s: Site, v: Array, operand: int) -> Array:
    """The operand with sides of 1 between its batch axis and its core axes, up to x's rank."""
    core = s.ins[operand].shape
    return v.reshape(s.lead(v, operand) + (1,) * (s.ins[0].rank - len(core)) + core)


def _layer_norm(s: Site, x: Array, scale: Array, bias: Array) -> Array:
    x, axes = as_float(s, x), s["axes"]
    n = prod(s.ins[0].shape[a] for a in axes)
    d = x - np.sum(x, axis=axes, keepdims=True) / n
    deviation = np.sqrt(np.sum(d * d, axis=axes, keepdims=True) / n + s["epsilon"])
    return d / deviation * _aligned(s, scale, 1) + _aligned(s, bias, 2)


def _mean(xp: Any, s: Site, v: Any) -> Any:
    return xp.mean(v, axes=s["axes"], keepdims=True)


def _normal(xp: Any, s: Site, x: Any) -> tuple[Any, Any]:
    """(r, z): one over the deviation, and the normalised x."""
    r = xp.reciprocal(xp.sqrt(xp.var(x, axes=s["axes"], keepdims=True) + s["epsilon"]))
    return r, (x - _mean(xp, s, x)) * r


def _layer_norm_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    r, z = _normal(xp, s, xs[0])
    t = t - _mean(xp, s, t)
    return r * (t - z * _mean(xp, s, z * t)) * xs[1]


def _layer_norm_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    r, z = _normal(xp, s, xs[0])
    g = c * xs[1]
    return r * (g - _mean(xp, s, g) - z * _mean(xp, s, z * g))


def _layer_norm_edge(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """How far the elements are from being all equal, which only matters without an epsilon."""
    if s["epsilon"]:
        return np.full(xs[0].shape, inf)
    return np.ptp(as_float(s, xs[0]), axis=s["axes"], keepdims=True) / 2


def _sample_layer_norm(d: Draw) -> Sample:
    shape = (*d.shape(0, 2, 3), d.integer(2, 4))
    k = d.integer(1, len(shape))
    tail = shape[len(shape) - k :]
    operands = (d.real(shape), d.real(tail, 0.5, 2.0), d.real(tail))
    return operands, {"axes": tuple(range(-k, 0)), "epsilon": d.choice((None, 0.125))}


LAYER_NORM = Op(
    "layer_norm", "x with mean 0 and variance 1 over its last axes, times scale, plus bias",
    "y = g z + b,  z = r (x - m),  r = (var x + eps)^-1/2;  "
    "dy = z dg + db + g r (dx - mean dx - z mean(z dx))",
    _infer_layer_norm, _layer_norm, _sample_layer_norm, (3, 3),
    jvp=(
        _layer_norm_tangent,
        lambda xp, s, xs, ys, t: _normal(xp, s, xs[0])[1] * t,
        lambda xp, s, xs, ys, t: t,
    ),
    vjp=(
        _layer_norm_cotangent,
        lambda xp, s, xs, ys, c: _normal(xp, s, xs[0])[1] * c,
        lambda xp, s, xs, ys, c: c,
    ),
    attrs=(
        Attr("axes", "ints", "the last axes, over which x is normalised", (-1,)),
        Attr("epsilon", "float", "added to the variance", 1e-5),
    ),
    margins=(Margin("domain", "the elements are not all equal, or epsilon > 0", _layer_norm_edge),),
    linear=(1, 2), analytic=True, accumulates=True, cost=lambda s: 8 * s.out.size,
    source="Ba, Kiros and Hinton 2016",
    reads=normalised,
)  # fmt: skip


def _infer_batch_norm(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_reserved(ins)
    _check_epsilon(attrs)
    x = ins[0]
    axis = normal_axis(attrs["axis"], x.rank)
    for name, t in zip(("scale", "bias", "mean", "var"), ins[1:], strict=True):
        if t.shape != (x.shape[axis],):
            raise IllTyped(
                SHAPE, f"{name} has shape {t.shape}, expected {(x.shape[axis],)}, the side of axis "
                f"{axis} of {x.shape}",
            )  # fmt: skip
    return {**attrs, "axis": axis}, (type_of(floating(promote(*ins)), x.shape),)


def _batch_norm(s: Site, x: Array, *parameters: Array) -> Array:
    before, after = (1,) * (s.ins[0].rank + s["axis"]), (1,) * (-1 - s["axis"])
    scale, bias, mean, var = (
        as_float(s, v).reshape(s.lead(v, i) + before + s.ins[i].shape + after)
        for i, v in enumerate(parameters, 1)
    )
    return (x - mean) / np.sqrt(var + s["epsilon"]) * scale + bias


def _by_channel(xp: Any, s: Site, v: Any) -> Any:
    """A parameter with sides of 1 behind it: it broadcasts along x's channel axis."""
    return xp.reshape(v, shape=v.shape + (1,) * (-1 - s["axis"]))


def _channelwise(partial: Callable[..., Any]) -> tuple[Rule, Rule]:
    """Forward and reverse rules of a parameter, from `partial(x, g, m, r) = dy/dparameter`.

    g is the scale, m the mean and r = (var + eps)^-1/2, each with sides of 1 behind its channels.
    """

    def slope(xp: Any, s: Site, xs: Any) -> Any:
        x, g, _, m, v = xs
        r = xp.reciprocal(xp.sqrt(v + s["epsilon"]))
        return partial(x, *(_by_channel(xp, s, p) for p in (g, m, r)))

    def tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
        return slope(xp, s, xs) * _by_channel(xp, s, t)

    def cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
        others = tuple(a for a in range(-c.rank, 0) if a != s["axis"])
        return xp.sum(slope(xp, s, xs) * c, axes=others)

    return tangent, cotangent


def _x_slope(xp: Any, s: Site, xs: Any, ys: Any, d: Any) -> Any:
    _, g, _, _, v = xs
    return d * _by_channel(xp, s, g / xp.sqrt(v + s["epsilon"]))


BY_SCALE = _channelwise(lambda x, g, m, r: (x - m) * r)
BY_BIAS = _channelwise(lambda x, g, m, r: 1.0)
BY_MEAN = _channelwise(lambda x, g, m, r: -(g * r))
BY_VAR = _channelwise(lambda x, g, m, r: -0.5 * (x - m) * (g * (r * r * r)))


def _sample_batch_norm(d: Draw) -> Sample:
    shape = d.shape(1, 4, 3)
    axis = d.integer(-len(shape), -1)
    side = (shape[axis],)
    operands = (
        d.real(shape), d.real(side, 0.5, 2.0), d.real(side), d.real(side), d.real(side, 0.25, 2.0)
    )  # fmt: skip
    return operands, {"axis": axis, "epsilon": d.choice((None, 0.125))}


BATCH_NORM = Op(
    "batch_norm", "x normalised per channel by a given mean and variance, times scale, plus bias",
    "y = g r (x - m) + b,  r = (v + eps)^-1/2;  "
    "dy = g r (dx - dm) + r (x - m) dg + db - g r^3 (x - m) dv / 2",
    _infer_batch_norm, _batch_norm, _sample_batch_norm, (5, 5),
    jvp=(_x_slope, BY_SCALE[0], BY_BIAS[0], BY_MEAN[0], BY_VAR[0]),
    vjp=(_x_slope, BY_SCALE[1], BY_BIAS[1], BY_MEAN[1], BY_VAR[1]),
    attrs=(
        Attr("axis", "int", "the channel axis of x", 1),
        Attr("epsilon", "float", "added to the variance", 1e-5),
    ),
    margins=(Margin("domain", "var + epsilon > 0", lambda s, xs, ys: xs[4] + s["epsilon"], 4),),
    linear=(0, 1, 2, 3), analytic=True, accumulates=True, cost=lambda s: 4 * s.out.size,
    source="Ioffe and Szegedy 2015, inference form",
    reads=channels,
)  # fmt: skip

RECORDS = (LAYER_NORM, BATCH_NORM)
