"""Arrays made from attributes alone, and the shape of an array; nothing here has a derivative."""

from __future__ import annotations

from math import ceil, isfinite
from typing import Any

import numpy as np

from gradproof_service.arrays import (
    COMPUTED,
    F64,
    FLOATS,
    I64,
    Array,
    Frozen,
    Type,
    type_of,
    type_of_array,
)
from gradproof_service.ops.record import ATTRIBUTE, DTYPE, Attr, Draw, IllTyped, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _infer_constant(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    return attrs, (type_of_array(attrs["value"].array),)


def _sample_constant(d: Draw) -> Sample:
    return (), {"value": Frozen(d.real(d.shape()))}


CONSTANT = Op(
    "constant", "an array that is part of the program", "y = value;  dy = 0",
    _infer_constant, lambda s: s["value"].array, _sample_constant, (0, 0), jvp=(), vjp=(),
    attrs=(Attr("value", "array", "the array, as an `arrays.Frozen`", required=True),),
    analytic=True, ulps=0.0, source="definition",
)  # fmt: skip


def _need_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype not in COMPUTED:
        raise IllTyped(DTYPE, f"does not compute with {dtype}; ask for float64 or float32")
    return dtype


def _need_side(value: int, name: str) -> int:
    if value < 0:
        raise IllTyped(ATTRIBUTE, f"{name} is {value}, expected a side >= 0; correct it")
    return value


def need_held(value: float, dtype: np.dtype[Any], name: str) -> None:
    """Raise `IllTyped` unless an integer dtype holds the value exactly."""
    if dtype in FLOATS:
        return
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if not isfinite(value) or value != int(value) or not low <= int(value) <= high:
        raise IllTyped(
            ATTRIBUTE, f"{name} is {value}, expected a whole number in [{low}, {high}] for {dtype};"
            " correct it or ask for a float dtype",
        )  # fmt: skip


def _infer_full(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    for n in attrs["shape"]:
        _need_side(n, "a side of shape")
    need_held(attrs["value"], _need_dtype(attrs["dtype"]), "value")
    return attrs, (type_of(attrs["dtype"], attrs["shape"]),)


FULL = Op(
    "full", "one number everywhere; takes no memory of the array's size", "y = value;  dy = 0",
    _infer_full, lambda s: np.broadcast_to(np.asarray(s["value"]).astype(s["dtype"]), s["shape"]),
    lambda d: ((), {"value": d.choice((0.0, 1.5)), "shape": d.shape()}), (0, 0), jvp=(), vjp=(),
    attrs=(
        Attr("value", "float", "the number; whole numbers are exact up to 2^53", required=True),
        Attr("shape", "ints", "shape of the result", required=True),
        Attr("dtype", "dtype", "dtype of the result", F64),
    ),
    analytic=True, ulps=0.0, source="Array API",
)  # fmt: skip


def _infer_arange(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    start, stop, step = attrs["start"], attrs["stop"], attrs["step"]
    dtype = attrs["dtype"]
    if not (isfinite(start) and isfinite(stop) and isfinite(step)) or step == 0:
        raise IllTyped(
            ATTRIBUTE, f"start, stop, step are {start}, {stop}, {step}, expected finite numbers and"
            " a step other than 0; correct them",
        )  # fmt: skip
    if dtype is None:
        dtype = I64 if start == int(start) and step == int(step) else F64
    if _need_dtype(dtype).kind == "b":
        raise IllTyped(DTYPE, "does not count in bool; ask for int64 and compare")
    count = max(0, ceil((stop - start) / step))
    need_held(start, dtype, "start")
    if count > 1:
        need_held(step, I64 if dtype not in FLOATS else dtype, "step")
        need_held(start + (count - 1) * step, dtype, "the last value")
    return {**attrs, "dtype": dtype}, (type_of(dtype, (count,)),)


def _arange(s: Site) -> Array:
    """start + i step, each rounded once: no error builds up along the axis; integers modulo 2^64, which holds them all."""
    if s["dtype"] in FLOATS:
        return (s["start"] + np.arange(s.out.shape[0], dtype=F64) * s["step"]).astype(s["dtype"])
    start, step = (np.uint64(int(s[name]) % (1 << 64)) for name in ("start", "step"))
    steps = np.arange(s.out.shape[0], dtype=np.uint64)
    return (start + steps * step).view(I64).astype(s["dtype"])


def _sample_arange(d: Draw) -> Sample:
    start, stop, step = d.choice(((0, 5, 1), (5, 0, -2), (0.5, 2.0, 0.25), (3, 3, 1)))
    return (), {"start": start, "stop": stop, "step": step}


ARANGE = Op(
    "arange", "start, start + step, ... before stop", "y_i = start + i step;  dy = 0",
    _infer_arange, _arange, _sample_arange, (0, 0), jvp=(), vjp=(),
    attrs=(
        Attr("start", "float", "the first value", 0.0),
        Attr("stop", "float", "where to end; not reached itself", required=True),
        Attr("step", "float", "the distance of neighbours; negative counts down", 1.0),
        Attr("dtype", "dtype", "dtype of the result; int64 for a whole start and step, else float64"),
    ),
    analytic=True, source="Array API",
)  # fmt: skip


def _infer_eye(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    rows = _need_side(attrs["rows"], "rows")
    cols = rows if attrs["cols"] is None else _need_side(attrs["cols"], "cols")
    return {**attrs, "cols": cols}, (type_of(_need_dtype(attrs["dtype"]), (rows, cols)),)


EYE = Op(
    "eye", "ones on one diagonal, zeros elsewhere", "y_ij = [j = i + offset];  dy = 0",
    _infer_eye, lambda s: np.eye(s["rows"], s["cols"], s["offset"], dtype=s["dtype"]),
    lambda d: ((), {"rows": d.integer(1, 4), "cols": d.choice((None, 3)), "offset": d.integer(-1, 1)}),
    (0, 0), jvp=(), vjp=(),
    attrs=(
        Attr("rows", "int", "number of rows", required=True),
        Attr("cols", "int", "number of columns; as many as rows when not given"),
        Attr("offset", "int", "which diagonal: 0 the main one, above it positive", 0),
        Attr("dtype", "dtype", "dtype of the result", F64),
    ),
    analytic=True, ulps=0.0, source="Array API",
)  # fmt: skip


def _shape_of(s: Site, x: Array) -> Array:
    sides = np.asarray(s.ins[0].shape, np.int64)
    return np.broadcast_to(sides, s.lead(x) + sides.shape)


SHAPE_OF = Op(
    "shape_of", "the sides of x as a vector of int64", "y = shape(x);  dy = 0",
    lambda attrs, ins: (attrs, (type_of(I64, (ins[0].rank,)),)), _shape_of,
    lambda d: ((d.real(d.shape(0, 3, 4)),), {}),
    ulps=0.0, source="ONNX Shape",
)  # fmt: skip

RECORDS = (CONSTANT, FULL, ARANGE, EYE, SHAPE_OF)
