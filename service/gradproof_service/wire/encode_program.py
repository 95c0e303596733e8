"""The programs that gradproof writes, as messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradproof_proto.tables import Location as LocationRow
from gradproof_proto.tensors import dtype_row
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter

from gradproof_service.arrays import Structure
from gradproof_service.diagnostic import Location
from gradproof_service.graph.program import Function, FunctionRef, Program


def encode_program(program: Program, producer: str, version: str) -> pb.Program:
    """A program that gradproof wrote, as it travels; `decode_program` gives it back."""
    writer = ProgramWriter(producer, version)
    functions = [writer.function(function.name) for function in program.functions]
    for function, written in zip(program.functions, functions, strict=True):
        _write(writer, function, written, functions)
    return writer.finish(program.entry)


def _write(
    writer: ProgramWriter, function: Function, written: FunctionWriter, all: list[FunctionWriter]
) -> None:
    ids: list[int] = [
        written.input(
            entry.name,
            None if entry.dtype is None else dtype_row(entry.dtype).wire,
            entry.shape,
            0
            if entry.structure is Structure.NONE
            else pb.Structure.Value(f"STRUCTURE_{entry.structure.name}"),
        )
        for entry in function.inputs
    ]
    ids.extend(written.constant(array) for array in function.constants)
    places = _Places(writer.location)
    for node, (op, operands) in enumerate(zip(function.ops, function.operands, strict=True)):
        made = written.node(
            op,
            [ids[v] for v in operands],
            {name: _attr(value, all) for name, value in function.attrs[node].items()},
            places.row(function.location(node)),
            1 if function.counts is None else function.counts[node],
            name=function.names.get(node, ""),
        )
        if isinstance(made, int):
            ids.append(made)
        else:
            ids.extend(made)
    for value, name in zip(function.outputs, function.output_names, strict=True):
        written.output(ids[value], name)


def _attr(value: Any, functions: list[FunctionWriter]) -> Any:
    if isinstance(value, FunctionRef):
        return functions[value.index]
    if isinstance(value, tuple) and value and isinstance(value[0], FunctionRef):
        return tuple(functions[ref.index] for ref in value)  # pyright: ignore[reportUnknownVariableType]
    return value


class _Places:
    """Rows of the location table, outermost caller first."""

    def __init__(self, add: Callable[[LocationRow], int]) -> None:
        self._add = add
        self._known: dict[Location, int] = {}

    def row(self, place: Location) -> int:
        """The row of a place, 0 when it is unknown."""
        if not place:
            return 0
        found = self._known.get(place)
        if found is None:
            found = 0
            for one in (*reversed(place.callers), place):
                found = self._add(
                    LocationRow(
                        one.file, one.line, one.column, one.end_line, one.end_column, one.scope,
                        found, one.source_node,
                    )
                )  # fmt: skip
            self._known[place] = found
        return found
