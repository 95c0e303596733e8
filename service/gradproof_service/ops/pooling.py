"""Pooling over windows of the last axes: the largest element, or the mean."""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type, floating
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.record import (
    ATTRIBUTE,
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
from gradproof_service.ops.reduction import distance_to_tie
from gradproof_service.ops.windows import Window, bordered, borders, need_fit, slid, spatial

Inferred = tuple[dict[str, Any], tuple[Type, ...]]

ATTRS = (
    Attr(
        "window",
        "ints",
        "sides of the window; it moves along as many of the last axes",
        required=True,
    ),
    Attr(
        "strides", "ints", "steps of the window along each of them; the window's sides by default"
    ),
    Attr(
        "padding",
        "ints",
        "border before and after each of them: b0, a0, b1, a1, ...; none by default",
    ),
    Attr("dilation", "ints", "distance of neighbours in the window; 1 by default"),
)


def _windows(s: Site) -> tuple[Window, ...]:
    """One window for each of the last axes."""
    return _of(s.attrs, s.ins[0].shape)


def _of(attrs: Any, shape: tuple[int, ...]) -> tuple[Window, ...]:
    k = len(attrs["window"])
    pads = attrs["padding"]
    return tuple(
        map(
            Window,
            shape[-k:],
            attrs["window"],
            attrs["strides"],
            pads[::2],
            pads[1::2],
            attrs["dilation"],
        )
    )


def _infer_pool(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    refuse_reserved(ins)
    if x.dtype == BOOL:
        raise IllTyped(DTYPE, "needs numbers, got bool; cast with astype first")
    k = len(attrs["window"])
    if not 1 <= k <= x.rank:
        raise IllTyped(
            SHAPE, f"a window of {k} axes does not fit shape {x.shape}; expected 1 to {x.rank}"
        )
    attrs = {
        **attrs,
        "window": spatial(attrs["window"], k, "window", 1, 1),
        "strides": spatial(attrs["strides"] or attrs["window"], k, "strides", 1, 1),
        "padding": borders(attrs["padding"], k),
        "dilation": spatial(attrs["dilation"], k, "dilation", 1, 1),
    }
    windows = _of(attrs, x.shape)
    if any(not 0 <= p < w.reach for w in windows for p in (w.low, w.high)):
        raise IllTyped(
            ATTRIBUTE, f"padding is {attrs['padding']}, expected less than the window's reach"
            f" {tuple(w.reach for w in windows)} and no less than 0; pad the array instead",
        )  # fmt: skip
    need_fit(windows, x.shape)
    return attrs, (x.with_shape(x.shape[: x.rank - k] + tuple(w.count for w in windows)),)


def _pooled(x: Array, windows: tuple[Window, ...], ufunc: Any, fill: Any) -> Array:
    """Windows of a box reduce one axis after the other: sum(size) work, not prod(size)."""
    for axis, w in enumerate(windows, -len(windows)):
        turned = bordered(np.moveaxis(x, axis, -1), (w,), fill)
        x = np.moveaxis(ufunc.reduce(slid(turned, (w,)), axis=-1), -1, axis)
    return x


def _max(s: Site, x: Array) -> Array:
    low = -np.inf if x.dtype.kind in "fc" else np.iinfo(x.dtype).min
    return _pooled(x, _windows(s), np.maximum, low)


def _spread(xp: Any, x: Any, windows: tuple[Window, ...], fill: float) -> Any:
    """The elements of every window: (..., c_1, s_1, c_2, s_2, ...), rule side."""
    k = len(windows)
    border = tuple(p for w in windows for p in (w.low, w.high))
    if any(border):
        x = xp.pad(x, pad_width=(0,) * (2 * (x.rank - k)) + border, value=fill)
    for i, w in enumerate(windows):
        x = xp.take(x, xp.constant(w.places()), axis=i - k)
        # an axis that is done counts two; those ahead are still k - i - 1
    return x


def _gathered(xp: Any, v: Any, windows: tuple[Window, ...], shape: tuple[int, ...]) -> Any:
    """Adjoint of `_spread`: every element of every window added to where it came from."""
    k = len(windows)
    outer = shape[: len(shape) - k]
    for i, w in reversed(list(enumerate(windows))):
        done = tuple(n for u in windows[:i] for n in (u.count, u.size))
        whole = tuple(u.n + u.low + u.high for u in windows[i:])
        board = xp.full(value=0.0, shape=outer + done + whole, dtype=v.dtype)
        spec = ",".join((*(":" * (len(outer) + len(done))), "array", "..."))
        v = xp.index_set(board, v, xp.constant(w.places()), spec=spec, reduction="add")
    if any(w.low or w.high for w in windows):
        starts = (0,) * len(outer) + tuple(w.low for w in windows)
        v = xp.slice(
            v, starts=starts, stops=tuple(a + n for a, n in zip(starts, shape, strict=True))
        )
    return v


def _inside(windows: tuple[Window, ...]) -> tuple[int, ...]:
    """Axes of the windows' elements in what `_spread` gives."""
    return tuple(range(-2 * len(windows) + 1, 0, 2))


def _share(xp: Any, s: Site, xs: Any, ys: Any) -> Any:
    """1 at each window's largest element, 1/k at each of k tied ones, 0 elsewhere."""
    windows = _windows(s)
    inner = _inside(windows)
    x = _spread(xp, xs[0], windows, -np.inf)
    hit = xp.astype(xp.equal(x, xp.expand_dims(ys[0], axes=inner)), dtype=s.out.dtype)
    return hit / xp.sum(hit, axes=inner, keepdims=True)


def _max_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    windows = _windows(s)
    return xp.sum(_share(xp, s, xs, ys) * _spread(xp, t, windows, 0.0), axes=_inside(windows))


def _max_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    windows = _windows(s)
    shared = _share(xp, s, xs, ys) * xp.expand_dims(c, axes=_inside(windows))
    return _gathered(xp, shared, windows, s.ins[0].shape)


def _tie(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
    """For each element the least distance to a tie over the windows that hold it."""
    windows, x = _windows(s), xs[0].astype(np.float64)
    k = len(windows)
    inner = tuple(range(-k, 0))
    gap = distance_to_tie(slid(bordered(x, windows, -np.inf), windows), inner)
    place = slid(bordered(np.arange(x.size).reshape(x.shape), windows, x.size), windows)
    nearest = np.full(x.size + 1, np.inf)
    np.minimum.at(nearest, place.reshape(-1), gap.reshape(-1))
    return nearest[:-1].reshape(x.shape)


def _sample_pool(d: Draw) -> Sample:
    k = d.integer(1, 2)
    window = tuple(d.integer(1, 3) for _ in range(k))
    dilation = tuple(d.integer(1, 2) if k == 1 else 1 for _ in range(k))
    reach = [(w - 1) * a + 1 for w, a in zip(window, dilation, strict=True)]
    shape = (*d.shape(0, 2, 2), *(r + d.integer(0, 2) for r in reach))
    padding = tuple(d.integer(0, min(1, r - 1)) for r in reach for _ in range(2))
    attrs: dict[str, Any] = {"window": window, "padding": padding, "dilation": dilation}
    if d.choice((False, True)):
        attrs["strides"] = tuple(d.integer(1, 2) for _ in range(k))
    return (d.real(shape),), attrs


def _window_reads(s: Site, i: int, x: Array, xs: Any) -> Array:
    windows = _windows(s)
    seen = slid(bordered(x, windows, -1), windows)
    return seen.reshape(*s.out.shape, -1)


MAX_POOL = Op(
    "max_pool", "the largest element of each window over the last axes; a border never wins",
    "y_o = max_k x_{o,k};  dy_o = sum_k w_k dx_{o,k},  w_k = [x_{o,k} = y_o] / number of ties",
    _infer_pool, _max, _sample_pool, jvp=(_max_tangent,), vjp=(_max_cotangent,),
    attrs=ATTRS, ulps=0.0, cost=lambda s: s.out.size * sum(s["window"]),
    kink="elements that tie share the slope equally, as in `max`; torch gives all to the first",
    conventions={"torch": "all of the slope to the first that ties"},
    margins=(Margin("kink", "two elements of a window are largest", _tie),),
    source="ONNX MaxPool",
    reads=_window_reads,
)  # fmt: skip


def _infer_mean(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    attrs, (out,) = _infer_pool(attrs, ins)
    return attrs, (out.with_dtype(floating(out.dtype)),)


def _divisor(s: Site) -> Array:
    """How many elements each window's mean is over, in the result's dtype; at least 1."""
    windows = _windows(s)
    if s["count_include_pad"]:
        return np.asarray(prod(s["window"]), s.out.dtype)
    counts = reduce(np.multiply.outer, (w.covered() for w in windows))
    return np.maximum(counts, 1).astype(s.out.dtype)


def _mean(s: Site, x: Array) -> Array:
    x = x if x.dtype.kind in "fc" else x.astype(s.out.dtype)
    return _pooled(x, _windows(s), np.add, 0) / _divisor(s)


def _mean_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    windows = _windows(s)
    each = xp.expand_dims(c / xp.constant(_divisor(s)), axes=_inside(windows))
    outer = s.out.shape[: s.out.rank - len(windows)]
    sides = tuple(n for w in windows for n in (w.count, w.size))
    return _gathered(xp, xp.broadcast_to(each, shape=outer + sides), windows, s.ins[0].shape)


def _sample_mean(d: Draw) -> Sample:
    xs, attrs = _sample_pool(d)
    return xs, {**attrs, "count_include_pad": d.choice((False, True))}


AVG_POOL = Op(
    "avg_pool", "the mean of each window over the last axes",
    "y_o = 1/N_o sum_k x_{o,k};  dy = avg_pool(dx)",
    _infer_mean, _mean, _sample_mean,
    jvp=(lambda xp, s, xs, ys, t: xp.avg_pool(t, **s.attrs),), vjp=(_mean_cotangent,),
    attrs=(*ATTRS, Attr("count_include_pad", "bool", "count the border's zeros in the mean", False)),
    linear=(0,), analytic=True, accumulates=True, cost=lambda s: s.out.size * sum(s["window"]),
    source="ONNX AveragePool",
    reads=_window_reads,
)  # fmt: skip

RECORDS = (MAX_POOL, AVG_POOL)
