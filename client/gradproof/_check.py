"""A check: the subject and its claims are made at each point, sent, and the reports come back as a view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any, Unpack

from gradproof_proto.v1 import check_pb2, program_pb2
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._errors import DeadlineError, RequestError
from gradproof._options import CheckOptions
from gradproof._options import options as make_options
from gradproof._program import Program
from gradproof._report import Report
from gradproof._subject import Source, Subject, black_box, chosen, prepare
from gradproof._transport import Transport

NO_PROGRAM = (
    "it is a black box, so there is no program to save; the same call shows the disagreement again"
)


def run_check(
    transport: Transport,
    source: Source,
    *,
    at: Any,
    claim: Any = None,
    claim_kind: str | None = None,
    wrt: str | Sequence[str] | None = None,
    outputs: str | Sequence[str] | None = None,
    structure: Mapping[str, str] | None = None,
    points: int = 1,
    save: str | Path | None = None,
    timeout_s: float | None = None,
    **options: Unpack[CheckOptions],
) -> Report:
    """Check a function's derivatives at a point, or at several; see `gradproof.check`."""
    file = None if save is None else _path(save)
    if points != 1:
        from gradproof._many import checked_count

        points = checked_count(points)
        _refuse_values(claim, points)
    subject = prepare(source, at, structure)
    inputs = chosen(subject.arguments.names, wrt, "wrt")
    known = (
        subject.program.outputs if subject.program else [name for name, _ in subject.plain or ()]
    )
    results = chosen(known, outputs, "outputs")
    wanted = make_options(wrt=inputs, outputs=results, **options)
    ends = None if timeout_s is None else monotonic() + timeout_s
    asked = Asked(transport, wanted, claim, claim_kind, file is not None, ends)
    if points == 1:
        done = asked.check(subject)
        report, worst = done.report, done
    else:
        report, worst = _several(asked, subject, points)
    if file is not None and worst.report.verdict == "disagrees":
        _save(asked, worst, report, file)
    return report


@dataclass(frozen=True, slots=True)
class Done:
    """One check that was made; the request and the answer when the function is a program."""

    report: Report
    request: der.CheckRequest | None = None
    response: der.CheckResponse | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked at every point; `keep` wants a counterexample, `ends` is the time to stop at."""

    transport: Transport
    options: check_pb2.Options
    claim: Any
    claim_kind: str | None
    keep: bool
    ends: float | None

    @property
    def timeout_s(self) -> float | None:
        """What is left of the time; raises `DeadlineError` when nothing is."""
        if self.ends is None:
            return None
        left = self.ends - monotonic()
        if left <= 0:
            raise DeadlineError(
                "check: it did not finish in time and was stopped; give it more time or ask for fewer points"
            )
        return left

    def wanted(self, program: program_pb2.Program) -> check_pb2.Options:
        """The options, with what comments in the source of this program ask to be left out."""
        from gradproof._suppression import noted

        specs = noted(program)
        if not specs:
            return self.options
        wanted = check_pb2.Options()
        wanted.CopyFrom(self.options)
        wanted.suppress.extend(specs)
        return wanted

    def check(self, subject: Subject) -> Done:
        """The check at one point."""
        given: list[check_pb2.Claim] = []
        program = None if subject.program is None else subject.program.message
        if self.claim is not None:
            from gradproof._claims import claims  # with the tracer behind it: only when used

            wrt, outputs = list(self.options.wrt), list(self.options.outputs)
            claimed = claims(
                subject, self.claim, self.claim_kind, wrt, outputs, self.options.rng_seed,
                self.transport, self.timeout_s,
            )  # fmt: skip
            given = claimed.messages
            program = None if program is None else claimed.beside(program)
        if program is None:
            assert subject.function is not None
            start = der.ProbeStart(
                inputs=_probed(subject),
                point=subject.point,
                claims=given,
                options=self.options,
                origin=subject.origin,
            )
            answer = black_box(subject.function, subject.arguments)
            return Done(Report(self.transport.probe(start, answer, timeout_s=self.timeout_s)))
        request = der.CheckRequest(
            program=program,
            point=subject.point,
            claims=given,
            options=self.wanted(program),
            origin=subject.origin,
            counterexample=self.keep,
        )
        response = self.transport.check(request, timeout_s=self.timeout_s)
        return Done(Report(response.report), request, response)


def _probed(subject: Subject) -> list[der.ProbeInput]:
    """The inputs of a black box, with what is declared of them."""
    found = [der.ProbeInput(name=name) for name in subject.arguments.names]
    for one in found:
        if one.name in subject.structures:
            one.structure = subject.structures[one.name]
    return found


def _several(asked: Asked, subject: Subject, points: int) -> tuple[Report, Done]:
    """The report over several points, and the check that decides it."""
    from gradproof._many import merged, subjects
    from gradproof._report import CheckedPoint

    options = asked.options
    if subject.program is not None:
        options = asked.wanted(subject.program.message)
    found, coverage, uncovered = subjects(
        asked.transport, subject, options, points, lambda: asked.timeout_s
    )
    done: list[Done] = []
    for one in found:
        before = done[-1] if done else None
        done.append(asked.check(one))
        if before is not None:  # one request for each point would hold the program so many times
            done[-2] = before if before.report.verdict == "disagrees" else Done(before.report)
    checked = [
        CheckedPoint(dict(zip(s.arguments.names, s.arguments.values, strict=True)), d.report)
        for s, d in zip(found, done, strict=True)
    ]
    report = merged(checked, coverage, uncovered)
    return report, done[report.worst]


def _refuse_values(claim: Any, points: int) -> None:
    """Numbers are the derivative at one point only."""
    if claim is None or isinstance(claim, str | Program) or callable(claim):
        return
    raise RequestError(
        f"claim: numbers are the derivative at one point, {points} points are wanted; claim a function or an expression",
        field_path="points",
    )


def _path(save: str | Path) -> Path:
    from gradproof._counterexample import checked_path

    return checked_path(save)


def _save(asked: Asked, worst: Done, report: Report, file: Path) -> None:
    if worst.request is None or worst.response is None:
        report.not_saved = NO_PROGRAM
        return
    from gradproof._counterexample import proved, store

    store(proved(asked.transport, worst.request, worst.response, asked.timeout_s), file)
    report.saved = str(file)
