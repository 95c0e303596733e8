"""Putting arrays together and taking them apart: concat, stack, split and tile."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, promote, type_of
from gradproof_service.ops.axes import normal_axis
from gradproof_service.ops.reads import joined, moved
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
                SHAPE,
                f"shapes {first.shape} and {t.shape} differ in more than axis {axis}; reshape one",
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
    reads=joined,
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
        xp.squeeze(row, axes=(axis,)) if want else None
        for row, want in zip(rows, wanted, strict=True)
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
    reads=joined,
)  # fmt: skip


def _infer_split(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    axis = normal_axis(attrs["axis"], x.rank)
    sizes: tuple[int, ...] = attrs["sizes"]
    n = x.shape[axis]
    if not sizes or any(m < 0 for m in sizes) or sum(sizes) != n:
        raise IllTyped(
            ATTRIBUTE, f"sizes {sizes} add up to {sum(sizes)}, expected {n}; correct them"
        )
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
    reads=moved,
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
    return np.broadcast_to(thin, lead + tuple(v for p in pairs for v in p)).reshape(
        lead + s.out.shape
    )


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
    reads=moved,
)  # fmt: skip

RECORDS = (CONCAT, STACK, SPLIT, TILE)
