"""GP2xx: kinks, ties and steps: points without one slope, and functions whose slope says nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.diagnostic import Severity
from gradproof_service.findings.domains import entries, places
from gradproof_service.findings.flow import cut_inputs
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

NEAR = 1e-6
"""Distances to a kink below this part of the operand's size are called near: the reach of an
ordinary difference step."""
DEAD = 0.9
"""Part of the entries that must be flat before a clamp is called dead."""
ENOUGH = 8
"""Entries an array must have for a part of them to say something."""

TIES = frozenset({"max", "min", "maximum", "minimum", "argmax", "argmin"})


def _near(view: View, *, ties: bool) -> Iterator[Seen]:
    """Nodes that stand beside a kink, not on it; one for each."""
    done: set[int] = set()
    for edge in view.edges:
        op = view.graph.sites[edge.node].op
        if edge.kind == "domain" or (op.name in TIES) != ties or edge.node in done:
            continue
        x = view.values[view.graph.operands[edge.node][edge.operand]]
        if x is None or not x.size or not view.matters(edge.node):
            continue
        with np.errstate(all="ignore"):
            size = float(np.max(np.abs(x.astype(np.float64))))
            gap = np.abs(edge.distance)
            near = (gap > 0) & (gap < NEAR * size)
        if not near.any():
            continue
        done.add(edge.node)
        closest = float(gap[near].min())
        what = "from a tie" if ties else f"from a kink ({edge.text})"
        yield Seen(
            f"is {closest:.2g} {what} in {entries(int(near.sum()))}", edge.node,
            numbers=(("distance", closest), ("size", size)), elements=places(near),
        )  # fmt: skip


TIE_IN_MAX = Rule(
    "GP201", "tie-in-max", Severity.INFO, "Two elements that compete for an extreme are nearly equal.",
    "A difference step may change the winner, and at the tie itself the slope is a convention.",
    "Perturb the point, or state which convention a claim follows.",
    Example("max(x)", {"x": [1.0, 1.0 + 1e-9]}), Example("max(x)", {"x": [1.0, 2.0]}),
    witness=lambda view: _near(view, ties=True),
)  # fmt: skip

KINK_IN_STEP = Rule(
    "GP202", "kink-in-step", Severity.INFO, "A kink lies within the reach of an ordinary difference step.",
    "Differences across the kink mix the slopes of both sides and accuse a correct derivative.",
    "Check at a point further away, or trust the one-sided slopes that gradproof used.",
    Example("sum(relu(x))", {"x": [1.0, 1e-9]}), Example("sum(relu(x))", {"x": [1.0, 0.5]}),
    witness=lambda view: _near(view, ties=False),
)  # fmt: skip

AT_KINK = Rule(
    "GP203", "at-kink", Severity.WARNING, "The point stands exactly on a kink, a jump or a domain edge.",
    "Every slope between the one-sided ones is right there, and libraries choose differently.",
    "Check at a point beside it.",
    Example("relu(x)", {"x": 0.0}), Example("relu(x)", {"x": 0.5}), made_by="checking.check",
)  # fmt: skip


def _clamped(view: View, k: int) -> Seen | None:
    xs = view.operands(k)
    if (
        xs is None
        or not view.matters(k)
        or xs[0].size < ENOUGH
        or not view.look.smooth[view.out(k)]
    ):
        return None
    x = xs[0]
    flat = (x < xs[1]) | (x > xs[2]) if len(xs) == 3 else x <= 0
    part = float(np.mean(flat))
    if part < DEAD:
        return None
    return Seen(
        f"is flat in {part:.0%} of its {x.size} entries: no gradient passes there", k,
        numbers=(("flat", part),), elements=places(np.asarray(flat)),
    )  # fmt: skip


CLAMP_DEAD = Rule(
    "GP204", "clamp-dead", Severity.WARNING, "Nearly all entries of an array lie outside a clamp, or left of a relu.",
    "Their gradient is exactly zero, so nothing before the clamp can be learnt or checked from them.",
    "Widen the bounds, rescale what comes in, or use a bound that bends softly.",
    Example("sum(clip(x, 0.0, 1.0))", {"x": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]}),
    Example("sum(clip(x, 0.0, 10.0))", {"x": [2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]}),
    ops=("clip", "relu"), see=_clamped,
)  # fmt: skip


def _steps(look: Look) -> Iterator[Seen]:
    for cut in cut_inputs(look):
        if cut.kind == "step":
            yield Seen(
                f"is a step: it is on every way from {cut.input!r} to the outputs, so the derivative is 0 "
                "wherever it exists", cut.node, input=cut.input,
            )  # fmt: skip


STEP_ON_PATH = Rule(
    "GP205", "step-function-on-path", Severity.WARNING,
    "A rounding, sign, comparison or argmax is on every way from an input to the outputs.",
    "A step is flat between its jumps: the derivative is zero and says nothing about the function.",
    "Relax the step (sigmoid, softmax), or detach the input on purpose with stop_gradient.",
    Example("sum(floor(x) * y)", {"x": [1.5, 2.5], "y": [1.0, 2.0]}),
    Example("sum(x * y)", {"x": [1.5, 2.5], "y": [1.0, 2.0]}),
    survey=_steps, possible=Severity.WARNING,
)  # fmt: skip


def _casts(look: Look) -> Iterator[Seen]:
    for cut in cut_inputs(look):
        if cut.kind == "cast":
            yield Seen(
                f"casts to {look.graph.sites[cut.node].out.dtype}, on every way from {cut.input!r} to the outputs",
                cut.node, input=cut.input,
            )  # fmt: skip


INTEGER_CUT = Rule(
    "GP206", "integer-cut", Severity.WARNING, "A cast to integers or booleans cuts an input off from the outputs.",
    "Integers have no derivative: the gradient behind the cast is zero.",
    "Keep the value a float, or mark the input as one that is not differentiated.",
    Example("sum(astype(astype(x, dtype='int64'), dtype='float64') * y)", {"x": [1.5, 2.5], "y": [1.0, 2.0]}),
    Example("sum(x * y)", {"x": [1.5, 2.5], "y": [1.0, 2.0]}),
    survey=_casts, possible=Severity.WARNING,
)  # fmt: skip

RULES = (TIE_IN_MAX, KINK_IN_STEP, AT_KINK, CLAMP_DEAD, STEP_ON_PATH, INTEGER_CUT)
