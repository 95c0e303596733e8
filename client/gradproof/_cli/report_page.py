"""A report as a page: the verdict first, then the numbers, what is wrong and where, and who agrees.

A report that agrees is about five lines. One that does not is about twelve: every number that the
verdict rests on, the place of the claim, why the reference can be trusted, and the next command.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli import numbers
from gradproof._cli.case import Case
from gradproof._cli.findings_page import ILL_TYPED, add_findings
from gradproof._cli.frames import add_frame, label
from gradproof._cli.page import Page
from gradproof._cli.report_parts import SOURCES, Shown, name_of, profile_of
from gradproof._cli.report_tail import add_agreement, add_carriage, add_next, add_options

VERDICTS: Final = {
    pb.VERDICT_AGREES: ("✓", "agrees", "bold green"),
    pb.VERDICT_DISAGREES: ("✗", "disagrees", "bold red"),
    pb.VERDICT_INCONCLUSIVE: ("?", "inconclusive", "bold yellow"),
    pb.VERDICT_UNSPECIFIED: ("?", "nothing was compared", "bold yellow"),
}
REASONS: Final = {
    "kink": "any slope between the one-sided ones is right at a kink",
    "noise": "rounding in the function is too loud at this point",
    "domain": "the point is too close to the edge of the domain",
    "tolerance": "rtol forgives as much as a pass must be able to see (tau)",
    "overflow": "a value is not finite there",
    "budget": "not all entries could be looked at within the budget",
    "convention": "any slope between the one-sided ones is right at a kink, and {profile} gives another",
}
BLOCKS: Final = 3
"""Wrong or unclear pairs that are told in full; the others are named."""


def add_report(page: Page, report: pb.Report, case: Case, notes: Page | None = None) -> None:
    """Add the page of a whole report; `notes` are lines that go before the last one."""
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
    add_agreement(shown, own)
    told = {_finding_of(report, c) for c in report.comparisons}
    left = [f for k, f in enumerate(report.findings) if k not in told]
    add_findings(page, left, source=case.source)
    add_carriage(shown)
    add_options(shown)
    page.lines += notes.lines if notes is not None else []
    add_next(shown)


def _gutter(report: pb.Report) -> int:
    names = [name_of(report, k) for k in (*report.comparisons, *report.derivatives)]
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
            shown.row(name_of(report, d), numbers.brief(from_tensor(d.dense), shown.room))
        else:
            size = "x".join(str(n) for n in d.sparse.shape)
            stored = d.sparse.values.shape[0] if d.sparse.values.shape else 0
            shown.row(
                name_of(report, d), f"sparse {size}, {numbers.plural(stored, 'element')} stored"
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
        names = ", ".join(dict.fromkeys(name_of(shown.report, c) for c in left))
        shown.page.wrap(f"not right either: {names}", "    ", first="  ")
    if len(right) <= BLOCKS:
        for c in right:
            checked = f", {numbers.plural(c.entries, 'entry', 'entries')}" if c.entries > 1 else ""
            ours = c.reason != "convention"
            by = "" if ours else f", by {profile_of(shown.report.options)}'s convention at a kink"
            shown.row(
                name_of(shown.report, c),
                f"the {_kind(c)} is right to {numbers.digits(c.digits)}{checked}{by}",
                "green",
                mark="✓ ",
            )
    elif right:
        names = ", ".join(dict.fromkeys(name_of(shown.report, c) for c in right))
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
    if not c.entries:
        said = c.detail or REASONS.get(c.reason, "") or "nothing was compared"
        page.wrap(
            said,
            "    ",
            style,
            first=f"{'✗' if wrong else '?'} {name_of(report, c):<{shown.gutter}}  ",
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
        shown.row(name_of(report, c), text, style, mark="✗ " if wrong else "? ")
        _worst(page, c)
        if not wrong:
            known = REASONS.get(c.reason, "").format(profile=profile_of(report.options))
            because = (
                c.detail or known or f"the error bar is wider than tau ({c.reason or 'noise'})"
            )
            page.wrap(f"because {because}", "      ", first="    ")
    index = _finding_of(report, c)
    if index < 0:
        return
    finding = report.findings[index]
    if finding.cause:
        page.wrap(finding.cause, "      ", first="    ")
    if where := label(finding.location):
        scope = f" in {finding.location.scope}" if finding.location.scope else ""
        if where not in shown.framed:
            page.add(f"    claim written at {where}{scope}")
            add_frame(page, finding.location)
            shown.framed.add(where)


def _state(c: pb.Comparison, against: str) -> str:
    if c.verdict != pb.VERDICT_DISAGREES:
        return "open at a kink" if c.reason in ("kink", "convention") else "unclear"
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


def _finding_of(report: pb.Report, c: pb.Comparison) -> int:
    """The index of the finding that tells the same as the comparison of a claim, -1 when there is none."""
    if c.subject != pb.SOURCE_CLAIM or c.verdict != pb.VERDICT_DISAGREES:
        return -1
    same = [
        k
        for k, f in enumerate(report.findings)
        if (f.input, f.output) == (c.input, c.output) and f.severity == pb.SEVERITY_ERROR
    ]
    return next((k for k in same if report.findings[k].cause), same[0] if same else -1)
