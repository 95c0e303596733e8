"""A report with its findings: what the graph, the point and the report itself show, put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gradproof_service.arrays import Array
from gradproof_service.checking.report import Options, Report, Verdict
from gradproof_service.checking.scene import Scene, make_scene
from gradproof_service.diagnostic import Finding, Severity
from gradproof_service.findings.catalogue import (
    FINDINGS,
    point_findings,
    report_findings,
    static_findings,
    tidy,
)
from gradproof_service.findings.picture import nodes_seen
from gradproof_service.findings.rule import Told
from gradproof_service.findings.suppression import sifted
from gradproof_service.findings.view import View
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, no_tick


def review(
    graph: Graph, point: Sequence[Array], report: Report, options: Options | None = None, *,
    tick: Tick = no_tick,
) -> Report:  # fmt: skip
    """`review_scene` of a typed graph at a point."""
    options = options or report.options
    return review_scene(make_scene(graph, point, options, tick), report, options)


def review_scene(scene: Scene, report: Report, options: Options) -> Report:
    """The report of a check of a scene with everything the catalogue finds in it.

    A remark that something is possible is left out where the point was asked the same question:
    either it was confirmed or it does not hold here.
    Verdict and comparisons stay as they are. Raises `Fault` where the check itself would have.
    """
    graph, view = scene.original, View(scene)
    found = [
        *report.findings, *point_findings(view), *report_findings(Told(report, view)),
        *(f for f in static_findings(graph) if not _answered(f)),
    ]  # fmt: skip
    if report.verdict is Verdict.AGREES:
        found = [f for f in found if not _without_effect(f, view)]
    shown, left_out = sifted(tidy(found), options)
    nodes = nodes_seen(view) if options.evidence else ()
    return replace(report, findings=tuple(shown), suppressed=left_out, nodes=nodes)


def _without_effect(finding: Finding, view: View) -> bool:
    """Whether a finding is about kinks at which no cotangent arrives, as in the arm that a `where` leaves out."""
    if finding.code != "GP203":
        return False
    on = [e for e in view.edges if view.graph.node_label(e.node) == finding.node]
    bars = [view.bar(e.node) for e in on]
    return bool(on) and all(
        bar is not None and bar.shape == e.distance.shape and not bar[e.distance == 0].any()
        for e, bar in zip(on, bars, strict=True)
    )


def _answered(finding: Finding) -> bool:
    rule = FINDINGS[finding.code]
    asked = bool(rule.see or rule.witness) and finding.node.partition("#")[0] not in rule.standing
    return finding.severity is Severity.INFO and asked
