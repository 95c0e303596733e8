"""One claim about a black box, held against differences of its values."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.checking.blackbox.screen import locate
from gradproof_service.checking.blackbox.slopes import Seen, Slopes, reason_of
from gradproof_service.checking.claim_form import rule_seeds
from gradproof_service.checking.compare import KAPPA, Held, Pair, compare, row_scale
from gradproof_service.checking.differences import hidden
from gradproof_service.checking.places import pattern
from gradproof_service.checking.prove import prove
from gradproof_service.checking.report import (
    Ask,
    Claim,
    Comparison,
    Kind,
    Options,
    Proof,
    Source,
    Verdict,
)
from gradproof_service.checking.structure import FREE
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity

ROUNDINGS = 64
"""Units in the last place of a claim's dtype that it may be off by."""
LARGE = "not every element of the input is differenced; claim a gradient, a jacobian or a vjp"
SECOND = (
    "second differences of a black box are too noisy to judge by; check the gradient, "
    "or write the function so that it can be traced"
)


@dataclass(slots=True)
class Bench:
    """What claims about one black box are judged with, and what came of it."""

    slopes: Slopes
    wrt: list[int]
    options: Options
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    findings: list[Finding] = field(default_factory=list[Finding])
    proofs: list[Proof] = field(default_factory=list[Proof])
    acquitted: bool = False


@dataclass(slots=True)
class Placed:
    """A claim with its place: output o by input i, the columns of that output, its seeds and its names."""

    claim: Claim
    o: int
    i: int
    part: slice
    seeds: Array | None
    pair: Pair


def judge(bench: Bench, claim: Claim, index: int) -> None:
    """Compare one claim; adds a comparison, and a finding when it is wrong."""
    probe = bench.slopes.probe
    o, i = positions(bench, claim)
    name, value = probe.floats[o]
    pair = Pair(name, probe.box.inputs[i], claim.kind, Source.CLAIM, Source.DIFFERENCES)
    start = sum(y.size for _, y in probe.floats[:o])
    if claim.kind in (Kind.HESSIAN, Kind.HVP):
        bench.comparisons.append(
            replace(_empty(pair), verdict=Verdict.INCONCLUSIVE, reason="noise", power=float("inf"), detail=SECOND)
        )  # fmt: skip
        return
    seeds = claim.seeds
    if seeds is None and claim.kind in (Kind.VJP, Kind.JVP):
        shape = value.shape if claim.kind is Kind.VJP else probe.point[i].shape
        seeds = rule_seeds(shape, bench.options.rng_seed + index)
    placed = Placed(claim, o, i, slice(start, start + value.size), seeds, pair)
    claimed = _claimed(bench, placed, index)
    if claimed is not None:
        _hold(bench, placed, claimed)


def positions(bench: Bench, claim: Claim) -> tuple[int, int]:
    """(output, input) of a claim; raises `Fault` when it names neither or is ambiguous."""
    probe = bench.slopes.probe
    inputs = [probe.box.inputs[i] for i in bench.wrt]
    outs = [n for n, _ in probe.floats]
    for what, named, known in (("input", claim.input, inputs), ("output", claim.output, outs)):
        if (named and named not in known) or (not named and len(known) != 1):
            raise Fault(
                FaultKind.INVALID,
                f"claim: names {what} {named!r}, expected one of: {', '.join(known)}",
                field_path="claims",
            )
    return (outs.index(claim.output) if claim.output else 0), (
        bench.wrt[inputs.index(claim.input)] if claim.input else bench.wrt[0]
    )


def _claimed(bench: Bench, placed: Placed, index: int) -> Array | None:
    """The claimed array in the shape it must have, or None after a finding that says why there is none."""
    claim, probe, seeds = placed.claim, bench.slopes.probe, placed.seeds
    result = claim.value
    if result is None:
        if not claim.asked:
            raise Fault(
                FaultKind.INVALID,
                "claim: a black box has no program to name a function in; give values, or let it be asked",
                field_path=f"claims[{index}]",
            )
        size = 1 if seeds is None else len(seeds)
        points = tuple(np.broadcast_to(x, (size, *x.shape)) for x in probe.point)
        question = Ask(index, size, points, () if seeds is None else (seeds,))
        answers = [probe.ask(question) for _ in range(2)]
        for answer in answers:
            if answer.error or not answer.outputs:
                said = f"raised: {answer.error}" if answer.error else "returned nothing"
                _refuse(bench, placed, "GP804", "claim-raises", said, "mend the claimed function")
                return None
        one, two = (a.outputs[min(claim.result_index, len(a.outputs) - 1)][1] for a in answers)
        if one.shape != two.shape or not np.array_equal(one, two, equal_nan=one.dtype.kind in "fc"):
            _refuse(bench, placed, "GP707", "nondeterministic",
                    "answers differently to the same question", "a derivative keeps no state and draws nothing at random")  # fmt: skip
            return None
        result = one[0] if seeds is None else one
    wanted = _shape(bench, placed)
    if result.shape != wanted and not result.size == 1 == int(np.prod(wanted, dtype=object)):
        said = f"has shape {result.shape}, expected {wanted}"
        _refuse(bench, placed, "GP801", "claim-shape", said, "return an array of that shape")
        return None
    if result.dtype.kind in "iu":
        result = result.astype(np.float64)
    if result.dtype not in FLOATS:
        said = f"has dtype {result.dtype}, expected float64 or float32"
        _refuse(bench, placed, "GP802", "claim-dtype", said, "return a float array")
        return None
    return result.reshape(wanted)


def _shape(bench: Bench, placed: Placed) -> tuple[int, ...]:
    probe = bench.slopes.probe
    out, x = probe.floats[placed.o][1].shape, probe.point[placed.i].shape
    if placed.claim.kind is Kind.GRADIENT and int(np.prod(out, dtype=object)) != 1:
        raise Fault(
            FaultKind.INVALID,
            f"claim: a gradient needs an output that is one number, the output has shape {out}; claim a jacobian",
            field_path="claims",
        )
    lead = () if placed.seeds is None else (len(placed.seeds),)
    return {
        Kind.GRADIENT: x, Kind.JACOBIAN: (*out, *x), Kind.VJP: (*lead, *x), Kind.JVP: (*lead, *out),
    }[placed.claim.kind]  # fmt: skip


@dataclass(slots=True)
class Sides:
    """A claim and the differences in one form: (rows, columns), with what was looked at."""

    seen: Seen
    subject: Array
    value: Array
    bar: Array
    matrix: Array
    """The claim itself, a row for each output element or seed."""

    @property
    def slanted(self) -> bool:
        """Whether columns are directions and not elements."""
        return not self.seen.every


def _hold(bench: Bench, placed: Placed, claimed: Array) -> None:
    """Values against differences: every entry where each was looked at, else along dense signs."""
    options, part = bench.options, placed.part
    seen = bench.slopes.of(placed.i)
    if placed.claim.kind is Kind.JVP and not seen.every:
        bench.comparisons.append(
            replace(_empty(placed.pair), verdict=Verdict.INCONCLUSIVE, reason="budget", power=float("inf"),
                    detail=LARGE, entries_total=int(claimed.size))
        )  # fmt: skip
        return
    sides = _sides(placed, seen, claimed)
    free = bench.slopes.probe.box.structures[placed.i] in FREE
    size = _one_entry(sides.matrix, seen.directions) if sides.slanted and free else None
    seeded = placed.seeds is not None
    eps = float(np.finfo(claimed.dtype).eps)
    rtol = options.rtol if options.rtol is not None else ROUNDINGS * eps

    def hold(subject: Array) -> Held:
        with np.errstate(all="ignore"):
            return compare(
                placed.pair, subject, sides.value, sides.bar,
                forgiven=rtol * np.abs(sides.value) + (options.atol or 0.0),
                doubt=np.nan_to_num(hidden(sides.value, options.tau)), scale=row_scale(sides.value),
                size=size, tau=options.tau, shape=None if sides.slanted else claimed.shape,
                seeded=seeded and not sides.slanted, entries_total=int(claimed.size),
                directions=len(sides.matrix) if seeded else len(seen.directions) if sides.slanted else 0,
                reason=reason_of(seen.estimate, part),
            )  # fmt: skip

    held = hold(sides.subject)
    if held.comparison.verdict is Verdict.INCONCLUSIVE and not seeded:
        bars = bench.slopes.acquit(seen, placed.i, part, sides.subject.T, _open(sides, options).T)
        if bars is not None and np.isfinite(bars).any():
            better = sides.bar > bars.T
            sides.value = np.where(better, sides.subject, sides.value)
            sides.bar = np.where(better, bars.T, sides.bar)
            bench.acquitted = True
            held = hold(sides.subject)
    _tell(bench, placed, held, sides)
    if options.prove and held.comparison.verdict is not Verdict.DISAGREES:

        def again(wrong: Array) -> Comparison:
            rows = wrong.astype(np.float64).reshape(sides.matrix.shape)
            return hold(rows @ seen.directions.T if sides.slanted else rows).comparison

        bench.proofs.append(prove(placed.pair, claimed, options.tau, again))


def _sides(placed: Placed, seen: Seen, claimed: Array) -> Sides:
    slopes, bars = seen.estimate.value[:, placed.part].T, seen.estimate.bar[:, placed.part].T
    seeds = placed.seeds
    with np.errstate(all="ignore"):
        if seeds is not None:
            flat = seeds.reshape(len(seeds), -1).astype(np.float64)
            turned = (slopes, bars) if placed.claim.kind is Kind.VJP else (slopes.T, bars.T)
            slopes, bars = flat @ turned[0], np.abs(flat) @ turned[1]
        rows = len(slopes)
        matrix = claimed.astype(np.float64).reshape(rows, -1)
        subject = matrix if seen.every else matrix @ seen.directions.T
    return Sides(seen, subject, slopes, bars, matrix)


def _open(sides: Sides, options: Options) -> Array:
    """Entries that differences leave open and do not dispute."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(sides.value), row_scale(sides.value))
        wide = ~((KAPPA + 1) * sides.bar <= options.tau * size)
    return wide & np.isfinite(sides.subject)


def _one_entry(matrix: Array, directions: Array) -> Array:
    """The typical size (rows, D) of one entry's part in the slopes along dense directions."""
    with np.errstate(all="ignore"):
        return np.sqrt(np.square(matrix) @ np.square(directions).T / matrix.shape[1])


def _tell(bench: Bench, placed: Placed, held: Held, sides: Sides) -> None:
    """Add the comparison, and where it disagrees a finding with the entries that are wrong."""
    c, seeded = held.comparison, placed.seeds is not None
    shared = "" if sides.slanted else pattern(held.wrong)
    probe = bench.slopes.probe
    if c.verdict is Verdict.DISAGREES and sides.slanted and not seeded:
        if probe.box.structures[placed.i] in FREE:
            c = _located(bench, placed, held, sides)
    elif sides.slanted and c.verdict is Verdict.AGREES:
        c = replace(c, entries=c.entries_total)
    bench.comparisons.append(c)
    if c.verdict is not Verdict.DISAGREES:
        return
    where = f" at {list(c.worst_index)}" if c.worst_index else ""
    where += f" for seed {c.worst_seed}" if c.worst_seed else ""
    least = "at least " if sides.slanted else ""
    wrong = f"{least}{c.entries_wrong} of {c.entries_total} entries differ" + (
        f" ({shared})" if shared else ""
    )
    numbers = [("claimed", c.claimed), ("reference", c.reference), ("error_bar", c.error_bar)]
    bench.findings.append(
        Finding(
            "GP800", "derivative-differs", Severity.ERROR,
            f"the claimed {c.kind.name.lower()} of {c.output} by {c.input} is wrong: {wrong}; worst{where}: "
            f"claimed {c.claimed:.10g}, differences {c.reference:.10g}, allowed error {c.error_bar:.2g}",
            input=c.input, output=c.output, location=placed.claim.location,
            elements=tuple(at for at in c.wrong if at), element_count=c.entries_wrong,
            numbers=(*numbers, ("seed", float(c.worst_seed))) if c.worst_seed else tuple(numbers),
            mend="correct the derivative of that argument",
        )
    )  # fmt: skip


def _located(bench: Bench, placed: Placed, held: Held, sides: Sides) -> Comparison:
    """The comparison with the wrong entries of its worst row by name, found by halving."""
    c, probe = held.comparison, bench.slopes.probe
    with np.errstate(all="ignore"):
        excess = np.where(held.wrong, np.abs(sides.subject - sides.value) / sides.bar, -1.0)
    row, column = np.unravel_index(int(np.argmax(np.nan_to_num(excess, nan=np.inf))), excess.shape)
    direction = sides.seen.directions[column]
    found = locate(
        bench.slopes, placed.i, placed.part.start + int(row), sides.matrix[row], direction
    )
    if not found:
        return c
    out, x = probe.floats[placed.o][1].shape, probe.point[placed.i].shape
    lead = (
        ()
        if placed.claim.kind is Kind.GRADIENT
        else tuple(int(k) for k in np.unravel_index(int(row), out))
    )
    places = [(*lead, *(int(k) for k in np.unravel_index(at, x))) for at, _, _ in found]
    worst = int(np.argmax([abs(sides.matrix[row, at] - true) for at, true, _ in found]))
    at, true, bar = found[worst]
    return replace(
        c, worst_index=places[worst], entries_wrong=len(found), claimed=float(sides.matrix[row, at]),
        reference=true, error_bar=KAPPA * bar,
        wrong=(places[worst], *(p for k, p in enumerate(places) if k != worst)),
    )  # fmt: skip


def _refuse(bench: Bench, placed: Placed, code: str, name: str, message: str, mend: str) -> None:
    """A claim that cannot even be compared: it disagrees, and a finding says why."""
    pair = placed.pair
    text = f"the claimed {pair.kind.name.lower()} of {pair.output} by {pair.input} {message}"
    bench.comparisons.append(replace(_empty(pair), verdict=Verdict.DISAGREES, detail=text))
    bench.findings.append(
        Finding(code, name, Severity.ERROR, text, input=pair.input, output=pair.output,
                location=placed.claim.location, mend=mend)
    )  # fmt: skip


def _empty(pair: Pair) -> Comparison:
    return Comparison(
        pair.output, pair.input, pair.kind, pair.subject, pair.against, Verdict.INCONCLUSIVE
    )
