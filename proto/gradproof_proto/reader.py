"""Reads a wire program into tables of plain Python and columns of NumPy, and refuses what is not a program.

After `read` every index is in range, every operand points backwards, every payload has its length and no function calls
itself: what follows may rely on it. Reading allocates no more than a fixed multiple of the message, recurses nowhere and
multiplies lengths as Python whole numbers, so that a hostile message costs its sender more than its reader.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from gradproof_proto.call_graph import find_cycle
from gradproof_proto.columns import (
    Column,
    FunctionColumns,
    ProgramColumns,
    ProgramError,
    RuleRow,
    in_table,
    string_at,
)
from gradproof_proto.function_reader import read_function
from gradproof_proto.tables import AttrRow, AttrValue, ConstantRow, Location, TypeRow
from gradproof_proto.tensors import BY_WIRE, checked_size
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FORMAT

__all__ = [
    "FunctionColumns",
    "ProgramColumns",
    "ProgramError",
    "RuleRow",
    "called_functions",
    "calls_of",
    "read",
]

MAX_VALUES = 2**24


def read(program: pb.Program, *, max_values: int = MAX_VALUES) -> ProgramColumns:
    """Reads a program; raises ProgramError, naming the place, for the first thing that is wrong.

    `max_values` bounds the values of one function, because a few bytes can announce a node with billions of outputs.
    """
    _check_version(program.version)
    strings = tuple(program.strings)
    if not strings or strings[0]:
        raise ProgramError("strings", "expected an empty string in row 0; put it there.")
    in_table("op_table", program.op_table, len(strings), "strings")
    types = tuple(_read_type(row, message, strings) for row, message in enumerate(program.types))
    if not types or types[0] != TypeRow():
        raise ProgramError("types", "expected the unknown type in row 0; put it there.")
    n_functions = len(program.functions)
    attrs = tuple(
        _read_attrs(row, message, strings, n_functions) for row, message in enumerate(program.attrs)
    )
    if not attrs or attrs[0]:
        raise ProgramError("attrs", "expected the empty set in row 0; put it there.")
    locations = tuple(
        _read_location(row, message, strings) for row, message in enumerate(program.locations)
    )
    if not locations or locations[0] != Location():
        raise ProgramError("locations", "expected the unknown place in row 0; put it there.")
    constants = tuple(
        _read_constant(row, message, types) for row, message in enumerate(program.constants)
    )
    functions = tuple(
        read_function(index, program, strings, max_values) for index in range(n_functions)
    )
    if not 0 <= program.entry < n_functions:
        raise ProgramError(
            "entry",
            f"expected a function below {n_functions}, {program.entry} came; name one that exists.",
        )
    if len({entry.key for entry in program.metadata}) != len(program.metadata):
        raise ProgramError("metadata", "expected each key once; merge the entries.")
    calls = calls_of(functions, attrs)
    cycle = find_cycle(calls)
    if cycle:
        path = " -> ".join(f"@{functions[index].name}" for index in cycle[:8])
        raise ProgramError(
            f"function {cycle[0]} (@{functions[cycle[0]].name})",
            f"it reaches itself: {path}; use a loop.",
        )
    return ProgramColumns(
        version=program.version,
        strings=strings,
        ops=tuple(strings[row] for row in program.op_table),
        types=types,
        attrs=attrs,
        locations=locations,
        constants=constants,
        functions=functions,
        calls=calls,
        entry=program.entry,
        metadata=tuple((entry.key, entry.value) for entry in program.metadata),
    )


def _check_version(version: pb.Version) -> None:
    if version.format == 0:
        raise ProgramError(
            "version",
            "expected a format number, none came; this is no program, or it was not finished.",
        )
    oldest = version.min_reader or version.format
    if oldest > FORMAT:
        raise ProgramError(
            "version",
            f"expected at most format {FORMAT}, the program needs {oldest}; update the reader.",
        )
    names = [op_set.namespace for op_set in version.op_sets]
    if len(set(names)) != len(names) or any(op_set.version == 0 for op_set in version.op_sets):
        raise ProgramError(
            "version",
            "expected one op set with a number above 0 for each namespace; mend the list.",
        )


def _read_type(row: int, message: pb.Type, strings: tuple[str, ...]) -> TypeRow:
    where = f"types[{row}]"
    if message.dtype and int(message.dtype) not in BY_WIRE:
        raise ProgramError(
            where, f"expected a known dtype, {int(message.dtype)} came; update the reader."
        )
    if int(message.structure) not in pb.Structure.values():
        raise ProgramError(
            where, f"expected a known structure, {int(message.structure)} came; update the reader."
        )
    if message.rank_unknown:
        if message.shape:
            raise ProgramError(where, "expected no axes beside an unknown rank; leave one out.")
        return TypeRow(int(message.dtype), None, int(message.structure))
    shape: list[int | str | None] = []
    for dim in message.shape:
        extent = dim.WhichOneof("extent")
        shape.append(
            dim.size
            if extent == "size"
            else None
            if extent is None
            else string_at(where, strings, dim.symbol)
        )
        if shape[-1] == "":
            raise ProgramError(where, "expected a name for the symbol, an empty one came; name it.")
    try:
        checked_size([length for length in shape if isinstance(length, int)], 16, where)
    except ValueError as error:
        raise ProgramError(where, str(error).removeprefix(f"{where}: ")) from None
    return TypeRow(int(message.dtype), tuple(shape), int(message.structure))


def _read_attrs(
    row: int, message: pb.AttrSet, strings: tuple[str, ...], n_functions: int
) -> AttrRow:
    entries: list[tuple[str, str, AttrValue]] = []
    for attr in message.attrs:
        name = string_at(f"attrs[{row}]", strings, attr.name)
        where = f"attrs[{row}] ({name})"
        kind = attr.WhichOneof("value")
        if kind is None:
            raise ProgramError(
                where, "expected a value, none came; leave the attribute out or update the reader."
            )
        value: Any = getattr(attr, kind)
        if kind in ("ints", "doubles", "functions"):
            value = tuple(value.values)
        if kind == "dtype" and int(value) not in BY_WIRE:
            raise ProgramError(
                where, f"expected a known dtype, {int(value)} came; update the reader."
            )
        if kind in ("function", "functions"):
            in_table(where, (value,) if kind == "function" else value, n_functions, "functions")
        entries.append((name, kind, value))
    names = [name for name, _, _ in entries]
    if any(later <= earlier for earlier, later in pairwise(names)) or "" in names:
        raise ProgramError(f"attrs[{row}]", "expected distinct names in order; sort them.")
    return tuple(entries)


def _read_location(row: int, message: pb.Location, strings: tuple[str, ...]) -> Location:
    where = f"locations[{row}]"
    if message.caller and message.caller >= row:
        raise ProgramError(
            where, f"expected a caller below {row}, {message.caller} came; put callers first."
        )
    return Location(
        file=string_at(where, strings, message.file),
        line=message.line,
        column=message.column,
        end_line=message.end_line,
        end_column=message.end_column,
        scope=string_at(where, strings, message.scope),
        caller=message.caller,
        source_node=string_at(where, strings, message.source_node),
    )


def _read_constant(row: int, message: pb.Constant, types: tuple[TypeRow, ...]) -> ConstantRow:
    where = f"constants[{row}]"
    if message.type >= len(types):
        raise ProgramError(
            where, f"expected a row of types below {len(types)}, {message.type} came; add the row."
        )
    _, shape, _ = kind = types[message.type]
    lengths = [length for length in shape or () if isinstance(length, int)]
    if not kind.dtype or shape is None or len(lengths) != len(shape):
        raise ProgramError(
            where,
            "expected a complete type (dtype and every length), it is partly unknown; state it.",
        )
    itemsize = BY_WIRE[kind.dtype].stored.itemsize
    payload = message.WhichOneof("payload") or "data"
    if payload == "blob":
        blob = message.blob
        if len(blob.sha256) != 32:
            raise ProgramError(
                where,
                f"expected a SHA-256 of 32 bytes, {len(blob.sha256)} came; name the blob by it.",
            )
        if blob.offset_bytes + checked_size(lengths, itemsize, where) > blob.size_bytes:
            raise ProgramError(
                where,
                f"its elements run past the blob's {blob.size_bytes} bytes; mend offset or type.",
            )
        return ConstantRow(message.type, "blob", blob.sha256, blob.size_bytes, blob.offset_bytes)
    content = message.splat if payload == "splat" else message.data
    expected = itemsize if payload == "splat" else checked_size(lengths, itemsize, where)
    if len(content) != expected:
        raise ProgramError(
            where,
            f"expected {expected} bytes of {payload}, {len(content)} came; mend the type or the bytes.",
        )
    return ConstantRow(message.type, payload, content)


def calls_of(
    functions: tuple[FunctionColumns, ...], attrs: tuple[AttrRow, ...]
) -> tuple[tuple[int, ...], ...]:
    """For each function the functions that its nodes name in attributes, ascending. Rules are no calls."""
    named = [called_functions(row) for row in attrs]
    return tuple(
        tuple(sorted({callee for row in _used(function.attr, len(named)) for callee in named[row]}))
        for function in functions
    )


def _used(column: Column, rows: int) -> list[int]:
    """The rows of a table that a column names, ascending; np.unique would load numpy.ma."""
    named = np.zeros(rows, dtype=bool)
    named[column] = True
    return np.flatnonzero(named).tolist()


def called_functions(row: AttrRow) -> tuple[int, ...]:
    """The functions that a set of attributes names."""
    found: list[int] = []
    for _, kind, value in row:
        if kind == "function" and isinstance(value, int):
            found.append(value)
        elif kind == "functions" and isinstance(value, tuple):
            found.extend(map(int, value))
    return tuple(found)
