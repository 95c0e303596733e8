"""The way back through a scan, from the last step to the first, with the carry that entered each of them.

Plainly that is two scans: one forward that keeps every carry, one back. `scan_back` keeps few of them and runs steps
again from those (see `revolve`). It is no part of the catalogue: transforms that have a budget write it. Each step
does the same sums in the same order whatever is kept, so the results have the same bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gradproof_service.arrays import Array, Type
from gradproof_service.ops.calling import (
    Stacks,
    as_tuple,
    batch_size,
    changing,
    dots_of,
    no_sample,
    single,
    steps_first,
    widened,
)
from gradproof_service.ops.record import Attr, Keeps, Op, Site
from gradproof_service.ops.revolve import steps_again, walk_back


class Parts(NamedTuple):
    """What belongs to the operands of a way back, by what they are."""

    consts: Sequence[Any]
    carry: Sequence[Any]
    slices: Sequence[Any]
    bars: Sequence[Any]
    """The cotangents that are carried back: of the carry, of the constants."""
    out_bars: Sequence[Any]
    """Those of the outputs of each step."""


def way_back(xp: Any, attrs: dict[str, Any], parts: Parts, kept: int) -> list[Any]:
    """(bars carried, bars of the slices) before all steps; at least `kept` carries are kept.

    `attrs` are `forward`: (consts, carry, slices) -> carry, `back`: (consts, bars, carry, slices, bars of the outputs) ->
    (bars, bars of the slices), and `length` and `reverse` of the scan.
    """
    if kept >= attrs["length"]:
        return _keeping_all(xp, attrs, parts)
    sizes = {"consts": len(parts.consts), "carried": len(parts.carry), "bars": len(parts.bars)}
    flat = [x for part in parts for x in part]
    return list(as_tuple(xp.apply_op(SCAN_BACK, flat, {**attrs, **sizes, "kept": kept})))


def _keeping_all(xp: Any, attrs: dict[str, Any], parts: Parts) -> list[Any]:
    forward, consts, carry = attrs["forward"], parts.consts, parts.carry
    b = xp.new(f"{forward.name}_kept")
    inputs = [b.input(f"x{i}", t) for i, t in enumerate(forward.input_types)]
    entering = inputs[len(consts) : len(consts) + len(carry)]
    body = b.finish([*b.inline(forward, inputs), *entering])
    steps = {"length": attrs["length"], "consts": len(consts)}
    out = as_tuple(
        xp.scan(*consts, *carry, *parts.slices, body=body, reverse=attrs["reverse"],
                carried=len(carry), **steps)
    )  # fmt: skip
    return list(as_tuple(
        xp.scan(*consts, *parts.bars, *out[len(carry) :], *parts.slices, *parts.out_bars,
                body=attrs["back"], reverse=not attrs["reverse"], carried=len(parts.bars), **steps)
    ))  # fmt: skip


def _parts(s: Site, values: Sequence[Any]) -> Parts:
    """Operands, their types or their tangents, by what they are."""
    ends = [s["consts"], s["carried"]]
    ends += [len(s["forward"].inputs) - sum(ends), s["bars"]]
    at, found = 0, list[Sequence[Any]]()
    for size in (*ends, len(values) - sum(ends)):
        found.append(values[at : at + size])
        at += size
    return Parts(*found)


def _infer(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    outs = attrs["back"].output_types
    n = attrs["bars"]
    stacked = tuple(t.with_shape((attrs["length"], *t.shape)) for t in outs[n:])
    return attrs, (*outs[:n], *stacked)


def _kernel(s: Site, *xs: Array, run: Any) -> Any:
    forward, length, carried = s["forward"], s["length"], s["bars"]
    parts, types = _parts(s, xs), _parts(s, s.ins)
    rows = [steps_first(x, t) for x, t in zip(parts.slices, types.slices, strict=True)]
    given = [steps_first(x, t) for x, t in zip(parts.out_bars, types.out_bars, strict=True)]
    stacks = Stacks(s.outs[carried:], batch_size(s, xs))
    places = range(length - 1, -1, -1) if s["reverse"] else range(length)
    bars = parts.bars

    def ahead(n: int, carry: Any) -> Any:
        k = places[n]
        return run(forward, [*parts.consts, *carry, *[x[k] for x in rows]])

    def back(n: int, carry: Any) -> None:
        nonlocal bars
        k = places[n]
        sliced = [*[x[k] for x in rows], *[x[k] for x in given]]
        out = run(s["back"], [*parts.consts, *bars, *carry, *sliced])
        bars = out[:carried]
        stacks.put(k, out[carried:])

    walk_back(parts.carry, length, s["kept"], ahead, back)
    return single([*bars, *stacks.arrays])


def _jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    """The way back of the steps that carry tangents too."""
    n = s["bars"]
    parts, types, dots = _parts(s, xs), _parts(s, s.ins), _parts(s, x_dots)
    wide = [[*x, *dots_of(xp, t, d)] for x, t, d in zip(parts, types, dots, strict=True)]
    sizes = [len(part) for part in parts]
    consts, carry, slices, bars, out_bars = sizes
    attrs = {
        "forward": widened(xp, s["forward"], (consts, carry, slices), (carry,)),
        "back": widened(
            xp, s["back"], (consts, bars, carry, slices, out_bars), (n, len(s.outs) - n)
        ),
        "length": s["length"], "reverse": s["reverse"],
    }  # fmt: skip
    made = way_back(xp, attrs, Parts(*wide), s["kept"])
    return (*made[n : 2 * n], *made[n + len(s.outs) :])


def _vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    """The reverse sweep of the two scans that keep every carry."""
    b = xp.new("way_back")
    inputs = [b.input(f"x{i}", t) for i, t in enumerate(s.ins)]
    plain = b.finish(_keeping_all(b, dict(s.attrs), _parts(s, inputs)))
    wrt = tuple(i for i, w in enumerate(wanted) if w)
    outs = tuple(o for o, y_bar in enumerate(y_bars) if y_bar is not None)
    results = xp.inline(xp.derive.vjp(plain, wrt, outs), [*xs, *(y_bars[o] for o in outs)])
    bars = dict(zip(wrt, results[len(s.outs) :], strict=True))
    return tuple(bars.get(i) for i in range(len(xs)))


def _keeps(s: Site) -> Keeps:
    forward = s["forward"]
    carry = changing(forward, s["consts"], s["carried"])
    return Keeps(s["kept"] - 1, carry, range(len(forward.inputs)))


def _times(s: Site, name: str) -> float:
    return steps_again(s["length"], s["kept"]) if name == "forward" else s["length"]


SCAN_BACK: Final = Op(
    "scan_back", "the cotangents of a scan's operands, with few of its carries kept at once",
    "bars_k = back(constants, bars_{k+1}, c_k, x_k),  c_{k+1} = forward(constants, c_k, x_k)",
    _infer, _kernel, lambda d: no_sample(), (0, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_jvp, vjp_all=_vjp,
    batching="run", ulps=0.0, keeps=_keeps, times=_times,
    attrs=(
        Attr("forward", "function", "(constants, carry, slices) -> carry", required=True),
        Attr("back", "function", "(constants, bars, carry, slices, bars of the outputs) -> (bars, bars of the slices)", required=True),
        Attr("length", "int", "number of steps", required=True),
        Attr("reverse", "bool", "the scan goes from the last slice to the first", False),
        Attr("consts", "int", "how many leading operands are constants", 0),
        Attr("carried", "int", "how many operands after them are carry", 0),
        Attr("bars", "int", "how many operands after carry and slices are carried back", 0),
        Attr("kept", "int", "carries kept at once, the first among them", required=True),
    ),
    source="Algorithm 799: revolve",
)  # fmt: skip
