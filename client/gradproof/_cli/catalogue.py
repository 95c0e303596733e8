"""`ops` and `explain`: what the service knows, as a table, a page or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from gradproof_proto.v1 import catalogue_pb2 as cat

from gradproof._cli.asking import Format, service
from gradproof._cli.json_text import json_text
from gradproof._cli.page import Page, colourful, page_for, show, write
from gradproof._cli.trouble import AGREES, USAGE, Mistake, say

NAMESPACE: Final = "gp."
"""What stands before an op's name on the wire, and on no page."""


def run_ops(family: str, form: Format, server: str) -> int:
    """List the ops, of one family or all."""
    with service(server) as transport:
        response = transport.list_ops(cat.ListOpsRequest(family=family))
        if family and not response.ops:
            known = sorted({op.family for op in transport.list_ops(cat.ListOpsRequest()).ops})
            raise Mistake(f"there is no family {family!r}; the families are {', '.join(known)}")
    if form == "json":
        write(json_text({"ops": [op_record(op) for op in response.ops]}))
        return AGREES
    ops = sorted(response.ops, key=lambda op: (op.family, op.name))
    page = page_for()
    if colourful(sys.stdout):
        from gradproof._cli.ops_table import print_ops

        print_ops(ops)
    else:
        add_ops(page, ops)
    page.add(
        (f"{len(response.ops)} ops; `gradproof explain OP` tells the derivative of one", "dim")
    )
    show(page)
    return AGREES


def add_ops(page: Page, ops: Sequence[cat.OpDescription]) -> None:
    """A line for each op, under the name of its family; a meaning too long for the page is cut."""
    names = max((len(op.name) - len(NAMESPACE) for op in ops), default=0)
    room = page.width - names - 4
    last = ""
    for op in ops:
        if op.family != last:
            if last:
                page.add("")
            page.add((op.family, "bold"))
            last = op.family
        meaning = op.meaning if len(op.meaning) <= room else op.meaning[: room - 1].rstrip() + "…"
        page.add((f"  {op.name.removeprefix(NAMESPACE):<{names}}  ", "cyan"), meaning)
    page.add("")


def run_explain(subject: str, form: Format, server: str) -> int:
    """Explain one finding or op; a name that nobody knows exits 2 and names the nearest."""
    with service(server) as transport:
        response = transport.explain(cat.ExplainRequest(subject=subject))
    what = response.WhichOneof("description")
    if what is None:
        say(
            " ".join(response.markdown.split())
            or f"nothing is called {subject!r}; see `gradproof ops`"
        )
        return USAGE
    if form == "json":
        record = op_record(response.op) if what == "op" else finding_record(response.finding)
        write(json_text({what: record, "markdown": response.markdown}))
        return AGREES
    page = page_for()
    add_markdown(page, response.markdown)
    show(page)
    return AGREES


def op_record(op: cat.OpDescription) -> dict[str, object]:
    """One op with the keys of its message."""
    return {
        "name": op.name, "family": op.family, "since": op.since, "tier": op.tier,
        "meaning": op.meaning, "formula": op.formula, "source": op.source,
        "attrs": [
            {"name": a.name, "kind": a.kind, "default": a.default_text, "meaning": a.meaning}
            for a in op.attrs
        ],
        "min_arity": op.min_arity, "max_arity": op.max_arity, "domain": list(op.domain),
        "kinks": list(op.kinks), "at_kink": op.at_kink, "linear_inputs": list(op.linear_inputs),
        "differentiable_inputs": list(op.differentiable_inputs), "analytic": op.analytic,
    }  # fmt: skip


def finding_record(finding: cat.FindingDescription) -> dict[str, object]:
    """One kind of finding with the keys of its message."""
    severity = cat.DESCRIPTOR.pool.FindEnumTypeByName("gradproof.v1.Severity")
    name = severity.values_by_number[finding.severity].name
    return {
        "code": finding.code, "name": finding.name,
        "severity": name.removeprefix("SEVERITY_").lower(), "meaning": finding.meaning,
        "mend": finding.mend, "from_graph": finding.from_graph, "at_point": finding.at_point,
    }  # fmt: skip


def add_markdown(page: Page, text: str) -> None:
    """The page of an explanation: headings stand out, paragraphs are wrapped, code stays as it is."""
    code = False
    for line in text.strip().splitlines():
        if line.startswith("```"):
            code = not code
        elif code or line.startswith("    "):
            page.add((f"    {line.strip() if not code else line}", "cyan"))
        elif line.startswith("#"):
            page.add((line.lstrip("# "), "bold"))
        elif not line.strip():
            page.add("")
        elif line.lstrip().startswith(("- ", "* ", "|")):
            page.wrap(line, "  ", first="")
        else:
            page.wrap(line, "")
