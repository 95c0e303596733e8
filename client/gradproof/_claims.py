"""Claims in every form a user may have them, as wire claims: one output by one input, values at the point.

A claim is arrays, or a function called with copies at the point. Its kind is guessed from shapes and
from the number of its arguments; where that leaves two answers the user is asked, never guessed for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb
from gradproof_proto.v1 import program_pb2

from gradproof._arguments import Arguments, Array
from gradproof._claim_parts import Around, as_numbers, by_input, by_output, make_claim
from gradproof._errors import RequestError
from gradproof._expression import expression
from gradproof._options import KINDS
from gradproof._outputs import Outputs, call, name_of, untouched_random_state
from gradproof._program import Program
from gradproof._rule_claims import PRODUCTS, kind_of_function, unsteady
from gradproof._sparse_claims import is_sparse, same_numbers, sparse_claim
from gradproof._subject import Subject, named, run
from gradproof._transport import Transport


@dataclass(frozen=True, slots=True)
class Claimed:
    """The wire claims of one user's claim, and its recording as a program when it is a function that could be recorded."""

    messages: list[pb.Claim]
    recording: program_pb2.Program | None = None

    def beside(self, program: program_pb2.Program) -> program_pb2.Program:
        """The program to send: with the recording as a function of it, which the claims then name."""
        if self.recording is None:
            return program
        from gradproof._tracing.claim import appended

        joined, index = appended(program, self.recording)
        for message in self.messages:
            message.program_function = index
        return joined


def claims(
    subject: Subject,
    claim: Any,
    kind: str | None,
    wrt: Sequence[str],
    outputs: Sequence[str],
    rng_seed: int,
    transport: Transport,
    timeout_s: float | None = None,
) -> Claimed:
    """The wire claims of one user's claim; none for None.

    Raises `RequestError` when shapes do not fit or the kind stays open, `TargetError` when a claim
    function fails at the point.
    """
    if claim is None:
        return Claimed([])
    if kind is not None and kind not in KINDS:
        raise RequestError(
            f"claim_kind: expected one of {', '.join(KINDS)}, {kind!r} came",
            field_path="claim_kind",
        )
    arguments = subject.arguments
    floats = [leaf.name for leaf in arguments.leaves if leaf.value.dtype.kind == "f"]
    everything = subject.outputs(transport, timeout_s)
    given = tuple(
        (n, a) for n, a in everything if a.dtype.kind == "f" and (not outputs or n in outputs)
    )
    around = Around(arguments, given, tuple(wrt or floats), rng_seed)
    if isinstance(claim, str):
        claim = expression(claim, inputs=())
    if isinstance(claim, Program):
        values = _program_values(claim, arguments, transport, timeout_s)
        found = _values(values[0] if len(values) == 1 else values, kind, around)
        return Claimed(found, _own_recording(claim, values, found, subject))
    if callable(claim):
        found = _function_values(claim, kind, around, everything)
        location = _location(claim)
        if location.file:
            for message in found:
                message.location.CopyFrom(location)
        return Claimed(found, _recording(claim, around, everything, found, subject))
    if kind in ("vjp", "jvp", "hvp"):
        raise RequestError(
            f"claim: expected a function for claim_kind={kind!r}, values came; give the rule itself"
        )
    return Claimed(_values(claim, kind, around))


def _function_values(
    claim: Callable[..., Any], kind: str | None, around: Around, everything: Outputs
) -> list[pb.Claim]:
    """What a claim function gives at the point, asked twice: a claim that keeps a state is no claim."""
    kind = kind or kind_of_function(claim, around)
    if kind in ("vjp", "jvp", "hvp"):
        return PRODUCTS[kind](claim, around, everything)

    def once() -> list[pb.Claim]:
        with untouched_random_state(name_of(claim)):
            result = call(claim, around.arguments)
        return _values(result, kind, around)

    found, again = once(), once()
    if len(found) != len(again):
        raise unsteady(claim, found[0].input if found else "its arguments")
    for first, second in zip(found, again, strict=True):
        if not same_numbers(first.values, second.values):
            raise unsteady(claim, first.input)
    return found


def _recording(
    claim: Callable[..., Any],
    around: Around,
    everything: Outputs,
    found: Sequence[pb.Claim],
    subject: Subject,
) -> program_pb2.Program | None:
    if subject.program is None:
        return None
    from gradproof._tracing.claim import traced_claim

    return traced_claim(claim, around, everything, found)


def _own_recording(
    claim: Program, values: Sequence[Array], found: Sequence[pb.Claim], subject: Subject
) -> program_pb2.Program | None:
    """A claim that is a program is its own recording, when it is one function; says which output each claim is."""
    if subject.program is None or len(claim.message.functions) != 1:
        return None
    for message in found:
        claimed = from_tensor(message.values.value)
        same = (k for k, v in enumerate(values) if np.array_equal(v, claimed, equal_nan=True))
        message.result_index = next(same, 0)
    return claim.message


def _values(claim: Any, kind: str | None, around: Around) -> list[pb.Claim]:
    if kind == "hessian" or (kind is None and _looks_like_hessian(claim, around)):
        return _hessian_values(claim, around)
    found: list[pb.Claim] = []
    for (output, y), part in zip(around.outputs, by_output(claim, around), strict=True):
        for i, value in by_input(part, around):
            leaf = around.arguments.leaves[i]
            if is_sparse(value):
                found.append(sparse_claim(kind, leaf.value, y, value, (leaf.name, output)))
                continue
            array = as_numbers(value, f"claim for {leaf.name}")
            this = kind or _kind_of_shape(array.shape, y.shape, leaf.value.shape, leaf.name)
            if this == "gradient" and y.ndim and y.size > 1:
                raise RequestError(
                    f"claim for {leaf.name}: a gradient is of a scalar, output {output} has shape {y.shape};"
                    " claim a jacobian, or a vjp"
                )
            wanted = leaf.value.shape if this == "gradient" else y.shape + leaf.value.shape
            if array.shape != wanted:
                raise RequestError(
                    f"claim for {leaf.name}: expected shape {wanted} for a {this}, {array.shape} came; reshape or transpose it"
                )
            found.append(make_claim(this, leaf.name, output, array))
    return found


def _hessian_values(claim: Any, around: Around) -> list[pb.Claim]:
    if len(around.outputs) != 1 or around.outputs[0][1].size != 1:
        raise RequestError("claim: a hessian is of one scalar output; choose it with outputs=")
    output = around.outputs[0][0]
    found: list[pb.Claim] = []
    for i, row in by_input(claim, around):
        for j, value in by_input(row, around):
            first, second = around.arguments.leaves[i], around.arguments.leaves[j]
            if is_sparse(value):
                names = (first.name, output)
                found.append(
                    sparse_claim("hessian", second.value, first.value, value, names, second.name)
                )
                continue
            array = as_numbers(value, f"claim for {first.name}, {second.name}")
            wanted = first.value.shape + second.value.shape
            if array.shape != wanted:
                raise RequestError(
                    f"claim for {first.name}, {second.name}: expected shape {wanted} for a hessian, {array.shape} came"
                )
            found.append(make_claim("hessian", first.name, output, array, second=second.name))
    return found


def _kind_of_shape(
    shape: tuple[int, ...], y: tuple[int, ...], x: tuple[int, ...], name: str
) -> str:
    if not y and shape == x:
        return "gradient"
    if shape == y + x:
        return "jacobian"
    wanted = (
        f"{x} (a gradient)" if not y else f"{y + x} (a jacobian, (*output.shape, *input.shape))"
    )
    raise RequestError(
        f"claim for {name}: expected shape {wanted}, {shape} came; reshape it, or say claim_kind"
    )


def _looks_like_hessian(claim: Any, around: Around) -> bool:
    """One array of shape (*x, *x) for a scalar function of one array."""
    inputs = [i for _, leaves in around.groups for i in leaves]
    if len(inputs) != 1 or len(around.outputs) != 1 or isinstance(claim, Mapping | tuple):
        return False
    x, y = around.arguments.leaves[inputs[0]].value, around.outputs[0][1]
    wanted = (x.size, x.size) if is_sparse(claim) else x.shape * 2
    return not y.shape and x.ndim > 0 and np.shape(claim) == wanted


def _location(function: Any) -> pb.SourceLocation:
    from gradproof._tracing.places import label

    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return pb.SourceLocation()
    return pb.SourceLocation(
        file=label(code.co_filename), line=code.co_firstlineno, scope=code.co_qualname
    )


def _program_values(
    program: Program, arguments: Arguments, transport: Transport, timeout_s: float | None
) -> tuple[Array, ...]:
    """The outputs of a claim given as a program or expression of (some of) the same inputs, at the point."""
    point = dict(zip(arguments.names, arguments.values, strict=True))
    missing = [name for name in program.inputs if name not in point]
    if missing:
        raise RequestError(
            f"claim: it reads {missing[0]!r}, the function has {', '.join(point)}; use the same names"
        )
    chosen = named(program.inputs, [point[n] for n in program.inputs])
    return tuple(a for _, a in run(transport, program, chosen, timeout_s))
