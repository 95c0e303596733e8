"""Reads a wire program into tables of plain Python and columns of NumPy, and refuses what is not a program.

After `read` every index is in range, every operand points backwards, every payload has its length and no function calls
itself: what follows may rely on it. Reading allocates no more than a fixed multiple of the message, recurses nowhere and
multiplies lengths as Python whole numbers, so that a hostile message costs its sender more than its reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.call_graph import find_cycle
from gradproof_proto.tables import AttrRow, AttrValue, ConstantRow, Location, TypeRow
from gradproof_proto.tensors import BY_WIRE, checked_size
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FORMAT

Column = NDArray[np.int64]
MAX_VALUES = 2**24


class ProgramError(ValueError):
    """A message that is no program: `where` names the table row or the function and node, `message` says the rest."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A derivative that the user wrote, its fields as on the wire."""

    kind: int
    function: int
    forward_function: int
    nondiff_inputs: tuple[int, ...]
    claimed_only: bool
    surrogate: bool
    location: int


@dataclass(frozen=True, slots=True)
class FunctionColumns:
    """One function. Values are numbered: inputs, constants, node outputs. Node columns have length `n_nodes`.

    `operands` holds value numbers; those of node k are `operands[operand_start[k]:operand_start[k + 1]]`, and its outputs
    are the values from `value_start[k]` up to `value_start[k + 1]`. `out_types` has one entry per node output, or none at all
    when nothing is stated.
    """

    index: int
    name: str
    input_names: tuple[str, ...]
    input_types: tuple[int, ...]
    constants: tuple[int, ...]
    op: Column
    operands: Column
    operand_start: Column
    value_start: Column
    attr: Column
    loc: Column
    node_name: Column
    out_types: Column
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]
    rules: tuple[RuleRow, ...]

    @property
    def n_nodes(self) -> int:
        """How many nodes the function has."""
        return len(self.op)

    @property
    def n_values(self) -> int:
        """How many values the function has."""
        return int(self.value_start[-1])


@dataclass(frozen=True, slots=True)
class ProgramColumns:
    """A program that was read; the tables are indexed as on the wire. `calls` lists whom each function calls."""

    version: pb.Version
    strings: tuple[str, ...]
    ops: tuple[str, ...]
    types: tuple[TypeRow, ...]
    attrs: tuple[AttrRow, ...]
    locations: tuple[Location, ...]
    constants: tuple[ConstantRow, ...]
    functions: tuple[FunctionColumns, ...]
    calls: tuple[tuple[int, ...], ...]
    entry: int
    metadata: tuple[tuple[str, str], ...]


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
        _read_function(index, program, strings, max_values) for index in range(n_functions)
    )
    if not 0 <= program.entry < n_functions:
        raise ProgramError(
            "entry",
            f"expected a function below {n_functions}, {program.entry} came; name one that exists.",
        )
    if len({entry.key for entry in program.metadata}) != len(program.metadata):
        raise ProgramError("metadata", "expected each key once; merge the entries.")
    calls = _calls(functions, attrs)
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


def in_table(where: str, indices: Iterable[int], length: int, table: str) -> Column:
    """Indices as a column; raises ProgramError when one lies outside a table of `length` rows."""
    column = np.array(indices, np.int64)
    if column.size and int(column.max()) >= length:
        at = int(np.argmax(column >= length))
        raise ProgramError(
            f"{where}[{at}]",
            f"expected a row of {table} below {length}, {column[at]} came; add the row.",
        )
    return column


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


def _string(where: str, strings: tuple[str, ...], row: int) -> str:
    if row >= len(strings):
        raise ProgramError(
            where, f"expected a row of strings below {len(strings)}, {row} came; add the row."
        )
    return strings[row]


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
            else _string(where, strings, dim.symbol)
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
        name = _string(f"attrs[{row}]", strings, attr.name)
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
        file=_string(where, strings, message.file),
        line=message.line,
        column=message.column,
        end_line=message.end_line,
        end_column=message.end_column,
        scope=_string(where, strings, message.scope),
        caller=message.caller,
        source_node=_string(where, strings, message.source_node),
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


def _read_function(
    index: int, program: pb.Program, strings: tuple[str, ...], max_values: int
) -> FunctionColumns:
    function = program.functions[index]
    name = _string(f"function {index}", strings, function.name)
    where = f"function {index} (@{name})"
    n_nodes = len(function.op)
    op = in_table(f"{where}, op", function.op, len(program.op_table), "op_table")
    arity = _parallel(where, "arity", function.arity, n_nodes, required=True)
    n_out = _parallel(where, "n_out", function.n_out, n_nodes, fill=1)

    def at_node(mask: NDArray[np.bool_]) -> tuple[str, int]:
        node = int(np.argmax(mask))
        return f"{where}, node {node} ({strings[program.op_table[function.op[node]]]})", node

    if n_nodes and int(n_out.min()) < 1:
        raise ProgramError(
            at_node(n_out < 1)[0], "expected one or more outputs, none came; leave the node out."
        )
    n_leaves = len(function.input_types) + len(function.constants)
    n_values = n_leaves + sum_exact(n_out)
    if n_values > max_values:
        raise ProgramError(
            where, f"expected at most {max_values} values, {n_values} came; split the function."
        )
    if sum_exact(arity) != len(function.operand):
        message = f"expected as many operands as the arities add up to, {sum_exact(arity)}, {len(function.operand)} came"
        raise ProgramError(where, f"{message}; write one entry for each operand.")
    value_start = n_leaves + starts(n_out)
    operand_start = starts(arity)
    back = np.array(function.operand, np.int64)
    operands = np.repeat(value_start[:-1], arity) - back
    wrong = (back < 1) | (operands < 0)
    if wrong.any():
        first = int(np.argmax(wrong))
        node = int(np.searchsorted(operand_start, first, side="right")) - 1
        slot = first - int(operand_start[node])
        place = at_node(np.arange(n_nodes) == node)[0]
        limit = int(value_start[node])
        raise ProgramError(
            place,
            f"operand {slot}: expected a distance from 1 to {limit}, {back[first]} came; point to a value.",
        )

    out_types = np.array(function.out_type, np.int64)
    if out_types.size not in (0, n_values - n_leaves):
        raise ProgramError(
            where,
            f"out_type: expected {n_values - n_leaves} entries or none, {out_types.size} came; mend it.",
        )
    for column, values, length, table in (
        ("input_types", function.input_types, len(program.types), "types"),
        ("constants", function.constants, len(program.constants), "constants"),
        ("out_type", out_types, len(program.types), "types"),
        ("outputs", function.outputs, n_values, "values"),
        ("rules", [rule.location for rule in function.rules], len(program.locations), "locations"),
    ):
        in_table(f"{where}, {column}", values, length, table)
    columns: dict[str, Column] = {}
    for column, values, length, table in (
        ("attr", function.attr, len(program.attrs), "attrs"),
        ("loc", function.loc, len(program.locations), "locations"),
        ("node_name", function.node_name, len(strings), "strings"),
    ):
        columns[column] = entries = _parallel(where, column, values, n_nodes)
        if n_nodes and int(entries.max()) >= length:
            place, node = at_node(entries >= length)
            raise ProgramError(
                place,
                f"{column}: expected a row of {table} below {length}, {entries[node]} came; add the row.",
            )
    return FunctionColumns(
        index=index,
        name=name,
        input_names=_names(
            where, "input", function.input_names, len(function.input_types), strings
        ),
        input_types=tuple(function.input_types),
        constants=tuple(function.constants),
        op=op,
        operands=operands,
        operand_start=operand_start,
        value_start=value_start,
        attr=columns["attr"],
        loc=columns["loc"],
        node_name=columns["node_name"],
        out_types=out_types,
        outputs=tuple(function.outputs),
        output_names=_names(where, "output", function.output_names, len(function.outputs), strings),
        rules=tuple(
            _read_rule(where, rule, len(function.input_types), len(program.functions))
            for rule in function.rules
        ),
    )


def sum_exact(column: Column) -> int:
    """The sum of a column of 32-bit numbers; exact, because at most 2^31 of them fit into a message."""
    return int(column.sum(dtype=np.int64))


def starts(lengths: Column) -> Column:
    """Where each run begins when runs of these lengths follow each other, and where the last one ends."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))


def _parallel(
    where: str,
    column: str,
    values: Sequence[int],
    length: int,
    *,
    fill: int = 0,
    required: bool = False,
) -> Column:
    if not values and not required:
        return np.full(length, fill, np.int64)
    if len(values) != length:
        raise ProgramError(
            where, f"{column}: expected {length} entries, {len(values)} came; columns are parallel."
        )
    return np.array(values, np.int64)


def _names(
    where: str, kind: str, rows: Sequence[int], length: int, strings: tuple[str, ...]
) -> tuple[str, ...]:
    if len(rows) != length:
        raise ProgramError(
            where, f"expected {length} {kind} names, {len(rows)} came; name each one."
        )
    names = tuple(_string(f"{where}, {kind}_names", strings, row) for row in rows)
    if "" in names or len(set(names)) != length:
        raise ProgramError(
            where, f"expected distinct {kind} names that are not empty; rename them."
        )
    return names


def _read_rule(where: str, rule: pb.Rule, n_inputs: int, n_functions: int) -> RuleRow:
    if int(rule.kind) not in (1, 2, 3):
        raise ProgramError(
            f"{where}, rules", f"expected a known kind, {int(rule.kind)} came; update the reader."
        )
    in_table(f"{where}, rules", (rule.function, rule.forward_function), n_functions, "functions")
    nondiff = tuple(rule.nondiff_inputs)
    in_table(f"{where}, nondiff_inputs", nondiff, n_inputs, "inputs")
    if list(nondiff) != sorted(set(nondiff)):
        raise ProgramError(f"{where}, rules", "expected ascending nondiff_inputs; sort them.")
    both = rule.kind == pb.RULE_KIND_FORWARD_BACKWARD
    forward = rule.forward_function if both else 0
    return RuleRow(
        int(rule.kind),
        rule.function,
        forward,
        nondiff,
        rule.claimed_only,
        rule.surrogate,
        rule.location,
    )


def _calls(
    functions: tuple[FunctionColumns, ...], attrs: tuple[AttrRow, ...]
) -> tuple[tuple[int, ...], ...]:
    """For each function the functions that its nodes name in attributes, ascending. Rules are no calls."""
    named = [called_functions(row) for row in attrs]
    return tuple(
        tuple(
            sorted({callee for row in np.unique(function.attr).tolist() for callee in named[row]})
        )
        for function in functions
    )


def called_functions(row: AttrRow) -> tuple[int, ...]:
    """The functions that a set of attributes names."""
    found: list[int] = []
    for _, kind, value in row:
        if kind == "function" and isinstance(value, int):
            found.append(value)
        elif kind == "functions" and isinstance(value, tuple):
            found.extend(map(int, value))
    return tuple(found)
