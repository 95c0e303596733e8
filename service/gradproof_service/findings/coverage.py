"""GP704 at several points: sides of branches that none of them showed, each on the line of its branch."""

from __future__ import annotations

from gradproof_service.checking.points import Coverage
from gradproof_service.diagnostic import Finding
from gradproof_service.findings.catalogue import FINDINGS
from gradproof_service.graph.graph import Graph

MOST = 10
"""Branches that are told; the report counts all sides."""


def coverage_findings(graph: Graph, coverage: Coverage) -> list[Finding]:
    """One finding for each branch with a side that no point shows; a `where` stands for its condition."""
    if coverage.points < 2:
        return []
    unseen: dict[str, str] = {}
    for one in coverage.unseen:
        label, _, side = one.rpartition(": ")
        unseen[label] = side
    nodes = {graph.node_label(k): k for k in range(len(graph))}
    made = graph.producer()
    rule = FINDINGS["GP704"]
    found: list[Finding] = []
    for label, side in unseen.items():
        k = nodes[label]
        condition = made[graph.operands[k][0]]
        if condition >= 0 and graph.node_label(condition) in unseen:
            continue
        found.append(
            Finding(
                rule.code, rule.name, rule.severity,
                f"{label} is never {side} at any of the {coverage.points} points: what happens there was not checked",
                node=label, function=graph.name, location=graph.location(k),
                numbers=(("points", float(coverage.points)),),
                cause="an error on a side that no point shows stays hidden",
                mend="ask for more points, or give one on the other side",
            )
        )  # fmt: skip
    return found[:MOST]
