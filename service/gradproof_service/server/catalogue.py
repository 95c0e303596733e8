"""The catalogue as messages and as pages, straight from the records."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from gradproof_proto.v1 import catalogue_pb2 as cat
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.diagnostic import Severity
from gradproof_service.graph.typing import NAMESPACE
from gradproof_service.ops import OP_SET, OPS
from gradproof_service.ops.record import Attr, Op
from gradproof_service.wire.encode import SEVERITIES

if TYPE_CHECKING:
    from gradproof_service.findings.rule import Rule


def list_ops(request: cat.ListOpsRequest) -> cat.ListOpsResponse:
    """The ops of a family, or all, by name."""
    return cat.ListOpsResponse(
        ops=[
            describe_op(OPS[name])
            for name in sorted(OPS)
            if request.family in ("", OPS[name].family)
        ],
        op_sets=[pb.OpSet(namespace=NAMESPACE.rstrip("."), version=OP_SET)],
    )


def describe_op(op: Op) -> cat.OpDescription:
    """One op's record as a message."""
    low, high = op.arity
    shown = range(high if high is not None else max(low, 1))
    flows = [i for i in shown if op.vjp_all is not None or op.vjp_rule(i) is not None]
    return cat.OpDescription(
        name=NAMESPACE + op.name,
        since=op.since,
        family=op.family,
        meaning=op.meaning,
        formula=op.formula,
        source=op.source,
        attrs=[_attr(a) for a in sorted(op.attrs, key=lambda a: a.name)],
        min_arity=low,
        max_arity=high or 0,
        domain=[m.text for m in op.margins if m.kind == "domain"],
        kinks=[m.text for m in op.margins if m.kind != "domain"],
        at_kink=op.kink,
        linear_inputs=op.linear,
        analytic=op.analytic,
        differentiable_inputs=flows,
    )


def op_page(op: Op) -> str:
    """Everything about an op, Markdown."""
    said = describe_op(op)
    lines = [f"# {said.name}", "", said.meaning, "", f"    {said.formula}", ""]
    if said.attrs:
        lines += ["| attribute | kind | default | meaning |", "|---|---|---|---|"]
        lines += [
            f"| {a.name} | {a.kind} | {a.default_text or 'must be given'} | {a.meaning} |"
            for a in said.attrs
        ]
        lines.append("")
    if said.domain:
        lines.append(f"* Domain: {'; '.join(said.domain)}.")
    if said.kinks:
        lines.append(f"* Kinks and jumps: {'; '.join(said.kinks)}.")
    if said.at_kink:
        lines.append(f"* What gradproof returns there: {said.at_kink}.")
    if said.linear_inputs:
        lines.append(f"* Linear in operand {', '.join(map(str, said.linear_inputs))}.")
    if said.analytic:
        lines.append("* Analytic inside its domain, so the complex step holds.")
    if not said.differentiable_inputs:
        lines.append("* No derivative flows through it.")
    lines.append(f"* In op set {said.since}; family {said.family}; source: {said.source}.")
    return "\n".join(lines) + "\n"


def _attr(attr: Attr) -> cat.AttrDescription:
    default = "" if attr.required else "none" if attr.default is None else _text(attr.default)
    return cat.AttrDescription(
        name=attr.name, kind=attr.kind, default_text=default, meaning=attr.meaning
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)


def list_findings() -> cat.ListFindingsResponse:
    """The kinds of findings, by code."""
    from gradproof_service.findings.catalogue import FINDINGS

    return cat.ListFindingsResponse(findings=map(describe_finding, FINDINGS.values()))


def describe_finding(rule: Rule) -> cat.FindingDescription:
    """One finding's record as a message."""
    return cat.FindingDescription(
        code=rule.code,
        name=rule.name,
        severity=SEVERITIES[rule.severity],
        meaning=rule.meaning,
        mend=rule.mend,
        from_graph=rule.static,
        at_point=rule.at_point,
    )


def explain(request: cat.ExplainRequest) -> cat.ExplainResponse:
    """The page of an op, a finding or a cause, or a page that names the nearest."""
    from gradproof_service.findings.catalogue import FINDINGS
    from gradproof_service.findings.mistakes import MISTAKES, mistake_page
    from gradproof_service.findings.page import page

    subject = request.subject.strip()
    op = OPS.get(subject.removeprefix(NAMESPACE))
    if op is not None:
        return cat.ExplainResponse(markdown=op_page(op), op=describe_op(op))
    names = {rule.name: rule for rule in FINDINGS.values()}
    rule = FINDINGS.get(subject.upper()) or names.get(subject.lower())
    if rule is not None:
        return cat.ExplainResponse(markdown=page(rule), finding=describe_finding(rule))
    mistake = next((m for m in MISTAKES if subject.lower() in (m.code.lower(), m.name)), None)
    if mistake is not None:
        told = cat.FindingDescription(
            code=mistake.code, name=mistake.name, severity=SEVERITIES[Severity.ERROR],
            meaning=mistake.meaning, mend=mistake.mend, at_point=True,
        )  # fmt: skip
        return cat.ExplainResponse(markdown=mistake_page(mistake), finding=told)
    bare = subject.removeprefix(NAMESPACE)
    causes = [word for m in MISTAKES for word in (m.code, m.name)]
    close = get_close_matches(bare, [*OPS, *names, *FINDINGS, *causes], n=3)
    close = close or get_close_matches(bare.upper(), [*FINDINGS, *causes], n=3)
    hint = f" Did you mean {' or '.join(f'`{name}`' for name in close)}?" if close else ""
    return cat.ExplainResponse(markdown=f"Nothing is called `{subject}`.{hint}\n")
