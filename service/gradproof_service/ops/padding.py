"""Borders around an array: constant, reflected, repeated or wrapped."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from gradproof_service.arrays import INTEGERS, Array, Type
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, Draw, IllTyped, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]

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
        return np.pad(x, pairs, s["mode"]) if pairs else x.copy()
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


def _pad_axis_cotangent(
    xp: Any, s: Site, c: Any, axis: int, n: int, before: int, after: int
) -> Any:
    """Each run of the padded axis, put back where it was read from, and summed."""
    runs = [r for r in _runs(s["mode"], n, before, after) if r[0]]
    if not runs:
        return c
    parts = xp.split(c, sizes=tuple(length for length, _, _ in runs), axis=axis)
    total = None
    for run, part in zip(runs, parts if len(runs) > 1 else (parts,), strict=True):
        if run[1] >= 0:
            back = _put_back(xp, part, axis, n, run)
            total = back if total is None else total + back
    return total


def _put_back(xp: Any, part: Any, axis: int, n: int, run: tuple[int, int, int]) -> Any:
    """One run's cotangent at the indices it was read from, zeros at the others."""
    length, first, step = run
    if step == 0:
        part, length = xp.sum(part, axes=(axis,), keepdims=True), 1
    elif step < 0:
        part, first = xp.flip(part, axes=(axis,)), first - length + 1
    if length == n:
        return part
    around = (0, 0) * (part.rank + axis) + (first, n - first - length) + (0, 0) * (-1 - axis)
    return xp.pad(part, pad_width=around)


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


def _pad_reads(s: Site, i: int, x: Array, xs: Any) -> Array:
    return _pad(Site(s.op, {**s.attrs, "value": -1}, s.ins, s.outs), x)[..., None]


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
    reads=_pad_reads,
)  # fmt: skip

RECORDS = (PAD,)
