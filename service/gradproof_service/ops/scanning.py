"""`scan`: a body carried over slices. Reverse mode stores carries of one forward scan: see `scan_back`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof_service.arrays import Array, Type
from gradproof_service.ops.calling import (
    Stacks,
    as_tuple,
    batch_size,
    changing,
    dots_of,
    floats,
    listed,
    no_sample,
    single,
    spread,
    steps_first,
    typed_graph,
    widened,
)
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, Attr, IllTyped, Op, Site
from gradproof_service.ops.scan_back import Parts, way_back


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
    body, n_carry, length = s["body"], s["carried"], s["length"]
    consts, carry, slices = _parts(s, xs)
    rows = [steps_first(x, t) for x, t in zip(slices, _parts(s, s.ins)[2], strict=True)]
    stacks = Stacks(s.outs[n_carry:], batch_size(s, xs))
    for k in range(length - 1, -1, -1) if s["reverse"] else range(length):
        outs = run(body, [*consts, *carry, *[x[k] for x in rows]])
        carry = outs[:n_carry]
        stacks.put(k, outs[n_carry:])
    return single([*carry, *stacks.arrays])


def _parts(s: Site, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    a, b = s["consts"], s["consts"] + s["carried"]
    return values[:a], values[a:b], values[b:]


def _scan_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    n, types, dots = s["carried"], _parts(s, s.ins), _parts(s, x_dots)
    sizes = [len(part) for part in types]
    count = len(s.outs)
    body = widened(xp, s["body"], sizes, (n, count - n))
    wide = [
        [*part, *dots_of(xp, t, d)] for part, t, d in zip(_parts(s, xs), types, dots, strict=True)
    ]
    out = as_tuple(
        xp.scan(*wide[0], *wide[1], *wide[2], body=body, length=s["length"], reverse=s["reverse"],
                consts=len(wide[0]), carried=len(wide[1]))
    )  # fmt: skip
    carried = len(wide[1])
    carry_dots, stacked_dots = out[n:carried], out[carried + count - n :]
    return (*spread(s.outs[:n], carry_dots), *spread(s.outs[n:], stacked_dots))


def _scan_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    body, n = s["body"], s["carried"]
    types = _parts(s, body.input_types)
    consts, carry = ([t for t in part if t.is_float] for part in types[:2])
    f = xp.new(f"{body.name}_carry")
    inputs = [f.input(f"x{i}", t) for i, t in enumerate(body.input_types)]
    forward = f.finish(f.inline(body, inputs)[:n])
    # one step back: carried are the cotangents of (carry, constants)
    pull = xp.derive.vjp(body, tuple(floats(body.input_types)), tuple(floats(body.output_types)))
    b = xp.new(f"{body.name}_back")
    own_consts = [b.input(f"k{i}", t) for i, t in enumerate(types[0])]
    carry_bars = [b.input(f"c{i}_bar", t) for i, t in enumerate(carry)]
    const_bars = [b.input(f"k{i}_bar", t) for i, t in enumerate(consts)]
    own = [b.input(f"x{i}", t) for i, t in enumerate((*types[1], *types[2]))]
    out_bars = [b.input(f"y{i}_bar", t) for i, t in enumerate(body.output_types[n:]) if t.is_float]
    results = b.inline(pull, [*own_consts, *own, *carry_bars, *out_bars])[len(body.outputs) :]
    k, c = len(consts), len(carry)
    sums = [a + r for a, r in zip(const_bars, results[:k], strict=True)]
    back = b.finish([*results[k : k + c], *sums, *results[k + c :]])
    parts = Parts(
        *_parts(s, xs),
        [*dots_of(xp, s.outs[:n], y_bars[:n]), *map(xp.zeros, consts)],
        dots_of(xp, s.outs[n:], y_bars[n:]),
    )
    attrs = {"forward": forward, "back": back, "length": s["length"], "reverse": s["reverse"]}
    kept = xp.derive.carries_kept(changing(body, s["consts"], n), s["length"])
    bars = way_back(xp, attrs, parts, kept)
    return (
        *spread(types[0], bars[c : c + k]),
        *spread(types[1], bars[:c]),
        *spread(types[2], bars[c + k :]),
    )


SCAN = Op(
    "scan", "a body carried over the slices of its operands' first axis",
    "c_{k+1}, y_k = body(constants, c_k, x_k);  d through every step",
    _infer_scan, _run_scan, lambda d: no_sample(), (0, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_scan_jvp, vjp_all=_scan_vjp,
    batching="run", ulps=0.0, times=lambda s, name: s["length"],
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
