"""Comparisons, truth values and rounding: ops whose derivative is zero almost everywhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type
from gradproof_service.ops.elementwise import (
    infer_bool,
    infer_numeric,
    sample_elementwise,
)
from gradproof_service.ops.record import DTYPE, Draw, IllTyped, Margin, Op, Sample, Site


def _gap(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    return np.abs(np.subtract(*(x.astype(np.float64) if x.dtype == BOOL else x for x in xs)))


def _comparison(name: str, sign: str, kernel: Callable[..., Any]) -> Op:
    return Op(
        name, f"whether a {sign} b, elementwise", f"y = a {sign} b;  dy = 0",
        infer_bool, lambda s, a, b: kernel(a, b),
        lambda d: sample_elementwise(d, ((-2.0, 2.0), (-2.0, 2.0))), (2, 2),
        jvp=(None, None), vjp=(None, None), batching="elementwise", ulps=0.0,
        ufunc=kernel, scalar=f"{{0}} {sign} {{1}}".replace(" = ", " == "),
        kink="no derivative: the truth value is piecewise constant",
        margins=(Margin("jump", "a = b", _gap), Margin("jump", "a = b", _gap, 1)),
        source="IEEE 754",
    )  # fmt: skip


def _infer_logical(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    for t in ins:
        if t.dtype != BOOL:
            raise IllTyped(DTYPE, f"needs bool operands, got {t.dtype}; compare with 0 first")
    return infer_bool(attrs, ins)


def _sample_bools(count: int) -> Callable[[Draw], Sample]:
    def sample(d: Draw) -> Sample:
        shape = d.shape()
        return tuple(d.booleans(shape) for _ in range(count)), {}

    return sample


def _logical(
    name: str, meaning: str, formula: str, count: int, kernel: Callable[..., Any], scalar: str
) -> Op:
    none = (None,) * count
    return Op(
        name, meaning, formula, _infer_logical, lambda s, *xs: kernel(*xs), _sample_bools(count),
        (count, count), jvp=none, vjp=none, batching="elementwise", ulps=0.0, source="logic",
        ufunc=kernel, scalar=scalar,
    )  # fmt: skip


def _test(name: str, meaning: str, kernel: Callable[..., Any]) -> Op:
    return Op(
        name, meaning, f"y = {name}(x);  dy = 0", infer_bool, lambda s, x: kernel(x),
        lambda d: sample_elementwise(d, ((-2.0, 2.0),)),
        batching="elementwise", ulps=0.0, source="IEEE 754", ufunc=kernel,
    )  # fmt: skip


def _to_integer(x: Array) -> Array:
    return np.abs(x - np.round(x))


def _to_half(x: Array) -> Array:
    return np.abs(x - (np.floor(x) + 0.5))


def _rounding(
    name: str, meaning: str, kernel: Callable[..., Any], jump: Callable[[Array], Array]
) -> Op:
    return Op(
        name, meaning, f"y = {name}(x);  dy = 0", infer_numeric,
        lambda s, x: x if x.dtype.kind in "iu" else kernel(x),
        lambda d: sample_elementwise(d, ((-2.0, 2.0),)),
        batching="elementwise", ulps=0.0,
        ufunc=np.rint if kernel is np.round else kernel,
        kink="0 everywhere: a staircase has no slope",
        margins=(Margin("jump", "a step of the staircase", lambda s, xs, ys: jump(xs[0])),),
        source="IEEE 754",
    )  # fmt: skip


RECORDS = (
    _comparison("equal", "=", np.equal),
    _comparison("not_equal", "!=", np.not_equal),
    _comparison("less", "<", np.less),
    _comparison("less_equal", "<=", np.less_equal),
    _comparison("greater", ">", np.greater),
    _comparison("greater_equal", ">=", np.greater_equal),
    _logical("logical_and", "both hold", "y = a and b;  dy = 0", 2, np.logical_and, "{0} and {1}"),
    _logical("logical_or", "either holds", "y = a or b;  dy = 0", 2, np.logical_or, "{0} or {1}"),
    _logical("logical_not", "it does not hold", "y = not a;  dy = 0", 1, np.logical_not, "not {0}"),
    _test("isfinite", "neither infinite nor NaN", np.isfinite),
    _test("isnan", "not a number", np.isnan),
    _test("isinf", "plus or minus infinity", np.isinf),
    _rounding("floor", "the largest whole number not above x", np.floor, _to_integer),
    _rounding("ceil", "the smallest whole number not below x", np.ceil, _to_integer),
    _rounding("round", "the nearest whole number, halves to even", np.round, _to_half),
    _rounding("trunc", "x without its fraction", np.trunc, _to_integer),
)
