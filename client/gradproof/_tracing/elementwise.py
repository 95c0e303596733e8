"""Elementwise NumPy functions and SciPy's ufuncs in ops; what has no op is expanded exactly."""

from __future__ import annotations

from collections.abc import Callable
from math import log, pi, sqrt
from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced, holds_traced, is_number
from gradproof._tracing.tape import apply
from gradproof._tracing.unsupported import refuse

Lowering = Callable[..., Any]


def listed(function: Lowering) -> Lowering:
    """Arguments that are lists with traced arrays inside are stacked first."""

    def lowered(*args: Any) -> Any:
        return function(
            *(as_traced(a) if isinstance(a, list | tuple) and holds_traced(a) else a for a in args)
        )

    return lowered


def op(name: str) -> Lowering:
    """The op of this name, as it stands."""
    return listed(lambda *args: apply(name, *args))


def on_float(name: str) -> Lowering:
    """An op that gives floats: whole numbers are cast first, as NumPy does."""

    def lowered(x: Any) -> Any:
        x = as_traced(x)
        return apply(name, x if x.dtype.kind == "f" else x.astype(np.float64))

    return lowered


def arithmetic(name: str, on_bools: str | None = None) -> Lowering:
    """A binary op; two bools mean the logical op of that name, as in NumPy."""

    def lowered(a: Any, b: Any) -> Traced:
        if on_bools and _is_bool(a) and _is_bool(b):
            return apply(on_bools, a, b)
        return apply(name, a, b)

    return listed(lowered)


def _is_bool(x: Any) -> bool:
    return type(x) is bool or getattr(x, "dtype", None) == np.bool_


def _truth(x: Any) -> Traced:
    x = as_traced(x)
    return x if x.dtype == np.bool_ else apply("not_equal", x, 0)


def logical(name: str) -> Lowering:
    """A logical op: numbers mean whether they are not zero."""
    return lambda *args: apply(name, *map(_truth, args))


def bitwise(name: str, sign: str) -> Lowering:
    """`&`, `|` and `~` of bools; there is no op for the bits of whole numbers."""

    def lowered(*args: Any) -> Traced:
        if not all(map(_is_bool, args)):
            refuse("no-op", f"{sign} of whole numbers needs an op that the catalogue does not have")
        return apply(name, *args)

    return lowered


def power(a: Any, b: Any) -> Traced:
    """A square and a half power have ops of their own; whole numbers stay whole as in NumPy."""
    if is_number(b) and b == 2 and isinstance(a, Traced):
        return apply("square", a.astype(np.float64) if _kind(a) != "f" and type(b) is float else a)
    whole = _kind(a) in "iub" and _kind(b) in "iub"
    if whole and isinstance(a, Traced):
        return apply("pow", a.astype(np.float64), b).astype(np.result_type(a.dtype, np.int8))
    if whole:
        return apply("pow", np.asarray(a, np.float64), b).astype(as_traced(b).dtype)
    return apply("pow", a, b)


def _kind(x: Any) -> str:
    return str(x.dtype.kind if isinstance(x, Traced) else np.asarray(x).dtype.kind)


def absolute(x: Any) -> Traced:
    """|x|; of bools the bools themselves."""
    x = as_traced(x)
    return x if x.dtype == np.bool_ else apply("abs", x)


def floor_divide(a: Any, b: Any) -> Traced:
    """The floor of the quotient; NumPy's own corrects the last bit of inexact quotients."""
    whole = _kind(a) in "iub" and _kind(b) in "iub"
    out = apply("floor", apply("divide", a, b))
    return out.astype(np.int64) if whole else out


def remainder(a: Any, b: Any) -> Traced:
    """a - floor(a / b) b: the sign of the divisor, as in Python."""
    quotient = floor_divide(a, b)
    return apply("subtract", a, apply("multiply", quotient, b))


def fmod(a: Any, b: Any) -> Traced:
    """a - trunc(a / b) b: the sign of the dividend, as in C."""
    return apply("subtract", a, apply("multiply", apply("trunc", apply("divide", a, b)), b))


def hypot(a: Any, b: Any) -> Traced:
    """sqrt(a^2 + b^2); squares beyond the largest number overflow where NumPy's do not."""
    return apply("sqrt", apply("add", apply("square", a), apply("square", b)))


def logaddexp(a: Any, b: Any) -> Any:
    """max + log1p(exp(-|a - b|)), which neither overflows nor cancels."""
    gap = apply("abs", apply("subtract", a, b))
    return apply(
        "add", apply("maximum", a, b), apply("log1p", apply("exp", apply("negative", gap)))
    )


def softened(half: float) -> Lowering:
    """cosh and sinh as half a sum of exponentials; the sum for sinh goes through expm1."""

    def lowered(x: Any) -> Traced:
        x = as_traced(x)
        if half > 0:
            return apply("multiply", apply("add", apply("exp", x), apply("exp", -x)), 0.5)
        e = apply("expm1", x)
        return apply("multiply", e + e / (e + 1.0), 0.5)

    return lowered


def arcsinh(x: Any) -> Traced:
    """sign(x) log1p(|x| + x^2 / (1 + sqrt(1 + x^2))), exact near 0."""
    x = as_traced(x)
    size = apply("multiply", x, apply("where", apply("less", x, 0), -1.0, 1.0))
    square = apply("square", x)
    grown = apply("log1p", size + square / (apply("sqrt", square + 1.0) + 1.0))
    return apply("where", apply("less", x, 0), -grown, grown)


def arctanh(x: Any) -> Traced:
    """(log1p(x) - log1p(-x)) / 2."""
    x = as_traced(x)
    return (apply("log1p", x) - apply("log1p", -x)) * 0.5


def arccosh(x: Any) -> Traced:
    """log1p of t + sqrt(2 t + t^2) with t = x - 1."""
    t = as_traced(x) - 1.0
    return apply("log1p", t + apply("sqrt", t * 2.0 + apply("square", t)))


def scaled(name: str, factor: float, before: bool = False) -> Lowering:
    """An op times a constant, or of a constant times its argument."""
    if before:
        return lambda x: apply(name, apply("multiply", x, factor))
    return lambda x: apply("multiply", on_float(name)(x), factor)


def sinc(x: Any) -> Traced:
    """sin(pi x) / (pi x), and 1 at 0 (where the slope is 0, as it should be)."""
    z = as_traced(x) * pi
    away = apply("not_equal", z, 0)
    safe = apply("where", away, z, 1)
    return apply("where", away, apply("sin", safe) / safe, 1)


def cbrt(x: Any) -> Traced:
    """sign(x) |x|^(1/3)."""
    x = as_traced(x)
    return apply("sign", x) * apply("pow", apply("abs", x), 1.0 / 3.0)


def copysign(a: Any, b: Any) -> Traced:
    """|a| with the sign of b."""
    return apply("multiply", absolute(a), apply("where", apply("less", b, 0), -1.0, 1.0))


def where(condition: Any, *arms: Any) -> Traced:
    """Elements of two arrays by a condition; the form that returns places has no fixed shape."""
    if not arms:
        refuse("branch-on-value", "np.where(condition) returns places that depend on values")
    return apply(
        "where",
        _truth(condition),
        *(as_traced(a) if isinstance(a, list | tuple) else a for a in arms),
    )


def clip(x: Any, low: Any = None, high: Any = None, /, **named: Any) -> Traced:
    """Limited to [low, high]; None leaves a side open."""
    low = named.pop("min", named.pop("a_min", low))
    high = named.pop("max", named.pop("a_max", high))
    if named:
        raise TypeError(f"clip: unknown option {next(iter(named))}")
    if low is None or high is None:
        bounded = x if low is None else apply("maximum", x, low)
        return bounded if high is None else apply("minimum", bounded, high)
    return apply("clip", x, low, high)


def nan_to_num(
    x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None
) -> Traced:
    """NaN and infinities replaced by numbers."""
    x = as_traced(x)
    limit = np.finfo(x.dtype).max
    x = apply("where", apply("isnan", x), nan, x)
    x = apply("where", apply("equal", x, np.inf), limit if posinf is None else posinf, x)
    return apply("where", apply("equal", x, -np.inf), -limit if neginf is None else neginf, x)


def rounded(x: Any, decimals: int = 0) -> Traced:
    """To the nearest multiple of 10^-decimals, halves to even."""
    if not decimals:
        return apply("round", x)
    scale = 10.0 ** abs(decimals)
    grow, shrink = ("multiply", "divide") if decimals > 0 else ("divide", "multiply")
    return apply(shrink, apply("round", apply(grow, x, scale)), scale)


def xlogy(x: Any, y: Any) -> Any:
    """x log y, and 0 where x = 0."""
    alive = apply("not_equal", x, 0)
    return apply(
        "where", alive, apply("multiply", x, apply("log", apply("where", alive, y, 1.0))), 0.0
    )


TABLE: Final[dict[Any, Lowering]] = {
    np.add: arithmetic("add", "logical_or"), np.multiply: arithmetic("multiply", "logical_and"),
    np.subtract: op("subtract"), np.true_divide: op("divide"), np.power: power,
    np.float_power: op("pow"), np.square: op("square"), np.negative: op("negative"),
    np.positive: lambda x: as_traced(x).copy(), np.absolute: absolute, np.fabs: absolute,
    np.reciprocal: op("reciprocal"), np.sign: op("sign"), np.floor_divide: floor_divide,
    np.remainder: remainder, np.fmod: fmod, np.divmod: lambda a, b: (floor_divide(a, b), remainder(a, b)),
    np.maximum: op("maximum"), np.minimum: op("minimum"), np.fmax: op("maximum"), np.fmin: op("minimum"),
    **{
        getattr(np, name): on_float(name)
        for name in ["sqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh"]
    },
    np.arcsin: on_float("asin"), np.arccos: on_float("acos"), np.arctan: on_float("atan"),
    np.arctan2: op("atan2"),
    np.sinh: softened(-0.5), np.cosh: softened(0.5), np.arcsinh: arcsinh, np.arctanh: arctanh,
    np.arccosh: arccosh, np.exp2: scaled("exp", log(2.0), before=True),
    np.log2: scaled("log", 1.0 / log(2.0)), np.log10: scaled("log", 1.0 / log(10.0)),
    np.deg2rad: scaled("positive", pi / 180.0), np.radians: lambda x: apply("multiply", x, pi / 180.0),
    np.rad2deg: lambda x: apply("multiply", x, 180.0 / pi), np.degrees: lambda x: apply("multiply", x, 180.0 / pi),
    np.hypot: hypot, np.logaddexp: logaddexp, np.logaddexp2: lambda a, b: apply(
        "multiply", logaddexp(apply("multiply", a, log(2.0)), apply("multiply", b, log(2.0))), 1.0 / log(2.0)
    ),
    np.sinc: sinc, np.cbrt: cbrt, np.copysign: copysign, np.heaviside: lambda x, h: apply(
        "where", apply("equal", x, 0), h, apply("where", apply("less", x, 0), 0.0, 1.0)
    ),
    np.where: where, np.clip: clip, np.nan_to_num: nan_to_num, np.round: rounded,
    np.rint: lambda x: apply("round", x), np.floor: op("floor"), np.ceil: op("ceil"), np.trunc: op("trunc"),
    np.fix: op("trunc"),
    **{
        getattr(np, name): op(name)
        for name in ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isfinite", "isnan", "isinf"]
    },
    np.logical_and: logical("logical_and"), np.logical_or: logical("logical_or"),
    np.logical_not: logical("logical_not"), np.logical_xor: lambda a, b: apply("not_equal", _truth(a), _truth(b)),
    np.bitwise_and: bitwise("logical_and", "&"), np.bitwise_or: bitwise("logical_or", "|"),
    np.invert: bitwise("logical_not", "~"), np.bitwise_xor: bitwise("not_equal", "^"),
    np.real: as_traced, np.conjugate: as_traced, np.real_if_close: as_traced,
    np.isreal: lambda x: np.ones(x.shape, np.bool_), np.iscomplex: lambda x: np.zeros(x.shape, np.bool_),
    np.iscomplexobj: lambda x: False, np.isrealobj: lambda x: True,
}  # fmt: skip
TABLE[np.deg2rad] = TABLE[np.radians]
TABLE[np.rad2deg] = TABLE[np.degrees]

SPECIAL: Final[dict[str, Lowering]] = {
    "erf": on_float("erf"),
    "erfc": lambda x: 1.0 - on_float("erf")(x),
    "ndtr": lambda x: (on_float("erf")(apply("multiply", x, 1.0 / sqrt(2.0))) + 1.0) * 0.5,
    "expit": on_float("sigmoid"),
    "logit": lambda x: apply("log", x) - apply("log1p", -as_traced(x)),
    "log_expit": lambda x: -logaddexp(apply("negative", x), 0.0),
    "expm1": on_float("expm1"), "log1p": on_float("log1p"), "exp2": TABLE[np.exp2],
    "cbrt": cbrt, "xlogy": xlogy,
    "xlog1py": lambda x, y: xlogy(x, apply("add", y, 1.0)),
    "entr": lambda x: -xlogy(x, x),
    "rel_entr": lambda x, y: xlogy(x, apply("divide", x, y)),
    "kl_div": lambda x, y: xlogy(x, apply("divide", x, y)) - x + y,
}  # fmt: skip
"""SciPy's ufuncs by name, so that scipy is not imported to look one up."""
