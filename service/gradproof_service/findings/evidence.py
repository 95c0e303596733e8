"""GP7xx: the check itself: what its report can and cannot be relied on for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gradproof_service.arrays import F64
from gradproof_service.checking.report import (
    Block,
    Comparison,
    Kind,
    Options,
    Report,
    Source,
    Verdict,
)
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.rule import Example, Rule, Seen, Told
from gradproof_service.graph.upcast import narrowest

FULL = 0.999
"""Part of the entries that must have been compared with a witness to count as all."""
VACUOUS = 0.5
WITNESSES = (Source.DIFFERENCES, Source.COMPLEX_STEP, Source.EXTENDED)


def _pair(c: Comparison) -> str:
    second = f" and {c.second_input}" if c.second_input else ""
    return f"the derivative of {c.output} by {c.input}{second}"


def _open(report: Report, reason: str) -> Report:
    """The report with every witness left undecided for this reason."""
    return replace(report, comparisons=tuple(
        replace(c, verdict=Verdict.INCONCLUSIVE, reason=reason, power=1.0) if c.against in WITNESSES else c
        for c in report.comparisons
    ))  # fmt: skip


def _directed(report: Report) -> Report:
    """The report as if its witnesses had looked along directions only."""
    return replace(report, directions=4, comparisons=tuple(
        replace(c, directions=4, entries=4, entries_total=3000) if c.against in WITNESSES else c
        for c in report.comparisons
    ))  # fmt: skip


def _differing(report: Report) -> Report:
    """The report with forward and reverse mode at odds."""
    return replace(report, comparisons=tuple(
        replace(c, verdict=Verdict.DISAGREES, claimed=4.0, reference=2.0) if c.against is Source.FORWARD else c
        for c in report.comparisons
    ))  # fmt: skip


def _skewed(report: Report) -> Report:
    """The report with one off-diagonal block of its Hessian doubled."""
    return replace(report, derivatives=tuple(
        replace(b, value=2 * b.value) if (b.input, b.second_input) == ("x", "y") else b for b in report.derivatives
    ))  # fmt: skip


def _undecided(told: Told, *, steps: bool) -> Iterator[Seen]:
    """Pairs that stayed open, for want of a step or for another reason; one finding for each."""
    done: set[tuple[str, str, str]] = set()
    for c in told.report.comparisons:
        pair = (c.output, c.input, c.second_input)
        if (
            c.verdict is not Verdict.INCONCLUSIVE
            or c.reason in ("kink", "convention", "overflow", "tolerance")
            or pair in done
        ):
            continue
        if c.against is Source.FORWARD or (c.reason in ("aliasing", "domain")) is not steps:
            continue
        if not np.isfinite(c.claimed):
            continue  # a derivative that is not finite is another finding
        done.add(pair)
        hidden = (
            f"a relative error of {c.power:.2g}"
            if c.power < 1
            else "an error as large as the derivative"
        )
        yield Seen(
            f"{_pair(c)} stayed open ({c.reason or 'noise'}): the error bar {c.error_bar:.2g} would hide {hidden}",
            input=c.input, output=c.output, numbers=(("error_bar", c.error_bar), ("power", c.power)),
        )  # fmt: skip


BAD_STEP = Rule(
    "GP701", "bad-step", Severity.WARNING, "No difference step was both short enough and long enough.",
    "The function changes faster than its rounding noise allows steps, or its domain ends too close.",
    "Move the point away from the edge, rescale the input, or give an analytic form.",
    Example("x * x", {"x": 2.0}, planted=lambda r: _open(r, "aliasing")), Example("x * x", {"x": 2.0}),
    read=lambda told: _undecided(told, steps=True),
)  # fmt: skip

INCONCLUSIVE = Rule(
    "GP702", "reference-inconclusive", Severity.WARNING, "The error bar of a comparison is wider than the tolerance.",
    "Nothing is proved and no one is accused: an error of that size would have gone unseen.",
    "Rewrite the function so that it keeps more digits, check in float64, or allow more evaluations.",
    Example("x * x", {"x": 2.0}, planted=lambda r: _open(r, "noise")), Example("x * x", {"x": 2.0}),
    read=lambda told: _undecided(told, steps=False),
)  # fmt: skip


def _vacuous(told: Told) -> Iterator[Seen]:
    options = told.report.options
    if options.rtol is not None and options.rtol >= VACUOUS:
        yield Seen(
            f"rtol is {options.rtol:g}: a derivative wrong by half passes",
            numbers=(("rtol", options.rtol),),
        )
    elif options.rtol is not None and options.rtol >= options.tau:
        yield Seen(
            f"rtol is {options.rtol:g}, but a pass must be able to see a relative error of {options.tau:g}: "
            "no claim can agree", numbers=(("rtol", options.rtol), ("tau", options.tau)),
        )  # fmt: skip
    if options.atol is not None and options.atol > 0:
        sizes = [float(np.max(np.abs(b.value))) for b in told.report.derivatives if b.value.size]
        top = max(sizes, default=0.0)
        if top > 0 and options.atol >= top:
            yield Seen(
                f"atol is {options.atol:g}, the largest entry of the derivative is {top:.3g}: zero passes",
                numbers=(("atol", options.atol), ("largest", top)),
            )  # fmt: skip


VACUOUS_TOLERANCE = Rule(
    "GP703", "tolerance-vacuous", Severity.WARNING, "A tolerance so wide that a wrong derivative passes.",
    "A check that cannot fail proves nothing, and mistakes have hidden behind rtol = 1 for years.",
    "Leave rtol and atol out: the error bars of the check are measured.",
    Example("x * x", {"x": 2.0}, claim="2.0 * x", options=Options(rtol=1.0)),
    Example("x * x", {"x": 2.0}, claim="2.0 * x"), read=_vacuous,
)  # fmt: skip


def _coverage(told: Told) -> Iterator[Seen]:
    report = told.report
    witnessed = [c for c in report.comparisons if c.against in WITNESSES]
    entries, total = (
        sum(c.entries for c in witnessed if not c.directions),
        sum(c.entries_total for c in witnessed),
    )
    if report.directions and any(c.directions for c in witnessed) and entries < FULL * total:
        yield Seen(
            f"the independent witness looked at {entries} of {total} entries one by one and at the "
            f"others along {report.directions} directions; a claim is compared in every entry",
            numbers=(("entries", float(entries)), ("of", float(total))),
        )  # fmt: skip


LOW_COVERAGE = Rule(
    "GP704", "coverage-low", Severity.INFO, "Not every entry, or not every side of a branch, was looked at.",
    "Directions see sums of entries, where a small wrong entry may hide; a side that no point shows hides all.",
    "Check a smaller instance in full, allow more evaluations, or ask for more points.",
    Example("sum(broadcast_to(x, shape=(1500, 2)))", {"x": [1.0, 2.0]}, planted=_directed),
    Example("sum(x)", {"x": [1.0, 2.0]}), read=_coverage,
)  # fmt: skip


def _modes(told: Told) -> Iterator[Seen]:
    for c in told.report.comparisons:
        if {c.subject, c.against} == {
            Source.FORWARD,
            Source.REVERSE,
        } and c.verdict is Verdict.DISAGREES:
            yield Seen(
                f"forward and reverse mode give different values for {_pair(c)}: {c.reference:.10g} and "
                f"{c.claimed:.10g}, allowed error {c.error_bar:.2g}", input=c.input, output=c.output,
                numbers=(("reverse", c.claimed), ("forward", c.reference), ("error_bar", c.error_bar)),
            )  # fmt: skip


MODE_DISAGREEMENT = Rule(
    "GP705", "mode-disagreement", Severity.ERROR, "Forward and reverse mode of gradproof differ.",
    "The two are written independently of each other, so one rule of an op is wrong.",
    "Report it with the program; the witness says which mode is right.",
    Example("x * x", {"x": 2.0}, planted=_differing), Example("x * x", {"x": 2.0}), read=_modes,
)  # fmt: skip


def _asymmetric(told: Told) -> Iterator[Seen]:
    blocks = {
        (b.input, b.second_input): b for b in told.report.derivatives if b.kind is Kind.HESSIAN
    }
    for (first, second), block in blocks.items():
        other = blocks.get((second, first))
        if other is None or first > second:
            continue
        n = round(np.sqrt(block.value.size)) if first == second else 0
        a = block.value.reshape(n, n) if n else block.value.reshape(-1)
        b = other.value.reshape(n, n).T if n else _swapped(block, other)
        with np.errstate(all="ignore"):
            gap, size = (
                float(np.max(np.abs(a - b), initial=0.0)),
                float(np.max(np.abs(a), initial=0.0)),
            )
        if gap > 1e-8 * size:
            yield Seen(
                f"the second derivative of {block.output} by {first} and {second} differs from that by {second} "
                f"and {first} by {gap:.3g}, its size is {size:.3g}", input=first, output=block.output,
                numbers=(("asymmetry", gap), ("size", size)),
            )  # fmt: skip


def _swapped(block: Block, other: Block) -> np.ndarray:
    """The other block with its two groups of axes exchanged, flat."""
    rank = other.value.ndim
    for lead in range(rank + 1):
        axes = (*range(lead, rank), *range(lead))
        turned = np.transpose(other.value, axes)
        if turned.shape == block.value.shape:
            return turned.reshape(-1)
    return other.value.reshape(-1)


SECOND_ORDER_ASYMMETRY = Rule(
    "GP706", "second-order-asymmetry", Severity.WARNING, "A Hessian that is not symmetric.",
    "Second derivatives of a smooth function do not depend on the order: a second-order rule is wrong, or a kink is near.",
    "Move the point away from kinks; if it stays, report it with the program.",
    Example("x * x * y", {"x": 2.0, "y": 3.0}, options=Options(order=2), planted=_skewed),
    Example("x * x * y", {"x": 2.0, "y": 3.0}, options=Options(order=2)), read=_asymmetric,
)  # fmt: skip


def _spread(told: Told) -> Iterator[Seen]:
    """The outputs of the check against those of this second evaluation, bit for bit."""
    view = told.view
    if narrowest(view.original) != F64:
        return
    again = {
        n: view.values[v] for n, v in zip(view.graph.output_names, view.graph.outputs, strict=True)
    }
    for name, y in told.report.outputs:
        z = again.get(name)
        if (
            z is None
            or z.shape != y.shape
            or y.dtype.kind != "f"
            or np.array_equal(y, z, equal_nan=True)
        ):
            continue
        with np.errstate(all="ignore"):
            gap = float(np.nanmax(np.abs(y - z), initial=0.0))
        yield Seen(
            f"two evaluations of {name!r} differ by {gap:.3g}",
            output=name,
            numbers=(("spread", gap),),
        )


NONDETERMINISTIC = Rule(
    "GP707", "nondeterministic", Severity.WARNING, "Two evaluations at the same point differ.",
    "Differences of values see the spread as slope, and no baseline can be kept bit for bit.",
    "Fix the seed, or the number of threads of the linear algebra library.",
    Example("x * x", {"x": 2.0}, planted=lambda r: replace(r, outputs=tuple((n, y + 1e-9) for n, y in r.outputs))),
    Example("x * x", {"x": 2.0}), read=_spread,
)  # fmt: skip


RULES = (
    BAD_STEP, INCONCLUSIVE, VACUOUS_TOLERANCE, LOW_COVERAGE, MODE_DISAGREEMENT, SECOND_ORDER_ASYMMETRY,
    NONDETERMINISTIC,
)  # fmt: skip
