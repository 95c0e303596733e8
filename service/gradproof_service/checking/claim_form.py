"""The form of a claim: what it is about, its seeds, its values, and the shape they must have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradproof_service.arrays import FLOATS, Array, Shape, type_of
from gradproof_service.checking.judge import Judge
from gradproof_service.checking.report import (
    Ask,
    Claim,
    Kind,
)
from gradproof_service.checking.scene import Scene
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.typing import type_program
from gradproof_service.transforms.evaluate import batch_of, evaluate

SEEDS = 6
"""Seeds for a rule that is asked for: dense and sparse, both signs, several sizes."""


def positions(scene: Scene, claim: Claim) -> tuple[int, int]:
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


def seeds_of(scene: Scene, claim: Claim, o: int, i: int, index: int) -> Array | None:
    """The seeds of a rule, a batch axis in front: given, or drawn; None for other claims.

    Raises `Fault` when those given have another core shape than the seeded value.
    """
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


def claimed_values(
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


def expected_shape(scene: Scene, claim: Claim, o: int, i: int, seeds: Array | None) -> Shape:
    """The shape that the claimed values must have; raises `Fault` for a gradient of many numbers."""
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
