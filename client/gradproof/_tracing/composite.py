"""NumPy functions that are a short program themselves: quadrature, interpolation, polynomials."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from gradproof._tracing.array import Traced
from gradproof._tracing.indexing import get
from gradproof._tracing.operands import as_traced, floating, one_axis
from gradproof._tracing.reduction import reduced
from gradproof._tracing.shaping import broadcast_to, concatenate, reshape, stack, transpose
from gradproof._tracing.tape import apply
from gradproof._tracing.unsupported import refuse

Lowering = Callable[..., Any]


def _along(x: Traced, axis: int, cut: slice) -> Traced:
    place = one_axis(axis, x.ndim)
    return get(x, (Ellipsis, cut, *(slice(None),) * (-place - 1)))


def trapezoid(y: Any, x: Any = None, dx: float = 1.0, axis: int = -1) -> Traced:
    """The trapezoidal rule along an axis."""
    y = floating(as_traced(y))
    heights = _along(y, axis, slice(1, None)) + _along(y, axis, slice(None, -1))
    width: Any = dx
    if x is not None:
        x = as_traced(x)
        width = _along(x, axis if x.ndim > 1 else -1, slice(1, None)) - _along(
            x, axis if x.ndim > 1 else -1, slice(None, -1)
        )
        if x.ndim == 1:
            width = reshape(width, (-1,) + (1,) * (-one_axis(axis, y.ndim) - 1))
    return reduced("sum", width * heights * 0.5, axis)


def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Traced:
    """Linear interpolation; which interval each point lies in is read at the point of the check."""
    if period is not None:
        refuse("unknown-option", "np.interp with a period is not recorded")
    at = as_traced(x)
    knots, values = as_traced(xp), floating(as_traced(fp))
    last = knots.size - 2
    # Which interval: counted in ops, so that it follows the point when the point moves.
    inner = get(knots, (slice(1, -1),))
    beyond = apply("greater_equal", apply("expand_dims", at, axes=(at.ndim,)), inner)
    place = reduced("sum", beyond.astype(np.int64), -1)
    low, high = get(knots, (place,)), get(knots, (place + 1,))
    below, above = get(values, (place,)), get(values, (place + 1,))
    out = below + (above - below) / (high - low) * (at - low)
    first, end = get(values, (0,)), get(values, (last + 1,))
    out = apply("where", apply("less", at, get(knots, (0,))), first if left is None else left, out)
    return apply(
        "where", apply("greater", at, get(knots, (last + 1,))), end if right is None else right, out
    )


def polyval(p: Any, x: Any) -> Traced:
    """A polynomial by Horner's rule, the highest power first."""
    coefficients, at = as_traced(p), as_traced(x)
    out: Traced = broadcast_to(coefficients[0], at.shape)
    for i in range(1, coefficients.size):
        out = out * at + coefficients[i]
    return out


def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """Second-order differences along axes with even spacing."""
    x = floating(as_traced(f))
    axes = range(x.ndim) if axis is None else [axis] if isinstance(axis, int) else list(axis)
    steps = list(varargs) or [1.0]
    steps = steps * len(axes) if len(steps) == 1 else steps
    if edge_order != 1 or any(np.ndim(s.data if isinstance(s, Traced) else s) for s in steps):
        refuse("unknown-option", "np.gradient with uneven spacing or edge_order=2 is not recorded")
    out: list[Traced] = []
    for ax, step in zip(axes, steps, strict=True):
        inner = (_along(x, ax, slice(2, None)) - _along(x, ax, slice(None, -2))) / (2.0 * step)
        first = (_along(x, ax, slice(1, 2)) - _along(x, ax, slice(0, 1))) / step
        last = (_along(x, ax, slice(-1, None)) - _along(x, ax, slice(-2, -1))) / step
        out.append(concatenate([first, inner, last], ax))
    return out[0] if len(out) == 1 else tuple(out)


def convolve(a: Any, v: Any, mode: str = "full") -> Traced:
    """The convolution of two vectors: shifted copies of the longer, weighted by the shorter."""
    a, v = as_traced(a), as_traced(v)
    if v.size > a.size:
        a, v = v, a
    n, m = a.size, v.size
    wide = concatenate([np.zeros(m - 1, a.dtype), a, np.zeros(m - 1, a.dtype)])
    windows = get(wide, (np.arange(n + m - 1)[:, None] + np.arange(m - 1, -1, -1),))
    full = apply("matmul", windows, v)
    if mode == "full":
        return full
    length = n if mode == "same" else n - m + 1
    start = (m - 1) // 2 if mode == "same" else m - 1
    return get(full, (slice(start, start + length),))


def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8) -> Traced:
    """Whether numbers are close, elementwise."""
    size = apply("add", apply("multiply", apply("abs", b), rtol), atol)
    return apply("less_equal", apply("abs", apply("subtract", a, b)), size)


def vander(x: Any, N: Any = None, increasing: bool = False) -> Traced:
    """Powers of a vector in columns."""
    x = as_traced(x)
    n = x.size if N is None else int(N)
    powers = np.arange(n) if increasing else np.arange(n)[::-1]
    columns = [
        apply("pow", x, int(k)) if k > 1 else x if k else np.ones_like(x.data) for k in powers
    ]
    return stack(columns, 1)


def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **options: Any) -> Traced:
    """A function of vectors at every place, one after the other."""
    x = as_traced(arr)
    place = one_axis(axis, x.ndim) + x.ndim
    last = transpose(x, (*(i for i in range(x.ndim) if i != place), place))
    rows = reshape(last, (-1, x.shape[place]))
    results = [as_traced(func1d(rows[i], *args, **options)) for i in range(rows.shape[0])]
    out = reshape(stack(results), last.shape[:-1] + results[0].shape)
    extra = results[0].ndim
    kept = x.ndim - 1
    order = (*range(place), *range(kept, kept + extra), *range(place, kept))
    return transpose(out, order)


def full(shape: Any, fill_value: Any, dtype: Any = None, **options: Any) -> Traced:
    """An array filled with a traced value."""
    value = as_traced(fill_value)
    value = value if dtype is None else value.astype(dtype)
    return broadcast_to(value, shape).copy()


def linspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, **options: Any) -> Traced:
    """Evenly spaced numbers between traced ends."""
    if options:
        raise TypeError(f"linspace: unknown option {next(iter(options))}")
    steps = np.arange(num) / max(num - 1 if endpoint else num, 1)
    low, high = as_traced(start), as_traced(stop)
    return low + (high - low) * reshape(as_traced(steps), (-1,) + (1,) * max(low.ndim, high.ndim))


TABLE: Final[dict[Any, Lowering]] = {
    np.trapezoid: trapezoid, np.interp: interp, np.polyval: polyval, np.gradient: gradient,
    np.convolve: convolve, np.isclose: isclose, np.vander: vander,
    np.apply_along_axis: apply_along_axis, np.full: full, np.linspace: linspace,
    np.allclose: lambda a, b, rtol=1e-5, atol=1e-8: reduced("all", isclose(a, b, rtol, atol), None),
    np.array_equal: lambda a, b: reduced("all", apply("equal", a, b), None),
}  # fmt: skip
