"""Putting arrays together and taking them apart: concat, stack, split, tile and pad."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gradproof_service.arrays import INTEGERS, Array, Type, promote, type_of
from gradproof_service.ops.axes import normal_axis
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, Draw, IllTyped, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _dots(xp: Any, s: Site, x_dots: tuple[Any, ...]) -> list[Any]:
    """Every operand's tangent, zeros where there is none."""
    zero = s.out.dtype
    return [
        xp.zeros(type_of(zero, t.shape)) if d is None else d
        for d, t in zip(x_dots, s.ins, strict=True)
    ]


def _infer_concat(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    first = ins[0]
    axis = normal_axis(attrs["axis"], first.rank)
    place = first.rank + axis
    for t in ins:
        if t.rank != first.rank or any(
            n != m for i, (n, m) in enumerate(zip(t.shape, first.shape, strict=True)) if i != place
        ):
            raise IllTyped(
                SHAPE, f"shapes {first.shape} and {t.shape} differ in more than axis {axis}; reshape one"
            )
    shape = (*first.shape[:place], sum(t.shape[place] for t in ins), *first.shape[place + 1 :])
    return {"axis": axis}, (type_of(promote(*ins), shape),)


def _concat_cotangents(
    xp: Any, s: Site, xs: Any, ys: Any, y_bars: tuple[Any, ...], wanted: list[bool]
) -> tuple[Any, ...]:
    parts = xp.split(y_bars[0], sizes=tuple(t.shape[s["axis"]] for t in s.ins), axis=s["axis"])
    return parts if isinstance(parts, tuple) else (parts,)


def _sample_concat(d: Draw) -> Sample:
    shape = d.shape(1, 3, 3)
    axis = d.integer(-len(shape), -1)
    at = len(shape) + axis
    sides = [d.integer(1, 3) for _ in range(d.integer(1, 3))]
    return tuple(d.real((*shape[:at], n, *shape[at + 1 :])) for n in sides), {"axis": axis}


CONCAT = Op(
    "concat", "arrays one after the other along an axis they have",
    "y = [a, b, ...];  dy = [da, db, ...]",
    _infer_concat, lambda s, *xs: np.concatenate(xs, s["axis"]), _sample_concat, (1, None),
    jvp_all=lambda xp, s, xs, ys, ts: (xp.concat(*_dots(xp, s, ts), axis=s["axis"]),),
    vjp_all=_concat_cotangents,
    attrs=(Attr("axis", "int", "the axis along which they follow each other", 0),),
    analytic=True, ulps=0.0, source="Array API",
)  # fmt: skip


def _infer_stack(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    first = ins[0]
    axis = normal_axis(attrs["axis"], first.rank + 1)
    for t in ins:
        if t.shape != first.shape:
            raise IllTyped(SHAPE, f"shapes {first.shape} and {t.shape} differ; reshape one")
    place = first.rank + 1 + axis
    shape = (*first.shape[:place], len(ins), *first.shape[place:])
    return {"axis": axis}, (type_of(promote(*ins), shape),)


def _stack_cotangents(
    xp: Any, s: Site, xs: Any, ys: Any, y_bars: tuple[Any, ...], wanted: list[bool]
) -> tuple[Any, ...]:
    axis = s["axis"]
    parts = xp.split(y_bars[0], sizes=(1,) * len(xs), axis=axis)
    rows = parts if isinstance(parts, tuple) else (parts,)
    return tuple(
        xp.squeeze(row, axes=(axis,)) if want else None for row, want in zip(rows, wanted, strict=True)
    )


def _sample_stack(d: Draw) -> Sample:
    shape = d.shape(0, 2, 3)
    axis = d.integer(-len(shape) - 1, len(shape))
    return tuple(d.real(shape) for _ in range(d.integer(1, 3))), {"axis": axis}


STACK = Op(
    "stack", "arrays of one shape side by side along a new axis",
    "y[..., i, ...] = x_i;  dy[..., i, ...] = dx_i",
    _infer_stack, lambda s, *xs: np.stack(xs, s["axis"]), _sample_stack, (1, None),
    jvp_all=lambda xp, s, xs, ys, ts: (xp.stack(*_dots(xp, s, ts), axis=s["axis"]),),
    vjp_all=_stack_cotangents,
    attrs=(Attr("axis", "int", "where the new axis stands in the result", 0),),
    analytic=True, ulps=0.0, source="Array API",
)  # fmt: skip


def _infer_split(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    axis = normal_axis(attrs["axis"], x.rank)
    sizes: tuple[int, ...] = attrs["sizes"]
    n = x.shape[axis]
    if not sizes or any(m < 0 for m in sizes) or sum(sizes) != n:
        raise IllTyped(ATTRIBUTE, f"sizes {sizes} add up to {sum(sizes)}, expected {n}; correct them")
    place = x.rank + axis
    outs = tuple(x.with_shape((*x.shape[:place], m, *x.shape[place + 1 :])) for m in sizes)
    return {"sizes": sizes, "axis": axis}, outs


def _split(s: Site, x: Array) -> Any:
    parts: list[Array] = []
    rest = (slice(None),) * (-1 - s["axis"])
    start = 0
    for size in s["sizes"]:
        parts.append(x[(..., slice(start, start + size), *rest)])
        start += size
    return tuple(parts) if len(parts) > 1 else parts[0]


def _split_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    bars = c if isinstance(c, tuple) else (c,)
    whole = [xp.zeros(t) if bar is None else bar for bar, t in zip(bars, s.outs, strict=True)]
    return xp.concat(*whole, axis=s["axis"])


def _sample_split(d: Draw) -> Sample:
    sizes = tuple(d.integer(1, 2) for _ in range(d.integer(1, 3)))
    before, after = d.shape(0, 1, 3), d.shape(0, 1, 3)
    axis = len(before) if d.choice((False, True)) else -1 - len(after)
    return (d.real((*before, sum(sizes), *after)),), {"sizes": sizes, "axis": axis}


SPLIT = Op(
    "split", "consecutive pieces of these sizes along an axis, one output each",
    "(y1, y2, ...) = x;  dy_i = split(dx)_i",
    _infer_split, _split, _sample_split,
    jvp=(lambda xp, s, xs, ys, t: xp.split(t, sizes=s["sizes"], axis=s["axis"]),),
    vjp=(_split_cotangent,),
    attrs=(
        Attr("sizes", "ints", "the pieces' sides along the axis", required=True),
        Attr("axis", "int", "the axis that is cut", 0),
    ),
    linear=(0,), analytic=True, ulps=0.0, source="ONNX Split",
)  # fmt: skip


def _tiled(shape: tuple[int, ...], repeats: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    """(times, side) of each axis of the result, both padded with ones in front."""
    rank = max(len(shape), len(repeats))
    times = (1,) * (rank - len(repeats)) + repeats
    return tuple(zip(times, (1,) * (rank - len(shape)) + shape, strict=True))


def _infer_tile(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    if any(r < 0 for r in attrs["repeats"]):
        raise IllTyped(ATTRIBUTE, f"repeats is {attrs['repeats']}, expected numbers >= 0")
    pairs = _tiled(x.shape, attrs["repeats"])
    return {"repeats": tuple(r for r, _ in pairs)}, (x.with_shape(r * n for r, n in pairs),)


def _tile(s: Site, x: Array) -> Array:
    lead, pairs = s.lead(x), _tiled(s.ins[0].shape, s["repeats"])
    thin = x.reshape(lead + tuple(v for _, n in pairs for v in (1, n)))
    return np.broadcast_to(thin, lead + tuple(v for p in pairs for v in p)).reshape(lead + s.out.shape)


def _untile(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    pairs = _tiled(s.ins[0].shape, s["repeats"])
    copies = xp.reshape(c, shape=tuple(v for p in pairs for v in p))
    total = xp.sum(copies, axes=tuple(range(-2 * len(pairs), 0, 2))) if pairs else copies
    return xp.reshape(total, shape=s.ins[0].shape)


def _sample_tile(d: Draw) -> Sample:
    repeats = d.choice(((2,), (1, 3), (2, 1, 2), (1,)))
    return (d.real(d.shape(0, 3, 3)),), {"repeats": repeats}


TILE = Op(
    "tile", "copies of the whole array side by side along each axis",
    "y[i] = x[i mod n];  dy = tile(dx)",
    _infer_tile, _tile, _sample_tile,
    jvp=(lambda xp, s, xs, ys, t: xp.tile(t, repeats=s["repeats"]),),
    vjp=(_untile,),
    attrs=(Attr("repeats", "ints", "how often along each axis, from the last one", required=True),),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy tile",
)  # fmt: skip

MODES: Final = ("constant", "reflect", "edge", "wrap")


def _infer_pad(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    width: tuple[int, ...] = attrs["pad_width"]
    mode, value = attrs["mode"], attrs["value"]
    if len(width) in (1, 2) and x.rank * 2 != len(width):
        width = (width * 2)[:2] * x.rank  # NumPy's short spelling: the same for every axis
    if len(width) != 2 * x.rank or any(w < 0 for w in width):
        raise IllTyped(
            ATTRIBUTE, f"pad_width is {width}, expected {2 * x.rank} numbers >= 0: before and after "
            "each axis; use slice to cut",
        )  # fmt: skip
    if mode not in MODES:
        raise IllTyped(ATTRIBUTE, f"mode is {mode!r}, expected one of {', '.join(MODES)}")
    if x.dtype in INTEGERS and not _fits(value, x.dtype):
        raise IllTyped(ATTRIBUTE, f"value is {value}, expected a whole number that fits {x.dtype}")
    pairs = tuple(zip(width[::2], width[1::2], strict=True))
    for n, (before, after) in zip(x.shape, pairs, strict=True):
        if mode != "constant" and not n and before + after:
            raise IllTyped(SHAPE, f"mode {mode!r} has nothing to repeat in shape {x.shape}")
    shape = (n + a + b for n, (a, b) in zip(x.shape, pairs, strict=True))
    return {"pad_width": width, "mode": mode, "value": value}, (x.with_shape(shape),)


def _fits(value: float, dtype: np.dtype[Any]) -> bool:
    return value.is_integer() and np.iinfo(dtype).min <= value <= np.iinfo(dtype).max


def _pad(s: Site, x: Array) -> Array:
    lead, width = s.lead(x), s["pad_width"]
    if s["mode"] != "constant":
        pairs = ((0, 0),) * len(lead) + tuple(zip(width[::2], width[1::2], strict=True))
        return np.pad(x, pairs, s["mode"])
    y = np.full(lead + s.out.shape, s["value"], x.dtype)
    core = s.ins[0].shape
    y[(..., *(slice(a, a + n) for a, n in zip(width[::2], core, strict=True)))] = x
    return y


def _runs(mode: str, n: int, before: int, after: int) -> list[tuple[int, int, int]]:
    """The padded axis as consecutive runs (length, first, step) of indices into x; step 1, -1, 0."""
    if mode == "constant":
        return [(before, -1, 0), (n, 0, 1), (after, -1, 0)]
    if mode == "edge" or n == 1:
        return [(before, 0, 0), (n, 0, 1), (after, n - 1, 0)]
    runs: list[tuple[int, int, int]] = []
    at, end = -before, n + after
    while at < end:
        if mode == "wrap":
            first, length, step = at % n, n - at % n, 1
        else:  # up over 0..n-2, down over n-1..1, and again
            turn = at % (2 * n - 2)
            up = turn < n - 1
            first, step = (turn, 1) if up else (2 * n - 2 - turn, -1)
            length = n - 1 - first if up else first
        length = min(length, end - at)
        runs.append((length, first, step))
        at += length
    return runs


def _pad_axis_cotangent(xp: Any, s: Site, c: Any, axis: int, n: int, before: int, after: int) -> Any:
    """Each run of the padded axis, put back where it was read from, and summed."""
    runs = [r for r in _runs(s["mode"], n, before, after) if r[0]]
    if not runs:
        return c
    parts = xp.split(c, sizes=tuple(length for length, _, _ in runs), axis=axis)
    total = None
    for (length, first, step), part in zip(runs, parts if len(runs) > 1 else (parts,), strict=True):
        if first < 0:
            continue
        if step == 0:
            part, length = xp.sum(part, axes=(axis,), keepdims=True), 1
        elif step < 0:
            part, first = xp.flip(part, axes=(axis,)), first - length + 1
        if length != n:
            place = c.rank + axis
            around = (0, 0) * place + (first, n - first - length) + (0, 0) * (-1 - axis)
            part = xp.pad(part, pad_width=around)
        total = part if total is None else total + part
    return total


def _pad_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    width, core = s["pad_width"], s.ins[0].shape
    if 0 in core:
        return xp.zeros(s.ins[0])
    for i, (n, before, after) in enumerate(zip(core, width[::2], width[1::2], strict=True)):
        if before or after:
            c = _pad_axis_cotangent(xp, s, c, i - len(core), n, before, after)
    return c


def _sample_pad(d: Draw) -> Sample:
    shape = d.shape(1, 3, 3)
    width = tuple(d.integer(0, 3) for _ in range(2 * len(shape)))
    mode = d.choice(MODES)
    value = d.choice((0.0, 1.5)) if mode == "constant" else 0.0
    return (d.real(shape),), {"pad_width": width, "mode": mode, "value": value}


PAD = Op(
    "pad", "x with a border of a constant, or continued by reflection, edge values or wrapping",
    "y = x inside, border outside;  dy = dx inside, d(border) outside",
    _infer_pad, _pad, _sample_pad,
    jvp=(lambda xp, s, xs, ys, t: xp.pad(t, pad_width=s["pad_width"], mode=s["mode"]),),
    vjp=(_pad_cotangent,),
    attrs=(
        Attr("pad_width", "ints", "elements before and after each axis: b0, a0, b1, a1, ...", required=True),
        Attr("mode", "str", "constant, reflect (edge not repeated), edge or wrap", "constant"),
        Attr("value", "float", "the border's value when the mode is constant", 0.0),
    ),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy pad",
)  # fmt: skip

RECORDS = (CONCAT, STACK, SPLIT, TILE, PAD)
