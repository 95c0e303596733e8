"""Control flow: `call`, `cond`, `while_loop` and `scan` over functions of the program.

Captures are explicit operands and nothing nests: a function attribute is a typed graph. Their
derivatives are control flow again. Reverse mode through `scan` stores the carries of one forward
scan; through `while_loop` it is `while_loop_vjp`, which runs the loop, remembers its carries and
walks them back, so the trip count need not be known before the program runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, INTEGERS, Array, Shape, Type, type_of
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.ops.record import (
    ARITY,
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    IllTyped,
    Op,
    Sample,
    Site,
)

MAX_TRIPS = 1_000_000
"""Trips after which a loop that set no limit of its own is taken for endless."""


def _graph(function: Any, types: Sequence[Type]) -> Any:
    """The typed graph of a function attribute at these operand types."""
    graph = function.at(tuple(types)) if hasattr(function, "at") else function
    if tuple(graph.input_types) != tuple(types):
        raise IllTyped(
            SHAPE,
            f"calls {graph.name} with {_listed(types)}, it takes {_listed(graph.input_types)}",
        )
    return graph


def _listed(types: Sequence[Type]) -> str:
    return "(" + ", ".join(map(repr, types)) + ")"


def _tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


def _single(outs: Sequence[Any]) -> Any:
    return outs[0] if len(outs) == 1 else tuple(outs)


def _floats(types: Sequence[Type]) -> list[int]:
    return [i for i, t in enumerate(types) if t.is_float]


def _dots(xp: Any, types: Sequence[Type], dots: Sequence[Any]) -> list[Any]:
    """A tangent (or cotangent) for every float, zero where there is none."""
    return [xp.zeros(t) if d is None else d for t, d in zip(types, dots, strict=True) if t.is_float]


def _spread(types: Sequence[Type], values: Sequence[Any]) -> tuple[Any, ...]:
    """Values of the floats put back in place, None for the others."""
    rest = iter(values)
    return tuple(next(rest) if t.is_float else None for t in types)


# call: a function applied as it is


def _infer_call(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    graph = _graph(attrs["function"], ins)
    return {"function": graph}, graph.output_types


def _call_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    wrt = tuple(i for i, d in enumerate(x_dots) if d is not None)
    derivative = xp.derive.jvp(s["function"], wrt)
    outs = _tuple(xp.call(*xs, *(x_dots[i] for i in wrt), function=derivative))
    return _spread(s.outs, outs[len(s.outs) :])


def _call_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    wrt = tuple(i for i, w in enumerate(wanted) if w)
    outs = tuple(o for o, b in enumerate(y_bars) if b is not None)
    derivative = xp.derive.vjp(s["function"], wrt, outs)
    results = _tuple(xp.call(*xs, *(y_bars[o] for o in outs), function=derivative))
    bars = dict(zip(wrt, results[len(s.outs) :], strict=True))
    return tuple(bars.get(i) for i in range(len(xs)))


CALL = Op(
    "call", "the outputs of a function of the program at these operands",
    "y = f(x...);  dy = df(x...; dx...)",
    _infer_call, lambda s, *xs, run: _single(run(s["function"], xs)),
    lambda d: _no_sample(), (0, None), jvp=lambda i: None, vjp=lambda i: None,
    jvp_all=_call_jvp, vjp_all=_call_vjp, batching="run", ulps=0.0,
    attrs=(Attr("function", "function", "the function called", required=True),),
    source="chain rule",
)  # fmt: skip


# cond: one of several functions, chosen by the first operand


def _infer_cond(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    chooser = ins[0]
    if chooser.shape or chooser.dtype not in (BOOL, *INTEGERS):
        raise IllTyped(DTYPE, f"needs one bool or integer to choose a branch, got {chooser!r}")
    if len(attrs["branches"]) < 2:
        raise IllTyped(ATTRIBUTE, f"needs at least two branches, got {len(attrs['branches'])}")
    graphs = tuple(_graph(f, ins[1:]) for f in attrs["branches"])
    first = graphs[0].output_types
    for g in graphs[1:]:
        if g.output_types != first:
            raise IllTyped(
                SHAPE,
                f"branches return {_listed(first)} and {_listed(g.output_types)}; "
                "make them return the same types",
            )
    return {"branches": graphs}, first


def _run_cond(s: Site, chooser: Array, *xs: Array, run: Any) -> Any:
    branches = s["branches"]
    if not s.lead(chooser, 0):
        return _single(run(branches[_branch(chooser, len(branches))], xs))
    picks = [_branch(c, len(branches)) for c in chooser]
    if len(set(picks)) == 1:
        return _single(run(branches[picks[0]], xs))
    rows = [run(branches[p], [x[b : b + 1] for x in xs]) for b, p in enumerate(picks)]
    return _single([np.concatenate([r[o][:1] for r in rows]) for o in range(len(s.outs))])


def _branch(chooser: Array, count: int) -> int:
    return min(max(int(chooser), 0), count - 1)


def _cond_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    wrt = tuple(i for i, d in enumerate(x_dots[1:]) if d is not None)
    branches = tuple(xp.derive.jvp(g, wrt) for g in s["branches"])
    outs = _tuple(xp.cond(*xs, *(x_dots[i + 1] for i in wrt), branches=branches))
    return _spread(s.outs, outs[len(s.outs) :])


def _cond_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    wrt = tuple(i for i, w in enumerate(wanted[1:]) if w)
    outs = tuple(o for o, b in enumerate(y_bars) if b is not None)
    branches = tuple(xp.derive.vjp(g, wrt, outs) for g in s["branches"])
    results = _tuple(xp.cond(*xs, *(y_bars[o] for o in outs), branches=branches))
    bars = dict(zip(wrt, results[len(s.outs) :], strict=True))
    return (None, *(bars.get(i) for i in range(len(xs) - 1)))


COND = Op(
    "cond", "branches[0] of the operands when the first is false (or 0), branches[1] when true",
    "y = f_c(x...);  dy = df_c(x...; dx...)",
    _infer_cond, _run_cond, lambda d: _no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_cond_jvp, vjp_all=_cond_vjp,
    batching="run", ulps=0.0,
    attrs=(Attr("branches", "functions", "functions of the remaining operands", required=True),),
    kink="the derivative of the branch taken; where the choice flips is not looked at",
    source="chain rule",
)  # fmt: skip


# while_loop: a body repeated while a condition holds


def _infer_while(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    body = _graph(attrs["body"], ins)
    if body.output_types != ins:
        raise IllTyped(
            SHAPE,
            f"body turns {_listed(ins)} into {_listed(body.output_types)}; a loop keeps its types",
        )
    cond = _graph(attrs["cond"], ins)
    if cond.output_types != (type_of(BOOL, ()),):
        raise IllTyped(DTYPE, f"cond returns {_listed(cond.output_types)}, expected one bool")
    trips = attrs["max_trips"]
    if not 0 < trips <= MAX_TRIPS:
        raise IllTyped(ATTRIBUTE, f"max_trips is {trips}, expected 1 to {MAX_TRIPS}")
    return {"cond": cond, "body": body, "max_trips": trips}, ins


def _trips(s: Site, carry: list[Array], run: Any) -> list[list[Array]]:
    """The carry before each trip, and after the last."""
    history = [carry]
    while bool(run(s["cond"], carry)[0]):
        if len(history) > s["max_trips"]:
            raise Fault(
                FaultKind.LIMIT,
                f"while_loop: did not end within {s['max_trips']} trips; "
                "raise max_trips or mend the condition",
            )
        carry = run(s["body"], carry)
        history.append(carry)
    return history


def _while_kernel(s: Site, *xs: Array, run: Any) -> Any:
    if s.lead(xs[0], 0):
        return _single(_per_element(s, xs, run, lambda one, go: _trips(s, one, go)[-1]))
    carry = list(xs)
    trips = 0
    while bool(run(s["cond"], carry)[0]):
        if trips == s["max_trips"]:
            _trips(s, carry, run)
        carry = run(s["body"], carry)
        trips += 1
    return _single(carry)


def _per_element(s: Site, xs: Sequence[Array], run: Any, work: Any) -> list[Array]:
    """Loops of a batch run one by one: each may take another number of trips."""

    def go(graph: Any, args: Sequence[Array]) -> list[Array]:
        return [y[0] for y in run(graph, [a[None] for a in args])]

    rows = [work([x[b] for x in xs], go) for b in range(len(xs[0]))]
    return [np.stack([r[o] for r in rows]) for o in range(len(s.outs))]


def _doubled(xp: Any, cond: Any, body: Any) -> tuple[Any, Any]:
    """The loop that carries tangents of its floats beside the values."""
    floats = _floats(body.input_types)
    b = xp.new(f"{cond.name}_wide")
    carry = [b.input(n, t) for n, t in zip(cond.inputs, cond.input_types, strict=True)]
    for i in floats:
        b.input(f"{cond.inputs[i]}_dot", cond.input_types[i])
    return b.finish(b.inline(cond, carry)), xp.derive.jvp(body, tuple(floats))


def _while_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    cond, body = _doubled(xp, s["cond"], s["body"])
    dots = _dots(xp, s.ins, x_dots)
    outs = xp.while_loop(*xs, *dots, cond=cond, body=body, max_trips=s["max_trips"])
    return _spread(s.outs, _tuple(outs)[len(s.outs) :])


def _while_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    bars = _dots(xp, s.outs, y_bars)
    out = _pull_back(xp, s["cond"], s["body"], s["max_trips"], [*xs, *bars])
    return _spread(s.ins, out)


def _pull_back(xp: Any, cond: Any, body: Any, max_trips: int, operands: Sequence[Any]) -> Any:
    floats = tuple(_floats(body.input_types))
    return _tuple(
        xp.while_loop_vjp(
            *operands, cond=cond, body=body, max_trips=max_trips,
            carried=len(body.inputs), pull=xp.derive.vjp(body, floats, floats),
        )
    )  # fmt: skip


_LOOP_ATTRS = (
    Attr("cond", "function", "carry -> one bool: go on?", required=True),
    Attr("body", "function", "carry -> carry", required=True),
    Attr("max_trips", "int", "trips after which the loop is refused", MAX_TRIPS),
)

WHILE_LOOP = Op(
    "while_loop", "the carry after as many trips through body as cond holds",
    "c_{k+1} = body(c_k);  dc_{k+1} = dbody(c_k; dc_k)",
    _infer_while, _while_kernel, lambda d: _no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_while_jvp, vjp_all=_while_vjp,
    batching="run", ulps=0.0, attrs=_LOOP_ATTRS,
    kink="the derivative at the trip count taken; where it changes is not looked at",
    source="chain rule",
)  # fmt: skip


# while_loop_vjp: what reverse mode makes of a loop


def _infer_while_vjp(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    carry, bars = ins[: attrs["carried"]], ins[attrs["carried"] :]
    loop, _ = _infer_while({k: attrs[k] for k in ("cond", "body", "max_trips")}, carry)
    expected = tuple(t for t in carry if t.is_float)
    if bars != expected:
        raise IllTyped(ARITY, f"needs cotangents {_listed(expected)}, got {_listed(bars)}")
    pull = _graph(attrs["pull"], ins)
    return {**loop, "carried": attrs["carried"], "pull": pull}, expected


def _pull_kernel(s: Site, *xs: Array, run: Any) -> Any:
    if s.lead(xs[0], 0):
        return _single(_per_element(s, xs, run, lambda one, go: _pull(s, one, go)))
    return _single(_pull(s, list(xs), run))


def _pull(s: Site, xs: list[Array], run: Any) -> list[Array]:
    count = s["carried"]
    history = _trips(s, xs[:count], run)
    bars = xs[count:]
    for carry in reversed(history[:-1]):
        bars = run(s["pull"], [*carry, *bars])[count:]
    return list(bars)


def _pull_apply(xp: Any, s: Site, operands: Sequence[Any]) -> tuple[Any, ...]:
    """`while_loop_vjp` of the doubled loop: its results are bars of (floats, their tangents)."""
    cond, body = _doubled(xp, s["cond"], s["body"])
    return _pull_back(xp, cond, body, s["max_trips"], operands)


def _pull_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    """The tangent of a pullback is the pullback of the tangent program.

    With F(x, x_dot) = (f(x), J x_dot) and cotangents (y_bar_dot, y_bar), the cotangent of x is
    J^T y_bar_dot + (d(J x_dot)/dx)^T y_bar.
    """
    count = s["carried"]
    dots = _dots(xp, s.ins[:count], x_dots[:count])
    bar_dots = _dots(xp, s.ins[count:], x_dots[count:])
    out = _pull_apply(xp, s, [*xs[:count], *dots, *bar_dots, *xs[count:]])
    return out[: len(s.outs)]


def _pull_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    """With u the cotangent of J^T y_bar: y_bar gets J u, and x what the pullback of J u gives."""
    count = s["carried"]
    u = _dots(xp, s.outs, y_bars)
    nothing = [xp.zeros(t) for t in s.ins[count:]]
    out = _pull_apply(xp, s, [*xs[:count], *u, *nothing, *xs[count:]])
    cond, body = _doubled(xp, s["cond"], s["body"])
    pushed = _tuple(xp.while_loop(*xs[:count], *u, cond=cond, body=body, max_trips=s["max_trips"]))
    x_bars = _spread(s.ins[:count], out[: len(s.outs)])
    return (*x_bars, *pushed[count:])


WHILE_LOOP_VJP = Op(
    "while_loop_vjp", "the cotangents of a while_loop's float carries",
    "c_bar_k = vjp(body)(c_k; c_bar_{k+1}), from the last trip to the first",
    _infer_while_vjp, _pull_kernel, lambda d: _no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_pull_jvp, vjp_all=_pull_vjp,
    batching="run", ulps=0.0,
    attrs=(
        *_LOOP_ATTRS,
        Attr("carried", "int", "how many operands are carry; the rest are cotangents", required=True),
        Attr("pull", "function", "(carry, cotangents) -> (carry, cotangents)", required=True),
    ),
    source="chain rule",
)  # fmt: skip


# scan: a body over the slices of its operands


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
    body = _graph(attrs["body"], (*consts, *carry, *slices))
    outs = body.output_types
    if outs[:n_carry] != carry:
        raise IllTyped(
            SHAPE, f"body turns the carry {_listed(carry)} into {_listed(outs[:n_carry])}"
        )
    stacked = tuple(t.with_shape((length, *t.shape)) for t in outs[n_carry:])
    return {**attrs, "body": body}, (*carry, *stacked)


def _run_scan(s: Site, *xs: Array, run: Any) -> Any:
    n_consts, n_carry, length = s["consts"], s["carried"], s["length"]
    lead: Shape = s.lead(xs[0], 0) if xs else ()
    axis = len(lead)
    consts, carry, rest = xs[:n_consts], xs[n_consts : n_consts + n_carry], xs[n_consts + n_carry :]
    moved = [np.moveaxis(x, axis, 0) for x in rest]
    rows: list[list[Array]] = []
    order = range(length - 1, -1, -1) if s["reverse"] else range(length)
    for k in order:
        outs = run(s["body"], [*consts, *carry, *(x[k] for x in moved)])
        carry = outs[:n_carry]
        rows.append(outs[n_carry:])
    if s["reverse"]:
        rows.reverse()
    stacked = [
        np.stack([r[j] for r in rows], axis=axis) if rows else np.empty((*lead, *t.shape), t.dtype)
        for j, t in enumerate(s.outs[n_carry:])
    ]
    return _single([*carry, *stacked])


def _parts(s: Site, values: Sequence[Any]) -> tuple[Any, Any, Any]:
    a, b = s["consts"], s["consts"] + s["carried"]
    return values[:a], values[a:b], values[b:]


def _scan_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    body = s["body"]
    groups = _parts(s, body.input_types)
    pushed = xp.derive.jvp(body, tuple(_floats(body.input_types)))
    b = xp.new(f"scan_{pushed.name}")
    values: list[Any] = []
    dots: list[Any] = []
    for g, types in enumerate(groups):
        values += [b.input(f"x{g}_{i}", t) for i, t in enumerate(types)]
        dots += [b.input(f"x{g}_{i}_dot", t) for i, t in enumerate(types) if t.is_float]
    outs = b.inline(pushed, [*values, *dots])
    n, count = s["carried"], len(body.outputs)
    out_floats = _floats(body.output_types)
    out_dots = dict(zip(out_floats, outs[count:], strict=True))
    graph = b.finish(
        [*outs[:n], *(out_dots[i] for i in out_floats if i < n),
         *outs[n:count], *(out_dots[i] for i in out_floats if i >= n)]
    )  # fmt: skip
    operands: list[Any] = []
    for part, types, part_dots in zip(
        _parts(s, xs), _parts(s, s.ins), _parts(s, x_dots), strict=True
    ):
        operands += [*part, *_dots(xp, types, part_dots)]
    const_floats, carry_floats = (len(_floats(t)) for t in _parts(s, s.ins)[:2])
    out = _tuple(
        xp.scan(*operands, body=graph, length=s["length"], reverse=s["reverse"],
                consts=s["consts"] + const_floats, carried=n + carry_floats)
    )  # fmt: skip
    carry_dots = out[n : n + carry_floats]
    stacked_dots = out[n + carry_floats + count - n :]
    return (*_spread(s.outs[:n], carry_dots), *_spread(s.outs[n:], stacked_dots))


def _scan_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    body = s["body"]
    n_carry = s["carried"]
    const_types, carry_types, slice_types = _parts(s, body.input_types)
    # forward again, this time keeping the carry that entered each step
    f = xp.new(f"{body.name}_kept")
    inputs = [f.input(f"x{i}", t) for i, t in enumerate(body.input_types)]
    kept = inputs[s["consts"] : s["consts"] + n_carry]
    forward = f.finish([*f.inline(body, inputs)[:n_carry], *kept])
    common = {"length": s["length"], "carried": n_carry, "consts": s["consts"]}
    carries = _tuple(xp.scan(*xs, body=forward, reverse=s["reverse"], **common))[n_carry:]
    # one step back: carry = cotangents of (carry, constants), slices = (carry, xs, y_bar)
    wrt = tuple(_floats(body.input_types))
    outs = tuple(_floats(body.output_types))
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
    x_consts, _, x_slices = _parts(s, xs)
    start = [
        *_dots(xp, s.outs[:n_carry], y_bars[:n_carry]),
        *(xp.zeros(t) for t in const_types if t.is_float),
    ]
    out = _tuple(
        xp.scan(*x_consts, *start, *carries, *x_slices, *_dots(xp, s.outs[n_carry:], y_bars[n_carry:]),
                body=back, length=s["length"], reverse=not s["reverse"],
                consts=s["consts"], carried=len(start))
    )  # fmt: skip
    carry_out, const_out = out[:n_carry_bars], out[n_carry_bars : len(start)]
    return (
        *_spread(const_types, const_out),
        *_spread(carry_types, carry_out),
        *_spread(slice_types, out[len(start) :]),
    )


SCAN = Op(
    "scan", "a body carried over the slices of its operands' first axis",
    "c_{k+1}, y_k = body(constants, c_k, x_k);  d through every step",
    _infer_scan, _run_scan, lambda d: _no_sample(), (0, None),
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


def _no_sample() -> Sample:
    raise LookupError("control flow is tested on programs, not on single sites")


RECORDS = (CALL, COND, WHILE_LOOP, WHILE_LOOP_VJP, SCAN)
