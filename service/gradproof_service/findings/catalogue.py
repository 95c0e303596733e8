"""The catalogue: every finding by code, and the search of a graph for all of them at once.

Each detector is shown the nodes of its own ops only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any, Final

from gradproof_service.diagnostic import NOWHERE, Fault, FaultKind, Finding, Severity
from gradproof_service.findings import (
    angles,
    claimed,
    domains,
    evidence,
    flow,
    forms,
    indices,
    kinks,
    matrices,
    precision,
    program,
    sensitivity,
    shapes,
)
from gradproof_service.findings.look import Look, look_of
from gradproof_service.findings.rule import Rule, Seen, Told
from gradproof_service.findings.view import View
from gradproof_service.graph.graph import Graph

FAMILIES: Final = (
    program, domains, angles, indices, kinks, forms, precision, flow, sensitivity, matrices, shapes, evidence, claimed,
)  # fmt: skip
FINDINGS: Final[dict[str, Rule]] = {
    rule.code: rule for rule in sorted((r for f in FAMILIES for r in f.RULES), key=lambda r: r.code)
}
"""Every finding by its code. Codes that the literature of mistakes has and this list has not come
with the ops they speak of."""
EACH: Final = 10
"""Most findings of one code in one function; the rest are counted in the last of them."""
_RANK: Final = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def static_findings(graph: Graph) -> list[Finding]:
    """What the typed graph alone shows, in the functions that it calls too; all only possible.

    Remembered on the graph.
    """
    found: list[Finding] | None = graph.plans.get("static findings")
    if found is None:
        found = graph.plans["static findings"] = _static_findings(graph)
    return list(found)


def _static_findings(graph: Graph) -> list[Finding]:
    look = look_of(graph)
    found = _over_nodes(look, lambda rule: rule.look and partial(rule.look, look), confirmed=False)
    for rule in FINDINGS.values():
        if rule.survey is not None:
            found += _made(rule, rule.survey(look), graph, confirmed=False)
    for called in _called(graph):
        inner = look_of(called)
        found += _over_nodes(
            inner,
            lambda rule, inner=inner: rule.look and partial(rule.look, inner),
            confirmed=False,
        )
    return tidy(found)


def point_findings(view: View) -> list[Finding]:
    """What shows at the point: values, margins and cotangents; all of it seen, none of it guessed."""
    found = _over_nodes(
        view.look, lambda rule: rule.see and partial(rule.see, view), confirmed=True
    )
    for rule in FINDINGS.values():
        if rule.witness is not None:
            found += _made(rule, rule.witness(view), view.graph, confirmed=True)
    return tidy(found)


def report_findings(told: Told) -> list[Finding]:
    """What a report shows about the check itself."""
    found: list[Finding] = []
    for rule in FINDINGS.values():
        if rule.read is not None:
            found += _made(rule, rule.read(told), told.view.graph, confirmed=True)
    return tidy(found)


def explain(subject: str) -> Rule:
    """The record of a code (`GP102`) or a name (`sqrt-at-zero`); raises `Fault` for others."""
    wanted = subject.strip()
    rule = FINDINGS.get(wanted.upper()) or next(
        (r for r in FINDINGS.values() if r.name == wanted.lower()), None
    )
    if rule is None:
        names = [*FINDINGS, *(r.name for r in FINDINGS.values())]
        close = get_close_matches(wanted, names, n=1) or get_close_matches(
            wanted.upper(), names, n=1
        )
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise Fault(
            FaultKind.NOT_FOUND, f"there is no finding {subject!r}{hint}", field_path="subject"
        )
    return rule


def tidy(findings: Iterable[Finding]) -> list[Finding]:
    """One finding for each code and node, without those that another one covers.

    The seen stands for the possible, the earlier for the later. The gravest come first, then by
    code, then in the order in which they came.
    """
    kept: dict[Any, Finding] = {}
    for f in findings:
        subject = (f.node,) if f.node else (f.input, f.output, f.message)
        key = (f.code, f.function, *subject)
        if key not in kept or (f.confirmed and not kept[key].confirmed):
            kept[key] = f
    covered = {
        (code, f.function, f.node)
        for f in kept.values() if f.node and f.code in FINDINGS
        for code in FINDINGS[f.code].covers if f.confirmed or not FINDINGS[code].made_by
    }  # fmt: skip
    left = [f for f in kept.values() if (f.code, f.function, f.node) not in covered]
    return sorted(left, key=lambda f: (_RANK[f.severity], f.code))


def _over_nodes(
    look: Look, detector: Callable[[Rule], Callable[[int], Seen | None] | None], *, confirmed: bool
) -> list[Finding]:
    found: list[Finding] = []
    for rule in FINDINGS.values():
        asked = detector(rule)
        if asked is not None:
            seen = [one for k in look.nodes_of(*rule.ops) if (one := asked(k)) is not None]
            found += _made(rule, seen, look.graph, confirmed=confirmed)
    return found


def _made(rule: Rule, seen: Iterable[Seen], graph: Graph, *, confirmed: bool) -> Iterator[Finding]:
    """What was seen as findings, at most `EACH`."""
    some = list(seen)
    for n, one in enumerate(some[:EACH]):
        label = graph.node_label(one.node) if one.node >= 0 else ""
        rest = len(some) - EACH
        more = f" (and {rest} more like it)" if n == EACH - 1 and rest > 0 else ""
        yield Finding(
            rule.code, rule.name, one.severity or (rule.severity if confirmed else rule.possible),
            f"{label} {one.words}{more}".strip(), node=label, function=graph.name,
            location=graph.location(place) if (place := max(one.node, one.near)) >= 0 else NOWHERE,
            input=one.input, output=one.output, elements=one.elements, numbers=one.numbers,
            cause=one.cause or rule.why, mend=rule.mend, confirmed=confirmed,
        )  # fmt: skip


def _called(graph: Graph) -> list[Graph]:
    """Every graph that this one calls, directly or not, once each."""
    found: dict[int, Graph] = {}
    waiting = [graph]
    while waiting:
        for site in waiting.pop().sites:
            if site.op.batching != "run":
                continue
            for value in site.attrs.values():
                for g in value if isinstance(value, tuple) else (value,):
                    if isinstance(g, Graph) and id(g) not in found:
                        found[id(g)] = g
                        waiting.append(g)
    return list(found.values())
