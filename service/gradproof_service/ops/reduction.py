"""Reductions along axes: sums, products, extremes, and whether any or all elements hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import BOOL, I64, Array, Shape, Type, floating, type_of
from gradproof_service.ops.axes import count, normal_axes, normal_axis
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.products import product_cotangent, product_tangent
from gradproof_service.ops.reads import over_axes
from gradproof_service.ops.record import (
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
from gradproof_service.ops.summation import total

Inferred = tuple[dict[str, Any], tuple[Type, ...]]

AXES: Final = (
    Attr("axes", "ints", "axes to reduce; all of them by default, () for none"),
    Attr("keepdims", "bool", "keep the reduced axes with side 1", False),
)


def reduced(shape: Shape, axes: Sequence[int], keepdims: bool) -> Shape:
    """The shape after reducing these negative axes."""
    rank = len(shape)
    if keepdims:
        return tuple(1 if i - rank in axes else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i - rank not in axes)


def spread(xp: Any, s: Site, v: Any) -> Any:
    """A result-shaped value with the reduced axes put back as sides of 1: it broadcasts against x."""
    return v if s["keepdims"] or not s["axes"] else xp.expand_dims(v, axes=s["axes"])


def normal_reduction(attrs: dict[str, Any], t: Type) -> tuple[dict[str, Any], Shape]:
    """The attributes with explicit negative axes, and the shape of the result."""
    refuse_reserved((t,))
    axes = normal_axes(attrs["axes"], t.rank)
    return {**attrs, "axes": axes}, reduced(t.shape, axes, attrs["keepdims"])


def accumulator(t: Type) -> np.dtype[Any]:
    """The dtype sums are kept in: floats as they are, whole numbers and bool in 64 bits."""
    if t.is_float:
        return t.dtype
    return np.dtype(np.uint64) if t.dtype.kind == "u" else I64


def _infer_sum(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, shape = normal_reduction(attrs, ins[0])
    return attrs, (type_of(accumulator(ins[0]), shape),)


def sample_reduction(d: Draw) -> Sample:
    """An array of any rank and some, all or none of its axes."""
    shape = d.shape(0, 3, 4)
    axes = d.choice((None, (0,), (-1,), (0, -1), ()) if len(shape) > 1 else (None, ()))
    return (d.real(shape),), {"axes": axes, "keepdims": d.choice((False, True))}


SUM = Op(
    "sum", "sum along axes; integers and bool are summed in 64 bits",
    "y = sum_i x_i;  dy = sum_i dx_i",
    _infer_sum, lambda s, x: total(s, x, s["keepdims"]), sample_reduction,
    jvp=(lambda xp, s, xs, ys, t: xp.sum(t, axes=s["axes"], keepdims=s["keepdims"]),),
    vjp=(lambda xp, s, xs, ys, c: spread(xp, s, c),),  # the transforms repeat it along the axes
    attrs=AXES, reduces=True, linear=(0,), analytic=True, accumulates=True, cost=lambda s: s.ins[0].size,
    reads=over_axes,
)  # fmt: skip


def _infer_mean(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, shape = normal_reduction(attrs, ins[0])
    return attrs, (type_of(floating(ins[0].dtype), shape),)


def as_float(s: Site, x: Array) -> Array:
    """Integers and bool in the result's float dtype; floats and complex numbers as they are."""
    return x.astype(s.out.dtype) if x.dtype.kind in "biu" else x


def mean_of(s: Site, x: Array, keepdims: bool) -> Array:
    """The mean along the reduced axes; NaN, without a warning, where there is nothing."""
    y = total(s, as_float(s, x), keepdims)
    return np.true_divide(y, y.dtype.type(count(s)))


MEAN = Op(
    "mean", "arithmetic mean along axes; integers give float64, an empty mean is NaN",
    "y = 1/n sum_i x_i;  dy = 1/n sum_i dx_i",
    _infer_mean, lambda s, x: mean_of(s, x, s["keepdims"]), sample_reduction,
    jvp=(lambda xp, s, xs, ys, t: xp.mean(t, axes=s["axes"], keepdims=s["keepdims"]),),
    vjp=(lambda xp, s, xs, ys, c: spread(xp, s, c) / float(count(s)),),
    attrs=AXES, reduces=True, linear=(0,), analytic=True, accumulates=True, cost=lambda s: s.ins[0].size,
    reads=over_axes,
)  # fmt: skip


def _sample_prod(d: Draw) -> Sample:
    (x,), attrs = sample_reduction(d)
    if x.size and d.choice((False, True)):
        x.flat[d.integer(0, x.size - 1)] = 0.0
    return (x,), attrs


PROD = Op(
    "prod", "product along axes; integers and bool are multiplied in 64 bits",
    "y = prod_i x_i;  dy = sum_i (prod_{j != i} x_j) dx_i, right where some x are 0",
    _infer_sum, lambda s, x: np.prod(x, axis=s["axes"], keepdims=s["keepdims"]), _sample_prod,
    jvp=(product_tangent,), vjp=(product_cotangent,),
    attrs=AXES, reduces=True, analytic=True, accumulates=True, cost=lambda s: s.ins[0].size,
    reads=over_axes,
)  # fmt: skip


def _infer_extreme(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    t = ins[0]
    if t.dtype == BOOL:
        raise IllTyped(DTYPE, "needs numbers, got bool; use any or all, or cast with astype first")
    attrs, shape = normal_reduction(attrs, t)
    _refuse_empty(t, attrs["axes"])
    return attrs, (type_of(t.dtype, shape),)


def _refuse_empty(t: Type, axes: tuple[int, ...]) -> None:
    if any(t.shape[a] == 0 for a in axes):
        raise IllTyped(
            SHAPE, f"shape {t.shape} has nothing along axes {axes}, expected an element at least; "
            "reduce another axis",
        )  # fmt: skip


def _share(xp: Any, s: Site, xs: Any, ys: Any) -> Any:
    """1 at the extreme element, 1/k at each of k tied ones, 0 elsewhere; constant between ties."""
    hit = xp.astype(xp.equal(xs[0], spread(xp, s, ys[0])), dtype=s.out.dtype)
    return hit / xp.sum(hit, axes=s["axes"], keepdims=True)


def distance_to_tie(x: Array, axes: tuple[int, ...], sign: int = 1) -> Array:
    """How far each element must move to become the largest, and the largest to lose its place.

    x has core axes counted from the end, with or without a batch axis; the result has x's shape
    and units, inf where an element is alone. Two elements that move against each other meet at
    half of it. `sign` -1 asks for the smallest instead.
    """
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    at = tuple(range(-len(axes), 0))
    moved = np.moveaxis(sign * x, axes, at)
    n = prod(moved.shape[a] for a in at)
    if n == 1:
        return np.full(x.shape, np.inf)
    flat = moved.reshape(*moved.shape[: moved.ndim - len(axes)], n)
    top = np.partition(flat, n - 2, axis=-1)[..., n - 2 :]
    second, first = top[..., :1], top[..., 1:]
    with np.errstate(invalid="ignore"):  # inf - inf, which is a tie
        lead = np.where(first == second, 0, first - second)
        gap = np.where(flat == first, lead, first - flat)
    return np.moveaxis(gap.reshape(moved.shape), at, axes)


def _extreme(name: str, which: str, ufunc: Any, sign: int) -> Op:
    return Op(
        name, f"the {which} element along axes, NaN if one is NaN",
        f"y = {name}_i x_i;  dy = sum_i w_i dx_i,  w_i = [x_i = y] / number of ties",
        _infer_extreme, lambda s, x: ufunc.reduce(x, axis=s["axes"], keepdims=s["keepdims"]),
        sample_reduction,
        jvp=(lambda xp, s, xs, ys, t: xp.sum(
            _share(xp, s, xs, ys) * t, axes=s["axes"], keepdims=s["keepdims"]),),
        vjp=(lambda xp, s, xs, ys, c: _share(xp, s, xs, ys) * spread(xp, s, c),),
        attrs=AXES, reduces=True, ulps=0.0, cost=lambda s: s.ins[0].size, reads=over_axes,
        kink="elements that tie share the slope equally (jax; torch's amax too); NaN where y is NaN",
        margins=(Margin("kink", f"two elements are {which}",
                        lambda s, xs, ys: distance_to_tie(xs[0], s["axes"], sign)),),
    )  # fmt: skip


MAX = _extreme("max", "largest", np.maximum, 1)
MIN = _extreme("min", "smallest", np.minimum, -1)


def _infer_truth(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, shape = normal_reduction(attrs, ins[0])
    return attrs, (type_of(BOOL, shape),)


def _sample_truth(d: Draw) -> Sample:
    (x,), attrs = sample_reduction(d)
    return (d.booleans(x.shape),), attrs


def _truth(name: str, meaning: str, formula: str, kernel: Callable[..., Any]) -> Op:
    return Op(
        name, meaning, formula, _infer_truth,
        lambda s, x: kernel(x, axis=s["axes"], keepdims=s["keepdims"]), _sample_truth,
        attrs=AXES, reduces=True, ulps=0.0, cost=lambda s: s.ins[0].size, source="logic",
        kink="no derivative: the truth value is piecewise constant",
        margins=(Margin("jump", "x = 0", lambda s, xs, ys: np.abs(xs[0].astype(np.float64))),),
    )  # fmt: skip


ANY = _truth("any", "whether an element is true (not 0)", "y = x_1 or x_2 or ...;  dy = 0", np.any)
ALL = _truth(
    "all", "whether every element is true (not 0)", "y = x_1 and x_2 and ...;  dy = 0", np.all
)


def _infer_place(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    t = ins[0]
    refuse_reserved(ins)
    axis = attrs["axis"]
    if axis is not None:
        axis = normal_axis(axis, t.rank)
    axes = tuple(range(-t.rank, 0)) if axis is None else (axis,)
    _refuse_empty(t, axes)
    return {**attrs, "axis": axis}, (type_of(I64, reduced(t.shape, axes, attrs["keepdims"])),)


def _sample_place(d: Draw) -> Sample:
    shape = d.shape(0, 3, 4)
    axis = d.choice((None, 0, -1) if shape else (None,))
    return (d.real(shape),), {"axis": axis, "keepdims": d.choice((False, True))}


def _place(name: str, which: str, kernel: Callable[..., Any], sign: int) -> Op:
    def run(s: Site, x: Array) -> Any:
        lead = s.lead(x)
        if s["axis"] is not None:
            return kernel(x, axis=s["axis"], keepdims=s["keepdims"])
        return kernel(x.reshape(*lead, s.ins[0].size), axis=-1).reshape(lead + s.out.shape)

    def gap(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
        axes = tuple(range(-s.ins[0].rank, 0)) if s["axis"] is None else (s["axis"],)
        return distance_to_tie(xs[0], axes, sign)

    return Op(
        name, f"index of the {which} element along an axis, the first one at a tie",
        f"y = {name}_i x_i;  dy = 0", _infer_place, run, _sample_place,
        attrs=(
            Attr("axis", "int", "axis to search; by default the array flattened in row-major order"),
            Attr("keepdims", "bool", "keep the searched axes with side 1", False),
        ),
        ulps=0.0, cost=lambda s: s.ins[0].size, source="Array API",
        kink="no derivative: the index is piecewise constant",
        margins=(Margin("jump", f"two elements are {which}", gap),),
    )  # fmt: skip


ARGMAX = _place("argmax", "largest", np.argmax, 1)
ARGMIN = _place("argmin", "smallest", np.argmin, -1)

RECORDS = (SUM, MEAN, PROD, MAX, MIN, ANY, ALL, ARGMAX, ARGMIN)
