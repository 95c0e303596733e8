"""The function that a request is about, typed at the request's point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_proto.blobs import resolved
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Fault, FaultKind, Finding
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Input, Program
from gradproof_service.graph.typing import bind, type_program
from gradproof_service.graph.upcast import upcast
from gradproof_service.server.blobs import Blobs
from gradproof_service.server.remembered import REMEMBERED
from gradproof_service.wire.decode import decode_program, parse_program
from gradproof_service.wire.requests import decode_point


@dataclass(frozen=True, slots=True)
class Subject:
    """A typed function and its inputs in order; `graph` is None when findings say why it has no types."""

    program: Program
    graph: Graph | None
    findings: list[Finding]
    point: tuple[Array, ...]


def program_message(request: Any, blobs: Blobs) -> pb.Program:
    """The program of a request, inline or put beforehand."""
    match request.WhichOneof("subject"):
        case "program":
            return resolved(request.program, blobs.get)
        case "program_blob":
            ref: pb.BlobRef = request.program_blob
            return resolved(parse_program(blobs.get(ref)[ref.offset_bytes :]), blobs.get)
        case _:
            raise Fault(
                FaultKind.INVALID,
                "program: the request brings none; set program or program_blob",
                field_path="program",
            )


def read_program(request: Any, blobs: Blobs, limits: Limits, *, digest: bool = False) -> Program:
    """The program of a request, entered at the function that the request names."""
    entry = (
        request.function
        if "function" in _fields(request) and request.HasField("function")
        else None
    )
    message = program_message(request, blobs)
    return REMEMBERED.program(
        message, entry, limits, digest,
        lambda: decode_program(
            message, entry=entry, fetch=blobs.get, limits=limits, digest=digest
        ),
    )  # fmt: skip


def type_at(
    program: Program,
    tensors: Sequence[pb.NamedTensor],
    blobs: Blobs,
    limits: Limits,
    *,
    batch: int = 0,
    compute_f64: bool = False,
) -> Subject:
    """The entry function at a point; with `batch` every tensor has that many points in front."""
    given = decode_point(tensors, fetch=blobs.get)
    point = order_point(program.main.inputs, given, batch)
    types = bind(program.main.inputs, {name: x[0] if batch else x for name, x in point.items()})
    graph, findings = REMEMBERED.typed(
        program, types, limits, lambda: type_program(program, types, limits)
    )
    arrays = tuple(point[entry.name] for entry in program.main.inputs)
    if graph is not None and compute_f64:
        graph = upcast(graph)
        arrays = tuple(
            x.astype(t.dtype, copy=False) for x, t in zip(arrays, graph.input_types, strict=True)
        )
    return Subject(program, graph, findings, arrays)


def order_point(
    inputs: Sequence[Input], given: Mapping[str, Array], batch: int
) -> dict[str, Array]:
    """The point as it was given; raises `Fault` when its batch axis is not there."""
    for name, x in given.items():
        if batch and (not x.ndim or len(x) != batch):
            raise Fault(
                FaultKind.INVALID,
                f"point: input {name!r} has shape {x.shape}, expected {batch} points in front; "
                "stack the points or leave batch out",
                field_path=f'point["{name}"]',
            )
        if np.ndim(x) > 32:
            raise Fault(FaultKind.LIMIT, f"point: input {name!r} has more than 32 axes")
    return dict(given)


def _fields(request: Any) -> Any:
    return request.DESCRIPTOR.fields_by_name
