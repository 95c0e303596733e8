"""Blocks at places given by operands: read one, or write one into a copy.

A start is clamped so that the block lies inside the array, as JAX does it; it neither counts from
the end nor raises.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape, Type
from gradproof_service.ops.index_spec import addresses, need_indices
from gradproof_service.ops.reads import gathered, written
from gradproof_service.ops.record import (
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Op,
    Rule,
    Sample,
    Site,
)

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _need_starts(x: Type, sizes: Shape, starts: list[Type]) -> None:
    if len(sizes) != x.rank or any(not 0 <= m <= n for m, n in zip(sizes, x.shape, strict=True)):
        raise IllTyped(
            ATTRIBUTE, f"a block of {sizes} does not lie in shape {x.shape}; expected a side for each axis,"
            " none longer",
        )  # fmt: skip
    if len(starts) != x.rank or any(t.rank for t in starts):
        raise IllTyped(
            SHAPE,
            f"starts are {[t.shape for t in starts]}, expected {x.rank} single integers; index them",
        )
    need_indices(starts)


def _block(core: Shape, sizes: Shape, starts: tuple[Array, ...], lead: Shape) -> tuple[Any, ...]:
    """The index of the block: slices, or with a batch of starts arrays in an open mesh."""
    at = [
        np.clip(i.astype(np.int64), 0, n - m) for i, n, m in zip(starts, core, sizes, strict=True)
    ]
    if not lead:
        return tuple(slice(int(i), int(i) + m) for i, m in zip(at, sizes, strict=True))
    if lead[0] and all((i == i[0]).all() for i in at):
        return (
            slice(None),
            *(slice(int(i[0]), int(i[0]) + m) for i, m in zip(at, sizes, strict=True)),
        )
    rank = len(core)
    mesh: list[Array] = [np.arange(lead[0]).reshape(-1, *(1,) * rank)]
    for k, (i, m) in enumerate(zip(at, sizes, strict=True)):
        places = i[:, None] + np.arange(m)
        mesh.append(places.reshape(-1, *(m if j == k else 1 for j in range(rank))))
    return tuple(mesh)


def _infer_slice(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, *starts = ins
    _need_starts(x, attrs["sizes"], starts)
    return attrs, (x.with_shape(attrs["sizes"]),)


def _slice(s: Site, x: Array, *starts: Array) -> Array:
    lead = s.lead(x)
    y = x[_block(s.ins[0].shape, s["sizes"], starts, lead)]
    return y.reshape(lead + s["sizes"])


def _sample_starts(d: Draw, shape: Shape, sizes: Shape) -> tuple[Array, ...]:
    """Starts inside, and now and then so far outside that they are clamped."""
    return tuple(
        np.asarray(d.choice((d.integer(0, n - m), d.integer(0, n - m), -2, n + 1)), np.int64)
        for n, m in zip(shape, sizes, strict=True)
    )


def _sample_slice(d: Draw) -> Sample:
    shape = d.shape(0, 3, 4)
    sizes = tuple(d.integer(1, n) for n in shape)
    return (d.real(shape), *_sample_starts(d, shape, sizes)), {"sizes": sizes}


DYNAMIC_SLICE = Op(
    "dynamic_slice", "the block of these sizes that begins at integer operands, clamped to fit",
    "y_i = x_{start + i};  dy = dynamic_slice(dx)",
    _infer_slice, _slice, _sample_slice, (1, None),
    jvp=lambda i: None if i else lambda xp, s, xs, ys, t: xp.dynamic_slice(t, *xs[1:], sizes=s["sizes"]),
    vjp=lambda i: None if i else lambda xp, s, xs, ys, c: xp.dynamic_update_slice(
        xp.zeros(s.ins[0]), c, *xs[1:]),
    attrs=(Attr("sizes", "ints", "sides of the block", required=True),),
    linear=(0,), analytic=True, ulps=0.0, source="JAX lax.dynamic_slice",
    reads=gathered,
)  # fmt: skip


def _infer_update(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, update, *starts = ins
    if not np.can_cast(update.dtype, x.dtype, "same_kind"):
        raise IllTyped(
            DTYPE, f"cannot write {update.dtype} into {x.dtype} without loss; astype one of them"
        )
    _need_starts(x, update.shape, starts)
    return attrs, (x.with_shape(x.shape),)


def _update(s: Site, x: Array, update: Array, *starts: Array) -> Array:
    y = np.array(x, x.dtype if update.dtype.kind != "c" else np.result_type(x, update))
    y[_block(s.ins[0].shape, s.ins[1].shape, starts, s.lead(x))] = update
    return y


def _sample_update(d: Draw) -> Sample:
    shape = d.shape(0, 3, 4)
    sizes = tuple(d.integer(1, n) for n in shape)
    return (d.real(shape), d.real(sizes), *_sample_starts(d, shape, sizes)), {}


def _update_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    one = xp.full(value=1.0, shape=s.out.shape, dtype=s.out.dtype)
    kept = xp.dynamic_update_slice(one, xp.zeros(s.ins[1]), *xs[2:])
    return xp.where(xp.equal(kept, 0.0), 0.0, c)


_UPDATE_JVP: tuple[Rule, Rule] = (
    lambda xp, s, xs, ys, t: xp.dynamic_update_slice(t, xp.zeros(s.ins[1]), *xs[2:]),
    lambda xp, s, xs, ys, t: xp.dynamic_update_slice(xp.zeros(s.ins[0]), t, *xs[2:]),
)
_UPDATE_VJP: tuple[Rule, Rule] = (
    _update_cotangent,
    lambda xp, s, xs, ys, c: xp.dynamic_slice(c, *xs[2:], sizes=s.ins[1].shape),
)


def _update_places(s: Site, xs: tuple[Array, ...]) -> Array:
    core = s.ins[0].shape
    return addresses(core, ())[_block(core, s.ins[1].shape, xs[2:], ())]


DYNAMIC_UPDATE_SLICE = Op(
    "dynamic_update_slice", "x with a block written where integer operands say, clamped to fit",
    "y = x;  y_{start + i} = u_i;  dy = the same of dx and du",
    _infer_update, _update, _sample_update, (2, None),
    jvp=lambda i: _UPDATE_JVP[i] if i < 2 else None, vjp=lambda i: _UPDATE_VJP[i] if i < 2 else None,
    linear=(0, 1), analytic=True, ulps=0.0, source="JAX lax.dynamic_update_slice",
    reads=written(_update_places),
)  # fmt: skip

RECORDS = (DYNAMIC_SLICE, DYNAMIC_UPDATE_SLICE)
