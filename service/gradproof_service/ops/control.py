"""Control flow without loops: `call` and `cond` over functions of the program.

Captures are explicit operands and nothing nests: a function attribute is a typed graph. Their
derivatives are control flow again.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import BOOL, INTEGERS, Array, Type
from gradproof_service.ops.calling import (
    as_tuple,
    at_point,
    listed,
    no_sample,
    single,
    spread,
    typed_graph,
)
from gradproof_service.ops.record import ATTRIBUTE, DTYPE, SHAPE, Attr, IllTyped, Op, Site


def _infer_call(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    graph = typed_graph(attrs["function"], ins)
    return {"function": graph}, graph.output_types


def _call_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    wrt = tuple(i for i, d in enumerate(x_dots) if d is not None)
    derivative = xp.derive.jvp(s["function"], wrt)
    outs = as_tuple(xp.call(*xs, *(x_dots[i] for i in wrt), function=derivative))
    return spread(s.outs, outs[len(s.outs) :])


def _call_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    wrt = tuple(i for i, w in enumerate(wanted) if w)
    outs = tuple(o for o, b in enumerate(y_bars) if b is not None)
    derivative = xp.derive.vjp(s["function"], wrt, outs)
    results = as_tuple(xp.call(*xs, *(y_bars[o] for o in outs), function=derivative))
    bars = dict(zip(wrt, results[len(s.outs) :], strict=True))
    return tuple(bars.get(i) for i in range(len(xs)))


CALL = Op(
    "call", "the outputs of a function of the program at these operands",
    "y = f(x...);  dy = df(x...; dx...)",
    _infer_call, lambda s, *xs, run: single(run(s["function"], xs)),
    lambda d: no_sample(), (0, None), jvp=lambda i: None, vjp=lambda i: None,
    jvp_all=_call_jvp, vjp_all=_call_vjp, batching="run", ulps=0.0,
    attrs=(Attr("function", "function", "the function called", required=True),),
    source="chain rule",
)  # fmt: skip


def _infer_cond(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    chooser = ins[0]
    if chooser.shape or chooser.dtype not in (BOOL, *INTEGERS):
        raise IllTyped(DTYPE, f"needs one bool or integer to choose a branch, got {chooser!r}")
    if len(attrs["branches"]) < 2:
        raise IllTyped(ATTRIBUTE, f"needs at least two branches, got {len(attrs['branches'])}")
    graphs = tuple(typed_graph(f, ins[1:]) for f in attrs["branches"])
    first = graphs[0].output_types
    for g in graphs[1:]:
        if g.output_types != first:
            raise IllTyped(
                SHAPE,
                f"branches return {listed(first)} and {listed(g.output_types)}; "
                "make them return the same types",
            )
    return {"branches": graphs}, first


def _run_cond(s: Site, chooser: Array, *xs: Array, run: Any) -> Any:
    branches = s["branches"]
    if not s.lead(chooser, 0):
        return single(run(branches[_branch(chooser, len(branches))], xs))
    picks = [_branch(c, len(branches)) for c in chooser]
    if len(set(picks)) == 1:
        return single(run(branches[picks[0]], xs))
    rows = [run(branches[p], at_point(s, (chooser, *xs), b)[1:]) for b, p in enumerate(picks)]
    return single([np.stack([r[o] for r in rows]) for o in range(len(s.outs))])


def _branch(chooser: Array, count: int) -> int:
    return min(max(int(chooser), 0), count - 1)


def _cond_jvp(xp: Any, s: Site, xs: Any, ys: Any, x_dots: Any) -> Any:
    wrt = tuple(i for i, d in enumerate(x_dots[1:]) if d is not None)
    branches = tuple(xp.derive.jvp(g, wrt) for g in s["branches"])
    outs = as_tuple(xp.cond(*xs, *(x_dots[i + 1] for i in wrt), branches=branches))
    return spread(s.outs, outs[len(s.outs) :])


def _cond_vjp(xp: Any, s: Site, xs: Any, ys: Any, y_bars: Any, wanted: Any) -> Any:
    wrt = tuple(i for i, w in enumerate(wanted[1:]) if w)
    outs = tuple(o for o, b in enumerate(y_bars) if b is not None)
    branches = tuple(xp.derive.vjp(g, wrt, outs) for g in s["branches"])
    results = as_tuple(xp.cond(*xs, *(y_bars[o] for o in outs), branches=branches))
    bars = dict(zip(wrt, results[len(s.outs) :], strict=True))
    return (None, *(bars.get(i) for i in range(len(xs) - 1)))


COND = Op(
    "cond", "branches[0] of the operands when the first is false (or 0), branches[1] when true",
    "y = f_c(x...);  dy = df_c(x...; dx...)",
    _infer_cond, _run_cond, lambda d: no_sample(), (1, None),
    jvp=lambda i: None, vjp=lambda i: None, jvp_all=_cond_jvp, vjp_all=_cond_vjp,
    batching="run", ulps=0.0,
    attrs=(Attr("branches", "functions", "functions of the remaining operands", required=True),),
    kink="the derivative of the branch taken; where the choice flips is not looked at",
    source="chain rule",
)  # fmt: skip


RECORDS = (CALL, COND)
