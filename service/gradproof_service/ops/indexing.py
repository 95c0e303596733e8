"""Reading by index: slices, gathers and NumPy's whole index expression. Every op only moves data.

Indices outside [-n, n) give `fill`; how indices are written and what happens at the ends is said
in `index_spec`. The cotangent of a read is a sum into zeros at the places read.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape, Type
from gradproof_service.ops.axes import normal_axis
from gradproof_service.ops.creation import need_held
from gradproof_service.ops.index_spec import (
    index_margin,
    inside,
    loud,
    need_indices,
    parse_spec,
    read_front,
    read_spec,
)
from gradproof_service.ops.reads import gathered, moved
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, Draw, IllTyped, Op, Sample, Site

Inferred = tuple[dict[str, Any], tuple[Type, ...]]

FILL = Attr(
    "fill", "float", "value where an index is outside; NaN, the least integer or True by default"
)


def slice_spec(s: Site) -> str:
    """A `slice` site's starts, stops and steps as an index expression."""
    ends = zip(s["starts"], s["stops"], s["steps"], strict=True)
    return ",".join(f"{a}:{b}:{c}" for a, b, c in ends)


def _infer_slice(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    (x,) = ins
    starts, stops = attrs["starts"], attrs["stops"]
    steps = (1,) * x.rank if attrs["steps"] is None else attrs["steps"]
    if not len(starts) == len(stops) == len(steps) == x.rank or 0 in steps:
        raise IllTyped(
            ATTRIBUTE, f"starts, stops, steps are {starts}, {stops}, {steps}, expected {x.rank} numbers"
            " each and no step 0",
        )  # fmt: skip
    resolved = [slice(*e).indices(n) for *e, n in zip(starts, stops, steps, x.shape, strict=True)]
    # a slice that runs backwards to the very first element ends before -n in the one spelling
    ends = [(a, -n - 1 if b < 0 else b, c) for (a, b, c), n in zip(resolved, x.shape, strict=True)]
    starts, stops, steps = zip(*ends, strict=True) if ends else ((), (), ())
    shape = tuple(len(range(*r)) for r in resolved)
    return {"starts": starts, "stops": stops, "steps": steps}, (x.with_shape(shape),)


def _slice(s: Site, x: Array) -> Array:
    return x[(..., *map(slice, s["starts"], s["stops"], s["steps"]))]


def _sample_slice(d: Draw) -> Sample:
    shape = d.shape(0, 3, 4)
    ends = [
        d.choice(((0, n, 1), (1, n, 2), (-1, -n - 1, -1), (n, 0, -2), (0, -1, 1))) for n in shape
    ]
    starts, stops, steps = zip(*ends, strict=True) if ends else ((), (), ())
    return (d.real(shape),), {"starts": starts, "stops": stops, "steps": steps}


SLICE = Op(
    "slice", "every step-th element from start until stop along each axis, as Python slices",
    "y_i = x_{start + i step};  dy = slice(dx)",
    _infer_slice, _slice, _sample_slice,
    jvp=(lambda xp, s, xs, ys, t: xp.slice(t, **s.attrs),),
    vjp=(lambda xp, s, xs, ys, c: xp.index_set(xp.zeros(s.ins[0]), c, spec=slice_spec(s)),),
    attrs=(
        Attr("starts", "ints", "first element along each axis; negative counts from the end", required=True),
        Attr("stops", "ints", "where to end along each axis, -n-1 for before the first", required=True),
        Attr("steps", "ints", "steps along each axis, negative to run backwards; 1 by default"),
    ),
    linear=(0,), analytic=True, ulps=0.0, source="Python slices",
    reads=moved,
)  # fmt: skip


def _need_fill(attrs: dict[str, Any], x: Type) -> None:
    """Raise `IllTyped` when the dtype cannot hold what stands for elements outside."""
    if attrs["fill"] is not None and x.dtype.kind in "biu":
        need_held(attrs["fill"], x.dtype, "fill")


def _infer_take(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, i = ins
    axis = normal_axis(attrs["axis"], x.rank)
    need_indices((i,))
    _need_fill(attrs, x)
    at = x.rank + axis
    return {**attrs, "axis": axis}, (x.with_shape(x.shape[:at] + i.shape + x.shape[at + 1 :]),)


def _take_spec(s: Site) -> str:
    return ",".join("array" if a == s["axis"] else ":" for a in range(-s.ins[0].rank, 0))


def _take(s: Site, x: Array, i: Array) -> Array:
    spec = parse_spec(_take_spec(s), s.ins[0].shape)
    return read_spec(spec, x, (i,), s.lead(x), loud(x.dtype, s["fill"]))


def _sample_take(d: Draw) -> Sample:
    shape = d.shape(1, 3, 4)
    axis = d.integer(-len(shape), len(shape) - 1)
    n = shape[axis]
    return (d.real(shape), d.integers(d.shape(0, 2, 3), -n, n - 1)), {"axis": axis}


TAKE = Op(
    "take", "the elements of x along an axis at these indices; their axes replace it",
    "y_..j.. = x_..i_j..;  dy = take(dx, i)",
    _infer_take, _take, _sample_take, (2, 2),
    jvp=(lambda xp, s, xs, ys, t: xp.take(t, xs[1], axis=s["axis"], fill=0.0), None),
    vjp=(lambda xp, s, xs, ys, c: xp.index_set(
        xp.zeros(s.ins[0]), c, xs[1], spec=_take_spec(s), reduction="add"), None),
    attrs=(Attr("axis", "int", "axis the indices point along", 0), FILL),
    margins=(index_margin(1, lambda s: s.ins[0].shape[s["axis"]]),),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy take",
    reads=gathered,
)  # fmt: skip


def _infer_along(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, i = ins
    axis = normal_axis(attrs["axis"], x.rank)
    need_indices((i,))
    _need_fill(attrs, x)
    if i.rank != x.rank or any(
        n != m for a, n, m in zip(range(-x.rank, 0), x.shape, i.shape, strict=True) if a != axis
    ):
        raise IllTyped(
            SHAPE, f"indices have shape {i.shape}, expected that of x, {x.shape}, except along axis"
            f" {axis}; broadcast_to it first",
        )  # fmt: skip
    return {**attrs, "axis": axis}, (x.with_shape(i.shape),)


def read_along(x: Array, i: Array, axis: int, fill: Any) -> Array:
    """np.take_along_axis that gives `fill` outside."""
    if not x.shape[axis]:
        return np.full(i.shape, fill, x.dtype)
    place, outside = inside(i, x.shape[axis])
    y = np.take_along_axis(x, place, axis)
    return np.where(outside, np.asarray(fill, x.dtype), y) if outside.any() else y


def _sample_along(d: Draw) -> Sample:
    shape = d.shape(1, 3, 4)
    axis = d.integer(-len(shape), -1)
    at, n = len(shape) + axis, shape[axis]
    picked = (*shape[:at], d.integer(1, 3), *shape[at + 1 :])
    return (d.real(shape), d.integers(picked, -n, n - 1)), {"axis": axis}


TAKE_ALONG_AXIS = Op(
    "take_along_axis", "for each line of x along an axis the elements at its own indices",
    "y_..j.. = x_..i_..j....;  dy = take_along_axis(dx, i)",
    _infer_along, lambda s, x, i: read_along(x, i, s["axis"], loud(x.dtype, s["fill"])),
    _sample_along, (2, 2),
    jvp=(lambda xp, s, xs, ys, t: xp.take_along_axis(t, xs[1], axis=s["axis"], fill=0.0), None),
    vjp=(lambda xp, s, xs, ys, c: xp.scatter_elements(
        xp.zeros(s.ins[0]), xs[1], c, axis=s["axis"], reduction="add"), None),
    attrs=(Attr("axis", "int", "axis the indices point along", -1), FILL),
    margins=(index_margin(1, lambda s: s.ins[0].shape[s["axis"]]),),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy take_along_axis",
    reads=gathered,
)  # fmt: skip


def nd_region(x: Type, i: Type, shared: int) -> Shape:
    """Shape that `gather_nd` reads and `scatter_nd` writes; raises `IllTyped` when they do not fit."""
    need_indices((i,))
    if not i.rank or not 0 <= shared < i.rank or shared + i.shape[-1] > x.rank:
        raise IllTyped(
            SHAPE, f"indices of shape {i.shape} do not address shape {x.shape} behind {shared} batch"
            " axes: their last axis is one index for each addressed axis; reshape them",
        )  # fmt: skip
    if i.shape[:shared] != x.shape[:shared]:
        raise IllTyped(
            SHAPE, f"batch axes {x.shape[:shared]} of x and {i.shape[:shared]} of the indices differ;"
            " broadcast_to one of them",
        )  # fmt: skip
    return i.shape[:-1] + x.shape[shared + i.shape[-1] :]


def _infer_gather(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, i = ins
    _need_fill(attrs, x)
    return attrs, (x.with_shape(nd_region(x, i, attrs["batch_dims"])),)


def read_nd(s: Site, x: Array, i: Array, fill: Any) -> Array:
    """`gather_nd` of any array that stands for operand 0 of the site."""
    b, shared = len(s.lead(i, 1)), s["batch_dims"]
    outer = i.shape[b : i.ndim - 1]
    rows = [
        np.broadcast_to(np.arange(outer[k]).reshape(-1, *(1,) * (len(outer) - k - 1)), i.shape[:-1])
        for k in range(shared)
    ]
    columns = [i[..., k] for k in range(i.shape[-1])]
    if not rows and not columns:
        core = x.reshape(x.shape[:b] + (1,) * len(outer) + x.shape[b:])
        return np.broadcast_to(core, x.shape[:b] + outer + x.shape[b:])
    return read_front(x, (*rows, *columns), b, fill)


def sample_nd(d: Draw) -> tuple[Array, Array, int]:
    """An array, indices into its axes behind some batch axes, and the number of those."""
    shape = d.shape(1, 3, 3)
    shared = d.integer(0, min(1, len(shape) - 1))
    depth = d.integer(1, len(shape) - shared)
    outer = shape[:shared] + d.shape(0, 2, 3)
    columns = [d.integers(outer, -n, n - 1) for n in shape[shared : shared + depth]]
    return d.real(shape), np.stack(columns, axis=-1), shared


def _sample_gather(d: Draw) -> Sample:
    x, i, shared = sample_nd(d)
    return (x, i), {"batch_dims": shared}


def nd_sides(s: Site) -> Array:
    """Sides of the axes that the last axis of the indices addresses."""
    shared = s["batch_dims"]
    return np.asarray(s.ins[0].shape[shared : shared + s.ins[1].shape[-1]], np.int64)


GATHER_ND = Op(
    "gather_nd", "the parts of x at index vectors, which are the last axis of the indices",
    "y_j = x[i_j1, ..., i_jk];  dy = gather_nd(dx, i)",
    _infer_gather, lambda s, x, i: read_nd(s, x, i, loud(x.dtype, s["fill"])), _sample_gather, (2, 2),
    jvp=(lambda xp, s, xs, ys, t: xp.gather_nd(t, xs[1], batch_dims=s["batch_dims"], fill=0.0), None),
    vjp=(lambda xp, s, xs, ys, c: xp.scatter_nd(
        xp.zeros(s.ins[0]), xs[1], c, batch_dims=s["batch_dims"], reduction="add"), None),
    attrs=(Attr("batch_dims", "int", "leading axes that x and the indices share", 0), FILL),
    margins=(index_margin(1, nd_sides),),
    linear=(0,), analytic=True, ulps=0.0, source="ONNX GatherND",
    reads=gathered,
)  # fmt: skip


def _infer_get(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, *indices = ins
    spec = need_spec(attrs["spec"], x, indices)
    _need_fill(attrs, x)
    return {**attrs, "spec": spec.text}, (x.with_shape(spec.region(need_indices(indices))),)


def need_spec(text: str, x: Type, indices: list[Type]) -> Any:
    """The parsed spec; raises `IllTyped` when it does not name as many arrays as there are operands."""
    spec = parse_spec(text, x.shape)
    if len(spec.apart) != len(indices):
        raise IllTyped(
            ATTRIBUTE, f"spec {text!r} has {len(spec.apart)} arrays, expected one for each of"
            f" {len(indices)} index operands",
        )  # fmt: skip
    return spec


def _get(s: Site, x: Array, *indices: Array) -> Array:
    spec = parse_spec(s["spec"], s.ins[0].shape)
    return read_spec(spec, x, indices, s.lead(x), loud(x.dtype, s["fill"]))


def _get_into(s: Site, out: Array, x: Array, *indices: Array) -> None:
    spec = parse_spec(s["spec"], s.ins[0].shape)
    out[...] = _get(s, x, *indices) if indices else x[spec.basic]


def sample_spec(d: Draw) -> tuple[Array, list[Array], str]:
    """An array, index operands and a spec that mixes all kinds of parts."""
    shape = d.shape(1, 3, 4)
    words: list[str] = []
    indices: list[Array] = []
    adv = d.shape(0, 2, 3)
    for n in shape:
        word = d.choice(("array", "array", ":", "::-1", "1:", "0", "-1", "new,:", "new,array"))
        words.append(word)
        if word.endswith("array"):
            mine = d.choice((adv, adv[1:], (1,) * len(adv)))
            indices.append(d.integers(mine, -n, n - 1))
    text = d.choice((",".join(words), "...," + ",".join(words)))
    return d.real(shape), indices, text


def _sample_get(d: Draw) -> Sample:
    x, indices, spec = sample_spec(d)
    return (x, *indices), {"spec": spec}


INDEX_GET = Op(
    "index_get", "x[spec]: NumPy's basic and advanced indexing; `array` words take the index operands",
    "y = x[spec];  dy = dx[spec]",
    _infer_get, _get, _sample_get, (1, None),
    jvp=lambda i: None if i else lambda xp, s, xs, ys, t: xp.index_get(
        t, *xs[1:], spec=s["spec"], fill=0.0),
    vjp=lambda i: None if i else lambda xp, s, xs, ys, c: xp.index_set(
        xp.zeros(s.ins[0]), c, *xs[1:], spec=s["spec"], reduction="add"),
    attrs=(Attr("spec", "str", "such as '0,::2,new,array,...'", required=True), FILL),
    linear=(0,), analytic=True, ulps=0.0, source="NumPy indexing", into=_get_into,
    reads=gathered,
)  # fmt: skip

RECORDS = (SLICE, TAKE, TAKE_ALONG_AXIS, GATHER_ND, INDEX_GET)
