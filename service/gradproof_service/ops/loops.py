"""`while_loop` and its pullback.

Reverse mode through a loop is `while_loop_vjp`, which runs the loop, remembers its carries and
walks them back, so the trip count need not be known before the program runs. Told to keep few, it
counts the trips first and runs them again as `revolve` says. The pullback of a
tangent is the tangent of the pullback, so it has derivatives of every order itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, Array, Type, type_of
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.ops.calling import (
    as_tuple,
    at_point,
    batch_size,
    changing,
    dots_of,
    floats,
    listed,
    no_sample,
    single,
    spread,
    typed_graph,
)
from gradproof_service.ops.record import (
    ARITY,
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    IllTyped,
    Keeps,
    Op,
    Site,
)
from gradproof_service.ops.revolve import walk_back

MAX_TRIPS = 1_000_000
"""Trips after which a loop that set no limit of its own is taken for endless."""


def _infer_while(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    body = typed_graph(attrs["body"], ins)
    if body.output_types != ins:
        raise IllTyped(
            SHAPE,
            f"body turns {listed(ins)} into {listed(body.output_types)}; a loop keeps its types",
        )
    cond = typed_graph(attrs["cond"], ins)
    if cond.output_types != (type_of(BOOL, ()),):
        raise IllTyped(DTYPE, f"cond returns {listed(cond.output_types)}, expected one bool")
    trips = attrs["max_trips"]
    if not 0 < trips <= MAX_TRIPS:
        raise IllTyped(ATTRIBUTE, f"max_trips is {trips}, expected 1 to {MAX_TRIPS}")
    return {"cond": cond, "body": body, "max_trips": trips}, ins


def _trips(s: Site, carry: list[Array], run: Any) -> Iterator[list[Array]]:
    """The carry before each trip, and after the last."""
    yield carry
    trips = 0
    while bool(run(s["cond"], carry)[0]):
        if trips == s["max_trips"]:
            raise Fault(
                FaultKind.LIMIT,
                f"while_loop: did not end within {s['max_trips']} trips; "
                "raise max_trips or mend the condition",
            )
        carry = run(s["body"], carry)
        trips += 1
        yield carry


def _while_kernel(s: Site, *xs: Array, run: Any) -> Any:
    def last(one: list[Array]) -> list[Array]:
        (carry,) = deque(_trips(s, one, run), maxlen=1)
        return carry

    if batch_size(s, xs) is not None:
        return single(_per_point(s, xs, last))
    return single(last(list(xs)))


def _per_point(
    s: Site, xs: Sequence[Array], work: Callable[[list[Array]], list[Array]]
) -> list[Array]:
    """Loops of a batch run one by one: each may take another number of trips."""
    rows = [work(at_point(s, xs, b)) for b in range(batch_size(s, xs) or 0)]
    return [np.stack([r[o] for r in rows]) for o in range(len(s.outs))]


def _doubled(xp: Any, cond: Any, body: Any) -> tuple[Any, Any]:
    """The loop that carries tangents of its floats beside the values."""
    smooth = floats(body.input_types)
    b = xp.new(f"{cond.name}_wide")
    carry = [b.input(n, t) for n, t in zip(cond.inputs, cond.input_types, strict=True)]
    for i in smooth:
        b.input(f"{cond.inputs[i]}_dot", cond.input_types[i])
    return b.finish(b.inline(cond, carry)), xp.derive.jvp(body, tuple(smooth))


def _while_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    cond, body = _doubled(xp, s["cond"], s["body"])
    dots = dots_of(xp, s.ins, x_dots)
    outs = xp.while_loop(*xs, *dots, cond=cond, body=body, max_trips=s["max_trips"])
    return spread(s.outs, as_tuple(outs)[len(s.outs) :])


def _while_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    bars = dots_of(xp, s.outs, y_bars)
    kept = xp.derive.carries_kept(changing(s["body"], 0, len(s.ins)), s["max_trips"])
    loop = {"max_trips": s["max_trips"], "kept": 0 if kept == s["max_trips"] else kept}
    out = _pull_back(xp, s["cond"], s["body"], loop, [*xs, *bars])
    return spread(s.ins, out)


def _pull_back(xp: Any, cond: Any, body: Any, loop: Any, operands: Sequence[Any]) -> Any:
    smooth = tuple(floats(body.input_types))
    return as_tuple(
        xp.while_loop_vjp(
            *operands, cond=cond, body=body, **loop,
            carried=len(body.inputs), pull=xp.derive.vjp(body, smooth, smooth),
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
    _infer_while, _while_kernel, lambda d: no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_while_jvp, vjp_all=_while_vjp,
    batching="run", ulps=0.0, attrs=_LOOP_ATTRS,
    kink="the derivative at the trip count taken; where it changes is not looked at",
    source="chain rule",
)  # fmt: skip


def _infer_while_vjp(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    carry, bars = ins[: attrs["carried"]], ins[attrs["carried"] :]
    loop, _ = _infer_while({k: attrs[k] for k in ("cond", "body", "max_trips")}, carry)
    expected = tuple(t for t in carry if t.is_float)
    if bars != expected:
        raise IllTyped(ARITY, f"needs cotangents {listed(expected)}, got {listed(bars)}")
    pull = typed_graph(attrs["pull"], ins)
    if not 0 <= attrs["kept"] <= attrs["max_trips"]:
        raise IllTyped(
            ATTRIBUTE, f"kept is {attrs['kept']}, expected 0 to max_trips, {attrs['max_trips']}"
        )
    return {**attrs, **loop, "pull": pull}, expected


def _pull_kernel(s: Site, *xs: Array, run: Any) -> Any:
    if batch_size(s, xs) is not None:
        return single(_per_point(s, xs, lambda one: _pull(s, one, run)))
    return single(_pull(s, list(xs), run))


def _pull(s: Site, xs: list[Array], run: Any) -> list[Array]:
    """Count the trips, keeping the first carries; they are enough, or the loop is walked back by `revolve`."""
    count, most = s["carried"], s["kept"] or s["max_trips"]
    bars = xs[count:]

    def back(_: int, carry: list[Array]) -> None:
        nonlocal bars
        bars = run(s["pull"], [*carry, *bars])[count:]

    entering: list[list[Array]] = []
    trips = -1
    for trips, carry in enumerate(_trips(s, xs[:count], run)):
        if trips < most:
            entering.append(carry)
    if trips <= most:
        for k in range(trips - 1, -1, -1):
            back(k, entering[k])
    else:
        del entering[1:]
        walk_back(entering[0], trips, most, lambda _, carry: run(s["body"], carry), back)
    return list(bars)


def _pull_apply(xp: Any, s: Site, operands: Sequence[Any]) -> tuple[Any, ...]:
    """`while_loop_vjp` of the doubled loop: its results are bars of (floats, their tangents)."""
    cond, body = _doubled(xp, s["cond"], s["body"])
    return _pull_back(xp, cond, body, {k: s[k] for k in ("max_trips", "kept")}, operands)


def _pull_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    """The tangent of a pullback is the pullback of the tangent program.

    With F(x, x_dot) = (f(x), J x_dot) and cotangents (y_bar_dot, y_bar), the cotangent of x is
    J^T y_bar_dot + (d(J x_dot)/dx)^T y_bar.
    """
    count = s["carried"]
    dots = dots_of(xp, s.ins[:count], x_dots[:count])
    bar_dots = dots_of(xp, s.ins[count:], x_dots[count:])
    out = _pull_apply(xp, s, [*xs[:count], *dots, *bar_dots, *xs[count:]])
    return out[: len(s.outs)]


def _pull_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    """With u the cotangent of J^T y_bar: y_bar gets J u, and x what the pullback of J u gives."""
    count = s["carried"]
    u = dots_of(xp, s.outs, y_bars)
    nothing = [xp.zeros(t) for t in s.ins[count:]]
    out = _pull_apply(xp, s, [*xs[:count], *u, *nothing, *xs[count:]])
    cond, body = _doubled(xp, s["cond"], s["body"])
    pushed = as_tuple(
        xp.while_loop(*xs[:count], *u, cond=cond, body=body, max_trips=s["max_trips"])
    )
    x_bars = spread(s.ins[:count], out[: len(s.outs)])
    return (*x_bars, *pushed[count:])


def _keeps(s: Site) -> Keeps:
    """One point of a batch after the other."""
    carry = changing(s["body"], 0, s["carried"])
    return Keeps(s["kept"] or s["max_trips"], carry, range(0))


WHILE_LOOP_VJP = Op(
    "while_loop_vjp", "the cotangents of a while_loop's float carries",
    "c_bar_k = vjp(body)(c_k; c_bar_{k+1}), from the last trip to the first",
    _infer_while_vjp, _pull_kernel, lambda d: no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_pull_jvp, vjp_all=_pull_vjp,
    batching="run", ulps=0.0, keeps=_keeps,
    attrs=(
        *_LOOP_ATTRS,
        Attr("carried", "int", "how many operands are carry; the rest are cotangents", required=True),
        Attr("pull", "function", "(carry, cotangents) -> (carry, cotangents)", required=True),
        Attr("kept", "int", "carries kept at once, trips being run again from them; 0: all", 0),
    ),
    source="chain rule",
)  # fmt: skip


RECORDS = (WHILE_LOOP, WHILE_LOOP_VJP)
