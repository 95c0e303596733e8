"""Arithmetic, elementwise: sums, products, powers, and what has a kink (abs, maximum, clip)."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, F64, FLOATS, Array, Type, promote, type_of
from gradproof_service.ops.elementwise import (
    binary,
    broadcast,
    infer_float,
    infer_numeric,
    infer_same,
    refuse_reserved,
    sample_elementwise,
    unary,
)
from gradproof_service.ops.reads import chosen, picked
from gradproof_service.ops.record import DTYPE, Attr, Draw, IllTyped, Margin, Op, Sample, Site

ADD = Op(
    "add", "sum of two arrays", "y = a + b;  dy = da + db",
    infer_numeric, lambda s, a, b: np.add(a, b),
    lambda d: sample_elementwise(d, ((-2.0, 2.0), (-2.0, 2.0))), (2, 2),
    jvp=(lambda xp, s, xs, ys, t: t, lambda xp, s, xs, ys, t: t),
    vjp=(lambda xp, s, xs, ys, c: c, lambda xp, s, xs, ys, c: c),
    linear=(0, 1), analytic=True, batching="elementwise", ufunc=np.add, scalar="{0} + {1}",
)  # fmt: skip

SUBTRACT = Op(
    "subtract", "difference of two arrays", "y = a - b;  dy = da - db",
    infer_numeric, lambda s, a, b: np.subtract(a, b),
    lambda d: sample_elementwise(d, ((-2.0, 2.0), (-2.0, 2.0))), (2, 2),
    jvp=(lambda xp, s, xs, ys, t: t, lambda xp, s, xs, ys, t: -t),
    vjp=(lambda xp, s, xs, ys, c: c, lambda xp, s, xs, ys, c: -c),
    linear=(0, 1), analytic=True, batching="elementwise", ufunc=np.subtract, scalar="{0} - {1}",
)  # fmt: skip

MULTIPLY = binary(
    "multiply", "product of two arrays", "y = a b;  dy = b da + a db", np.multiply,
    (lambda xp, a, b, y: b, lambda xp, a, b, y: a),
    linear=(0, 1), analytic=True, scalar="{0} * {1}",
)  # fmt: skip

DIVIDE = binary(
    "divide", "quotient of two arrays; integers give float64",
    "y = a / b;  dy = da / b - y db / b", np.true_divide,
    (lambda xp, a, b, y: xp.reciprocal(b), lambda xp, a, b, y: -(y / b)),
    infer=infer_float, domains=((-2.0, 2.0), (0.5, 3.0)), linear=(0,), analytic=True,
    scalar="{0} / {1}",
    margins=(Margin("domain", "b != 0", lambda s, xs, ys: np.abs(xs[1]), 1),),
)  # fmt: skip

NEGATIVE = Op(
    "negative", "minus x", "y = -x;  dy = -dx", infer_numeric, lambda s, x: np.negative(x),
    lambda d: sample_elementwise(d, ((-2.0, 2.0),)),
    jvp=(lambda xp, s, xs, ys, t: -t,), vjp=(lambda xp, s, xs, ys, c: -c,),
    linear=(0,), analytic=True, batching="elementwise", ulps=0.0, ufunc=np.negative, scalar="-{0}",
)  # fmt: skip

POSITIVE = Op(
    "positive", "x itself (identity, copy)", "y = x;  dy = dx",
    infer_same, lambda s, x: x,
    lambda d: sample_elementwise(d, ((-2.0, 2.0),)),
    jvp=(lambda xp, s, xs, ys, t: t,), vjp=(lambda xp, s, xs, ys, c: c,),
    linear=(0,), analytic=True, batching="elementwise", ulps=0.0, moves="order", scalar="{0}",
)  # fmt: skip

STOP_GRADIENT = Op(
    "stop_gradient", "x, treated as a constant by every derivative", "y = x;  dy = 0",
    infer_same, lambda s, x: x,
    lambda d: sample_elementwise(d, ((-2.0, 2.0),)),
    batching="elementwise", ulps=0.0, source="declared", moves="order", scalar="{0}",
)  # fmt: skip

ABS = unary(
    "abs", "absolute value", "y = |x|;  dy = sign(x) dx", np.abs,
    lambda xp, x, y: xp.sign(x),
    infer=infer_numeric, ulps=0.0, scalar="abs({0})",
    kink="0 at x = 0 (torch; jax gives 1)", conventions={"jax": "1 at x = 0"},
    margins=(Margin("kink", "x = 0", lambda s, xs, ys: np.abs(xs[0])),),
)  # fmt: skip

SIGN = unary(
    "sign", "-1, 0 or 1", "y = sign(x);  dy = 0", np.sign, None,
    infer=infer_numeric, ulps=0.0, kink="0 everywhere: a step has no slope",
    scalar="(1.0 if {0} > 0.0 else -1.0 if {0} < 0.0 else 0.0 if {0} == 0.0 else {0})",
    margins=(Margin("jump", "x = 0", lambda s, xs, ys: np.abs(xs[0])),),
)  # fmt: skip

SQUARE = unary(
    "square", "x times x", "y = x^2;  dy = 2 x dx", np.square,
    lambda xp, x, y: 2.0 * x, infer=infer_numeric, analytic=True, scalar="{0} * {0}",
)  # fmt: skip

RECIPROCAL = unary(
    "reciprocal", "one over x", "y = 1/x;  dy = -y^2 dx", lambda x: np.true_divide(1.0, x),
    lambda xp, x, y: -xp.square(y), domain=(0.5, 3.0), analytic=True, ufunc=np.reciprocal,
    scalar="1.0 / {0}",
    margins=(Margin("domain", "x != 0", lambda s, xs, ys: np.abs(xs[0])),),
)  # fmt: skip

SQRT = unary(
    "sqrt", "square root", "y = sqrt(x);  dy = dx / (2 y)", np.sqrt,
    lambda xp, x, y: 0.5 / y, domain=(0.25, 4.0), analytic=True, scalar="sqrt({0})",
    margins=(Margin("domain", "x > 0", lambda s, xs, ys: xs[0]),),
)  # fmt: skip


def _pow(a: Array, b: Array) -> Array:
    if a.dtype.kind in "biu" and b.dtype.kind in "biu":
        a = a.astype(np.float64)  # integer powers of integers would raise on a negative exponent
    return np.power(a, b)


def _pow_domain(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """a itself where the exponent is fractional, |a| where it is a negative whole number."""
    a, b = xs
    whole = b == np.floor(b)
    free = np.where(b >= 0, np.inf, np.abs(a))
    return np.where(whole, free, a)


def _pow_partial_base(xp: Any, a: Any, b: Any, y: Any) -> Any:
    return b * xp.pow(a, b - 1.0)


def _pow_partial_exponent(xp: Any, a: Any, b: Any, y: Any) -> Any:
    """y log a, and 0 where a = 0 (the limit for b > 0)."""
    alive = xp.not_equal(a, 0.0)
    return xp.where(alive, y * xp.log(xp.where(alive, a, 1.0)), 0.0)


POW = binary(
    "pow", "a to the power b; a > 0 unless b is a whole number",
    "y = a^b;  dy = b a^(b-1) da + y log(a) db", _pow,
    (_pow_partial_base, _pow_partial_exponent),
    infer=infer_float, domains=((0.25, 3.0), (-2.0, 3.0)), ulps=2.0, analytic=True,
    ufunc=np.power, scalar="pow({0}, {1})",
    margins=(Margin("domain", "a > 0 for a fractional b", _pow_domain),),
)  # fmt: skip


def _wins(first: str, second: str) -> Any:
    """Partials of maximum/minimum: 1 for the winner, 1/2 each at a tie."""

    def side(compare: str) -> Any:
        def partial(xp: Any, a: Any, b: Any, y: Any) -> Any:
            won = getattr(xp, compare)(a, b)
            tie = xp.equal(a, b)
            return (
                xp.where(tie, 0.5, xp.where(won, 1.0, 0.0))
                if y.dtype == a.dtype
                else xp.astype(xp.where(tie, 0.5, xp.where(won, 1.0, 0.0)), dtype=y.dtype)
            )

        return partial

    return side(first), side(second)


def _gap(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    return np.abs(xs[0] - xs[1])


MAXIMUM = binary(
    "maximum", "the larger of two, NaN if either is", "y = max(a, b);  dy = d(the larger)",
    np.maximum, _wins("greater", "less"), ulps=0.0,
    kink="at a tie each operand gets one half (jax; torch too)",
    margins=(Margin("kink", "a = b", _gap), Margin("kink", "a = b", _gap, 1)),
    reads=picked,
)  # fmt: skip

MINIMUM = binary(
    "minimum", "the smaller of two, NaN if either is", "y = min(a, b);  dy = d(the smaller)",
    np.minimum, _wins("less", "greater"), ulps=0.0,
    kink="at a tie each operand gets one half (jax; torch too)",
    margins=(Margin("kink", "a = b", _gap), Margin("kink", "a = b", _gap, 1)),
    reads=picked,
)  # fmt: skip


def _infer_where(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    if ins[0].dtype != BOOL:
        raise IllTyped(DTYPE, f"needs a bool condition, got {ins[0].dtype}; compare first")
    refuse_reserved(ins)
    return attrs, (type_of(promote(*ins[1:]), broadcast(ins)),)


def _sample_where(d: Draw) -> Sample:
    (a, b), _ = sample_elementwise(d, ((-2.0, 2.0), (-2.0, 2.0)))
    return (d.booleans(d.choice((a.shape, b.shape))), a, b), {}


def _where_into(s: Site, out: Array, c: Array, a: Array, b: Array) -> None:
    np.copyto(out, b)
    np.copyto(out, a, where=c)


WHERE = Op(
    "where", "a where the condition holds, else b", "y = c ? a : b;  dy = c ? da : db",
    _infer_where, lambda s, c, a, b: np.where(c, a, b).astype(np.result_type(a, b), copy=False),
    _sample_where, (3, 3),
    jvp=(
        None,
        lambda xp, s, xs, ys, t: xp.where(xs[0], t, 0.0),
        lambda xp, s, xs, ys, t: xp.where(xs[0], 0.0, t),
    ),
    vjp=(
        None,
        lambda xp, s, xs, ys, c: xp.where(xs[0], c, 0.0),
        lambda xp, s, xs, ys, c: xp.where(xs[0], 0.0, c),
    ),
    linear=(1, 2), analytic=True, batching="elementwise", ulps=0.0, into=_where_into,
    scalar="({1} if {0} else {2})", reads=chosen,
)  # fmt: skip


def _clip_alive(xp: Any, x: Any, low: Any, high: Any) -> Any:
    inside = xp.logical_and(xp.greater_equal(x, low), xp.less_equal(x, high))
    return inside


def _infer_clip(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    return infer_numeric(attrs, ins)


def _sample_clip(d: Draw) -> Sample:
    x = d.real(d.shape(), -2.0, 2.0)
    return (x, np.asarray(-0.75), np.asarray(0.8125)), {}


def _clip_where(mask: Any) -> Any:
    return lambda xp, s, xs, ys, t: xp.where(mask(xp, *xs), t, 0.0)


CLIP = Op(
    "clip", "x limited to [low, high]", "y = min(max(x, low), high);  dy = dx inside, else d(bound)",
    _infer_clip, lambda s, x, low, high: np.minimum(np.maximum(x, low), high), _sample_clip, (3, 3),
    jvp=(
        _clip_where(_clip_alive),
        _clip_where(lambda xp, x, low, high: xp.less(x, low)),
        _clip_where(lambda xp, x, low, high: xp.greater(x, high)),
    ),
    vjp=(
        _clip_where(_clip_alive),
        _clip_where(lambda xp, x, low, high: xp.less(x, low)),
        _clip_where(lambda xp, x, low, high: xp.greater(x, high)),
    ),
    batching="elementwise", ulps=0.0,
    into=lambda s, out, x, low, high: np.minimum(np.maximum(x, low, out=out), high, out=out),
    kink="on a bound x counts as inside: slope 1 (torch.clamp; jax.numpy.clip gives one half)",
    conventions={"jax": "one half on a bound"},
    margins=(
        Margin("kink", "x = low", lambda s, xs, ys: np.abs(np.subtract(xs[0], xs[1], dtype=F64))),
        Margin("kink", "x = high", lambda s, xs, ys: np.abs(np.subtract(xs[0], xs[2], dtype=F64))),
    ),
    reads=picked,
)  # fmt: skip


def _infer_astype(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    refuse_reserved((type_of(attrs["dtype"], ()),))
    return attrs, (type_of(attrs["dtype"], ins[0].shape),)


def _cast(s: Site, x: Array) -> Array:
    if (
        x.dtype.kind == "c"
    ):  # the complex step goes through a float cast, and an integer has no slope
        return x if s["dtype"] in FLOATS else np.real(x).astype(s["dtype"])
    return x.astype(s["dtype"], copy=False)


ASTYPE = Op(
    "astype", "x in another dtype", "y = x;  dy = dx between floats, 0 through integers",
    _infer_astype, _cast,
    lambda d: ((d.real(d.shape()),), {"dtype": np.dtype(np.float64)}),
    jvp=(lambda xp, s, xs, ys, t: xp.astype(t, dtype=s["dtype"]) if s.out.is_float else None,),
    vjp=(lambda xp, s, xs, ys, c: c,),
    attrs=(Attr("dtype", "dtype", "dtype of the result", required=True),),
    linear=(0,), analytic=True, batching="elementwise",
    into=lambda s, out, x: np.copyto(out, x, casting="unsafe"),
)  # fmt: skip

RECORDS = (
    ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATIVE, POSITIVE, STOP_GRADIENT, ABS, SIGN, SQUARE,
    RECIPROCAL, SQRT, POW, MAXIMUM, MINIMUM, WHERE, CLIP, ASTYPE,
)  # fmt: skip
