"""How elementwise ops are recorded: `unary` and `binary` from a kernel and its partial derivatives.

A partial derivative is one formula used forward (times a tangent) and in reverse (times a
cotangent); broadcasting is undone by the transforms, never here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradproof_service.arrays import (
    BOOL,
    Array,
    Type,
    broadcast_shapes,
    floating,
    promote,
    type_of,
)
from gradproof_service.ops.record import DTYPE, SHAPE, Draw, IllTyped, Op, Rule, Sample, Site

Partial = Callable[..., Any]
"""`(xp, *xs, y) -> dy/dx_i`, all elementwise."""
Interval = tuple[float, float]


def broadcast(ins: tuple[Type, ...]) -> tuple[int, ...]:
    """The operands' broadcast shape, or `IllTyped`."""
    shape = broadcast_shapes(*(t.shape for t in ins))
    if shape is None:
        listed = " and ".join(str(t.shape) for t in ins)
        raise IllTyped(
            SHAPE, f"shapes {listed} do not broadcast; reshape or expand_dims one of them"
        )
    return shape


def infer_float(
    attrs: dict[str, Any], ins: tuple[Type, ...]
) -> tuple[dict[str, Any], tuple[Type, ...]]:
    """Broadcast operands; the result is a float (integers become float64)."""
    refuse_reserved(ins)
    return attrs, (type_of(floating(promote(*ins)), broadcast(ins)),)


def infer_same(
    attrs: dict[str, Any], ins: tuple[Type, ...]
) -> tuple[dict[str, Any], tuple[Type, ...]]:
    """Broadcast operands; the result has NumPy's promoted dtype."""
    refuse_reserved(ins)
    return attrs, (type_of(promote(*ins), broadcast(ins)),)


def infer_numeric(
    attrs: dict[str, Any], ins: tuple[Type, ...]
) -> tuple[dict[str, Any], tuple[Type, ...]]:
    """As `infer_same`, refusing booleans, for which arithmetic has no meaning."""
    if all(t.dtype == BOOL for t in ins):
        raise IllTyped(DTYPE, "needs numbers, got bool; cast with astype first")
    return infer_same(attrs, ins)


def infer_bool(
    attrs: dict[str, Any], ins: tuple[Type, ...]
) -> tuple[dict[str, Any], tuple[Type, ...]]:
    """Broadcast operands; the result is bool."""
    refuse_reserved(ins)
    return attrs, (type_of(BOOL, broadcast(ins)),)


def refuse_reserved(ins: tuple[Type, ...]) -> None:
    """Refuse dtypes that are only stored or reserved (float16, complex)."""
    for t in ins:
        if t.dtype.kind == "c" or t.dtype.itemsize * (t.dtype.kind == "f") == 2:
            raise IllTyped(DTYPE, f"does not compute with {t.dtype}; cast to float64 or float32")


def unary(
    name: str,
    meaning: str,
    formula: str,
    kernel: Callable[..., Any],
    partial: Partial | None,
    *,
    domain: Interval = (-2.0, 2.0),
    infer: Any = infer_float,
    **record: Any,
) -> Op:
    """An elementwise op of one operand; `kernel(x)`, `partial(xp, x, y)`."""
    record.setdefault("sample", lambda d: sample_elementwise(d, (domain,)))
    if isinstance(kernel, np.ufunc):
        record["ufunc"] = kernel
        kernel = float_result(kernel) if infer is infer_float else kernel
    return Op(
        name=name,
        meaning=meaning,
        formula=formula,
        infer=infer,
        kernel=lambda s, x: kernel(x),
        arity=(1, 1),
        jvp=(forward(partial),),
        vjp=(backward(partial),),
        batching="elementwise",
        **record,
    )


def binary(
    name: str,
    meaning: str,
    formula: str,
    kernel: Callable[..., Any],
    partials: tuple[Partial | None, Partial | None],
    *,
    domains: tuple[Interval, Interval] = ((-2.0, 2.0), (-2.0, 2.0)),
    infer: Any = infer_numeric,
    **record: Any,
) -> Op:
    """An elementwise op of two broadcast operands; `partials[i](xp, a, b, y)`."""
    record.setdefault("sample", lambda d: sample_elementwise(d, domains))
    if isinstance(kernel, np.ufunc):
        record["ufunc"] = kernel
    return Op(
        name=name,
        meaning=meaning,
        formula=formula,
        infer=infer,
        kernel=lambda s, a, b: kernel(a, b),
        arity=(2, 2),
        jvp=tuple(forward(p) for p in partials),
        vjp=tuple(backward(p) for p in partials),
        batching="elementwise",
        **record,
    )


def forward(partial: Partial | None) -> Rule | None:
    """The forward rule of a partial derivative: `y_dot = dy/dx * x_dot`."""
    if partial is None:
        return None
    return lambda xp, s, xs, ys, x_dot: x_dot * partial(xp, *_numbers(xp, s, xs), ys[0])


def backward(partial: Partial | None) -> Rule | None:
    """The reverse rule of a partial derivative: `x_bar = y_bar * dy/dx`."""
    if partial is None:
        return None
    return lambda xp, s, xs, ys, y_bar: y_bar * partial(xp, *_numbers(xp, s, xs), ys[0])


def _numbers(xp: Any, s: Site, xs: tuple[Any, ...]) -> list[Any]:
    """Operands as a partial derivative computes with them: a bool beside a float counts as 0 or 1."""
    return [
        xp.astype(x, dtype=s.out.dtype) if t.dtype == BOOL else x
        for x, t in zip(xs, s.ins, strict=True)
    ]


def sample_elementwise(d: Draw, domains: tuple[Interval, ...]) -> Sample:
    """Operands of one shape, or broadcast against each other, inside their domains."""
    shape = d.shape(0, 3, 3)
    args: list[Array] = []
    for i, (low, high) in enumerate(domains):
        mine = shape
        if i and shape and d.choice((False, True)):
            mine = shape[1:] if d.choice((False, True)) else (*shape[:-1], 1)
        args.append(d.real(mine, low, high))
    return tuple(args), {}


def float_result(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """A NumPy function for which integers must first become float64, as inference says."""

    def run(*xs: Any) -> Any:
        return kernel(
            *(x.astype(np.float64) if x.dtype.kind in "biu" else x for x in map(np.asarray, xs))
        )

    return run
