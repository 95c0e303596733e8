"""The end of a report's page: who agrees, how the function was carried, the options, the next command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gradproof_proto.v1 import check_pb2 as pb

from gradproof._cli import numbers
from gradproof._cli.report_parts import SECOND_ORDER, SOURCES, Shown, first_reason, profile_of

ROADS: Final = {
    pb.CARRIAGE_ARRAY_TRACE: "was recorded as NumPy calls",
    pb.CARRIAGE_NAMESPACE: "was recorded through an array namespace",
    pb.CARRIAGE_SCALAR_TRACE: "was recorded number by number",
    pb.CARRIAGE_BLACK_BOX: "is a black box, asked for values only",
    pb.CARRIAGE_IMPORT: "was translated from another framework",
}
TAU: Final = 1e-3


def add_agreement(shown: Shown, own: Sequence[pb.Comparison]) -> None:
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


def add_carriage(shown: Shown) -> None:
    """How the function was carried, where it was not the best road, or something is not right."""
    origin = shown.report.origin
    road = ROADS.get(origin.carriage, "")
    trouble = shown.report.verdict != pb.VERDICT_AGREES
    if road and (trouble or origin.carriage != pb.CARRIAGE_ARRAY_TRACE):
        told = trouble or origin.carriage == pb.CARRIAGE_BLACK_BOX
        because = f": {first_reason(origin.reason)}" if origin.reason and told else ""
        shown.page.wrap(f"the function {road}{because}", "    ", "dim", first="  ")


def add_options(shown: Shown) -> None:
    """The options that are not as they are when nothing is asked for."""
    o = shown.report.options
    said: list[str] = []
    if o.HasField("rtol"):
        said.append(f"rtol {o.rtol:g}")
    if o.HasField("atol") and o.atol:
        said.append(f"atol {o.atol:g}")
    if o.HasField("tau") and o.tau != TAU:
        said.append(f"tau {o.tau:g}")
    if o.rng_seed:
        said.append(f"rng seed {o.rng_seed}")
    if (profile := profile_of(o)) != "gradproof":
        said.append(f"profile {profile}")
    if shown.case.structure:
        kinds = ", ".join(
            " is ".join(part.strip() for part in s.split("=", 1)) for s in shown.case.structure
        )
        shown.page.add((f"  along tangent spaces only: {kinds}", "dim"))
    if shown.report.suppressed:
        shown.page.add(
            (f"  {numbers.plural(shown.report.suppressed, 'finding')} suppressed", "dim")
        )
    if said:
        shown.page.add((f"  options: {', '.join(said)}", "dim"))


def add_next(shown: Shown) -> None:
    """One command that helps, when there is something left to do."""
    report, case = shown.report, shown.case
    if report.verdict == pb.VERDICT_AGREES or case.replayed:
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
        kinds = {c.kind for c in claimed}
        verb = "grad" if kinds == {pb.DERIVATIVE_KIND_GRADIENT} else "jacobian"
        verb = "hessian" if kinds & {*SECOND_ORDER} else verb
        text = case.command(verb, wrt=tuple(one) if len(one) < 4 else None)
    elif report.findings:
        text = f"gradproof explain {report.findings[0].code}"
    else:
        text = case.command("show")
    shown.page.add(("  next: ", "dim"), text)
