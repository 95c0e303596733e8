"""Checking a function nobody can see into: its values are asked for, and differences decide.

There is no reference but the differences themselves, so a claim is held against them and their
bars; noise is measured first, from the values alone, and a function that answers differently to
the same question is told so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradproof_service.arrays import FLOATS, Array, Structure
from gradproof_service.checking.claim_form import rule_seeds
from gradproof_service.checking.compare import Pair, compare, overall, row_scale
from gradproof_service.checking.differences import Estimate, directional, representable
from gradproof_service.checking.judge import Asker
from gradproof_service.checking.promise import require_kept
from gradproof_service.checking.report import (
    Answer,
    Ask,
    BlackBox,
    Block,
    Claim,
    Comparison,
    Kind,
    Options,
    Report,
    Source,
    Verdict,
)
from gradproof_service.checking.structure import project, tangent_basis
from gradproof_service.checking.witness import COORDINATES, Reason
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.transforms.evaluate import Tick, no_tick

BATCH = 256
"""Points asked for at once."""
DIRECTIONS = 8
"""Directions per input where coordinates are too many."""


@dataclass(slots=True)
class Probe:
    """The black box at its point: how to ask it, and what has been asked so far."""

    box: BlackBox
    point: tuple[Array, ...]
    ask: Asker
    tick: Tick
    outputs: tuple[tuple[str, Array], ...] = ()
    evaluations: int = 0
    estimates: dict[int, tuple[Array, Estimate]] = field(
        default_factory=dict[int, "tuple[Array, Estimate]"]
    )

    def values(self, i: int, points: Array) -> Array:
        """All float outputs side by side (P, m) at values (P, n) of input i, asked in batches."""
        rows: list[Array] = []
        for start in range(0, len(points), BATCH):
            self.tick()
            part = points[start : start + BATCH]
            rows.append(_flat(self._answer(i, part), len(part)))
        return np.concatenate(rows) if rows else np.zeros((0, self.size))

    @property
    def size(self) -> int:
        """Elements of all float outputs together."""
        return sum(y.size for _, y in self.floats)

    @property
    def floats(self) -> list[tuple[str, Array]]:
        """The outputs that have derivatives."""
        return [(n, y) for n, y in self.outputs if y.dtype in FLOATS]

    def _answer(self, i: int, part: Array) -> Answer:
        size = len(part)
        points = [np.broadcast_to(x, (size, *x.shape)) for x in self.point]
        if i >= 0:
            points[i] = part.reshape(size, *self.point[i].shape).astype(self.point[i].dtype)
        self.evaluations += size
        answer = self.ask(Ask(-1, size, tuple(points)))
        if answer.error:
            raise Fault(
                FaultKind.INVALID, f"the function failed: {answer.error}", field_path="point"
            )
        for n, y in answer.outputs:
            if y.shape[:1] != (size,):
                raise Fault(
                    FaultKind.INVALID,
                    f"answer: output {n!r} has shape {y.shape}, expected {size} points along its "
                    "first axis; answer every point that was asked",
                )
        if self.outputs:
            known = [(n, y.shape) for n, y in self.outputs]
            came = [(n, y.shape[1:]) for n, y in answer.outputs]
            if came != known:
                raise Fault(
                    FaultKind.INVALID,
                    f"answer: outputs are now {came}, they were {known}; a function keeps its shapes",
                )
        return answer

    def first(self) -> list[Finding]:
        """Ask at the point itself, twice: the outputs, and whether they repeat."""
        one = self._answer(-1, np.zeros((2, 0)))
        self.outputs = tuple((n, y[0]) for n, y in one.outputs)
        spread = [
            float(np.max(np.abs(y[0].astype(np.float64) - y[1].astype(np.float64)), initial=0.0))
            for _, y in one.outputs
        ]
        if max(spread, default=0.0) > 0:
            return [
                Finding(
                    "GP707", "nondeterministic", Severity.WARNING,
                    f"the function answers differently to the same point (spread {max(spread):.2g}); "
                    "its derivative is judged only above that noise",
                    numbers=(("spread", max(spread)),), mend="fix the random seed, or the state it keeps",
                )
            ]  # fmt: skip
        return []


def check_black_box(
    box: BlackBox,
    point: Sequence[Array],
    claims: Sequence[Claim],
    options: Options,
    *,
    ask: Asker,
    tick: Tick = no_tick,
) -> Report:
    """Hold claims about a black box against differences of its values.

    Every input element is varied where there are at most `COORDINATES`, else seeded directions.
    Raises `Fault` when the function fails at the point or changes its shapes.
    """
    probe = Probe(box, tuple(np.asarray(x) for x in point), ask, tick)
    require_kept(zip(box.inputs, box.structures, probe.point, strict=True))
    wrt = [
        i for i, (n, x) in enumerate(zip(box.inputs, probe.point, strict=True))
        if x.dtype in FLOATS and (not options.wrt or n in options.wrt)
        and box.structures[i] is not Structure.INTEGER_VALUED
    ]  # fmt: skip
    if not wrt:
        raise Fault(
            FaultKind.INVALID, "point: there is no float input to differentiate by; give one"
        )
    findings = probe.first()
    if not probe.floats:
        raise Fault(
            FaultKind.INVALID, "the function returns no float output, so it has no derivative"
        )
    comparisons: list[Comparison] = []
    for index, claim in enumerate(claims):
        comparisons.append(_judge(probe, claim, index, wrt, options))
    if not claims:
        for i in wrt:
            _estimate(probe, i, options)
        comparisons = [_nothing_to_hold(probe, i, o) for i in wrt for o in range(len(probe.floats))]
    findings += [
        _differs(c, claims[k]) for k, c in enumerate(comparisons) if c.verdict is Verdict.DISAGREES
    ]
    return Report(
        overall(tuple(comparisons)), tuple(comparisons),
        tuple(findings), probe.outputs,
        tuple(_blocks(probe, options)), function=box.name, witnesses=(Source.DIFFERENCES,),
        evaluations=probe.evaluations, entries_checked=sum(c.entries for c in comparisons),
        entries_total=sum(c.entries_total for c in comparisons),
        directions=sum(c.directions for c in comparisons), options=options,
    )  # fmt: skip


def _estimate(probe: Probe, i: int, options: Options) -> tuple[Array, Estimate]:
    """Slopes of every output along coordinates or directions of input i, asked once."""
    if i not in probe.estimates:
        x = probe.point[i].reshape(-1).astype(np.float64)
        resolution = float(np.finfo(probe.point[i].dtype).eps)
        size = np.abs(x)
        typical = float(np.sqrt(np.mean(x * x))) if x.size else 1.0
        typical = typical if np.isfinite(typical) and typical > 0 else 1.0
        scale = np.where(size > 0, np.maximum(size, 1e-3 * typical), typical)
        structure = probe.box.structures[i]
        basis = tangent_basis(structure, probe.point[i]) if len(x) <= COORDINATES else None
        if basis is not None:
            along = np.where(basis != 0, scale, np.inf).min(axis=1)
            rows = representable(x, basis, along, resolution=resolution)
        elif len(x) <= COORDINATES:
            rows, along = np.eye(len(x)), scale
        else:
            rng = np.random.default_rng((options.rng_seed, i, 6))
            along = np.full(DIRECTIONS, float(scale.min()))
            signs = np.asarray(rng.integers(0, 2, (DIRECTIONS, len(x))) * 2.0 - 1.0)
            within = project(structure, probe.point[i], signs)
            rows = representable(x, within, along, resolution=resolution)
        unknown = np.nan

        def evaluate(points: Array) -> tuple[Array, Array]:
            values = probe.values(i, points)
            return values, np.full(values.shape, unknown)

        estimate = directional(
            evaluate, x, rows, scale=along, tau=options.tau / 4, resolution=resolution,
            budget=options.witness_evaluations or 1 << 40, chunk=4 * BATCH,
        )  # fmt: skip
        probe.estimates[i] = rows, estimate
    return probe.estimates[i]


def _judge(probe: Probe, claim: Claim, index: int, wrt: list[int], options: Options) -> Comparison:
    o, i = _positions(probe, claim, wrt)
    name, value = probe.floats[o]
    pair = Pair(name, probe.box.inputs[i], claim.kind, Source.CLAIM, Source.DIFFERENCES)
    if claim.kind in (Kind.HESSIAN, Kind.HVP):
        return Comparison(
            name, probe.box.inputs[i], claim.kind, Source.CLAIM, Source.DIFFERENCES,
            Verdict.INCONCLUSIVE, reason="noise", power=float("inf"),
            detail="second differences of a black box are too noisy to judge by; check the gradient, "
            "or write the function so that it can be traced",
        )  # fmt: skip
    seeds = claim.seeds
    if seeds is None and claim.kind in (Kind.VJP, Kind.JVP):
        shape = value.shape if claim.kind is Kind.VJP else probe.point[i].shape
        seeds = rule_seeds(shape, options.rng_seed + index)
    claimed = _claimed(probe, claim, index, seeds)
    if isinstance(claimed, str):
        return replace(_disagrees(pair), detail=claimed)
    lead = () if seeds is None else (len(seeds),)
    wanted = {
        Kind.GRADIENT: probe.point[i].shape, Kind.JACOBIAN: (*value.shape, *probe.point[i].shape),
        Kind.VJP: (*lead, *probe.point[i].shape), Kind.JVP: (*lead, *value.shape),
    }[claim.kind]  # fmt: skip
    if claimed.shape != wanted and not claimed.size == 1 == int(np.prod(wanted, dtype=object)):
        return replace(_disagrees(pair), detail=f"claimed shape {claimed.shape}, expected {wanted}")
    rows, estimate = _estimate(probe, i, options)
    start = sum(y.size for _, y in probe.floats[:o])
    part = slice(start, start + value.size)
    slopes, bars = estimate.value[:, part].T, estimate.bar[:, part].T
    given = claimed.astype(np.float64).reshape(wanted)
    along = len(rows) if len(rows) != probe.point[i].size else 0
    if claim.kind in (Kind.GRADIENT, Kind.JACOBIAN):
        matrix = given.reshape(value.size, -1)
        subject = matrix if not along else matrix @ rows.T
        shape = None if along else wanted
    elif along and claim.kind is Kind.JVP:
        return replace(_disagrees(pair), verdict=Verdict.INCONCLUSIVE, reason="budget",
                       detail="not every element of the input is differenced; claim a gradient, a jacobian or a vjp")  # fmt: skip
    else:
        flat = seeds if seeds is not None else given
        flat = flat.reshape(len(flat), -1).astype(np.float64)
        slopes = flat @ slopes if claim.kind is Kind.VJP else flat @ slopes.T
        bars = np.abs(flat) @ (bars if claim.kind is Kind.VJP else bars.T)
        subject, shape = given.reshape(len(given), -1), wanted
        if along:
            subject, shape = subject @ rows.T, None
    precision = float(np.finfo(claimed.dtype).eps) if claimed.dtype in FLOATS else 0.0
    rtol = options.rtol if options.rtol is not None else 64 * precision
    why = Reason(
        int(estimate.reason.reshape(-1)[int(np.argmax(np.nan_to_num(estimate.bar, nan=np.inf)))])
    )
    return compare(
        pair, subject, slopes, bars, forgiven=rtol * np.abs(slopes) + (options.atol or 0.0),
        scale=row_scale(slopes), tau=options.tau, shape=shape, entries_total=int(claimed.size),
        directions=along, reason="noise" if why is Reason.OK else why.name.lower(),
    ).comparison  # fmt: skip


def _claimed(probe: Probe, claim: Claim, index: int, seeds: Array | None) -> Array | str:
    if claim.value is not None:
        return claim.value
    if not claim.asked:
        raise Fault(
            FaultKind.INVALID,
            "claim: a black box has no program to name a function in; give values, or let it be asked",
            field_path=f"claims[{index}]",
        )
    size = 1 if seeds is None else len(seeds)
    points = tuple(np.broadcast_to(x, (size, *x.shape)) for x in probe.point)
    answer = probe.ask(Ask(index, size, points, () if seeds is None else (seeds,)))
    if answer.error or not answer.outputs:
        return f"the claim raised: {answer.error}" if answer.error else "the claim returned nothing"
    result = answer.outputs[min(claim.result_index, len(answer.outputs) - 1)][1]
    return result[0] if seeds is None else result


def _positions(probe: Probe, claim: Claim, wrt: list[int]) -> tuple[int, int]:
    inputs = [probe.box.inputs[i] for i in wrt]
    outs = [n for n, _ in probe.floats]
    if (claim.input and claim.input not in inputs) or (not claim.input and len(inputs) != 1):
        raise Fault(
            FaultKind.INVALID,
            f"claim: names input {claim.input!r}, expected one of: {', '.join(inputs)}",
            field_path="claims",
        )
    if (claim.output and claim.output not in outs) or (not claim.output and len(outs) != 1):
        raise Fault(
            FaultKind.INVALID,
            f"claim: names output {claim.output!r}, expected one of: {', '.join(outs)}",
            field_path="claims",
        )
    return (outs.index(claim.output) if claim.output else 0), (
        wrt[inputs.index(claim.input)] if claim.input else wrt[0]
    )


def _disagrees(pair: Pair) -> Comparison:
    return Comparison(
        pair.output, pair.input, pair.kind, pair.subject, pair.against, Verdict.DISAGREES
    )


def _nothing_to_hold(probe: Probe, i: int, o: int) -> Comparison:
    return Comparison(
        probe.floats[o][0], probe.box.inputs[i], Kind.JACOBIAN, Source.DIFFERENCES,
        Source.DIFFERENCES, Verdict.INCONCLUSIVE, reason="budget", power=float("inf"),
        detail="a black box without a claim leaves nothing to hold its differences against; give a claim",
        entries_total=probe.floats[o][1].size * probe.point[i].size,
    )  # fmt: skip


def _blocks(probe: Probe, options: Options) -> list[Block]:
    blocks: list[Block] = []
    left = options.derivatives_limit_bytes
    for i, (rows, estimate) in sorted(probe.estimates.items()):
        if len(rows) != probe.point[i].size:
            continue
        start = 0
        for name, y in probe.floats:
            value = np.ascontiguousarray(estimate.value[:, start : start + y.size].T)
            start += y.size
            if value.nbytes <= left:
                left -= value.nbytes
                shape = (*y.shape, *probe.point[i].shape)
                blocks.append(Block(Kind.JACOBIAN, name, probe.box.inputs[i], value.reshape(shape)))
    return blocks


def _flat(answer: Answer, size: int) -> Array:
    rows = [y.reshape(size, -1) for _, y in answer.outputs if y.dtype in FLOATS]
    return (
        np.concatenate([r.astype(np.float64) for r in rows], axis=1)
        if rows
        else np.zeros((size, 0))
    )


def _differs(c: Comparison, claim: Claim) -> Finding:
    where = f" at {list(c.worst_index)}" if c.worst_index else ""
    text = c.detail or (
        f"{c.entries_wrong} of {c.entries} entries differ; worst{where}: claimed {c.claimed:.10g}, "
        f"differences {c.reference:.10g}, allowed error {c.error_bar:.2g}"
    )
    return Finding(
        "GP800", "derivative-differs", Severity.ERROR,
        f"the claimed {c.kind.name.lower()} of {c.output} by {c.input} is wrong: {text}",
        input=c.input, output=c.output, location=claim.location,
        elements=(c.worst_index,) if c.worst_index else (),
        numbers=(("claimed", c.claimed), ("reference", c.reference), ("error_bar", c.error_bar)),
        mend="correct the derivative of that argument",
    )  # fmt: skip
