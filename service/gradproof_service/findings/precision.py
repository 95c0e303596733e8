"""GP3xx: digits that are lost at the point, and digits that a dtype never had."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.arrays import short_dtype
from gradproof_service.checking.report import Options
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.rule import Example, Rule, Seen, Told
from gradproof_service.findings.view import View
from gradproof_service.graph.upcast import narrowest

HALF = 1e-8
"""Part of an output that cancellation alone may spoil: half the digits of float64."""
MOST_CANCELLATIONS = 3


def _rounded(view: View, k: int) -> list[int]:
    """Operands of node k that were computed with rounding: what is given is exact."""
    found: list[int] = []
    for i, v in enumerate(view.graph.operands[k]):
        made = view.look.made[view.look.bare(v)]
        if made >= 0 and view.graph.sites[made].op.ulps and view.look.moved[v]:
            found.append(i)
    return found


def _cancellations(view: View) -> Iterator[Seen]:
    """Sums that cancel, weighed by what their rounding does to the outputs; the worst few.

    Against the outputs themselves and against what a relative change of the inputs does to them:
    a residual that is small beside its own slopes has lost nothing.
    """
    values = (view.values[view.graph.outputs[o]] for o in view.scene.outs)
    scale = sum(float(np.sum(np.abs(y))) for y in values if y is not None)
    with np.errstate(all="ignore"):
        for i in view.scene.wrt:
            bar = view.bars[i]
            scale += 0.0 if bar is None else float(np.sum(np.abs(bar * view.scene.inputs[i])))
    if not np.isfinite(scale) or scale == 0:
        return
    found: list[tuple[float, Seen]] = []
    for k in view.look.nodes_of("add", "subtract"):
        xs, y, bar, rounded = (
            view.operands(k),
            view.values[view.out(k)],
            view.bar(k),
            _rounded(view, k),
        )
        if xs is None or y is None or bar is None or not rounded or not y.size:
            continue
        with np.errstate(all="ignore"):
            size = np.asarray(sum(np.abs(xs[i]) for i in rounded))
            spoiled = np.where(np.abs(y) < size, np.finfo(np.float64).eps * size * np.abs(bar), 0.0)
        at = np.unravel_index(int(np.argmax(np.nan_to_num(spoiled))), spoiled.shape)
        part = float(spoiled[at]) / scale
        big = float(np.broadcast_to(size, y.shape)[at])
        digits = float(np.log10(big / abs(y[at]))) if big and y[at] else 0.0
        if not np.isfinite(part) or part < HALF or digits < 1:
            continue
        found.append((part, Seen(
            f"cancels: {big:.3g} leaves {float(y[at]):.3g}, {digits:.0f} digits are lost and {part:.1g} of the "
            "output is rounding", k, numbers=(("digits", digits), ("part_of_output", part)),
            elements=(tuple(int(n) for n in at),) if at else (),
        )))  # fmt: skip
    found.sort(key=lambda pair: -pair[0])
    yield from (seen for _, seen in found[:MOST_CANCELLATIONS])


CANCELLATION = Rule(
    "GP305", "cancellation", Severity.WARNING, "Two large rounded numbers whose small difference decides an output.",
    "The rounding of both stays, the digits they shared go: differences of values see mostly noise.",
    "Rewrite the difference (factor it, expand it, use the expm1/log1p forms), or sum with compensation.",
    Example("sqrt(x + 1.0) - sqrt(x)", {"x": 1e12}),
    Example("1.0 / (sqrt(x + 1.0) + sqrt(x))", {"x": 1e12}), witness=_cancellations,
)  # fmt: skip


def _low_precision(told: Told) -> Iterator[Seen]:
    rtol = told.report.options.rtol
    dtype = narrowest(told.view.original)
    eps = float(np.finfo(dtype).eps)
    if rtol is not None and 0 < rtol < 8 * eps:
        yield Seen(
            f"the check asks for a relative error of {rtol:.1g}, but the function computes in "
            f"{short_dtype(dtype)}, whose spacing is {eps:.1g}", numbers=(("rtol", rtol), ("spacing", eps)),
        )  # fmt: skip


LOW_PRECISION = Rule(
    "GP307", "low-precision-node", Severity.WARNING, "A tolerance finer than the dtype that the function computes in.",
    "Rounding alone exceeds it, so a correct derivative would be accused or left undecided.",
    "Check in float64, or ask for no more than the dtype can show.",
    Example("sum(x * x)", {"x": [1.0, 2.0]}, dtype="float32", options=Options(rtol=1e-9)),
    Example("sum(x * x)", {"x": [1.0, 2.0]}, dtype="float32", options=Options(rtol=1e-4)), read=_low_precision,
)  # fmt: skip


RULES = (CANCELLATION, LOW_PRECISION)
