"""Writing by index into a copy: set, add, multiply, smallest, largest.

Where several updates meet at one place, `set` keeps the last of them in row-major order, in the
value and in the derivative alike; the other reductions take all of them. Updates at an index
outside [-n, n) are dropped and have the derivative zero. How indices are written is said in
`index_spec`; where each update goes is found by reading an array of addresses with the same index.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape, Type, broadcast_shapes
from gradproof_service.ops.axes import normal_axis
from gradproof_service.ops.index_spec import (
    addresses,
    index_margin,
    need_indices,
    parse_spec,
    read_spec,
)
from gradproof_service.ops.indexing import (
    nd_region,
    nd_sides,
    need_spec,
    read_along,
    read_nd,
    sample_nd,
    sample_spec,
)
from gradproof_service.ops.reads import written
from gradproof_service.ops.record import SHAPE, Attr, Draw, IllTyped, Op, Sample, Site
from gradproof_service.ops.scatter_rules import (
    KINK,
    REDUCTION,
    REDUCTIONS,
    need_shape,
    need_writable,
    scatter,
    scatter_rules,
    tie_margins,
)

Inferred = tuple[dict[str, Any], tuple[Type, ...]]


def _selects(s: Site) -> bool:
    return s["reduction"] in ("set", "min", "max")


def _infer_elements(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, i, u = ins
    axis = normal_axis(attrs["axis"], x.rank)
    need_indices((i,))
    need_writable(x, u, attrs["reduction"], REDUCTIONS)
    if i.rank != x.rank or any(
        m > n for a, n, m in zip(range(-x.rank, 0), x.shape, i.shape, strict=True) if a != axis
    ):
        raise IllTyped(
            SHAPE, f"indices have shape {i.shape}, expected no more than that of x, {x.shape}, except"
            f" along axis {axis}; slice them",
        )  # fmt: skip
    need_shape(u, i.shape)
    return {**attrs, "axis": axis}, (x.with_shape(x.shape),)


def _element_places(s: Site, xs: tuple[Array, ...]) -> Array:
    x, i, _ = xs
    off = [
        slice(None if a == s["axis"] else m)
        for a, m in zip(range(-s.out.rank, 0), s.ins[1].shape, strict=True)
    ]
    return read_along(addresses(s.ins[0].shape, s.lead(x))[(..., *off)], i, s["axis"], -1)


def _read_elements(xp: Any, s: Site, xs: tuple[Any, ...], v: Any) -> Any:
    axis, sides = s["axis"], s.ins[1].shape
    stops = tuple(
        n if a == axis else m for a, n, m in zip(range(-v.rank, 0), v.shape, sides, strict=True)
    )
    if stops != v.shape:
        v = xp.slice(v, starts=(0,) * v.rank, stops=stops)
    return xp.take_along_axis(v, xs[1], axis=axis, fill=0.0)


def _write_elements(
    xp: Any, s: Site, base: Any, u: Any, xs: tuple[Any, ...], reduction: str
) -> Any:
    return xp.scatter_elements(base, xs[1], u, axis=s["axis"], reduction=reduction)


def _sample_elements(d: Draw) -> Sample:
    x = d.real(d.shape(1, 3, 3))
    axis = d.integer(-x.ndim, -1)
    sides = tuple(
        d.integer(1, 3) if a == axis else d.integer(1, n)
        for a, n in zip(range(-x.ndim, 0), x.shape, strict=True)
    )
    i = d.integers(sides, -x.shape[axis], x.shape[axis] - 1)
    return (x, i, d.real(sides)), {"axis": axis, "reduction": d.choice(REDUCTIONS)}


_ELEMENTS_JVP, _ELEMENTS_VJP = scatter_rules(
    _write_elements, _read_elements, 2, lambda s: s.ins[2].shape
)
SCATTER_ELEMENTS = Op(
    "scatter_elements", "x with each update put at its own index along an axis",
    "y = x;  y_..i_..j.... (+)= u_..j..;  dy = the same of dx and du",
    _infer_elements, lambda s, x, i, u: scatter(s, x, u, _element_places(s, (x, i, u))),
    _sample_elements, (3, 3), jvp=(_ELEMENTS_JVP[0], None, _ELEMENTS_JVP[1]),
    vjp=(_ELEMENTS_VJP[0], None, _ELEMENTS_VJP[1]),
    attrs=(Attr("axis", "int", "axis the indices point along", 0), REDUCTION),
    margins=(*tie_margins(_element_places), index_margin(1, lambda s: s.ins[0].shape[s["axis"]])),
    kink=KINK, analytic=True, accumulates=True, exact=_selects, cost=lambda s: s.ins[0].size + s.ins[2].size,
    source="ONNX ScatterElements",
    reads=written(_element_places, 2),
)  # fmt: skip


def _infer_nd(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, i, u = ins
    need_writable(x, u, attrs["reduction"], REDUCTIONS)
    need_shape(u, nd_region(x, i, attrs["batch_dims"]))
    return attrs, (x.with_shape(x.shape),)


def _nd_places(s: Site, xs: tuple[Array, ...]) -> Array:
    return read_nd(s, addresses(s.ins[0].shape, s.lead(xs[0])), xs[1], -1)


def _read_nd(xp: Any, s: Site, xs: tuple[Any, ...], v: Any) -> Any:
    return xp.gather_nd(v, xs[1], batch_dims=s["batch_dims"], fill=0.0)


def _write_nd(xp: Any, s: Site, base: Any, u: Any, xs: tuple[Any, ...], reduction: str) -> Any:
    return xp.scatter_nd(base, xs[1], u, batch_dims=s["batch_dims"], reduction=reduction)


def _sample_nd(d: Draw) -> Sample:
    x, i, shared = sample_nd(d)
    u = d.real(i.shape[:-1] + x.shape[shared + i.shape[-1] :])
    return (x, i, u), {"batch_dims": shared, "reduction": d.choice(REDUCTIONS)}


_ND_JVP, _ND_VJP = scatter_rules(_write_nd, _read_nd, 2, lambda s: s.ins[2].shape)
SCATTER_ND = Op(
    "scatter_nd", "x with parts written at index vectors, which are the last axis of the indices",
    "y = x;  y[i_j1, ..., i_jk] (+)= u_j;  dy = the same of dx and du",
    _infer_nd, lambda s, x, i, u: scatter(s, x, u, _nd_places(s, (x, i, u))),
    _sample_nd, (3, 3), jvp=(_ND_JVP[0], None, _ND_JVP[1]), vjp=(_ND_VJP[0], None, _ND_VJP[1]),
    attrs=(Attr("batch_dims", "int", "leading axes that x and the indices share", 0), REDUCTION),
    margins=(*tie_margins(_nd_places), index_margin(1, nd_sides)),
    kink=KINK, analytic=True, accumulates=True, exact=_selects, cost=lambda s: s.ins[0].size + s.ins[2].size,
    source="ONNX ScatterND",
    reads=written(_nd_places, 2),
)  # fmt: skip


def _infer_set(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    x, u, *indices = ins
    spec = need_spec(attrs["spec"], x, indices)
    need_writable(x, u, attrs["reduction"], ("set", "add"))
    region = spec.region(need_indices(indices))
    if broadcast_shapes(u.shape, region) != region:
        raise IllTyped(
            SHAPE,
            f"updates of shape {u.shape} do not broadcast to the region {region}; reshape them",
        )
    return {**attrs, "spec": spec.text}, (x.with_shape(x.shape),)


def _set(s: Site, x: Array, u: Array, *indices: Array) -> Array:
    lead = s.lead(x)
    spec = parse_spec(s["spec"], s.ins[0].shape)
    short = len(spec.region(need_indices(s.ins[2:]))) - s.ins[1].rank
    u = u.reshape(lead + (1,) * short + s.ins[1].shape)
    if indices:
        return scatter(s, x, u, read_spec(spec, addresses(s.ins[0].shape, lead), indices, lead, -1))
    y = np.array(x, x.dtype if u.dtype.kind != "c" else np.result_type(x, u))
    view = y[(slice(None),) * len(lead) + (*spec.basic, ...)]
    view[...] = u if s["reduction"] == "set" else view + u
    return y


def _set_into(s: Site, out: Array, x: Array, u: Array, *indices: Array) -> None:
    if indices:
        out[...] = _set(s, x, u, *indices)
        return
    np.copyto(out, x)
    view = out[(*parse_spec(s["spec"], s.ins[0].shape).basic, ...)]
    view[...] = u if s["reduction"] == "set" else view + u


def _read_spec(xp: Any, s: Site, xs: tuple[Any, ...], v: Any) -> Any:
    return xp.index_get(v, *xs[2:], spec=s["spec"], fill=0.0)


def _write_spec(xp: Any, s: Site, base: Any, u: Any, xs: tuple[Any, ...], reduction: str) -> Any:
    return xp.index_set(base, u, *xs[2:], spec=s["spec"], reduction=reduction)


def _region(s: Site) -> Shape:
    return parse_spec(s["spec"], s.ins[0].shape).region(need_indices(s.ins[2:]))


def _sample_set(d: Draw) -> Sample:
    x, indices, text = sample_spec(d)
    region = parse_spec(text, x.shape).region(np.broadcast_shapes(*(i.shape for i in indices)))
    mine = d.choice((region, region, region[1:], (1,) * len(region)))
    return (x, d.real(mine), *indices), {"spec": text, "reduction": d.choice(("set", "add"))}


def _set_places(s: Site, xs: tuple[Array, ...]) -> Array:
    spec = parse_spec(s["spec"], s.ins[0].shape)
    return read_spec(spec, addresses(s.ins[0].shape, ()), xs[2:], (), -1)


_JVP_SET, _VJP_SET = scatter_rules(_write_spec, _read_spec, 1, _region, lambda s: len(s.ins) == 2)
INDEX_SET = Op(
    "index_set", "x after x[spec] = updates (or +=, with every one of several at a place)",
    "y = x;  y[spec] (+)= u;  dy = the same of dx and du",
    _infer_set, _set, _sample_set, (2, None),
    jvp=lambda i: _JVP_SET[i] if i < 2 else None, vjp=lambda i: _VJP_SET[i] if i < 2 else None,
    attrs=(
        Attr("spec", "str", "such as '0,::2,new,array,...'; arrays are operands 2, 3, ...", required=True),
        Attr("reduction", "str", "set or add", "set"),
    ),
    linear=(0, 1), analytic=True, accumulates=True, exact=_selects, source="NumPy indexing",
    into=_set_into, kink="set: the last update of several at one place has all of the slope",
    cost=lambda s: s.ins[0].size + s.ins[1].size,
    reads=written(_set_places),
)  # fmt: skip

RECORDS = (SCATTER_ELEMENTS, SCATTER_ND, INDEX_SET)
