"""GP4xx: how derivatives flow: inputs that are cut off, nodes without use, gradients that fade or burst."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gradproof_service.diagnostic import Severity
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import reaches

MOST_INPUTS = 64
"""Inputs (and outputs) among which structural zero blocks are looked for."""
MOST_CUTS = 16
"""Cut-off inputs whose cut is looked for, one pass each."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A float input without a smooth way to any float output, and the node that cuts it off.

    `kind`: "unused" (no way at all, node -1), "detach", "cast", "step" or "shape".
    """

    input: str
    node: int
    kind: Literal["unused", "detach", "cast", "step", "shape"]


def used_values(graph: Graph) -> bytearray:
    """For each value whether an output depends on it in any way; remembered on the graph."""
    found: bytearray | None = graph.plans.get("used")
    if found is None:
        found = graph.plans["used"] = _used(graph)
    return found


def _used(graph: Graph) -> bytearray:
    used = bytearray(len(graph.types))
    for v in graph.outputs:
        used[v] = 1
    for k in range(len(graph) - 1, -1, -1):
        first = graph.first[k]
        if 1 in used[first : first + len(graph.sites[k].outs)]:
            for v in graph.operands[k]:
                used[v] = 1
    return used


def _smoothly_used(graph: Graph) -> bytearray:
    """For each value whether a float output depends on it smoothly."""
    used = bytearray(len(graph.types))
    for v in graph.outputs:
        used[v] = graph.types[v].is_float
    for k in range(len(graph) - 1, -1, -1):
        first, site = graph.first[k], graph.sites[k]
        if 1 not in used[first : first + len(site.outs)]:
            continue
        for i, v in enumerate(graph.operands[k]):
            if not used[v] and graph.types[v].is_float and _passes(graph, k, i):
                used[v] = 1
    return used


def _passes(graph: Graph, k: int, i: int) -> bool:
    op = graph.sites[k].op
    return (
        op.vjp_all is not None or op.jvp_all is not None
        or op.vjp_rule(i) is not None or op.jvp_rule(i) is not None
    )  # fmt: skip


def cut_inputs(look: Look) -> list[Cut]:
    """Every float input that no float output depends on smoothly; remembered on the graph."""
    found: list[Cut] | None = look.graph.plans.get("cuts")
    if found is None:
        found = look.graph.plans["cuts"] = _cuts(look)
    return found


def _cuts(look: Look) -> list[Cut]:
    graph = look.graph
    if not any(t.is_float for t in graph.output_types):
        return []
    smooth = _smoothly_used(graph)
    dead = [i for i in look.floats if not smooth[i]]
    if not dead:
        return []
    used = used_values(graph)
    cuts: list[Cut] = []
    for n, i in enumerate(dead):
        if not used[i]:
            cuts.append(Cut(graph.inputs[i], -1, "unused"))
        elif n < MOST_CUTS:
            cuts.append(_cut(graph, i, used))
    return cuts


def _cut(graph: Graph, i: int, used: bytearray) -> Cut:
    """The first node that input i reaches smoothly and no further."""
    active = reaches(graph, (i,))
    for k, op, _, operands, outs in graph.nodes():
        if (
            not any(active[v] for v in operands)
            or any(active[v] for v in outs)
            or not any(used[v] for v in outs)
        ):
            continue
        if op.name == "stop_gradient":
            return Cut(graph.inputs[i], k, "detach")
        if op.name == "astype":
            return Cut(graph.inputs[i], k, "cast")
        if op.name == "shape_of":
            return Cut(graph.inputs[i], k, "shape")
        return Cut(graph.inputs[i], k, "step")
    return Cut(graph.inputs[i], -1, "unused")


def _dead(look: Look) -> Iterator[Seen]:
    for cut in cut_inputs(look):
        if cut.kind == "unused":
            yield Seen(
                f"no output depends on the input {cut.input!r}: its derivative is zero",
                input=cut.input,
            )
        elif cut.kind == "shape":
            yield Seen(
                f"uses only the shape of {cut.input!r}: its derivative is zero",
                cut.node,
                input=cut.input,
            )


DEAD_INPUT = Rule(
    "GP401", "dead-input", Severity.WARNING, "No output depends on an input.",
    "A derivative that is zero everywhere is more often a forgotten connection than a fact.",
    "Use the input, or leave it out.",
    Example("sum(x * x)", {"x": [1.0, 2.0], "y": 3.0}), Example("sum(x * x) * y", {"x": [1.0, 2.0], "y": 3.0}),
    survey=_dead, possible=Severity.WARNING,
)  # fmt: skip


def _detached(look: Look) -> Iterator[Seen]:
    graph, stops = look.graph, look.nodes_of("stop_gradient")
    cuts = {c.node: c for c in cut_inputs(look) if stops and c.kind == "detach"}
    for k in stops:
        if not look.smooth[graph.operands[k][0]] or not used_values(graph)[graph.first[k]]:
            continue
        if k in cuts:
            yield Seen(
                f"stops the gradient on every way from {cuts[k].input!r} to the outputs: the value depends on "
                "it, the derivative is zero", k, input=cuts[k].input, severity=Severity.WARNING,
            )  # fmt: skip
        else:
            yield Seen(
                "stops the gradient here: the value depends on what comes in, the derivative does not",
                k,
            )


DETACHED_PATH = Rule(
    "GP402", "detached-path", Severity.INFO, "A stop_gradient stands between inputs and outputs.",
    "Differences see the dependence that the gradient leaves out, so the two differ by intent or by mistake.",
    "Confirm that it is intended, or remove it.",
    Example("sum(x * stop_gradient(x))", {"x": [1.0, 2.0]}), Example("sum(x * x)", {"x": [1.0, 2.0]}),
    survey=_detached,
)  # fmt: skip


def _idle(look: Look) -> Iterator[Seen]:
    graph = look.graph
    used = used_values(graph)
    idle: list[int] = []
    if 0 in used[len(graph.inputs) :]:
        idle = [
            k for k, _, _, operands, outs in graph.nodes()
            if operands and not any(used[v] for v in outs)
        ]  # fmt: skip
    if idle:
        count = f"{len(idle)} nodes are" if len(idle) > 1 else "1 node is"
        yield Seen(
            f"{count} computed and never used, {graph.node_label(idle[0])} first",
            numbers=(("nodes", float(len(idle))),), near=idle[0],
        )  # fmt: skip
    if look.floats:
        for name, v in zip(graph.output_names, graph.outputs, strict=True):
            if graph.types[v].is_float and not look.moved[v]:
                yield Seen(
                    f"the output {name!r} depends on no float input: its derivative is zero", output=name,
                    severity=Severity.WARNING, near=look.made[v],
                )  # fmt: skip


UNUSED = Rule(
    "GP403", "unused-node", Severity.INFO, "Something is computed that no output needs, or an output is constant.",
    "It costs time, and often it is the trace of a connection that was meant to be made.",
    "Delete it, or use it.",
    Example("a = exp(x); x * x", {"x": 0.5}), Example("a = exp(x); a * x", {"x": 0.5}), survey=_idle,
)  # fmt: skip


def _zero_blocks(look: Look) -> Iterator[Seen]:
    graph = look.graph
    outs = [o for o, t in enumerate(graph.output_types) if t.is_float]
    if not (2 <= len(outs) <= MOST_INPUTS and 2 <= len(look.floats) <= MOST_INPUTS):
        return
    bits = [0] * len(graph.types)
    for n, i in enumerate(look.floats):
        bits[i] = 1 << n
    for k, _, _, operands, made in graph.nodes():
        found = 0
        for i, v in enumerate(operands):
            if bits[v] and _passes(graph, k, i):
                found |= bits[v]
        for v in made:
            bits[v] = found if graph.types[v].is_float else 0
    rows = [bits[graph.outputs[o]] for o in outs]
    every = 0
    for row in rows:
        every |= row
    missing = [
        (graph.output_names[o], graph.inputs[i])
        for o, row in zip(outs, rows, strict=True) if row
        for n, i in enumerate(look.floats) if every >> n & 1 and not row >> n & 1
    ]  # fmt: skip
    if missing:
        shown = ", ".join(f"d{o}/d{i}" for o, i in missing[:4]) + (
            ", ..." if len(missing) > 4 else ""
        )
        yield Seen(
            f"{len(missing)} of {len(outs) * len(look.floats)} Jacobian blocks are zero by structure: {shown}",
            numbers=(("blocks", float(len(missing))),), output=missing[0][0], input=missing[0][1],
            near=look.made[graph.outputs[list(graph.output_names).index(missing[0][0])]],
        )  # fmt: skip


ZERO_BLOCK = Rule(
    "GP406", "structural-zero-block", Severity.INFO, "An output that cannot depend on an input.",
    "A whole block of the Jacobian is zero at every point, which need not be stored or claimed.",
    "Confirm that the outputs are meant to be independent.",
    Example("x * x, x * y", {"x": 1.0, "y": 2.0}), Example("x * y, x + y", {"x": 1.0, "y": 2.0}),
    survey=_zero_blocks,
)  # fmt: skip

RULES = (DEAD_INPUT, DETACHED_PATH, UNUSED, ZERO_BLOCK)
