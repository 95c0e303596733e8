"""What is checked: a program, or a black box with its function, together with the point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from gradproof_proto.tensors import from_tensor, to_tensor
from gradproof_proto.v1 import check_pb2, program_pb2
from gradproof_proto.v1 import derivative_pb2 as der

from gradproof._arguments import Arguments, Array, Function, bind_inputs
from gradproof._errors import RequestError, TargetError
from gradproof._expression import expression
from gradproof._expression_functions import nearest
from gradproof._outputs import Outputs, evaluate
from gradproof._program import Program
from gradproof._structure import declare, structures
from gradproof._transport import Transport

Source = str | Program | Callable[..., Any]
"""What a user names: an expression, a program, or a function."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A program (None for a black box) at a point; `plain` are its outputs when they are known already.

    `structures` are the kinds of the inputs that are not free, by name; the program states them too.
    """

    program: Program | None
    function: Function | None
    arguments: Arguments
    plain: Outputs | None
    origin: check_pb2.Origin
    structures: Mapping[str, program_pb2.Structure] = field(
        default_factory=dict[str, program_pb2.Structure]
    )

    @property
    def point(self) -> list[program_pb2.NamedTensor]:
        """The point as messages."""
        return named(self.arguments.names, self.arguments.values)

    def needs_program(self) -> Program:
        """The program; raises `TargetError` for a black box, which has only values."""
        if self.program is None:
            raise TargetError(
                f"{self.origin.name}: its derivatives cannot be computed, because it could not be recorded"
                f" ({self.origin.reason}); gp.check still checks a claim by values"
            )
        return self.program

    def outputs(self, transport: Transport, timeout_s: float | None = None) -> Outputs:
        """The outputs at the point, asked of the service when no plain call gave them."""
        if self.plain is not None:
            return self.plain
        return run(transport, self.needs_program(), self.point, timeout_s)


def prepare(source: Source, at: Any, structure: Mapping[str, str] | None = None) -> Subject:
    """The subject of a request, with what `structure` declares of its inputs by name.

    Raises `TargetError` when it cannot be read or fails at the point, `RequestError` for a
    declaration that cannot be meant.
    """
    subject = _prepare(source, at)
    kinds = structures(subject.arguments.names, structure)
    program = subject.program and declare(subject.program, kinds)
    return replace(subject, program=program, structures=kinds) if kinds else subject


def _prepare(source: Source, at: Any) -> Subject:
    if isinstance(source, str):
        source = expression(source)
    if isinstance(source, Program):
        return Subject(source, None, bind_inputs(source.inputs, at), None, source.origin)
    if not callable(source):
        raise TargetError(
            f"expected a function, an expression or a program, {type(source).__name__} came"
        )
    from gradproof._tracing import carry

    carried = carry(source, at)
    return Subject(carried.program, source, carried.arguments, carried.outputs, carried.origin)


def run(
    transport: Transport,
    program: Program,
    point: Sequence[program_pb2.NamedTensor],
    timeout_s: float | None,
) -> Outputs:
    """A program's outputs at a point; raises `RequestError` with the finding when there are none."""
    request = der.EvaluateRequest(program=program.message, point=point)
    response = transport.evaluate(request, timeout_s=timeout_s)
    refuse_errors(response.findings, bool(response.outputs))
    return tuple((o.name, np.array(from_tensor(o.tensor))) for o in response.outputs)


def refuse_errors(findings: Sequence[check_pb2.Finding], answered: bool) -> None:
    """Raise `RequestError` with the gravest finding when nothing was computed."""
    if answered:
        return
    first = next((f for f in findings if f.severity == check_pb2.SEVERITY_ERROR), None)
    if first is not None:
        where = f"{first.location.file}:{first.location.line}: " if first.location.line else ""
        raise RequestError(f"{where}{first.code} {first.name}: {first.message}")


def black_box(
    function: Function, arguments: Arguments
) -> Callable[[der.ProbeAsk], der.ProbeAnswer]:
    """How a probe's questions are answered: the function at each point of the batch, one after the other."""

    def answer(ask: der.ProbeAsk) -> der.ProbeAnswer:
        given = {p.name: from_tensor(p.tensor) for p in ask.points}
        rows: list[Outputs] = []
        for i in range(ask.batch):
            values: list[Array] = [given[name][i] for name in arguments.names]
            try:
                rows.append(evaluate(function, arguments, values))
            except TargetError as error:
                return der.ProbeAnswer(id=ask.id, error=error.message)
        first = [(name, array.dtype, array.shape) for name, array in rows[0]]
        if any([(n, a.dtype, a.shape) for n, a in row] != first for row in rows):
            return der.ProbeAnswer(
                id=ask.id, error="its outputs change shape or dtype from point to point"
            )
        stacked = [np.stack([row[k][1] for row in rows]) for k in range(len(first))]
        return der.ProbeAnswer(id=ask.id, outputs=named([n for n, _, _ in first], stacked))

    return answer


def named(names: Sequence[str], arrays: Sequence[Any]) -> list[program_pb2.NamedTensor]:
    """Arrays under names as messages."""
    return [
        program_pb2.NamedTensor(name=name, tensor=to_tensor(array))
        for name, array in zip(names, arrays, strict=True)
    ]


def chosen(names: Sequence[str], wanted: str | Sequence[str] | None, what: str) -> list[str]:
    """The inputs or outputs that a request names; `params` stands for every `params.w`. None: no choice."""
    if wanted is None:
        return []
    found: list[str] = []
    for name in (wanted,) if isinstance(wanted, str) else wanted:
        here = [n for n in names if n == name or n.startswith(f"{name}.")]
        if not here:
            near = nearest(name, list(names))
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(names) or 'none'}"
            raise RequestError(f"{what}: there is no {name!r}; {hint}", field_path=what)
        found.extend(n for n in here if n not in found)
    return found
