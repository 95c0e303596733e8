"""What is known about a program without computing anything: types, cost, memory, static findings."""

from __future__ import annotations

from typing import Any

import numpy as np
from gradproof_proto.tensors import dtype_row
from gradproof_proto.text import print_program
from gradproof_proto.v1 import derivative_pb2 as der
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array, Type, short_dtype, type_of_array
from gradproof_service.diagnostic import NOWHERE, Finding
from gradproof_service.graph.cost import flops, graph_flops
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.limits import Limits
from gradproof_service.graph.program import Input, Program
from gradproof_service.graph.typing import Typing, bind
from gradproof_service.ops.record import Site
from gradproof_service.transforms.live import live
from gradproof_service.wire.encode import encode_location


def inspect(
    message: pb.Program, program: Program, given: dict[str, Array], limits: Limits, nodes: bool
) -> tuple[der.InspectResponse, Graph | None, list[Finding]]:
    """The answer without findings, the typed graph when there is one, and what typing found."""
    typing = Typing(program, limits)
    types = bind(program.main.inputs, _stand_ins(program.main.inputs, given))
    graph = typing.function(program.entry, types)
    sites = typing.sites.get(program.entry, [])
    response = der.InspectResponse(
        text=print_program(_annotated(message, program, typing)),
        output_types=_output_types(program, types, sites),
        program_digest=program.digest,
    )
    response.flops = (
        graph_flops(graph) if graph is not None else sum(map(flops, filter(None, sites)))
    )
    if graph is not None:
        peak_bytes = live(graph, (False,) * len(graph.inputs), None, "nbytes")
        response.peak_bytes = min(peak_bytes, 2**64 - 1)
    if nodes:
        _describe(response, program, sites)
    return response, graph, typing.findings


def type_text(type: Type) -> str:
    """A type as text, such as `f64[3,4]`."""
    sides = ",".join(map(str, type.shape))
    return f"{short_dtype(type.dtype)}[{sides}]" if type.shape else short_dtype(type.dtype)


def _stand_ins(inputs: tuple[Input, ...], given: dict[str, Array]) -> dict[str, Array]:
    """The point, and for inputs that are left out and completely declared an array that takes no memory."""
    point = dict(given)
    for entry in inputs:
        shape: Any = entry.shape
        if entry.name in point or entry.dtype is None or shape is None:
            continue
        if all(isinstance(side, int) for side in shape):
            point[entry.name] = np.broadcast_to(np.zeros((), entry.dtype), shape)
    return point


def _annotated(message: pb.Program, program: Program, typing: Typing) -> pb.Program:
    """The program as it was sent, with the types that were found stated on every node."""
    copy = pb.Program()
    copy.CopyFrom(message)
    rows: dict[Type, int] = {}
    for index, sites in typing.sites.items():
        function = copy.functions[index]
        del function.out_type[:]
        counts = program.functions[index].counts
        for node, site in enumerate(sites):
            count = 1 if counts is None else counts[node]
            if site is None:
                function.out_type.extend([0] * count)
            else:
                function.out_type.extend(_row(copy, rows, t) for t in site.outs)
    return copy


def _row(program: pb.Program, rows: dict[Type, int], type: Type) -> int:
    found = rows.get(type)
    if found is None:
        found = rows[type] = len(program.types)
        added = program.types.add(dtype=dtype_row(type.dtype).wire)
        for side in type.shape:
            added.shape.add(size=side)
    return found


def _output_types(program: Program, types: tuple[Type, ...], sites: list[Site | None]) -> list[str]:
    main = program.main
    texts = [type_text(t) for t in types]
    texts += [type_text(type_of_array(c)) for c in main.constants]
    for node, site in enumerate(sites):
        count = 1 if main.counts is None else main.counts[node]
        texts += [""] * count if site is None else [type_text(t) for t in site.outs]
    return [texts[v] if v < len(texts) else "" for v in main.outputs]


def _describe(response: der.InspectResponse, program: Program, sites: list[Site | None]) -> None:
    main = program.main
    for node, op in enumerate(main.ops):
        site = sites[node] if node < len(sites) else None
        described = response.nodes.add(node=node, op=op)
        if site is not None:
            described.types.extend(type_text(t) for t in site.outs)
            described.flops = flops(site)
        if main.location(node) is not NOWHERE:
            described.location.CopyFrom(encode_location(main.location(node)))
