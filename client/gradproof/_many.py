"""A check at several points: where they lie, and the reports of all of them as one."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2

from gradproof._arguments import Arguments, Array
from gradproof._errors import RequestError, TargetError
from gradproof._outputs import Outputs, evaluate
from gradproof._report import CheckedPoint, Coverage, Report
from gradproof._structure import declare
from gradproof._subject import Subject
from gradproof._transport import Transport

MOST_POINTS: Final = 1000
TRIES: Final = 8
"""Candidates drawn for each point that is wanted of a black box."""
GRAVITY: Final = {
    pb.VERDICT_AGREES: 0,
    pb.VERDICT_UNSPECIFIED: 1,
    pb.VERDICT_INCONCLUSIVE: 1,
    pb.VERDICT_DISAGREES: 2,
}


def checked_count(points: int) -> int:
    """How many points are wanted; raises `RequestError` for what is no such number."""
    if isinstance(points, bool) or not 1 <= points <= MOST_POINTS or points != int(points):
        raise RequestError(
            f"points: expected a whole number from 1 to {MOST_POINTS}, {points} came",
            field_path="points",
        )
    return int(points)


def subjects(
    transport: Transport,
    subject: Subject,
    options: pb.Options,
    count: int,
    left: Callable[[], float | None],
) -> tuple[list[Subject], Coverage, Sequence[pb.Finding]]:
    """The subject at the given point and at up to `count - 1` others, what they cover, and what that leaves open.

    A function is recorded anew at each point, so what it does there is what is checked; a point at which it fails is left
    out and told. `left` gives the seconds that are left and raises when there are none.
    """
    if subject.program is None:
        found, left_out = _around(subject, options, count, left)
        return found, Coverage(count, len(found), 0, 0, (), tuple(left_out)), ()
    request = der.SamplePointsRequest(
        program=subject.program.message, point=subject.point, options=options, count=count
    )
    answer = transport.sample_points(request, timeout_s=left())
    found, left_out = [subject], list[str]()
    for sampled in answer.points[1:]:
        left()
        given = {n.name: np.array(from_tensor(n.tensor)) for n in sampled.point}
        arguments = _moved(subject.arguments, [given[name] for name in subject.arguments.names])
        try:
            found.append(_at(subject, arguments))
        except TargetError as error:
            left_out.append(error.message)
    seen = tuple(answer.unseen)
    coverage = Coverage(
        count, len(found), answer.sides, answer.sides_seen, seen, tuple(dict.fromkeys(left_out))
    )
    return found, coverage, answer.findings


def _moved(arguments: Arguments, values: Sequence[Array]) -> Arguments:
    leaves = tuple(
        replace(leaf, value=np.ascontiguousarray(v).reshape(v.shape))
        for leaf, v in zip(arguments.leaves, values, strict=True)
    )
    return replace(arguments, leaves=leaves)


def _at(subject: Subject, arguments: Arguments, plain: Outputs | None = None) -> Subject:
    """The subject with other arguments."""
    if subject.function is None:
        return replace(subject, arguments=arguments)
    if plain is None:
        plain = evaluate(subject.function, arguments)
    if subject.program is None:
        return replace(subject, arguments=arguments, plain=plain)
    from gradproof._tracing import carry_at

    carried = carry_at(subject.function, arguments, plain)
    program = carried.program and declare(carried.program, subject.structures)
    return Subject(program, subject.function, arguments, plain, carried.origin, subject.structures)


def _around(
    subject: Subject, options: pb.Options, count: int, left: Callable[[], float | None]
) -> tuple[list[Subject], list[str]]:
    """A black box at points near the given one and around zero, at several scales, where it is finite."""
    found, left_out = [subject], list[str]()
    for arguments in _drawn(subject, options, TRIES * count):
        if len(found) >= count:
            break
        left()
        assert subject.function is not None
        try:
            plain = evaluate(subject.function, arguments)
        except TargetError as error:
            left_out.append(error.message)
            continue
        if all(np.isfinite(y).all() for _, y in plain):
            found.append(_at(subject, arguments, plain))
    return found, list(dict.fromkeys(left_out))


def _drawn(subject: Subject, options: pb.Options, count: int) -> Generator[Arguments]:
    """Arguments with the wanted float inputs moved: to the other sign, far, to many magnitudes, near, and positive, by turns."""
    rng = np.random.default_rng((options.rng_seed, 7))
    arguments = subject.arguments
    for k in range(count):
        values: list[Array] = []
        for leaf in arguments.leaves:
            x = leaf.value
            if x.dtype.kind != "f" or (options.wrt and leaf.name not in options.wrt):
                values.append(x)
                continue
            if leaf.name in subject.structures:
                values.append(_on_set(x, subject.structures[leaf.name], rng))
                continue
            size = float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else 1.0
            size = size if np.isfinite(size) and size > 0 else 1.0
            noise = rng.standard_normal(x.shape)
            moves: tuple[Any, ...] = (
                -x * (1 + 0.1 * noise),
                x + size * noise,
                size * np.sign(noise) * 10.0 ** rng.uniform(-2, 1, x.shape),
                x + 0.1 * size * noise,
                size * np.abs(noise),
            )
            values.append(np.asarray(moves[k % len(moves)], x.dtype))
        yield _moved(arguments, values)


def _on_set(x: Array, kind: program_pb2.Structure, rng: np.random.Generator) -> Array:
    """Another value that is what x is declared to be: scaled, its parts exchanged where the scale is fixed."""
    if kind in (program_pb2.STRUCTURE_SIMPLEX, program_pb2.STRUCTURE_ORTHOGONAL):
        return np.ascontiguousarray(x[..., rng.permutation(x.shape[-1])])
    if kind == program_pb2.STRUCTURE_INTEGER_VALUED:
        return x
    return np.asarray(x * 2.0 ** rng.uniform(-3, 3), x.dtype)


def merged(
    checked: Sequence[CheckedPoint], coverage: Coverage, uncovered: Sequence[pb.Finding] = ()
) -> Report:
    """The reports of several points as one: every comparison, each finding once, the gravest verdict.

    `uncovered` are the findings about the points together.
    """
    reports = [c.report.message for c in checked]
    first = reports[0]
    whole = pb.Report(
        verdict=max((r.verdict for r in reports), key=GRAVITY.__getitem__),
        outputs=first.outputs,
        derivatives=first.derivatives,
        function=first.function,
        origin=first.origin,
        witnesses=sorted({w for r in reports for w in r.witnesses}),
        evaluations=sum(r.evaluations for r in reports),
        entries_checked=sum(r.entries_checked for r in reports),
        entries_total=sum(r.entries_total for r in reports),
        directions=sum(r.directions for r in reports),
        suppressed=max(r.suppressed for r in reports),
        program_digest=first.program_digest,
        options=first.options,
        service_version=first.service_version,
    )
    at: list[int] = []
    for k, report in enumerate(reports):
        whole.comparisons.extend(report.comparisons)
        whole.proofs.extend(report.proofs)
        at += [k] * len(report.comparisons)
    worst = max(range(len(reports)), key=lambda k: _badness(reports[k]))
    kept: dict[tuple[Any, ...], tuple[pb.Finding, int]] = {}
    for k in (worst, *(k for k in range(len(reports)) if k != worst)):
        for f in reports[k].findings:
            known = kept.get(key := _key(f))
            if known is None or f.severity > known[0].severity:
                kept[key] = f, k
    for f in uncovered:
        kept.setdefault(_key(f), (f, worst))
    told = sorted(kept.values(), key=lambda pair: -pair[0].severity)
    whole.findings.extend(f for f, _ in told)
    return Report(
        whole,
        points=checked,
        coverage=coverage,
        worst=worst,
        comparison_points=at,
        finding_points=[k for _, k in told],
    )


def _key(f: pb.Finding) -> tuple[Any, ...]:
    node = f.node if f.HasField("node") else -1
    return f.code, f.function, node, f.input, f.output, f.location.file, f.location.line


def _badness(report: pb.Report) -> tuple[int, float]:
    """How bad a point is: its verdict, then the largest error among the comparisons that gave it.

    Where all agree none is worse: the given point stands for them.
    """
    if report.verdict == pb.VERDICT_AGREES:
        return 0, 0.0
    deciding = [c for c in report.comparisons if c.verdict == report.verdict]
    return GRAVITY[report.verdict], max((c.max_rel_error for c in deciding), default=0.0)
