"""`scan`: a body carried over slices. Reverse mode stores carries of one forward scan: see `scan_back`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape, Type
from gradproof_service.ops.calling import (
    as_tuple,
    dots_of,
    floats,
    listed,
    no_sample,
    single,
    spread,
    typed_graph,
)
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, IllTyped, Op, Site
from gradproof_service.ops.scan_back import Steps


def _infer_scan(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    n_consts, n_carry, length = attrs["consts"], attrs["carried"], attrs["length"]
    if min(n_consts, n_carry, length) < 0 or n_consts + n_carry > len(ins):
        raise IllTyped(
            ATTRIBUTE,
            f"has {n_consts} constants and {n_carry} carries, but {len(ins)} operands",
        )
    consts, carry = ins[:n_consts], ins[n_consts : n_consts + n_carry]
    slices: list[Type] = []
    for t in ins[n_consts + n_carry :]:
        if t.shape[:1] != (length,):
            raise IllTyped(
                SHAPE, f"scans {t!r} for length {length}; its first axis must be {length}"
            )
        slices.append(t.with_shape(t.shape[1:]))
    body = typed_graph(attrs["body"], (*consts, *carry, *slices))
    outs = body.output_types
    if outs[:n_carry] != carry:
        raise IllTyped(SHAPE, f"body turns the carry {listed(carry)} into {listed(outs[:n_carry])}")
    stacked = tuple(t.with_shape((length, *t.shape)) for t in outs[n_carry:])
    return {**attrs, "body": body}, (*carry, *stacked)


def _run_scan(s: Site, *xs: Array, run: Any) -> Any:
    n_consts, n_carry, length = s["consts"], s["carried"], s["length"]
    lead: Shape = s.lead(xs[0], 0) if xs else ()
    axis = len(lead)
    consts, carry, rest = xs[:n_consts], xs[n_consts : n_consts + n_carry], xs[n_consts + n_carry :]
    moved = [np.moveaxis(x, axis, 0) for x in rest]
    stacked = [np.empty((*lead, *t.shape), t.dtype) for t in s.outs[n_carry:]]
    order = range(length - 1, -1, -1) if s["reverse"] else range(length)
    for k in order:
        outs = run(s["body"], [*consts, *carry, *(x[k] for x in moved)])
        carry = outs[:n_carry]
        for j, row in enumerate(outs[n_carry:]):
            if not np.can_cast(row.dtype, stacked[j].dtype, "safe"):
                stacked[j] = stacked[j].astype(row.dtype)  # a complex step
            np.moveaxis(stacked[j], axis, 0)[k] = row
    return single([*carry, *stacked])


def _parts(s: Site, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    a, b = s["consts"], s["consts"] + s["carried"]
    return values[:a], values[a:b], values[b:]


def _scan_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    body = s["body"]
    groups = _parts(s, body.input_types)
    pushed = xp.derive.jvp(body, tuple(floats(body.input_types)))
    b = xp.new(f"scan_{pushed.name}")
    values: list[Any] = []
    dots: list[Any] = []
    for g, types in enumerate(groups):
        values += [b.input(f"x{g}_{i}", t) for i, t in enumerate(types)]
        dots += [b.input(f"x{g}_{i}_dot", t) for i, t in enumerate(types) if t.is_float]
    outs = b.inline(pushed, [*values, *dots])
    n, count = s["carried"], len(body.outputs)
    out_floats = floats(body.output_types)
    out_dots = dict(zip(out_floats, outs[count:], strict=True))
    graph = b.finish(
        [*outs[:n], *(out_dots[i] for i in out_floats if i < n),
         *outs[n:count], *(out_dots[i] for i in out_floats if i >= n)]
    )  # fmt: skip
    operands: list[Any] = []
    for part, types, part_dots in zip(
        _parts(s, xs), _parts(s, s.ins), _parts(s, x_dots), strict=True
    ):
        operands += [*part, *dots_of(xp, types, part_dots)]
    const_floats, carry_floats = (len(floats(t)) for t in _parts(s, s.ins)[:2])
    out = as_tuple(
        xp.scan(*operands, body=graph, length=s["length"], reverse=s["reverse"],
                consts=s["consts"] + const_floats, carried=n + carry_floats)
    )  # fmt: skip
    carry_dots = out[n : n + carry_floats]
    stacked_dots = out[n + carry_floats + count - n :]
    return (*spread(s.outs[:n], carry_dots), *spread(s.outs[n:], stacked_dots))


def _scan_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    body = s["body"]
    n_carry = s["carried"]
    const_types, carry_types, slice_types = _parts(s, body.input_types)
    # one step forward, keeping the carry that entered it
    f = xp.new(f"{body.name}_kept")
    inputs = [f.input(f"x{i}", t) for i, t in enumerate(body.input_types)]
    kept = inputs[s["consts"] : s["consts"] + n_carry]
    forward = f.finish([*f.inline(body, inputs)[:n_carry], *kept])
    # one step back: carry = cotangents of (carry, constants), slices = (carry, xs, y_bar)
    wrt = tuple(floats(body.input_types))
    outs = tuple(floats(body.output_types))
    pull = xp.derive.vjp(body, wrt, outs)
    b = xp.new(f"{body.name}_back")
    consts = [b.input(f"k{i}", t) for i, t in enumerate(const_types)]
    carry_bars = [b.input(f"c{i}_bar", t) for i, t in enumerate(carry_types) if t.is_float]
    const_bars = [b.input(f"k{i}_bar", t) for i, t in enumerate(const_types) if t.is_float]
    carry = [b.input(f"c{i}", t) for i, t in enumerate(carry_types)]
    slices = [b.input(f"x{i}", t) for i, t in enumerate(slice_types)]
    out_bars = [
        b.input(f"y{i}_bar", t) for i, t in enumerate(body.output_types[n_carry:]) if t.is_float
    ]
    results = b.inline(pull, [*consts, *carry, *slices, *carry_bars, *out_bars])[
        len(body.outputs) :
    ]
    n_const_bars, n_carry_bars = len(const_bars), len(carry_bars)
    new_const_bars = [a + r for a, r in zip(const_bars, results[:n_const_bars], strict=True)]
    new_carry_bars = results[n_const_bars : n_const_bars + n_carry_bars]
    back = b.finish([*new_carry_bars, *new_const_bars, *results[n_const_bars + n_carry_bars :]])
    x_consts, x_carry, x_slices = _parts(s, xs)
    start = [
        *dots_of(xp, s.outs[:n_carry], y_bars[:n_carry]),
        *(xp.zeros(t) for t in const_types if t.is_float),
    ]
    steps = Steps(forward, back, s["reverse"], n_carry, len(start), xp.derive.scan_levels)
    y_bars_given = dots_of(xp, s.outs[n_carry:], y_bars[n_carry:])
    ends, slice_bars = steps.back_through(
        xp, s["length"], list(x_consts), list(x_carry), list(x_slices), start, y_bars_given
    )
    return (
        *spread(const_types, ends[n_carry_bars:]),
        *spread(carry_types, ends[:n_carry_bars]),
        *spread(slice_types, slice_bars),
    )


SCAN = Op(
    "scan", "a body carried over the slices of its operands' first axis",
    "c_{k+1}, y_k = body(constants, c_k, x_k);  d through every step",
    _infer_scan, _run_scan, lambda d: no_sample(), (0, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_scan_jvp, vjp_all=_scan_vjp,
    batching="run", ulps=0.0,
    attrs=(
        Attr("body", "function", "(constants, carry, slices) -> (carry, outputs)", required=True),
        Attr("length", "int", "number of steps", required=True),
        Attr("reverse", "bool", "go from the last slice to the first", False),
        Attr("consts", "int", "how many leading operands are constants", 0),
        Attr("carried", "int", "how many operands after them are carry", 0),
    ),
    source="chain rule",
)  # fmt: skip


RECORDS = (SCAN,)
