"""Rules that a program states for its functions, each proved alone at the values that reach it.

A wrong rule inside a larger program is named by its own function: the rule is held against the
derivative of the function it belongs to, at the operands with which the program calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradproof_service.arrays import Array, type_of
from gradproof_service.checking.claim_form import rule_seeds
from gradproof_service.checking.claims import judge_values
from gradproof_service.checking.judge import Judge
from gradproof_service.checking.reference import refer
from gradproof_service.checking.report import Claim, Comparison, Kind, Options, Source, Verdict
from gradproof_service.checking.scene import Scene
from gradproof_service.diagnostic import Finding, Location, Severity
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Function, Program, RuleRef
from gradproof_service.graph.typing import type_program
from gradproof_service.transforms.evaluate import batch_of, evaluate, evaluate_all

SITES = 64
"""Calls whose rules are proved; a program that calls more is told how many were left out."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function with rules, called with these operands."""

    graph: Graph
    inputs: tuple[Array, ...]
    label: str


def judge_rules(
    program: Program | None, scene: Scene, options: Options
) -> tuple[list[Comparison], list[Finding]]:
    """Every rule of every function that the program calls, against the function's own derivative."""
    comparisons: list[Comparison] = []
    findings: list[Finding] = []
    if program is None or not any(f.rules for f in program.functions):
        return comparisons, findings
    for call in _calls(program, scene):
        function = program.functions[call.graph.function]
        for rule in function.rules:
            sub = _sub_scene(scene, call, rule)
            if not sub.wrt or not sub.outs:
                continue
            judge = Judge(
                sub, refer(sub, options.tau), {}, options, program, None, subject=Source.RULE
            )
            _judge_rule(judge, program, function, rule, call)
            wrong = [c for c in judge.comparisons if c.verdict is Verdict.DISAGREES]
            if rule.surrogate and wrong:
                findings.append(_by_declaration(function, rule, wrong[0]))
                judge.comparisons = [c for c in judge.comparisons if c not in wrong]
                judge.findings = [f for f in judge.findings if f.severity is not Severity.ERROR]
            comparisons += judge.comparisons
            findings += judge.findings
    return comparisons, findings


def _calls(program: Program, scene: Scene) -> list[Call]:
    """Calls of functions with rules, outermost first; one of a function called alike stands for all."""
    found: list[Call] = []
    waiting: list[tuple[Graph, tuple[Array, ...]]] = [(scene.graph, scene.inputs)]
    seen: set[tuple[int, tuple[bytes, ...]]] = set()
    entry = scene.graph.function
    if 0 <= entry < len(program.functions) and program.functions[entry].rules:
        found.append(Call(scene.graph, scene.inputs, scene.graph.name))
    while waiting and len(found) < SITES:
        graph, inputs = waiting.pop(0)
        if not any(site.op.name == "call" for site in graph.sites):
            continue
        values = evaluate_all(graph, inputs, tick=scene.tick)
        for k, op, site, operands, _ in graph.nodes():
            if op.name != "call":
                continue
            callee: Graph = site["function"]
            given = [values[v] for v in operands]
            if any(x is None for x in given):
                continue
            arrays = tuple(np.asarray(x) for x in given)
            key = (callee.function, tuple(x.tobytes() for x in arrays))
            if key in seen:
                continue
            seen.add(key)
            if callee.function >= 0 and program.functions[callee.function].rules:
                found.append(Call(callee, arrays, graph.node_label(k)))
            waiting.append((callee, arrays))
    return found


def _sub_scene(scene: Scene, call: Call, rule: RuleRef) -> Scene:
    graph = call.graph
    wrt = tuple(
        i for i, t in enumerate(graph.input_types) if t.is_float and i not in rule.nondiff_inputs
    )
    outs = tuple(o for o, t in enumerate(graph.output_types) if t.is_float)
    return replace(
        scene, graph=graph, original=graph, inputs=call.inputs, wrt=wrt, outs=outs, gradient_of=""
    )


def _judge_rule(
    judge: Judge, program: Program, function: Function, rule: RuleRef, call: Call
) -> None:
    scene = judge.scene
    forward = rule.kind == "jvp"
    for o in scene.outs:
        for i in scene.wrt:
            seeded = i if forward else o
            t = scene.graph.types[i] if forward else scene.graph.types[scene.graph.outputs[o]]
            seeds = rule_seeds(t.shape, scene.rng_seed + 31 * o + i)
            claim = Claim(
                Kind.JVP if forward else Kind.VJP, scene.graph.inputs[i],
                scene.graph.output_names[o], location=rule.location or _line(program, rule),
            )  # fmt: skip
            claimed = _run_rule(judge, program, rule, call, seeded, seeds, o, i)
            if isinstance(claimed, str):
                judge.refuse(
                    claim, o, i, "GP803", "claim-arity", claimed, "mend the rule's signature"
                )
            else:
                judge_values(judge, claim, o, i, claimed, seeds)


def _run_rule(
    judge: Judge, program: Program, rule: RuleRef, call: Call, seeded: int, seeds: Array, o: int,
    i: int,
) -> Array | str:  # fmt: skip
    """What the rule makes of the seeds, others zero; or a sentence that says why it cannot run."""
    scene = judge.scene
    positions = scene.wrt if rule.kind == "jvp" else scene.outs
    given: list[Array] = list(call.inputs)
    if rule.kind == "vjp_fwd_bwd":
        forward = _typed(program, rule.forward, given)
        if isinstance(forward, str):
            return forward
        given = evaluate(forward, given, tick=scene.tick)[len(scene.graph.outputs) :]
    for p in positions:
        v = p if rule.kind == "jvp" else scene.graph.outputs[p]
        t = scene.graph.types[v]
        given.append(seeds if p == seeded else np.zeros((len(seeds), *t.shape), t.dtype))
    core = [x[0] if k >= len(given) - len(positions) else x for k, x in enumerate(given)]
    graph = _typed(program, rule.function, core)
    if isinstance(graph, str):
        return graph
    results = evaluate(graph, given, tick=scene.tick)
    asked = scene.outs.index(o) if rule.kind == "jvp" else scene.wrt.index(i)
    wanted = len(scene.outs) if rule.kind == "jvp" else len(scene.wrt)
    if len(results) != wanted:
        return f"comes from a rule that returns {len(results)} values, expected {wanted}"
    return batch_of(results[asked], len(graph.output_types[asked].shape), len(seeds))


def _typed(program: Program, index: int, inputs: Sequence[Array]) -> Graph | str:
    rule = program.functions[index]
    if len(rule.inputs) != len(inputs):
        return f"comes from a rule @{rule.name} that takes {len(rule.inputs)} values, expected {len(inputs)}"
    graph, findings = type_program(
        replace(program, entry=index), [type_of(x.dtype, x.shape) for x in inputs]
    )
    return (
        graph
        if graph is not None
        else f"comes from a rule that is not well typed: {findings[0].message}"
    )


def _line(program: Program, rule: RuleRef) -> Location:
    locations = program.functions[rule.function].locations
    return locations[0] if locations else rule.location


def _by_declaration(function: Function, rule: RuleRef, c: Comparison) -> Finding:
    return Finding(
        "GP806", "differs-by-declaration", Severity.INFO,
        f"the {rule.kind} rule of @{function.name} is declared a surrogate and differs from the "
        f"derivative: claimed {c.claimed:.6g}, derivative {c.reference:.6g}",
        function=function.name, location=rule.location,
        numbers=(("claimed", c.claimed), ("reference", c.reference)),
        mend="nothing to mend where the surrogate is meant",
    )  # fmt: skip
