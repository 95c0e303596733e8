"""What the caller believes, brought to the form of the reference and held against it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from gradproof_service.arrays import FLOATS, Array, Shape, type_of, type_of_array
from gradproof_service.checking.compare import Pair, compare
from gradproof_service.checking.prove import prove
from gradproof_service.checking.reference import Block, Reference, blocks_of
from gradproof_service.checking.report import (
    Answer,
    Ask,
    Claim,
    Comparison,
    Kind,
    Options,
    Proof,
    Source,
    Verdict,
)
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.structure import FREE, project
from gradproof_service.checking.witness import Sides
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Program
from gradproof_service.graph.typing import type_program
from gradproof_service.graph.upcast import upcast
from gradproof_service.transforms.evaluate import batch_of, evaluate

RTOL = 5e-7
RTOL_COARSE = 1e-4
"""Relative error forgiven in a claim when the caller states none, in float64 and in float32: the
first between what a float32 temporary costs (6e-8) and the smallest mistake worth accusing (1e-6)."""
NOTHING = 2.0**-62
"""Part of |f| / |x| below which no formula in float64 can be held to a slope: what a saturated
unit loses is lost whichever way its derivative is written."""
WHOLE = 0.995
"""What explains this much of a difference needs no runners-up beside it."""
SLACK = 3.0
"""A claim may round differently from the reference: its allowance is this many bars."""
SEEDS = 6
"""Seeds for a rule that is asked for: dense and sparse, both signs, several sizes."""

if TYPE_CHECKING:
    from gradproof_service.checking.causes import Cause

Asker = Callable[[Ask], Answer]


@dataclass(slots=True)
class Judge:
    """Everything that claims of one order are judged with; bars by precision are kept."""

    scene: Scene
    reference: Reference
    sides: dict[int, Sides]
    options: Options
    program: Program | None
    ask: Asker | None
    subject: Source = Source.CLAIM
    proofs: list[Proof] = field(default_factory=list[Proof])
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    findings: list[Finding] = field(default_factory=list[Finding])
    coarse: dict[float, dict[tuple[int, int], Block]] = field(
        default_factory=dict[float, "dict[tuple[int, int], Block]"]
    )

    def block(self, o: int, i: int, eps: float) -> Block | None:
        """The reference block with the bar that computing at spacing `eps` would have."""
        block = self.reference.blocks.get((o, i))
        if block is None or eps <= 2.0**-52:
            return block
        if eps not in self.coarse:
            mode = "reverse" if self.reference.source is Source.REVERSE else "forward"
            self.coarse[eps] = blocks_of(self.scene, mode, eps)
        return Block(block.value, self.coarse[eps][o, i].bar)

    def refuse(
        self, claim: Claim, o: int, i: int, code: str, name: str, message: str, mend: str
    ) -> None:
        """A claim that cannot even be compared: it disagrees, and a finding says why."""
        pair = _pair(self, claim, o, i)
        text = f"the claimed {claim.kind.name.lower()} of {pair.output} by {pair.input} {message}"
        self.comparisons.append(
            Comparison(
                output=pair.output, input=pair.input, second_input=pair.second_input,
                kind=claim.kind, subject=self.subject, against=self.reference.source,
                verdict=Verdict.DISAGREES, detail=text,
            )
        )  # fmt: skip
        self.findings.append(
            Finding(
                code, name, Severity.ERROR, text, input=pair.input, output=pair.output,
                location=claim.location, mend=mend,
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Expected:
    """The reference in the claim's form: values, error bars, and the doubt in which no claim is accused."""

    value: Array
    bar: Array
    doubt: Array | float = 0.0
    reason: str = "noise"


def judge_claim(judge: Judge, claim: Claim, index: int) -> None:
    """Compare one claim with the reference; adds a comparison, and a finding when it is wrong."""
    o, i = _positions(judge.scene, claim)
    seeds = _seeds(judge.scene, claim, o, i, index)
    claimed = _claimed(judge, claim, index, seeds, o, i)
    if claimed is not None:
        judge_values(judge, claim, o, i, claimed, seeds)


def judge_values(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, seeds: Array | None
) -> None:
    """Compare claimed values (for a rule: one row per seed) with the reference."""
    wanted = _expected_shape(judge.scene, claim, o, i, seeds)
    if claimed.shape != wanted and not claimed.size == 1 == int(np.prod(wanted, dtype=object)):
        message = f"has shape {claimed.shape}, expected {wanted}"
        judge.refuse(claim, o, i, "GP801", "claim-shape", message, "return an array of that shape")
        return
    if claimed.dtype.kind in "iu":
        claimed = claimed.astype(np.float64)
    if claimed.dtype not in FLOATS:
        message = f"has dtype {claimed.dtype}, expected float64 or float32"
        judge.refuse(claim, o, i, "GP802", "claim-dtype", message, "return a float array")
        return
    eps = max(judge.scene.eps, float(np.finfo(claimed.dtype).eps))
    block = judge.block(o, i, eps)
    if block is None:
        judge.comparisons.append(_too_large(judge, claim, o, i, claimed))
        return
    expected = _expected(claim, block, seeds, eps)
    if (o, i) in judge.reference.settled:
        doubt = _expected(claim, Block(block.value, judge.reference.settled[o, i]), seeds, eps).bar
        expected = replace(expected, doubt=2 * SLACK * doubt)
    claimed = claimed.reshape(wanted)
    if claim.kind is not Kind.JVP and judge.scene.graph.types[i].structure not in FREE:
        claimed, expected = _on_manifold(judge.scene, i, claimed, expected)
    if seeds is None and i in judge.sides:
        expected = _at_kink(judge, o, i, claimed, expected)
    _compare(judge, claim, o, i, claimed, expected, seeds, eps)


def _compare(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, expected: Expected,
    seeds: Array | None, eps: float,
) -> None:  # fmt: skip
    options, shape = judge.options, claimed.shape
    usual = RTOL_COARSE if eps > 2.0**-52 else RTOL
    rtol = usual if options.rtol is None else options.rtol
    nothing = NOTHING * judge.scene.magnitude(o, i) if seeds is None else _nothing(judge, o, i, seeds)
    forgiven = rtol * np.abs(expected.value) + (options.atol or 0.0) + nothing
    pair = _pair(judge, claim, o, i)

    floor = judge.scene.floor(o, i, expected.value, expected.bar)

    def held(given: Array) -> Comparison:
        return compare(
            pair, given, expected.value.reshape(shape), SLACK * expected.bar.reshape(shape),
            forgiven=forgiven.reshape(shape), doubt=np.reshape(np.broadcast_to(expected.doubt, expected.value.shape), shape),
            scale=floor.reshape(shape),
            tau=options.tau, directions=0 if seeds is None else len(seeds),
            reason=expected.reason if np.isfinite(expected.value).all() else "overflow",
        )  # fmt: skip

    comparison = held(claimed)
    judge.comparisons.append(comparison)
    if comparison.verdict is Verdict.DISAGREES:
        judge.findings.append(_differs(judge, claim, o, i, comparison, claimed, expected, seeds))
        return
    if options.prove:
        judge.proofs.append(prove(pair, claimed, options.tau, held))
    if comparison.verdict is Verdict.AGREES and options.rtol is None:
        _note_precision(judge, claim, o, i, comparison, claimed, expected)


def _nothing(judge: Judge, o: int, i: int, seeds: Array) -> Array:
    """The same for a rule: each seed weighs by its size, (seeds, 1)."""
    size = np.abs(seeds.reshape(len(seeds), -1)).sum(axis=1, keepdims=True)
    return NOTHING * judge.scene.magnitude(o, i) * size


def _expected(claim: Claim, block: Block, seeds: Array | None, eps: float) -> Expected:
    if seeds is None:
        return Expected(block.value, block.bar)
    flat = seeds.reshape(len(seeds), -1).astype(np.float64)
    vjp = claim.kind is Kind.VJP
    value, bar = (block.value, block.bar) if vjp else (block.value.T, block.bar.T)
    with np.errstate(all="ignore"):
        rounding = eps * (np.abs(flat) @ np.abs(value))
        return Expected(flat @ value, np.abs(flat) @ bar + rounding)


def _on_manifold(
    scene: Scene, i: int, claimed: Array, expected: Expected
) -> tuple[Array, Expected]:
    """Both sides projected onto the tangent space of a structured input."""
    structure, x = scene.graph.types[i].structure, scene.inputs[i]
    rows = claimed.astype(np.float64).reshape(expected.value.shape)
    value = project(structure, x, expected.value)
    bar = expected.bar + project(structure, np.abs(x), expected.bar) + 2.0**-51 * np.abs(value)
    return project(structure, x, rows).reshape(claimed.shape), replace(
        expected, value=value, bar=np.abs(bar)
    )


def _at_kink(judge: Judge, o: int, i: int, claimed: Array, expected: Expected) -> Expected:
    """At a kink any slope between the one-sided ones is right, and none outside of them.

    A slope inside is left undecided; one outside is held against the nearer end of the interval,
    whose own error bars it already contains.
    """
    at = sum(judge.scene.size_out(p) for p in judge.scene.outs[: judge.scene.outs.index(o)])
    rows = slice(at, at + judge.scene.size_out(o))
    low, high = judge.sides[i].low[rows], judge.sides[i].high[rows]
    given = claimed.astype(np.float64).reshape(expected.value.shape)
    known = np.isfinite(low) & np.isfinite(high)
    if not known.any():
        return expected
    with np.errstate(all="ignore"):
        inside = known & (low <= given) & (given <= high)
        end = np.where(given < low, low, high)
        outside = known & ~inside
    return replace(
        expected,
        value=np.where(outside, end, expected.value),
        bar=np.where(outside, 2.0**-50 * np.abs(end), expected.bar),
        doubt=np.where(inside, np.inf, 0.0),
        reason="kink" if inside.any() else expected.reason,
    )


def _positions(scene: Scene, claim: Claim) -> tuple[int, int]:
    """(output, input) of the claim in the scene; in a second-order scene (first, second input)."""
    names = [scene.graph.inputs[i] for i in scene.wrt]
    if scene.gradient_of:
        first = _named(claim.input, names, "input")
        second = _named(claim.second_input or claim.input, names, "input")
        return first, scene.wrt[second]
    outs = [scene.graph.output_names[o] for o in scene.outs]
    return scene.outs[_named(claim.output, outs, "output")], scene.wrt[
        _named(claim.input, names, "input")
    ]


def _named(name: str, known: list[str], what: str) -> int:
    if not name and len(known) == 1:
        return 0
    if name in known:
        return known.index(name)
    listed = ", ".join(known) or "none"
    came = f"{name!r}" if name else f"no {what}"
    raise Fault(
        FaultKind.INVALID,
        f"claim: names {came}, expected one of the differentiated {what}s: {listed}",
        field_path="claims",
    )


def _seeds(scene: Scene, claim: Claim, o: int, i: int, index: int) -> Array | None:
    if claim.kind not in (Kind.VJP, Kind.JVP, Kind.HVP):
        return None
    shape = scene.graph.types[scene.graph.outputs[o] if claim.kind is Kind.VJP else i].shape
    if claim.seeds is not None:
        if claim.seeds.shape[1:] != shape or claim.seeds.dtype not in FLOATS:
            raise Fault(
                FaultKind.INVALID,
                f"claim: seeds have shape {claim.seeds.shape} and dtype {claim.seeds.dtype}, "
                f"expected float (number of seeds, {', '.join(map(str, shape))})",
                field_path=f"claims[{index}].values.seeds",
            )
        return claim.seeds
    return rule_seeds(shape, scene.rng_seed + index)


def rule_seeds(shape: Shape, rng_seed: int, count: int = SEEDS) -> Array:
    """Seeds (count, *shape) for a linear rule: dense, negative, tiny, large, sparse, one-hot."""
    rng = np.random.default_rng((rng_seed, 5))
    seeds = rng.standard_normal((count, *shape))
    flat = seeds.reshape(count, -1)
    sizes = [1.0, -1.0, 1e-3, 1e3]
    flat[: len(sizes)] *= np.array(sizes)[: len(flat), None]
    if flat.shape[1] > 1:
        flat[4:] *= rng.random((max(count - 4, 0), flat.shape[1])) < max(2 / flat.shape[1], 0.1)
    return seeds


def _claimed(
    judge: Judge, claim: Claim, index: int, seeds: Array | None, o: int, i: int
) -> Array | None:
    """The claimed array, or None after a finding that says why there is none."""
    if claim.value is not None:
        return claim.value
    if claim.asked:
        return _asked(judge, claim, index, seeds, o, i)
    program, scene = judge.program, judge.scene
    if program is None or not 0 <= claim.function < len(program.functions):
        raise Fault(
            FaultKind.INVALID,
            f"claim: names function {claim.function}, the program has "
            f"{len(program.functions) if program else 0}",
            field_path=f"claims[{index}].function",
        )
    inputs = [
        x.astype(t.dtype) for x, t in zip(scene.inputs, scene.original.input_types, strict=False)
    ]
    core = [type_of(x.dtype, x.shape) for x in inputs]
    if seeds is not None:
        core.append(type_of(seeds.dtype, seeds.shape[1:]))
        inputs.append(seeds)
    takes = len(program.functions[claim.function].inputs)
    if takes != len(inputs):
        judge.refuse(
            claim, o, i, "GP803", "claim-arity", f"takes {takes} arguments, expected {len(inputs)}",
            "take the function's arguments, and the seed last for a rule",
        )  # fmt: skip
        return None
    graph, findings = type_program(replace(program, entry=claim.function), core)
    if graph is None:
        judge.findings.extend(findings)
        return None
    results = evaluate(graph, inputs, tick=scene.tick)
    if claim.result_index >= len(results):
        message = f"returns {len(results)} values, number {claim.result_index} was named"
        judge.refuse(claim, o, i, "GP803", "claim-arity", message, "return one per argument")
        return None
    result = results[claim.result_index]
    if seeds is None:
        return result
    return batch_of(result, len(graph.output_types[claim.result_index].shape), len(seeds))


def _asked(
    judge: Judge, claim: Claim, index: int, seeds: Array | None, o: int, i: int
) -> Array | None:
    if judge.ask is None:
        raise Fault(
            FaultKind.INVALID,
            "claim: is to be asked for, but this call has no stream to ask on; use Probe",
            field_path=f"claims[{index}].asked",
        )
    size = 1 if seeds is None else len(seeds)
    points = tuple(np.broadcast_to(x, (size, *x.shape)) for x in judge.scene.inputs)
    answer = judge.ask(Ask(index, size, points, () if seeds is None else (seeds,)))
    if answer.error or not answer.outputs:
        message = f"raised: {answer.error}" if answer.error else "returned nothing"
        judge.refuse(claim, o, i, "GP804", "claim-raises", message, "mend the claimed function")
        return None
    result = answer.outputs[min(claim.result_index, len(answer.outputs) - 1)][1]
    return result[0] if seeds is None else result


def _expected_shape(scene: Scene, claim: Claim, o: int, i: int, seeds: Array | None) -> Shape:
    out = scene.graph.types[scene.graph.outputs[o]].shape
    given = scene.graph.types[i].shape
    lead = () if seeds is None else (len(seeds),)
    if claim.kind is Kind.VJP:
        return (*lead, *given)
    if claim.kind in (Kind.JVP, Kind.HVP):
        return (*lead, *out)
    if claim.kind is Kind.GRADIENT:
        if scene.size_out(o) != 1:
            raise Fault(
                FaultKind.INVALID,
                f"claim: a gradient needs an output that is one number, the output has shape {out}; "
                "claim a jacobian",
                field_path="claims",
            )
        return given
    return (*out, *given)


def _pair(judge: Judge, claim: Claim, o: int, i: int) -> Pair:
    return replace(judge.scene.pair(o, i, judge.subject, judge.reference.source), kind=claim.kind)


def _too_large(judge: Judge, claim: Claim, o: int, i: int, claimed: Array) -> Comparison:
    pair = _pair(judge, claim, o, i)
    return Comparison(
        output=pair.output, input=pair.input, second_input=pair.second_input, kind=claim.kind,
        subject=judge.subject, against=judge.reference.source, verdict=Verdict.INCONCLUSIVE,
        reason="budget", detail="the Jacobian is too large to be formed; claim a vjp or a jvp",
        entries_total=int(claimed.size), power=float("inf"),
    )  # fmt: skip


def _differs(
    judge: Judge, claim: Claim, o: int, i: int, c: Comparison, claimed: Array, expected: Expected,
    seeds: Array | None,
) -> Finding:  # fmt: skip
    pair = _pair(judge, claim, o, i)
    kind = claim.kind.name.lower()
    where = f" at {list(c.worst_index)}" if c.worst_index else ""
    wrong = f"{c.entries_wrong} of {c.entries} entries differ" if c.entries > 1 else "it differs"
    cause = _cause(judge, claim, o, i, claimed, expected, seeds)
    places = () if cause is None else (*cause.culprit, *cause.locations)
    return Finding(
        "GP800", "derivative-differs", Severity.ERROR,
        f"the claimed {kind} of {pair.output} by {pair.input} is wrong: {wrong} "
        f"from the reference; worst{where}: claimed {c.claimed:.10g}, "
        f"reference {c.reference:.10g}, allowed error {c.error_bar:.2g}",
        input=pair.input, output=pair.output,
        location=cause.culprit[0] if cause is not None and cause.culprit else claim.location,
        elements=(c.worst_index,) if c.worst_index else (),
        numbers=(("claimed", c.claimed), ("reference", c.reference), ("error_bar", c.error_bar)),
        cause="" if cause is None else _told(cause),
        mend="correct the derivative of that argument", related=tuple(dict.fromkeys(places)),
    )  # fmt: skip


def _cause(
    judge: Judge, claim: Claim, o: int, i: int, claimed: Array, expected: Expected,
    seeds: Array | None,
) -> Cause | None:  # fmt: skip
    """Why the claim differs, with the line of a claim that was recorded, when numbers name it."""
    from gradproof_service.checking.causes import find_cause  # only what is wrong pays for it

    scene = judge.scene
    shape = expected.value.shape
    flat = None if seeds is None else seeds.reshape(len(seeds), -1).astype(np.float64)
    graph, inputs = _recorded(judge, claim, seeds)
    return find_cause(
        scene, o, i, claimed.reshape(shape), expected.value,
        np.broadcast_to(expected.bar, shape), graph, inputs,
        seeds=flat if claim.kind is Kind.VJP else None,
        tangents=flat if claim.kind in (Kind.JVP, Kind.HVP) else None,
        result_index=claim.result_index,
    )  # fmt: skip


def _recorded(
    judge: Judge, claim: Claim, seeds: Array | None
) -> tuple[Graph | None, tuple[Array, ...] | None]:
    """The claim as a float64 graph and what to give it, when it is a program or was recorded."""
    index = claim.traced if claim.traced >= 0 else claim.function
    program, scene = judge.program, judge.scene
    if program is None or not 0 <= index < len(program.functions) or scene.gradient_of:
        return None, None
    given = list(scene.inputs) if seeds is None else [*scene.inputs, seeds[0]]
    if len(program.functions[index].inputs) != len(given):
        return None, None
    kept = [*scene.original.input_types, *([] if seeds is None else [type_of_array(seeds[0])])]
    graph, _ = type_program(
        replace(program, entry=index), [type_of(t.dtype, t.shape) for t in kept]
    )
    return (None, None) if graph is None else (upcast(graph), tuple(np.asarray(x) for x in given))


def _told(cause: Cause) -> str:
    """The cause as one line; its runners-up only where it leaves something unexplained."""
    said = f"{cause.code} {cause.name}: {cause.text}"
    if cause.culprit_text and cause.culprit_text != cause.text:
        said += f"; {cause.culprit_text}"
    if cause.explained > WHOLE:
        return said
    others = "".join(f"; or {code}: {text}" for code, text, _ in cause.alternatives)
    return f"{said} ({cause.explained:.0%} explained){others}"


def _note_precision(
    judge: Judge, claim: Claim, o: int, i: int, c: Comparison, claimed: Array, expected: Expected
) -> None:
    """A claim that is right but has lost digits that rounding alone does not explain."""
    reference = expected.value.reshape(claimed.shape)
    with np.errstate(all="ignore"):
        explained = 64 * expected.bar.reshape(claimed.shape) + 2.0**-48 * np.abs(reference)
        lost = np.abs(claimed - reference) > explained
    if judge.scene.coarse or claimed.dtype != np.float64 or not lost.any():
        return
    pair = _pair(judge, claim, o, i)
    judge.findings.append(
        Finding(
            "GP805", "digits-lost", Severity.WARNING,
            f"the claimed {claim.kind.name.lower()} of {pair.output} by {pair.input} is right to "
            f"{c.digits:.1f} digits where float64 gives more; a float32 temporary or a cancellation "
            "loses the rest",
            input=pair.input, output=pair.output, location=claim.location,
            numbers=(("digits", c.digits), ("entries", float(lost.sum()))),
            mend="keep every temporary in float64",
        )
    )  # fmt: skip
