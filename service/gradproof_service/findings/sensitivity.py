"""GP404 and GP405: gradients that fade away or burst on their way back, read off the cotangents."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

FADED = 1e-6
"""Ratio of cotangents between the ends of a deep graph below which they have faded; its inverse
above which they have burst."""
DEEP = 16
"""Nodes in a row that make a graph deep: below that a ratio is a matter of units."""
STEADY = 0.05
"""Part of the whole decay that each quarter of the depth must have, so that one change of units in
the middle is no decay."""
FLAT = 1e-6
"""Slopes below this are called saturated."""
ENOUGH = 8


def _slope(op: str, y: Array) -> Array | None:
    """Slope of a saturating op, from its result."""
    if op == "tanh":
        return 1.0 - y * y
    if op == "sigmoid":
        return y * (1.0 - y)
    return None


def _saturated(view: View, k: int) -> Seen | None:
    y = view.values[view.out(k)]
    if y is None or not y.size:
        return None
    slope = _slope(view.graph.sites[k].op.name, y)
    if slope is None or not (abs(slope) < FLAT).all() or not view.matters(k):
        return None
    x = view.values[view.graph.operands[k][0]]
    near = float(np.min(np.abs(x))) if x is not None else np.inf
    return Seen(
        f"is saturated{f' in all of its {y.size} entries' if y.size > 1 else ''} (|x| >= {near:.3g}): its slope "
        f"is at most {float(np.max(np.abs(slope))):.1g}", k, numbers=(("slope", float(np.max(np.abs(slope)))),),
        severity=Severity.WARNING if y.size >= ENOUGH else Severity.INFO,
    )  # fmt: skip


def _trend(view: View) -> tuple[float, int, int] | None:
    """What `_found` finds, looked for once."""
    if "trend" not in view.notes:
        view.notes["trend"] = _found(view)
    return view.notes["trend"]


def _found(view: View) -> tuple[float, int, int] | None:
    """(log10 of input over output cotangents, deep node, depth) when it changes steadily with depth."""
    graph, bars = view.graph, view.bars
    height = [0] * len(graph.types)  # longest way to an output, in nodes; outputs have 0
    for k in range(len(graph) - 1, -1, -1):
        first = graph.first[k]
        count = len(graph.sites[k].outs)
        reach = (height[first] if count == 1 else max(height[first : first + count], default=0)) + 1
        for v in graph.operands[k]:
            if bars[v] is not None and reach > height[v]:
                height[v] = reach
    deepest = max(height, default=0)
    if deepest < DEEP or not view.finite:
        return None
    levels = np.full((deepest + 1, 2), 0.0)
    at: list[int] = []
    numbers: list[float] = []
    for v, bar in enumerate(bars):
        if bar is None:
            continue
        if not bar.ndim:
            at.append(height[v])
            numbers.append(bar.item())
        elif bar.size:
            levels[height[v]] += np.sum(np.square(bar)), bar.size
    np.add.at(levels, at, np.stack((np.square(numbers), np.ones(len(at))), axis=1))
    with np.errstate(all="ignore"):
        marks = np.log10(np.sqrt(levels[:, 0] / levels[:, 1]))
        quarters = [round(deepest * q / 4) for q in range(5)]
        steps = np.diff(marks[quarters])
        total = float(marks[-1] - marks[0])
    if not np.isfinite(steps).all() or abs(total) < -np.log10(FADED):
        return None
    if (steps / total < STEADY).any():
        return None
    node = next(k for k, ins in enumerate(graph.operands) if any(height[v] == deepest for v in ins))
    return total, node, deepest


def _fading(view: View) -> Iterator[Seen]:
    trend = _trend(view)
    if trend is not None and trend[0] < 0:
        total, node, depth = trend
        yield Seen(
            f"gets a gradient that has faded by {-total:.0f} powers of ten over {depth} nodes, "
            f"{-total / depth:.2f} in each", node, numbers=(("powers_of_ten", total), ("depth", float(depth))),
        )  # fmt: skip


def _bursting(view: View) -> Iterator[Seen]:
    trend = _trend(view)
    if trend is not None and trend[0] > 0:
        total, node, depth = trend
        yield Seen(
            f"gets a gradient that has grown by {total:.0f} powers of ten over {depth} nodes, "
            f"{total / depth:.2f} in each", node, numbers=(("powers_of_ten", total), ("depth", float(depth))),
        )  # fmt: skip


def _repeated(step: str, times: int) -> str:
    """A chain of equal blocks, as text."""
    return "; ".join(f"x = {step}" for _ in range(times)) + "; x"


VANISHING = Rule(
    "GP404", "vanishing", Severity.WARNING, "The gradient fades on its way back, or an activation is saturated.",
    "What reaches the inputs is smaller than rounding elsewhere: they are neither learnt nor checked.",
    "Rescale what comes in, use a residual connection or another start.",
    Example("sum(tanh(x))", {"x": [20.0, 21.0, 22.0, 23.0, 24.0, 25.0, 26.0, 27.0]}),
    Example("sum(tanh(x))", {"x": [0.5, 1.0, 1.5, -0.5, -1.0, 0.25, 0.75, 2.0]}),
    ops=("tanh", "sigmoid"), see=_saturated, witness=_fading,
)  # fmt: skip

EXPLODING = Rule(
    "GP405", "exploding", Severity.WARNING, "The gradient grows from node to node on its way back.",
    "A small change of an input moves the outputs by orders of magnitude, and rounding with it.",
    "Normalise between the blocks, clip, or look at the recurrence.",
    Example(_repeated("x * 4.0", 20), {"x": 0.5}), Example(_repeated("x * 1.0625", 20), {"x": 0.5}),
    witness=_bursting,
)  # fmt: skip

RULES = (VANISHING, EXPLODING)
