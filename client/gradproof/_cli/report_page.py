"""A report as a page: the verdict first, then the numbers, what is wrong and where, and who agrees.

A report that agrees is about five lines. One that does not is about twelve: every number that the
verdict rests on, the place of the claim, why the reference can be trusted, and the next command.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli import numbers
from gradproof._cli.case import Case
from gradproof._cli.findings_page import ILL_TYPED, add_findings
from gradproof._cli.frames import add_frame, label
from gradproof._cli.page import Page

VERDICTS: Final = {
    pb.VERDICT_AGREES: ("✓", "agrees", "bold green"),
    pb.VERDICT_DISAGREES: ("✗", "disagrees", "bold red"),
    pb.VERDICT_INCONCLUSIVE: ("?", "inconclusive", "bold yellow"),
    pb.VERDICT_UNSPECIFIED: ("?", "nothing was compared", "bold yellow"),
}
SOURCES: Final = {
    pb.SOURCE_FORWARD: "forward",
    pb.SOURCE_REVERSE: "reverse",
    pb.SOURCE_DIFFERENCES: "differences",
    pb.SOURCE_COMPLEX_STEP: "complex step",
    pb.SOURCE_CLAIM: "claim",
    pb.SOURCE_RULE: "rule",
    pb.SOURCE_EXTENDED: "extended precision",
}
ROADS: Final = {
    pb.CARRIAGE_ARRAY_TRACE: "was recorded as NumPy calls",
    pb.CARRIAGE_NAMESPACE: "was recorded through an array namespace",
    pb.CARRIAGE_SCALAR_TRACE: "was recorded number by number",
    pb.CARRIAGE_BLACK_BOX: "is a black box, asked for values only",
    pb.CARRIAGE_IMPORT: "was translated from another framework",
}
REASONS: Final = {
    "kink": "the point stands at a kink, any slope between the one-sided ones is right",
    "noise": "rounding in the function is too loud at this point",
    "domain": "the point is too close to the edge of the domain",
    "overflow": "a value is not finite there",
    "budget": "not all entries could be looked at within the budget",
    "convention": "the two follow different conventions at a tie",
}
BLOCKS: Final = 3
"""Wrong or unclear pairs that are told in full; the others are named."""
DEFAULTS: Final = {"tau": 1e-3}


@dataclass(frozen=True, slots=True)
class Shown:
    """What the parts of the page share."""

    page: Page
    report: pb.Report
    case: Case
    gutter: int
    framed: set[str] = field(default_factory=set[str])
    """The places whose source lines are on the page already."""

    def row(self, name: str, text: str, style: str = "", *, mark: str = "  ") -> None:
        """A name in the left column, and what is said of it."""
        self.page.add((mark, style), (f"{name:<{self.gutter}}  ", "bold"), (text, style))

    @property
    def room(self) -> int:
        """Columns right of the names."""
        return self.page.width - self.gutter - 4


def add_report(page: Page, report: pb.Report, case: Case) -> None:
    """Add the page of a whole report."""
    shown = Shown(page, report, case, _gutter(report))
    _headline(shown)
    if any(f.code in ILL_TYPED for f in report.findings):
        add_findings(page, report.findings, source=case.source)
        page.add(("  next: ", "dim"), case.command("show"))
        return
    _values(shown)
    claims = [c for c in report.comparisons if c.subject == pb.SOURCE_CLAIM]
    own = [c for c in report.comparisons if c.subject != pb.SOURCE_CLAIM]
    _pairs(shown, claims)
    _pairs(shown, _once([c for c in own if c.verdict != pb.VERDICT_AGREES]))
    _agreement(shown, own)
    told = {id(f) for c in report.comparisons if (f := _finding_of(report, c))}
    add_findings(page, [f for f in report.findings if id(f) not in told], source=case.source)
    _carriage(shown)
    _options(shown)
    _next(shown)


def derivative_name(output: str, input: str, second: str, *, named: bool, order: int = 1) -> str:
    """`d/dx`, `d y/dx` where several outputs need telling apart, `d2/dx2`, `d2/dx dy`."""
    upper = f" {output}" if named else ""
    if order == 1:
        return f"d{upper}/d{input}"
    return f"d²{upper}/d{input}²" if input == second else f"d²{upper}/d{input} d{second}"


def _name(report: pb.Report, c: pb.Comparison | pb.Derivative) -> str:
    named = len({k.output for k in (*report.comparisons, *report.derivatives)}) > 1
    order = (
        2 if c.second_input or c.kind in (pb.DERIVATIVE_KIND_HESSIAN, pb.DERIVATIVE_KIND_HVP) else 1
    )
    return derivative_name(c.output, c.input, c.second_input or c.input, named=named, order=order)


def _gutter(report: pb.Report) -> int:
    names = [_name(report, k) for k in (*report.comparisons, *report.derivatives)]
    names += [n.name for n in report.outputs] if len(report.outputs) > 1 else ["value"]
    names += [SOURCES[c.against] for c in report.comparisons if c.against in SOURCES]
    return min(max(map(len, names), default=0), 24)


def _headline(shown: Shown) -> None:
    report, case = shown.report, shown.case
    sign, word, style = VERDICTS[report.verdict]
    if any(f.code in ILL_TYPED for f in report.findings):
        sign, word, style = "✗", "cannot be checked", "bold red"
    spans = [(f"{sign} {word}", style), (f": {case.title}", "")]
    if case.claim:
        spans.append((f", claim {case.claim}", ""))
    shown.page.add(*spans)


def _values(shown: Shown) -> None:
    report = shown.report
    several = len(report.outputs) > 1
    for named in report.outputs:
        array = from_tensor(named.tensor)
        shown.row(named.name if several else "value", numbers.brief(array, shown.room))
    large = any(d.dense.shape or d.HasField("sparse") for d in report.derivatives)
    if report.verdict != pb.VERDICT_AGREES and (large or len(report.derivatives) > BLOCKS):
        return  # what is wrong comes first; the command in the last line shows the derivatives
    for d in report.derivatives[: 4 * BLOCKS]:
        if d.WhichOneof("value") == "dense":
            shown.row(_name(report, d), numbers.brief(from_tensor(d.dense), shown.room))
        else:
            size = "x".join(str(n) for n in d.sparse.shape)
            stored = d.sparse.values.shape[0] if d.sparse.values.shape else 0
            shown.row(
                _name(report, d), f"sparse {size}, {numbers.plural(stored, 'element')} stored"
            )
    left = len(report.derivatives) - 4 * BLOCKS
    if left > 0:
        shown.page.add(f"  and {numbers.plural(left, 'derivative')} more")


def _pairs(shown: Shown, comparisons: Sequence[pb.Comparison]) -> None:
    """The pairs that are right in a line each, the worst of the others in full."""
    right = [c for c in comparisons if c.verdict == pb.VERDICT_AGREES]
    other = [c for c in comparisons if c.verdict != pb.VERDICT_AGREES]
    other.sort(key=lambda c: (c.verdict != pb.VERDICT_DISAGREES, -c.max_rel_error))
    for c in other[:BLOCKS]:
        _block(shown, c)
    if left := other[BLOCKS:]:
        names = ", ".join(dict.fromkeys(_name(shown.report, c) for c in left))
        shown.page.wrap(f"not right either: {names}", "    ", first="  ")
    if len(right) <= BLOCKS:
        for c in right:
            checked = f", {numbers.plural(c.entries, 'entry', 'entries')}" if c.entries > 1 else ""
            shown.row(
                _name(shown.report, c),
                f"the {_kind(c)} is right to {numbers.digits(c.digits)}{checked}",
                "green",
                mark="✓ ",
            )
    elif right:
        names = ", ".join(dict.fromkeys(_name(shown.report, c) for c in right))
        least = min(c.digits for c in right)
        shown.page.wrap(f"right to {numbers.digits(least)}: {names}", "    ", "green", first="✓ ")


def _once(comparisons: Sequence[pb.Comparison]) -> list[pb.Comparison]:
    """One comparison for each pair: a disagreement, or else the last, which is the independent witness's."""
    kept: dict[tuple[str, str, str], pb.Comparison] = {}
    for c in comparisons:
        pair = (c.output, c.input, c.second_input)
        if pair not in kept or kept[pair].verdict != pb.VERDICT_DISAGREES:
            kept[pair] = c
    return list(kept.values())


def _kind(c: pb.Comparison) -> str:
    if c.subject != pb.SOURCE_CLAIM:
        return f"derivative by {SOURCES.get(c.subject, 'reference')}"
    return "claimed " + pb.DerivativeKind.Name(c.kind).removeprefix("DERIVATIVE_KIND_").lower()


def _block(shown: Shown, c: pb.Comparison) -> None:
    """One pair that does not agree: how much of it, the worst entry, where it is written."""
    page, report = shown.page, shown.report
    wrong = c.verdict == pb.VERDICT_DISAGREES
    style = "red" if wrong else "yellow"
    against = SOURCES.get(c.against, "reference")
    finding = _finding_of(report, c)
    if not c.entries:
        said = c.detail or REASONS.get(c.reason, "") or "nothing was compared"
        page.wrap(
            said,
            "    ",
            style,
            first=f"{'✗' if wrong else '?'} {_name(report, c):<{shown.gutter}}  ",
        )
    else:
        state = _state(c, against)
        count = c.entries_wrong if wrong else c.entries_unclear
        many = f"{count} of {numbers.plural(c.entries, 'entry', 'entries')} of the {_kind(c)}"
        text = (
            f"the {_kind(c)} is {state}"
            if c.entries == 1
            else f"{many} {'is' if count == 1 else 'are'} {state}"
        )
        if c.entries < c.entries_total:
            text += f" ({c.entries_total} in all)"
        if wrong:
            text += f", {numbers.digits(c.digits)} match"
        shown.row(_name(report, c), text, style, mark="✗ " if wrong else "? ")
        _worst(page, c)
        if not wrong:
            because = c.detail or REASONS.get(
                c.reason, f"the error bar is wider than tau ({c.reason or 'noise'})"
            )
            page.wrap(f"because {because}", "      ", first="    ")
    if finding is None:
        return
    if finding.cause:
        page.wrap(f"{finding.code} {finding.name}: {finding.cause}", "      ", first="    ")
    if where := label(finding.location):
        scope = f" in {finding.location.scope}" if finding.location.scope else ""
        if where not in shown.framed:
            page.add(f"    claim written at {where}{scope}")
            add_frame(page, finding.location)
            shown.framed.add(where)


def _state(c: pb.Comparison, against: str) -> str:
    if c.verdict != pb.VERDICT_DISAGREES:
        return "unclear"
    return "wrong" if c.subject == pb.SOURCE_CLAIM else f"not equal to {against}"


def _worst(page: Page, c: pb.Comparison) -> None:
    where = (
        f"worst {numbers.place(tuple(c.worst_index))}: "
        if c.entries_total > 1 and c.worst_index
        else ""
    )
    us, them = ("claimed", "reference") if c.subject == pb.SOURCE_CLAIM else (
        SOURCES.get(c.subject, "claimed"), SOURCES.get(c.against, "reference"))  # fmt: skip
    shown = min(max(int(c.digits) + 4, 6), 16)
    text = f"{where}{us} {numbers.number(c.claimed, shown)}, {them} {numbers.number(c.reference, shown)}"
    text += f" ± {numbers.bar(c.error_bar)}" if math.isfinite(c.error_bar) else ", no error bar"
    if c.reference and c.verdict == pb.VERDICT_DISAGREES:
        text += f", ratio {numbers.ratio(c.claimed / c.reference)}"
    page.wrap(text, "      ", first="    ")


def _finding_of(report: pb.Report, c: pb.Comparison) -> pb.Finding | None:
    """The finding that tells the same as the comparison of a claim: of that pair, and an error."""
    if c.subject != pb.SOURCE_CLAIM or c.verdict != pb.VERDICT_DISAGREES:
        return None
    same = [
        f
        for f in report.findings
        if (f.input, f.output) == (c.input, c.output) and f.severity == pb.SEVERITY_ERROR
    ]
    return next((f for f in same if f.cause), same[0] if same else None)


def _agreement(shown: Shown, own: Sequence[pb.Comparison]) -> None:
    """Who agrees with whom among our own sources, in a line each."""
    right = [c for c in own if c.verdict == pb.VERDICT_AGREES]
    pairs = dict.fromkeys((c.subject, c.against) for c in right)
    for subject, against in pairs:
        group = [c for c in right if (c.subject, c.against) == (subject, against)]
        least = numbers.digits(min(c.digits for c in group))
        verb = "agree" if against == pb.SOURCE_DIFFERENCES else "agrees"
        text = f"{verb} with {SOURCES.get(subject, 'reference')} to {least}"
        if against == pb.SOURCE_DIFFERENCES and shown.report.evaluations:
            text += f", {numbers.plural(shown.report.evaluations, 'evaluation')}"
        shown.row(SOURCES.get(against, "reference"), text)
    if shown.report.origin.carriage == pb.CARRIAGE_BLACK_BOX and not right:
        count = numbers.plural(shown.report.evaluations, "evaluation")
        shown.row("differences", f"are the reference: {count}, an error bar on every number")


def _carriage(shown: Shown) -> None:
    origin = shown.report.origin
    road = ROADS.get(origin.carriage, "")
    trouble = shown.report.verdict != pb.VERDICT_AGREES
    if road and (trouble or origin.carriage == pb.CARRIAGE_BLACK_BOX):
        because = f": {first_reason(origin.reason)}" if origin.reason else ""
        shown.page.wrap(f"the function {road}{because}", "    ", "dim", first="  ")


def first_reason(reason: str) -> str:
    """Why the best road was closed, without why the lesser ones were: usually it is the same."""
    best = re.split(r"; (?=(?:array|namespace|scalar) tracing)", reason)[0]
    return re.sub(r"^(?:array|namespace|scalar) tracing[^:]*: ", "", best)


def _options(shown: Shown) -> None:
    """The options that are not as they are when nothing is asked for."""
    o = shown.report.options
    said: list[str] = []
    if o.HasField("rtol"):
        said.append(f"rtol {o.rtol:g}")
    if o.HasField("atol") and o.atol:
        said.append(f"atol {o.atol:g}")
    if o.HasField("tau") and o.tau != DEFAULTS["tau"]:
        said.append(f"tau {o.tau:g}")
    if o.rng_seed:
        said.append(f"rng seed {o.rng_seed}")
    if o.profile not in (pb.PROFILE_UNSPECIFIED, pb.PROFILE_NUMPY):
        said.append(f"profile {pb.Profile.Name(o.profile).removeprefix('PROFILE_').lower()}")
    if said:
        shown.page.add((f"  options: {', '.join(said)}", "dim"))


def _next(shown: Shown) -> None:
    """One command that helps, when there is something left to do."""
    report, case = shown.report, shown.case
    if report.verdict == pb.VERDICT_AGREES:
        return
    wrong = [c for c in report.comparisons if c.verdict == pb.VERDICT_DISAGREES]
    claimed = [c for c in wrong if c.subject == pb.SOURCE_CLAIM]
    if report.origin.carriage == pb.CARRIAGE_BLACK_BOX:
        told = not case.claim and not report.findings
        text = (
            case.command("check", "--claim", "FUNCTION")
            if told
            else case.command("check", "--format", "json")
        )
    elif claimed:
        one = dict.fromkeys(c.input for c in claimed)
        verb = "jacobian" if any(c.kind == pb.DERIVATIVE_KIND_JACOBIAN for c in claimed) else "grad"
        text = case.command(verb, wrt=tuple(one) if len(one) < 4 else None)
    elif report.findings:
        text = f"gradproof explain {report.findings[0].code}"
    else:
        text = case.command("show")
    shown.page.add(("  next: ", "dim"), text)
