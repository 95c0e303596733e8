"""The static findings of a case: its function is recorded and looked at, and nothing is computed."""

from __future__ import annotations

from dataclasses import replace

from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._errors import GradproofError
from gradproof._gate.cases import Case, unreadable
from gradproof._gate.judge import Checked, told_of
from gradproof._gate.measure import measured
from gradproof._gate.points import points
from gradproof._gate.recorder import Recorder
from gradproof._gate.result import CaseResult, Place
from gradproof._gate.verdicts import MEANINGS, PASSED, Verdict
from gradproof._gate.workers import Bench
from gradproof._report import Report
from gradproof._subject import prepare
from gradproof._targets import resolve


def lint_case(case: Case, bench: Bench) -> CaseResult:
    """FAIL when a static finding counts as an error; a black box has nothing to look at and passes with a note."""
    recorder = Recorder(bench.transport, bench.cache)
    result = CaseResult(
        case.name, Verdict.PASS, "", case.target, case.claim, Place(case.file, case.line)
    )
    try:
        at = points(case.at, bench.job.root, case.settings.rng_seed)[0]
        subject = prepare(resolve(case.target).subject, at)
        if subject.program is None:
            return replace(result, sentence="a black box has no graph to look at")
        request = der.InspectRequest(program=subject.program.message, point=subject.point)
        found = recorder.inspect(request).findings
    except GradproofError as error:
        return unreadable(case, error.message, error.exit_code)
    report = Report(pb.Report(findings=found))
    told = told_of(case, [Checked(report, measured((), (), report))])
    failing = [t for t in told if t.fails]
    verdict = Verdict.FAIL if failing else Verdict.PASS
    said = (
        f"{failing[0].code} {failing[0].name}: {failing[0].message}"
        if failing
        else f"{len(told)} static findings"
    )
    code = MEANINGS[verdict].exit_code if failing else PASSED
    place = next((t.place for t in failing if t.place.line), result.place)
    return replace(
        result, verdict=verdict, sentence=said, exit_code=code, findings=told, place=place, points=1
    )
