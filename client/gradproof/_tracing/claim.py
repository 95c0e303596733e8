"""A claim function recorded beside the checked function: it helps to name the line of a mistake, and judges nothing.

A recording that does not give the claimed numbers is thrown away, and so is one that is too long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import program_pb2

from gradproof._arguments import Array
from gradproof._claim_parts import Around, by_input, by_output, tangents_by_output
from gradproof._outputs import Outputs, name_of, untouched_random_state
from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced
from gradproof._tracing.places import location, return_place
from gradproof._tracing.roads import ROADS, Road, same
from gradproof._tracing.tape import Tape

MAX_NODES: Final = 1000
"""A longer recording is not walked by the service, so it is not sent."""
WHOLE: Final = (
    pb.DERIVATIVE_KIND_GRADIENT,
    pb.DERIVATIVE_KIND_JACOBIAN,
    pb.DERIVATIVE_KIND_HESSIAN,
)
"""Kinds of claims that take what the checked function takes."""
FORWARD: Final = (pb.DERIVATIVE_KIND_JVP, pb.DERIVATIVE_KIND_HVP)
"""Kinds of claims that take a tangent of each wanted argument after the arguments."""


def traced_claim(
    claim: Callable[..., Any], around: Around, everything: Outputs, claims: Sequence[pb.Claim]
) -> program_pb2.Program | None:
    """The claim function as a program; sets `result_index` of the claims. None when no road carries it.

    It takes the inputs of the checked function; after them for a vjp a cotangent of each float output,
    for a jvp or hvp a tangent of each wanted input. What it returns stands on the line that returns it.
    """
    if not claims:
        return None
    for _, _, road in ROADS:
        with suppress(Exception):  # the user's code met something that is not quite an array
            made = _record(claim, around, everything, claims, road)
            if made is not None:
                return made
    return None


def _record(
    claim: Callable[..., Any],
    around: Around,
    everything: Outputs,
    claims: Sequence[pb.Claim],
    road: Road,
) -> program_pb2.Program | None:
    tape = Tape(name_of(claim), _record.__code__)
    inputs = [tape.input(leaf.name, leaf.value) for leaf in around.arguments.leaves]
    after = _seeds(claims[0], around, everything, tape)
    with np.errstate(all="ignore"), untouched_random_state(name_of(claim)):
        copies = [x.copy() for x in inputs]
        result = road(claim, around.arguments, copies, after)
        parts = _parts(result, claims[0].kind, around, everything)
    if tape.node_count > MAX_NODES:
        return None
    names = list(parts)
    # of one output, each is called after its input: so the service sees what else the claim returns
    plain = len({output for output, *_ in names}) == 1 and not any(second for *_, second in names)
    place = return_place(claim)
    row = 0 if place is None else tape.writer.location(location(place))
    for k, (name, part) in enumerate(parts.items()):
        given = part.id_on(tape)
        if row and part.dtype.kind == "f":
            given = tape.function.node(
                "gp.positive", [given], loc=row, name=f"returned-{name[1] or name[0]}"
            )
        tape.function.output(given, name[1] if plain and name[1] else f"claim{k}")
        if not all(_equal(part, c, claims[0]) for c in claims if _key(c) == name):
            return None
    for c in claims:
        c.result_index = names.index(_key(c))
    return tape.finish()


def _seeds(first: pb.Claim, around: Around, everything: Outputs, tape: Tape) -> tuple[Any, ...]:
    """What a rule takes after its arguments, as inputs: for what the first claim speaks of a dense seed of its own."""
    if first.kind in WHOLE:
        return ()
    backward = first.kind == pb.DERIVATIVE_KIND_VJP
    of = _seeded(first)
    leaves = [(leaf.name, leaf.value) for leaf in around.arguments.leaves]
    taken = {name for name, _ in leaves}
    made: list[Traced | Array] = []
    for name, value in everything if backward else leaves:
        if value.dtype.kind != "f" or not (backward or name in around.wrt):
            made.append(np.zeros_like(value))
            continue
        seed = from_tensor(first.values.seeds)[_dense(first)] if name == of else 0 * value
        called = f"{name}_bar" if backward else f"{name}_dot"
        while called in taken:
            called += "_"
        taken.add(called)
        made.append(tape.input(called, np.array(seed, value.dtype)))
    if backward:
        return (made[0] if len(made) == 1 else tuple(made),)
    return tuple(around.arguments.argument(name, made) for name, _ in around.groups)


def _dense(claim: pb.Claim) -> int:
    """The row of the seed with the fewest zeros."""
    seeds = from_tensor(claim.values.seeds)
    return int(np.argmax(np.count_nonzero(seeds.reshape(len(seeds), -1), axis=1)))


def _parts(
    result: Any, kind: int, around: Around, everything: Outputs
) -> dict[tuple[str, str, str], Traced]:
    """The recorded values by (output, input, second input), "" where a rule serves them all, in a fixed order."""
    names = around.arguments.names
    found: dict[tuple[str, str, str], Traced] = {}
    if kind == pb.DERIVATIVE_KIND_HESSIAN:
        output = around.outputs[0][0]
        for i, row in by_input(result, around):
            for j, value in by_input(row, around):
                found[output, names[i], names[j]] = as_traced(value)
    elif kind in (pb.DERIVATIVE_KIND_VJP, pb.DERIVATIVE_KIND_HVP):
        for i, value in by_input(result, around):
            found["", names[i], ""] = as_traced(value)
    elif kind == pb.DERIVATIVE_KIND_JVP:
        for (name, _), value in zip(
            around.outputs, tangents_by_output(result, around, everything), strict=True
        ):
            found[name, "", ""] = as_traced(value)
    else:
        for (output, _), part in zip(around.outputs, by_output(result, around), strict=True):
            for i, value in by_input(part, around):
                found[output, names[i], ""] = as_traced(value)
    return found


def _key(claim: pb.Claim) -> tuple[str, str, str]:
    if claim.kind in (pb.DERIVATIVE_KIND_VJP, pb.DERIVATIVE_KIND_HVP):
        return "", claim.input, ""
    if claim.kind == pb.DERIVATIVE_KIND_JVP:
        return claim.output, "", ""
    return claim.output, claim.input, claim.second_input


def _equal(part: Traced, claim: pb.Claim, first: pb.Claim) -> bool:
    """The recording gives the numbers that were claimed; it was made with the first claim's seed and no other."""
    values = from_tensor(claim.values.value)
    if claim.kind not in WHOLE:
        if _seeded(claim) != _seeded(first):
            return True
        values = values[_dense(claim)]
    data = part.data
    return data.shape == values.shape and same(data.astype(values.dtype), values)


def _seeded(claim: pb.Claim) -> str:
    """The name of what a rule's seeds belong to."""
    if claim.kind == pb.DERIVATIVE_KIND_VJP:
        return claim.output
    return claim.second_input if claim.kind == pb.DERIVATIVE_KIND_HVP else claim.input


def appended(
    program: program_pb2.Program, more: program_pb2.Program
) -> tuple[program_pb2.Program, int]:
    """A copy of a program with the only function of another one behind its own, and that function's index."""
    out = program_pb2.Program()
    out.CopyFrom(program)
    strings, ops, types = len(out.strings), len(out.op_table), len(out.types)
    attrs, places, constants = len(out.attrs), len(out.locations), len(out.constants)

    def moved(row: int, by: int) -> int:
        return row + by - 1 if row else 0

    out.strings.extend(more.strings[1:])
    out.op_table.extend(moved(row, strings) for row in more.op_table)
    for row in more.types[1:]:
        kept = out.types.add()
        kept.CopyFrom(row)
        for axis in kept.shape:
            if axis.WhichOneof("extent") == "symbol":
                axis.symbol = moved(axis.symbol, strings)
    for row in more.attrs[1:]:
        kept = out.attrs.add()
        kept.CopyFrom(row)
        for attr in kept.attrs:
            attr.name = moved(attr.name, strings)
    for row in more.locations[1:]:
        kept = out.locations.add()
        kept.CopyFrom(row)
        kept.file, kept.scope = moved(row.file, strings), moved(row.scope, strings)
        kept.source_node = moved(row.source_node, strings)
        kept.caller = moved(row.caller, places)
    for row in more.constants:
        kept = out.constants.add()
        kept.CopyFrom(row)
        kept.type = moved(row.type, types)
    made = out.functions.add()
    made.CopyFrom(more.functions[more.entry])
    made.name = moved(made.name, strings)
    for column, by in (
        (made.input_types, types), (made.out_type, types), (made.input_names, strings),
        (made.output_names, strings), (made.node_name, strings), (made.attr, attrs), (made.loc, places),
    ):  # fmt: skip
        column[:] = [moved(row, by) for row in column]
    made.constants[:] = [row + constants for row in made.constants]
    made.op[:] = [row + ops for row in made.op]
    known = {s.namespace for s in out.version.op_sets}
    out.version.op_sets.extend(s for s in more.version.op_sets if s.namespace not in known)
    return out, len(out.functions) - 1
