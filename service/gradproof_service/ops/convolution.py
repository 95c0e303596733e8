"""Convolution over any number of axes: strided, padded, dilated on both sides, in groups.

Layout: x is (N, C, *n), the kernel (O, C/groups, *k), the result (N, O, *m). As in all of deep
learning it is a correlation: the kernel is not flipped. Both derivatives are convolutions again,
so every order follows.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape, Type, promote, type_of
from gradproof_service.ops.elementwise import refuse_reserved
from gradproof_service.ops.record import (
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Op,
    Sample,
    Site,
)
from gradproof_service.ops.windows import Window, bordered, borders, need_fit, slid, spatial

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _of(attrs: Any, x: Shape, w: Shape) -> tuple[Window, ...]:
    """One window for each spatial axis, over x with zeros between its elements."""
    pads = attrs["padding"]
    wide = (max(0, (n - 1) * g + 1) for n, g in zip(x[2:], attrs["lhs_dilation"], strict=True))
    return tuple(
        map(Window, wide, w[2:], attrs["strides"], pads[::2], pads[1::2], attrs["dilation"])
    )


def _windows(s: Site) -> tuple[Window, ...]:
    return _of(s.attrs, s.ins[0].shape, s.ins[1].shape)


def _infer(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, w = ins
    refuse_reserved(ins)
    if not (x.is_float and w.is_float):
        raise IllTyped(DTYPE, f"needs floats, got {x.dtype} and {w.dtype}; cast with astype first")
    if x.rank < 3 or x.rank != w.rank:
        raise IllTyped(
            SHAPE, f"shapes {x.shape} and {w.shape} are not (N, C, *n) and (O, C/groups, *k) of one rank;"
            " reshape or expand_dims one of them",
        )  # fmt: skip
    k, groups = x.rank - 2, attrs["groups"]
    attrs = {
        "strides": spatial(attrs["strides"], k, "strides", 1, 1),
        "padding": borders(attrs["padding"], k),
        "dilation": spatial(attrs["dilation"], k, "dilation", 1, 1),
        "lhs_dilation": spatial(attrs["lhs_dilation"], k, "lhs_dilation", 1, 1),
        "groups": groups,
    }
    if groups < 1 or x.shape[1] != groups * w.shape[1] or w.shape[0] % groups:
        raise IllTyped(
            ATTRIBUTE, f"{groups} groups of a kernel {w.shape} do not fit {x.shape[1]} channels; expected"
            " C = groups * kernel side 1, and groups to divide kernel side 0",
        )  # fmt: skip
    windows = _of(attrs, x.shape, w.shape)
    if any(u.size < 1 or u.n < 1 for u in windows):
        raise IllTyped(
            SHAPE, f"shapes {x.shape} and {w.shape} have an empty spatial axis; leave it out"
        )
    need_fit(windows, x.shape)
    shape = (x.shape[0], w.shape[0], *(u.count for u in windows))
    return attrs, (type_of(promote(x, w), shape),)


def _conv(s: Site, x: Array, w: Array) -> Array:
    """Windows against kernels as one matrix product for each group (and batch element)."""
    lead, windows = s.lead(x), _windows(s)
    if lead and lead[0] and w.strides[0] == 0:  # one kernel for the whole batch: more rows of x
        y = _products(s, x.reshape(-1, *x.shape[2:]), w[0], (), windows)
        return y.reshape(*x.shape[:2], *y.shape[1:])
    if lead and lead[0] and x.strides[0] == 0:  # one x for the whole batch: more kernels
        groups, outs = s["groups"], s.out.shape[1] // s["groups"]
        ws = w.reshape(*lead, groups, outs, *w.shape[2:]).swapaxes(0, 1)
        y = _products(s, x[0], ws.reshape(-1, *w.shape[2:]), (), windows)
        y = y.reshape(y.shape[0], groups, *lead, outs, *y.shape[2:])
        return np.moveaxis(y, 2, 0).reshape(lead + s.out.shape)
    return _products(s, x, w, lead, windows)


def _products(s: Site, x: Array, w: Array, lead: Shape, windows: tuple[Window, ...]) -> Array:
    b, k, groups = len(lead), len(windows), s["groups"]
    rows, channels = x.shape[b : b + 2]
    seen = slid(bordered(_dilated(x, s["lhs_dilation"]), windows, 0), windows)
    counts, sizes = seen.shape[b + 2 : b + 2 + k], seen.shape[b + 2 + k :]
    inner, outs = channels // groups, w.shape[b] // groups
    seen = seen.reshape(*lead, rows, groups, inner, *counts, *sizes)
    at = tuple(range(b + 3, b + 3 + k))
    order = (*range(b), b + 1, b, *at, b + 2, *(a + k for a in at))
    left = seen.transpose(order).reshape(*lead, groups, rows * prod(counts), inner * prod(sizes))
    right = w.reshape(*lead, groups, outs, inner * prod(sizes))
    y = left @ right.swapaxes(-1, -2)  # (*lead, G, N * counts, O / G)
    y = y.reshape(*lead, groups, rows, *counts, outs)
    y = np.moveaxis(y, (b + 1, b, -1), (b, b + 1, b + 2))
    return y.reshape(*lead, rows, groups * outs, *counts)


def _dilated(x: Array, gaps: Shape) -> Array:
    """The last axes with gap - 1 zeros between neighbours."""
    if all(g == 1 for g in gaps):
        return x
    outer = x.shape[: x.ndim - len(gaps)]
    wide = np.zeros(
        outer + tuple((n - 1) * g + 1 for n, g in zip(x.shape[len(outer) :], gaps, strict=True)),
        x.dtype,
    )
    wide[(..., *(slice(None, None, g) for g in gaps))] = x
    return wide


def _spatial_last(rank: int) -> tuple[int, ...]:
    return tuple(range(2 - rank, 0))


def _x_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """The kernel, flipped and with its channels exchanged, over the cotangent spread by the strides.

    Borders: those of full correlation, less the ones of the forward pass (negative ones cut).
    """
    w, groups = xs[1], s["groups"]
    o, inner, *sizes = w.shape
    rank = w.rank
    turned = xp.reshape(w, shape=(groups, o // groups, inner, *sizes))
    turned = xp.permute_dims(turned, axes=(0, 2, 1, *range(3, rank + 1)))
    turned = xp.flip(
        xp.reshape(turned, shape=(groups * inner, o // groups, *sizes)), axes=_spatial_last(rank)
    )
    padding: list[int] = []
    for u in _windows(s):
        low = u.reach - 1 - u.low
        padding += [low, u.n + u.reach - 1 - ((u.count - 1) * u.stride + 1) - low]
    return xp.conv(
        c, turned, strides=s["lhs_dilation"], padding=tuple(padding), dilation=s["dilation"],
        lhs_dilation=s["strides"], groups=groups,
    )  # fmt: skip


def _w_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """x over the cotangent with rows and channels exchanged: strides and dilation change places."""
    x, groups = xs[0], s["groups"]
    (rows, channels, *n), rank = x.shape, x.rank
    last = tuple(range(3, rank + 1))
    seen = xp.reshape(x, shape=(rows, groups, channels // groups, *n))
    seen = xp.permute_dims(seen, axes=(2, 1, 0, *last))
    seen = xp.reshape(seen, shape=(channels // groups, groups * rows, *n))
    by = xp.permute_dims(c, axes=(1, 0, *range(2, rank)))
    padding: list[int] = []
    for u in _windows(s):
        total = (u.count - 1) * u.stride + u.reach - u.n
        padding += [u.low, total - u.low]
    w_bar = xp.conv(
        seen, by, strides=s["dilation"], padding=tuple(padding), dilation=s["strides"],
        lhs_dilation=s["lhs_dilation"], groups=groups,
    )  # fmt: skip
    return xp.permute_dims(w_bar, axes=(1, 0, *range(2, rank)))


def _sample(d: Draw) -> Sample:
    k, groups = d.integer(1, 2), d.integer(1, 2)
    sizes = tuple(d.integer(1, 3) for _ in range(k))
    strides, dilation, spread = (tuple(d.integer(1, 2) for _ in range(k)) for _ in range(3))
    sides = tuple((m - 1) * a + 1 + d.integer(0, 2) for m, a in zip(sizes, dilation, strict=True))
    padding = tuple(d.integer(0, 1) for _ in range(2 * k))
    inner, outs = d.integer(1, 2), d.integer(1, 2)
    x = d.real((d.integer(1, 2), groups * inner, *sides))
    w = d.real((groups * outs, inner, *sizes))
    return (x, w), {
        "strides": strides, "padding": padding, "dilation": dilation, "lhs_dilation": spread, "groups": groups,
    }  # fmt: skip


def _conv_reads(s: Site, i: int, x: Array, xs: Any) -> Array:
    """A window of every channel of the group; the whole kernel of the output channel."""
    windows, groups = _windows(s), s["groups"]
    rows, outs, *counts = s.out.shape
    if i == 1:
        whole = x.reshape(outs, *(1,) * len(counts), -1)
    else:
        seen = slid(bordered(_dilated(x + 1, s["lhs_dilation"]), windows, 0), windows) - 1
        seen = seen.reshape(rows, groups, 1, -1, *seen.shape[2:])
        seen = np.moveaxis(seen, 3, 3 + len(counts)).reshape(rows, groups, 1, *counts, -1)
        whole = np.repeat(seen, outs // groups, axis=2).reshape(*s.out.shape, -1)
    return np.broadcast_to(whole, (*s.out.shape, whole.shape[-1]))


CONV = Op(
    "conv", "correlation of x (N, C, *n) with a kernel (O, C/groups, *k): (N, O, *m)",
    "y_{b,o,p} = sum_{c,q} x_{b,c, p stride + q dilation - pad} w_{o,c,q};  dy = dx * w + x * dw",
    _infer, _conv, _sample, (2, 2),
    jvp=(
        lambda xp, s, xs, ys, t: xp.conv(t, xs[1], **s.attrs),
        lambda xp, s, xs, ys, t: xp.conv(xs[0], t, **s.attrs),
    ),
    vjp=(_x_cotangent, _w_cotangent),
    attrs=(
        Attr("strides", "ints", "steps of the kernel along each spatial axis; 1 by default"),
        Attr("padding", "ints", "zeros before and after each axis, b0, a0, ...; negative cuts; none by default"),
        Attr("dilation", "ints", "distance of neighbours in the kernel; 1 by default"),
        Attr("lhs_dilation", "ints", "distance of neighbours of x, zeros between; 1 by default"),
        Attr("groups", "int", "parts of the channels that do not mix", 1),
    ),
    linear=(0, 1), analytic=True, accumulates=True, cost=lambda s: 2.0 * s.out.size * prod(s.ins[1].shape[1:]),
    source="Dumoulin and Visin, A guide to convolution arithmetic for deep learning, 2016; layout of ONNX Conv",
    reads=_conv_reads,
)  # fmt: skip

RECORDS = (CONV,)
