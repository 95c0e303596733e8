"""A program made ready to be run many times in this process, without messages in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.server.differentiate import chosen
from gradproof_service.server.remembered import REMEMBERED
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.prepare import prepare
from gradproof_service.transforms.prepared_jacobian import PreparedJacobian
from gradproof_service.transforms.prepared_sweep import PreparedSweep
from gradproof_service.wire.decode import decode_program

WarmKind = Literal["value", "value_and_gradient", "jacobian", "hessian", "hvp"]
OF_A_NUMBER = ("value_and_gradient", "hessian", "hvp")
"""Kinds that only a function of one number has."""


def warm(
    message: pb.Program,
    point: Mapping[str, Array],
    kind: WarmKind,
    wrt: Sequence[str],
    threads: int,
) -> tuple[Prepared | PreparedJacobian | PreparedSweep, tuple[int, ...]]:
    """The plan, and the positions of the inputs it differentiates by.

    `point` gives the inputs' types; `wrt` their names, all floats by default. Raises `Fault` for a
    program that does not type there, and for a gradient or Hessian of more than one number.
    """
    program = REMEMBERED.program(
        message, None, DEFAULT_LIMITS, False, lambda: decode_program(message)
    )
    types = bind(program.main.inputs, dict(point))
    graph, findings = REMEMBERED.typed(
        program, types, DEFAULT_LIMITS, lambda: type_program(program, types)
    )
    if graph is None:
        raise Fault(FaultKind.INVALID, f"program: {findings[0].message}", field_path="program")
    inputs = chosen(wrt, graph.inputs, graph.input_types, "input", "wrt")
    shape = graph.output_types[0].shape
    if kind in OF_A_NUMBER and graph.output_types[0].size != 1:
        raise Fault(
            FaultKind.INVALID,
            f"kind: a {'gradient' if kind == 'value_and_gradient' else kind} is of one number, the output "
            f"has shape {shape}; prepare a jacobian",
            field_path="kind",
        )
    return prepare(graph, wrt=inputs, kind=kind, threads=threads), inputs
