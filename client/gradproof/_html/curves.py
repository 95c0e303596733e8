"""The two pictures of an independent witness: quotients over steps, and how fast the Taylor remainder falls."""

from __future__ import annotations

from math import isfinite, isnan

from gradproof_proto.v1 import check_pb2 as pb
from markupsafe import Markup

from gradproof._html.plot import Plot, positive

_LEAST = 1e-300


def sweep_figure(sweep: pb.Sweep, slope: float, name: str) -> Markup | None:
    """Distance of each difference quotient from the slope, over the step: rounding on the left, truncation on the right.

    None when no quotient is a number.
    """
    gaps = [abs(q - slope) for q in sweep.quotients]
    seen = positive([*gaps, *sweep.bounds])
    steps = positive(sweep.steps)
    if not seen or not steps or not any(isfinite(g) for g in gaps):
        return None
    shown = [g if g > 0 else min(seen) for g in gaps]  # an exact quotient stands at the foot
    plot = Plot(
        f"Step sweep of {name}: the error of difference quotients over the step",
        "step h", "|quotient - slope|", min(steps), max(steps), max(min(seen), _LEAST), max(seen),
    )  # fmt: skip
    if 0 < sweep.plateau_low <= sweep.plateau_high:
        plot.band(
            sweep.plateau_low, sweep.plateau_high,
            f"plateau: {sweep.plateau_low:.2g} to {sweep.plateau_high:.2g}",
        )  # fmt: skip
    plot.curve(sweep.steps, sweep.bounds, "bound", "rounding bound")
    plot.curve(sweep.steps, shown, "error", "distance from the slope")
    if sweep.chosen_step > 0:
        plot.mark(sweep.chosen_step, f"h = {sweep.chosen_step:.1e}")
    if isfinite(sweep.error_bar) and sweep.error_bar > 0:
        plot.level(sweep.error_bar, f"error bar {sweep.error_bar:.1e}")
    return plot.svg()


def taylor_figure(taylor: pb.TaylorRate, name: str) -> Markup | None:
    """The remainder over the step, beside lines that fall as the step and as its square; None when there is nothing to draw."""
    points = [
        (h, r)
        for h, r in zip(taylor.steps, taylor.remainders, strict=True)
        if h > 0 and isfinite(r) and r > 0
    ]
    if len(points) < 2:
        return None
    steps, remainders = [h for h, _ in points], [r for _, r in points]
    plot = Plot(
        f"Taylor remainder of {name} over the step", "step h", "remainder",
        min(steps), max(steps), max(min(remainders), _LEAST), max(remainders),
    )  # fmt: skip
    longest = max(points)
    plot.guide(*longest, 2, "h²: the slope is right")
    plot.guide(*longest, 1, "h: it is wrong")
    plot.curve(steps, remainders, "error", "remainder")
    return plot.svg()


def rate_words(taylor: pb.TaylorRate) -> str:
    """What the fitted rate says, in one sentence."""
    if isnan(taylor.rate):
        return "The remainder never rose above its rounding: nothing is left over, or nothing can be seen."
    sight = (
        f"errors above {taylor.sight:.1e} of the slope would show" if isfinite(taylor.sight) else ""
    )
    said = f"The remainder falls as h to the {taylor.rate:.2f}"
    return f"{said}; {sight}." if sight else f"{said}."
