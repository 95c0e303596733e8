"""One case from its text to its result: target and claim resolved, every point checked, judged against the baseline."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradproof._check import run_check
from gradproof._errors import DeadlineError, GradproofError
from gradproof._gate.baseline import Baseline, read
from gradproof._gate.cache import Cache, versions
from gradproof._gate.cases import Case, unreadable
from gradproof._gate.judge import Checked, judge
from gradproof._gate.measure import measured
from gradproof._gate.points import points
from gradproof._gate.recorder import Asked, NotKept, Recorder
from gradproof._gate.result import CaseResult
from gradproof._report import Report
from gradproof._targets import PROGRAM_SUFFIXES, resolve
from gradproof._transport import Transport


def run_case(
    case: Case, root: Path, below: Transport, cache: Cache, committed: Path | None, *, held: bool,
    kept_only: bool = False, evidence: bool = False,
) -> CaseResult | None:  # fmt: skip
    """The result of a case; None with `kept_only` when some answer is not kept. Nothing is raised for a bad case.

    `committed` is the file of its baseline, `held` whether the configuration wants one. The current folder is `root`.
    Reports come along with `evidence`, for nobody else draws them.
    """
    start = time.perf_counter()
    recorder = Recorder(below, cache, kept_only=kept_only)
    try:
        then, previous = read(committed) if committed else (None, "")
        asked = ask(case, root, recorder, evidence=evidence)
    except NotKept:
        return None
    except GradproofError as error:
        at = f" ({case.settings.timeout_s:g} s)" if isinstance(error, DeadlineError) else ""
        result = unreadable(case, error.message + at, error.exit_code)
        return replace(result, seconds=time.perf_counter() - start)
    checked = checked_of(asked)
    result = judge(case, checked, then, held=held)
    proposed = propose(case, checked) if held else None
    return replace(
        result,
        reports=tuple(
            c.report.message.SerializeToString(deterministic=True) for c in checked if evidence
        ),
        checks_run=recorder.checks_run,
        checks_cached=recorder.checks_cached,
        seconds=time.perf_counter() - start,
        baseline=proposed.text() if proposed else "",
        previous=previous,
        file=committed.relative_to(root).as_posix() if committed else "",
    )


def ask(case: Case, root: Path, recorder: Recorder, *, evidence: bool = False) -> list[Asked]:
    """Every check of a case, made through the recorder; with `evidence` the reports bring what pictures need.

    Raises `GradproofError`.
    """
    target = resolve(case.target).subject
    claim = resolve(case.claim).subject if case.claim else None
    s = case.settings
    for at in points(case.at, root, s.rng_seed):
        run_check(
            recorder.transport,
            target,
            at=at,
            claim=claim,
            claim_kind=case.claim_kind,
            wrt=case.wrt or None,
            outputs=case.outputs or None,
            rtol=s.rtol,
            atol=s.atol,
            tau=s.tau,
            rng_seed=s.rng_seed,
            profile=s.profile,
            order=s.order,
            points=s.points,
            structure=case.structure or None,
            evidence=evidence,
            timeout_s=s.timeout_s,
        )
    return recorder.checks


def named_files(case: Case) -> list[str]:
    """The files that the text of a case names and that are read for it here: programs, and arrays of its points."""
    programs = [
        text for text in (case.target, case.claim) if text.endswith((*PROGRAM_SUFFIXES, ".onnx"))
    ]
    return programs + [
        re.sub(r":\w+$", "", text[1:]) for text in _texts(case.at) if text.startswith("@")
    ]


def _texts(at: Any) -> list[str]:
    inner: list[Any] = (
        list(at.values()) if isinstance(at, dict) else at if isinstance(at, list) else []
    )
    return [at] if isinstance(at, str) else [text for one in inner for text in _texts(one)]


def checked_of(asked: Sequence[Asked]) -> list[Checked]:
    """The checks as reports, and what they measured."""
    found: list[Checked] = []
    for one in asked:
        report = Report(one.report)
        found.append(Checked(report, measured(one.request.point, one.request.claims, report)))
    return found


def propose(case: Case, checked: Sequence[Checked]) -> Baseline:
    """The baseline that accepting the case would commit."""
    verdicts = {c.report.verdict for c in checked}
    gravest = next(
        v for v in ("disagrees", "inconclusive", "agrees") if v in verdicts or v == "agrees"
    )
    return Baseline(
        case.name, case.target, case.claim, gravest, case.settings.profile, versions(),
        tuple(c.measured for c in checked),
    )  # fmt: skip
