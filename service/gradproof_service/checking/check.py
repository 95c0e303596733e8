"""One whole check: a function at a point, its derivatives three ways, and what is claimed of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from gradproof_service.arrays import Array, is_lost
from gradproof_service.checking.claims import judge_claim
from gradproof_service.checking.compare import overall
from gradproof_service.checking.groups import both_modes
from gradproof_service.checking.judge import Asker, Judge
from gradproof_service.checking.margins import Edge, edges
from gradproof_service.checking.reference import Reference, refer
from gradproof_service.checking.report import (
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
from gradproof_service.checking.rules import judge_rules
from gradproof_service.checking.scene import Scene, gradient_scene, make_scene
from gradproof_service.checking.seen import Witness, looks_at_each
from gradproof_service.checking.structure import project
from gradproof_service.checking.witness import witness
from gradproof_service.diagnostic import Fault, FaultKind, Finding, Severity
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Program
from gradproof_service.transforms.evaluate import Tick, no_tick

SECOND_ORDER = (Kind.HESSIAN, Kind.HVP)
BESIDE = {
    "kink": "check at a point beside it; any slope between the one-sided ones is right here",
    "jump": "check at a point beside it; where the value jumps there is no slope",
    "domain": "check at a point inside; at the edge of a domain there may be no slope, or an infinite one",
}
"""What to do about a point that stands on each kind of edge."""


def check(
    program: Program | None,
    graph: Graph,
    point: Sequence[Array],
    claims: Sequence[Claim] = (),
    options: Options | None = None,
    *,
    ask: Asker | None = None,
    tick: Tick = no_tick,
) -> Report:
    """Check the typed graph at a point (one array per input) and every claim about it.

    `program` holds the functions that claims name; `ask` answers claims that must be asked for.
    Raises `Fault` when the call itself does not fit (unknown names, a point that is not finite);
    whatever is wrong with the function or a claim is in the report.
    """
    options = options or Options()
    return check_scene(program, make_scene(graph, point, options, tick), claims, options, ask=ask)


def check_scene(
    program: Program | None,
    scene: Scene,
    claims: Sequence[Claim],
    options: Options,
    *,
    ask: Asker | None = None,
) -> Report:
    """`check` of a scene that was made with the same options."""
    graph = scene.original
    if not scene.wrt or not scene.outs:
        raise Fault(FaultKind.INVALID, _nothing(scene), field_path="point")
    outputs = tuple(zip(graph.output_names, scene.values(), strict=True))
    values = scene.known()
    findings = _non_finite(scene, values)
    if findings:
        return Report(
            Verdict.INCONCLUSIVE, findings=tuple(findings), outputs=outputs, function=graph.name,
            comparisons=tuple(_unanswered(scene)), options=options,
        )  # fmt: skip
    near = edges(scene, values)
    findings += _at_kink(scene, near, options.profile.name.lower())
    first = _order(scene, near, options)
    comparisons = [*first.reference.comparisons, *first.witness.comparisons]
    judges = {1: _judge(first, options, program, ask)}
    orders = [first]
    if options.order == 2 or any(c.kind in SECOND_ORDER for c in claims):
        second = _second(scene, values, claims, options)
        comparisons += [*second.reference.comparisons, *second.witness.comparisons]
        judges[2] = _judge(second, options, program, ask)
        orders.append(second)
    for index, claim in enumerate(claims):
        judge_claim(judges[2 if claim.kind in SECOND_ORDER else 1], claim, index)
    for judge in judges.values():
        comparisons += judge.comparisons
        findings += judge.findings
    ruled, told = judge_rules(program, scene, options)
    comparisons += ruled
    findings += told
    return Report(
        overall(tuple(_counted(comparisons, orders))), tuple(comparisons), tuple(findings), outputs,
        tuple(b for order in orders for b in _blocks(order, options)),
        claimed=tuple(_fitting((b for j in judges.values() for b in j.claimed), options)),
        function=graph.name,
        witnesses=tuple(dict.fromkeys(s for order in orders for s in order.witness.sources)),
        evaluations=sum(order.witness.evaluations for order in orders),
        entries_checked=sum(c.entries for c in comparisons if c.against is not Source.FORWARD),
        entries_total=sum(c.entries_total for c in comparisons if c.against is not Source.FORWARD),
        directions=sum(o.witness.directions + o.reference.directions for o in orders),
        proofs=tuple(p for judge in judges.values() for p in judge.proofs),
        options=options,
        evidence=tuple(_evidence(orders, options)) if options.evidence else (),
    )  # fmt: skip


class Order:
    """One order of derivatives at the point: its scene, reference and witness."""

    __slots__ = ("reference", "scene", "witness")

    def __init__(self, scene: Scene, reference: Reference, said: Witness) -> None:
        self.scene = scene
        self.reference = reference
        self.witness = said


def _counted(comparisons: Sequence[Comparison], orders: Sequence[Order]) -> list[Comparison]:
    """The comparisons that the verdict rests on.

    Where extended precision or values alone settled what the modes left in doubt, and every claim
    about the pair agrees with what was settled, that the modes themselves are blurred or no number
    there is told and not held against the claim.
    """
    settled = {
        (pair.output, pair.input, pair.second_input)
        for order in orders
        for o, i in order.reference.settled
        for pair in [order.scene.pair(o, i, Source.REVERSE, Source.FORWARD)]
    }
    claimed: dict[tuple[str, str, str], set[Verdict]] = {}
    for c in comparisons:
        if c.subject is Source.CLAIM:
            claimed.setdefault((c.output, c.input, c.second_input), set()).add(c.verdict)
    cleared = {key for key in settled if claimed.get(key) == {Verdict.AGREES}}
    return [
        c for c in comparisons
        if not (
            c.subject is not Source.CLAIM
            and c.verdict is Verdict.INCONCLUSIVE
            and c.reason in ("noise", "overflow")
            and (c.output, c.input, c.second_input) in cleared
        )
    ]  # fmt: skip


def _judge(order: Order, options: Options, program: Program | None, ask: Asker | None) -> Judge:
    return Judge(order.scene, order.reference, order.witness.sides, options, program, ask)


def _order(scene: Scene, near: Sequence[Edge], options: Options) -> Order:
    each = all(looks_at_each(scene, i, options.witness_evaluations) for i in scene.wrt)
    reference = refer(scene, options.tau, witnessed=each)
    both_modes(scene, reference, options.tau)
    said = witness(scene, reference, near, options.tau, options.witness_evaluations)
    return Order(scene, reference, said)


def _second(
    scene: Scene, values: Sequence[Array | None], claims: Sequence[Claim], options: Options
) -> Order:
    """The Hessian of one scalar output as the Jacobian of its gradient."""
    names = {c.output for c in claims if c.kind in SECOND_ORDER and c.output}
    chosen = [o for o in scene.outs if scene.graph.output_names[o] in names] or list(scene.outs)
    if len(chosen) != 1 or scene.size_out(chosen[0]) != 1:
        shown = ", ".join(scene.graph.output_names[o] for o in scene.outs)
        raise Fault(
            FaultKind.INVALID,
            f"options: second order needs one output that is one number, the function returns {shown}; "
            "name it with outputs",
            field_path="options.outputs",
        )
    inner = gradient_scene(scene, chosen[0])
    return _order(inner, edges(inner, inner.known()), options)


def _evidence(orders: Sequence[Order], options: Options) -> list[Evidence]:
    from gradproof_service.checking.evidence import evidence_of  # only who asks pays for it

    limit = options.derivatives_limit_bytes
    return [e for o in orders for e in evidence_of(o.scene, o.reference, o.witness, limit)]


def _blocks(order: Order, options: Options) -> list[Block]:
    """Reference blocks small enough to be sent back; by a structured input those along its tangent space."""
    scene = order.scene
    whole: list[Block] = []
    for (o, i), block in order.reference.blocks.items():
        pair = scene.pair(o, i, Source.REVERSE, Source.REVERSE)
        value = block.value
        if not scene.gradient_of:
            value = project(scene.graph.types[i].structure, scene.inputs[i], value)
        value = value.reshape(scene.block_shape(o, i))
        whole.append(Block(pair.kind, pair.output, pair.input, value, pair.second_input))
    return _fitting(whole, options)


def _fitting(blocks: Iterable[Block], options: Options) -> list[Block]:
    """The blocks that together stay within the bytes a report may carry."""
    kept: list[Block] = []
    left = options.derivatives_limit_bytes
    for block in blocks:
        if block.value.nbytes <= left:
            left -= block.value.nbytes
            kept.append(block)
    return kept


def _non_finite(scene: Scene, values: Sequence[Array | None]) -> list[Finding]:
    """The first node whose value is not finite although its operands are, if an output shows it."""
    graph = scene.graph
    if not any(is_lost(values[graph.outputs[o]]) for o in scene.outs):
        return []
    bad = list(map(is_lost, values))
    for k, op, _, operands, outs in graph.nodes():
        if (
            any(bad[v] for v in outs)
            and not any(bad[v] for v in operands)
            and op.name not in ("constant", "full")
        ):
            array = values[next(v for v in outs if bad[v])]
            assert array is not None
            at = tuple(int(n) for n in np.argwhere(~np.isfinite(array))[0])
            return [
                Finding(
                    "GP108", "overflow-chain", Severity.ERROR,
                    f"{graph.node_label(k)} is the first node that is not finite: {array[at]}"
                    f"{f' at {list(at)}' if at else ''}{_made_from(operands, values, array, at)}; no derivative "
                    "exists here",
                    node=graph.node_label(k), function=graph.name, location=graph.location(k),
                    elements=(at,), mend="move the point into the domain, or rewrite that operation",
                )
            ]  # fmt: skip
    return [
        Finding(
            "GP108", "overflow-chain", Severity.ERROR,
            "an output is not finite; no derivative exists here", function=graph.name,
            mend="move the point into the domain",
        )
    ]  # fmt: skip


def _made_from(
    operands: Sequence[int], values: Sequence[Array | None], array: Array, at: tuple[int, ...]
) -> str:
    """The numbers that an element was computed from, where every operand has one for it."""
    read = [values[v] for v in operands]
    if not read or len(read) > 3 or any(x is None or x.ndim > array.ndim for x in read):
        return ""
    try:
        wide = [np.broadcast_to(x, array.shape) for x in read if x is not None]
    except ValueError:
        return ""
    return f", made from {' and '.join(f'{x[at]:.6g}' for x in wide)}"


def _unanswered(scene: Scene) -> list[Comparison]:
    return [
        Comparison(
            output=scene.pair(o, i, Source.REVERSE, Source.FORWARD).output,
            input=scene.graph.inputs[i], kind=Kind.JACOBIAN, subject=Source.REVERSE,
            against=Source.DIFFERENCES, verdict=Verdict.INCONCLUSIVE, reason="overflow",
            detail="the function is not finite at this point", power=float("inf"),
            entries_total=scene.size_out(o) * scene.size_in(i),
        )
        for o in scene.outs
        for i in scene.wrt
    ]  # fmt: skip


def _at_kink(scene: Scene, near: Sequence[Edge], profile: str) -> list[Finding]:
    """One finding for every node that stands exactly on a kink, a jump or a domain edge."""
    found: list[Finding] = []
    seen: set[int] = set()
    for edge in near:
        on = np.argwhere(edge.distance == 0)
        if not len(on) or edge.node in seen:
            continue
        seen.add(edge.node)
        label = scene.graph.node_label(edge.node)
        op = scene.graph.sites[edge.node].op
        theirs = op.conventions.get(profile, "")
        name = {"kink": "kink", "jump": "jump", "domain": "domain edge"}[edge.kind]
        found.append(
            Finding(
                "GP203", "at-kink", Severity.WARNING,
                f"{label} stands exactly on a {name} ({edge.text}) in {len(on)} "
                f"{'entry' if len(on) == 1 else 'entries'}"
                + (f"; gradproof returns: {op.kink}" if op.kink else "")
                + (f"; {profile} returns: {theirs}" if theirs else ""),
                node=label, function=scene.graph.name, location=scene.graph.location(edge.node),
                elements=tuple(tuple(int(n) for n in at) for at in on[:3]),
                mend=BESIDE[edge.kind],
            )
        )  # fmt: skip
    return found


def _nothing(scene: Scene) -> str:
    if not scene.wrt:
        listed = ", ".join(
            f"{n} is {t!r}"
            for n, t in zip(scene.graph.inputs, scene.graph.input_types, strict=True)
        )
        return f"point: there is no float input to differentiate by ({listed or 'no inputs'}); give a float value, such as 3.0"
    return "the function returns no float output, so it has no derivative"
