"""GP107: inverse trigonometric functions at the ends of where they have a slope."""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.domains import entries, places
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

EDGE = 1e-8
"""Distances to -1 and 1 below which half of the digits of the slope are lost."""


def _possible(look: Look, k: int) -> Seen | None:
    """A cosine, or a product of unit vectors, that is turned back into an angle."""
    graph = look.graph
    v = graph.operands[k][0]
    if graph.sites[k].op.name == "atan2" or not look.smooth[v]:
        return None
    known = look.ranges[v]
    if known.low > -1 and known.high < 1:
        return None
    if known.low >= -1 and known.high <= 1:
        return Seen("may be reached at -1 or 1, where its slope is infinite", k)
    if look.op(look.bare(v)) in ("divide", "matmul", "einsum"):
        return Seen(
            "takes the angle of a quotient or product, which rounding may put at 1 or beyond", k
        )
    return None


def _seen(view: View, k: int) -> Seen | None:
    xs = view.operands(k)
    if xs is None:
        return None
    name = view.graph.sites[k].op.name
    if name == "atan2":
        bad: Array = np.asarray((xs[0] == 0) & (xs[1] == 0))
        words = "takes the angle of the point (0, 0), which has none"
    else:
        bad = np.asarray(np.abs(xs[0]) > 1 - EDGE)
        words = (
            f"takes {name} of {_worst(xs[0]):.17g}, at or near the end where its slope is infinite"
        )
    out = view.values[view.out(k)]
    if out is None or not view.look.smooth[view.out(k)]:
        return None
    hit = view.struck(k, np.broadcast_to(bad, out.shape))
    if not hit.any():
        return None
    return Seen(f"{words}, in {entries(int(hit.sum()))}", k, elements=places(hit))


def _worst(x: Array) -> float:
    return float(x.reshape(-1)[int(np.argmax(np.abs(x)))]) if x.size else 0.0


ARC_EDGE = Rule(
    "GP107", "inverse-trig-edge", Severity.WARNING, "asin or acos at -1 or 1, or atan2 at the origin.",
    "The slope 1 / sqrt(1 - x^2) is infinite at the ends, and rounding of a cosine gets there or beyond.",
    "Use atan2 of the sine and the cosine, which has a slope all round, or keep x within 1 - eps.",
    Example("acos(x)", {"x": 1.0 - 1e-12}), Example("atan2(sqrt(1.0 - x * x), x)", {"x": 0.5}),
    also=Example("sum(acos(clip(x, -1.0, 1.0)))", {"x": [0.5, 0.25]}),
    ops=("asin", "acos", "atan2"), look=_possible, see=_seen, covers=("GP109", "GP203"),
)  # fmt: skip

RULES = (ARC_EDGE,)
