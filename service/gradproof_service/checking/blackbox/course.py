"""The course of a black box's check: ask at the point, judge every claim, ask at the point again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradproof_service.arrays import FLOATS, Array, Structure
from gradproof_service.checking.blackbox.judging import Bench, judge, positions
from gradproof_service.checking.blackbox.probe import Probe
from gradproof_service.checking.blackbox.slopes import Slopes
from gradproof_service.checking.compare import overall
from gradproof_service.checking.judge import Asker
from gradproof_service.checking.promise import require_kept
from gradproof_service.checking.report import (
    BlackBox,
    Block,
    Claim,
    Comparison,
    Evidence,
    Kind,
    Options,
    Report,
    Source,
    Verdict,
)
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.transforms.evaluate import Tick, no_tick

NOTHING = "a black box without a claim leaves nothing to hold its differences against; give a claim"


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

    Every input element is varied where there are few enough, else all of them at once along dense
    signs; wrong entries are then found by halving. Raises `Fault` when the function fails at the
    point or changes its shapes.
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
    probe.first()
    if not probe.floats:
        raise Fault(
            FaultKind.INVALID, "the function returns no float output, so it has no derivative"
        )
    bench = Bench(Slopes(probe, options), wrt, options)
    for index, claim in enumerate(claims):
        judge(bench, claim, index)
    if not claims:
        for i in wrt:
            bench.slopes.of(i)
        bench.comparisons = [_alone(probe, i, o) for i in wrt for o in range(len(probe.floats))]
    bench.comparisons = [
        replace(c, detail=probe.failed) if c.reason == "domain" and probe.failed and not c.detail else c
        for c in bench.comparisons
    ]  # fmt: skip
    evidence = tuple(_evidence(bench, claims)) if options.evidence else ()
    findings = [*probe.again(), *bench.findings]
    witnesses = (Source.DIFFERENCES, *((Source.TAYLOR,) if bench.acquitted else ()))
    return Report(
        overall(tuple(bench.comparisons)), tuple(bench.comparisons), tuple(findings), probe.outputs,
        tuple(_blocks(bench)), function=box.name, witnesses=witnesses,
        evaluations=probe.evaluations, entries_checked=sum(c.entries for c in bench.comparisons),
        entries_total=sum(c.entries_total for c in bench.comparisons),
        directions=sum(c.directions for c in bench.comparisons), proofs=tuple(bench.proofs),
        options=options, evidence=evidence,
    )  # fmt: skip


def _alone(probe: Probe, i: int, o: int) -> Comparison:
    return Comparison(
        probe.floats[o][0], probe.box.inputs[i], Kind.JACOBIAN, Source.DIFFERENCES,
        Source.DIFFERENCES, Verdict.INCONCLUSIVE, reason="budget", power=float("inf"),
        detail=NOTHING, entries_total=probe.floats[o][1].size * probe.point[i].size,
    )  # fmt: skip


def _evidence(bench: Bench, claims: Sequence[Claim]) -> list[Evidence]:
    """The sweep of the entry furthest off, and the remainder of the claimed slopes, for values claimed as numbers."""
    from gradproof_service.checking.evidence import index_of, signs, slowest, sweep

    found: list[Evidence] = []
    probe = bench.slopes.probe
    for claim in claims:
        if claim.value is None or claim.kind not in (Kind.GRADIENT, Kind.JACOBIAN):
            continue
        o, i = positions(bench, claim)
        name, y = probe.floats[o]
        if claim.value.size != y.size * probe.point[i].size:
            continue
        seen, x = bench.slopes.of(i), probe.flat(i)
        matrix = claim.value.reshape(y.size, -1).astype(np.float64)
        start = sum(other.size for _, other in probe.floats[:o])
        part = slice(start, start + y.size)
        with np.errstate(all="ignore"):
            claimed = seen.directions @ matrix.T
            off = np.abs(claimed - seen.estimate.value[:, part]) / seen.estimate.bar[:, part]
        column, row = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=-1.0))), off.shape)
        direction = signs(x, probe.scale(i), (bench.options.rng_seed, i, 11))
        slope = np.zeros(probe.size)
        slope[part] = matrix @ direction
        noise = bench.slopes.noise(i, seen.directions[column])
        shape = (*(y.shape if claim.kind is Kind.JACOBIAN else ()), *probe.point[i].shape)
        found.append(
            Evidence(
                name, probe.box.inputs[i],
                index_of(shape, int(row), int(column), len(x)) if seen.every else (),
                not seen.every, float(claimed[column, row]),
                sweep(
                    probe.evaluator(i, noise), x, seen.directions[column], start + int(row),
                    float(seen.estimate.value[column, start + row]),
                    float(seen.estimate.bar[column, start + row]), scale=float(seen.scale[column]),
                    outputs=probe.size, resolution=probe.resolution(i),
                ),
                slowest(bench.slopes.falls(i, direction, slope), part),
            )
        )  # fmt: skip
    return found


def _blocks(bench: Bench) -> list[Block]:
    """The differences themselves, where every element was looked at and they are small enough to be sent."""
    blocks: list[Block] = []
    probe, left = bench.slopes.probe, bench.options.derivatives_limit_bytes
    for i, seen in sorted(bench.slopes.seen.items()):
        if not seen.every:
            continue
        start = 0
        for name, y in probe.floats:
            value = np.ascontiguousarray(seen.estimate.value[:, start : start + y.size].T)
            start += y.size
            if value.nbytes <= left:
                left -= value.nbytes
                shape = (*y.shape, *probe.point[i].shape)
                blocks.append(Block(Kind.JACOBIAN, name, probe.box.inputs[i], value.reshape(shape)))
    return blocks
