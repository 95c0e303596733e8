"""A wire program becomes the untyped program of the graph floor; what is no program becomes a `Fault`.

`gradproof_proto.reader` has checked every index when the columns arrive here, so this file only renames. No constant is
made larger than the limits allow: a single number that fills a shape costs nothing to send.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import prod
from typing import Any, Final

import numpy as np
from google.protobuf.message import DecodeError
from gradproof_proto.canonical import digest_of
from gradproof_proto.reader import FunctionColumns, ProgramColumns, ProgramError, RuleRow, read
from gradproof_proto.tables import AttrRow, ConstantRow, TypeRow
from gradproof_proto.tables import Location as Place
from gradproof_proto.tensors import BY_WIRE, Fetch, array_of_bytes, numpy_dtype
from gradproof_proto.v1 import program_pb2 as pb

from gradproof_service.arrays import Array, Structure
from gradproof_service.diagnostic import NOWHERE, Fault, FaultKind, Location
from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.graph.program import Function, FunctionRef, Input, Program, RuleRef, Stated

STRUCTURES: Final[dict[int, Structure]] = {
    number: Structure[name.removeprefix("STRUCTURE_").replace("UNSPECIFIED", "NONE")]
    for name, number in pb.Structure.items()
}
_RULE_KINDS: Final = {
    int(pb.RULE_KIND_JVP): "jvp",
    int(pb.RULE_KIND_VJP): "vjp",
    int(pb.RULE_KIND_FORWARD_BACKWARD): "vjp_fwd_bwd",
}
CALLERS: Final = 16
"""Calls kept of those that led to a node; the outer ones say little and a chain may be long."""


def parse_program(content: bytes | memoryview) -> pb.Program:
    """The message in serialized bytes; raises `Fault` when they hold none."""
    message = pb.Program()
    try:
        message.ParseFromString(content)  # pyright: ignore[reportArgumentType] takes a view as well
    except DecodeError:
        raise Fault(
            FaultKind.UNREADABLE,
            f"program: expected a serialized gradproof program, {len(content)} bytes that are none "
            "came; write it again",
            field_path="program",
        ) from None
    return message


def decode_program(
    message: pb.Program,
    *,
    entry: int | None = None,
    fetch: Fetch | None = None,
    limits: Limits = DEFAULT_LIMITS,
    digest: bool = False,
    spread_from: int | None = None,
) -> Program:
    """The program in a message, structurally sound.

    `entry` replaces the program's own; `digest` asks for the SHA-256 of the canonical form too. Beyond `spread_from` elements
    in all, a constant that repeats one number is a view of that number and takes no memory: such a program is for reading,
    not for computing. Raises `Fault` that names the function and node, or the table row, of the first thing that is wrong.
    """
    nodes = sum(len(function.op) for function in message.functions)
    if nodes > limits.nodes:
        raise Fault(
            FaultKind.LIMIT,
            f"program: it has {nodes} nodes, the limit is {limits.nodes}; check a part of it",
            field_path="program",
            limit="nodes",
        )
    if len(message.functions) > limits.functions:
        raise Fault(
            FaultKind.LIMIT,
            f"program: it has {len(message.functions)} functions, the limit is {limits.functions}; "
            "check a part of it",
            field_path="program.functions",
            limit="functions",
        )
    try:
        columns = read(message)
        hashed = digest_of(columns) if digest else b""
    except ProgramError as error:
        raise Fault(FaultKind.UNREADABLE, str(error), field_path=field_path(error.where)) from None
    if entry is not None and entry >= len(columns.functions):
        raise Fault(
            FaultKind.INVALID,
            f"function: the program has {len(columns.functions)} functions, {entry} came; "
            "count from 0",
            field_path="function",
        )
    constants = _Constants(columns, fetch, limits, spread_from)
    attrs = [decode_attrs(row) for row in columns.attrs]
    locations = _locations(columns)
    return Program(
        tuple(
            _function(columns, function, constants, attrs, locations)
            for function in columns.functions
        ),
        columns.entry if entry is None else entry,
        hashed,
    )


def field_path(where: str) -> str:
    """The part of the request that a reader's `where` speaks of: `program.functions[0].node[7]`."""
    function = re.match(r"function (\d+)", where)
    if function is None:
        return f"program.{where.partition(' ')[0]}"
    nodes = re.findall(r", node (\d+) \(", where)
    tail = f".node[{nodes[-1]}]" if nodes else ""
    return f"program.functions[{function[1]}]{tail}"


def _function(
    columns: ProgramColumns,
    function: FunctionColumns,
    constants: _Constants,
    attrs: list[dict[str, Any]],
    locations: list[Location],
) -> Function:
    names = columns.ops
    values: list[int] = function.operands.tolist()
    starts: list[int] = function.operand_start.tolist()
    counts = np.diff(function.value_start)
    labels = np.flatnonzero(function.node_name)
    return Function(
        name=function.name,
        inputs=tuple(
            _input(name, columns.types[row])
            for name, row in zip(function.input_names, function.input_types, strict=True)
        ),
        constants=tuple(constants.array(row) for row in function.constants),
        ops=[names[row] for row in function.op.tolist()],
        operands=[tuple(values[start:stop]) for start, stop in pairwise(starts)],
        attrs=[attrs[row] for row in function.attr.tolist()],
        outputs=function.outputs,
        output_names=function.output_names,
        counts=counts.tolist() if (counts != 1).any() else None,
        locations=([locations[row] for row in function.loc.tolist()] if function.loc.any() else []),
        names={int(k): columns.strings[function.node_name[k]] for k in labels},
        rules=tuple(_rule(row, locations) for row in function.rules),
        stated={
            int(k) + int(function.value_start[0]): _stated(columns.types[function.out_types[k]])
            for k in np.flatnonzero(function.out_types)
        },
    )


def _input(name: str, row: TypeRow) -> Input:
    """A length that is not known is a symbol of its own."""
    shape = None
    if row.shape is not None:
        shape = tuple(
            f"?{name}.{axis}" if length is None else length for axis, length in enumerate(row.shape)
        )
    dtype = numpy_dtype(row.dtype) if row.dtype else None
    return Input(name, dtype, shape, STRUCTURES[row.structure])


def _stated(row: TypeRow) -> Stated:
    """What is stated of a node's output; a symbol is bound by inputs only and states no length."""
    shape = None
    if row.shape is not None:
        shape = tuple(length if isinstance(length, int) else None for length in row.shape)
    return Stated(numpy_dtype(row.dtype) if row.dtype else None, shape)


def _rule(row: RuleRow, locations: Sequence[Location]) -> RuleRef:
    kind: Any = _RULE_KINDS[row.kind]
    return RuleRef(
        kind,
        row.function,
        row.forward_function if kind == "vjp_fwd_bwd" else -1,
        row.nondiff_inputs,
        row.claimed_only,
        row.surrogate,
        locations[row.location],
    )


def decode_attrs(row: AttrRow) -> dict[str, Any]:
    """A row of attributes as the graph floor has them."""
    return {name: _attr(kind, value) for name, kind, value in row}


def _attr(kind: str, value: Any) -> Any:
    match kind:
        case "function":
            return FunctionRef(value)
        case "functions":
            return tuple(map(FunctionRef, value))
        case "dtype":
            return numpy_dtype(value)
        case _:
            return value


def decode_place(rows: Sequence[Place], index: int) -> Location:
    """One row of the places in the source, with the calls that led there."""
    chain: list[Location] = []
    while index and len(chain) <= CALLERS:
        row = rows[index]
        chain.append(_place(row))
        index = row.caller
    return replace(chain[0], callers=tuple(chain[1:])) if chain else NOWHERE


def _place(row: Place) -> Location:
    return Location(
        row.file, row.line, row.column, row.end_line, row.end_column, row.scope, row.source_node
    )


def _locations(columns: ProgramColumns) -> list[Location]:
    """Every place; a caller stands before whom it calls, so one pass knows the chains."""
    found = [NOWHERE]
    alone = [NOWHERE]
    for row in columns.locations[1:]:
        place = _place(row)
        alone.append(place)
        if row.caller:
            callers = (alone[row.caller], *found[row.caller].callers)[:CALLERS]
            place = replace(place, callers=callers)
        found.append(place)
    return found


class _Constants:
    """The constants of a program as arrays, each made once, within the limits."""

    def __init__(
        self,
        columns: ProgramColumns,
        fetch: Fetch | None,
        limits: Limits,
        spread_from: int | None,
    ) -> None:
        self._columns = columns
        self._fetch = fetch
        self._limits = limits
        self._spread_from = limits.elements if spread_from is None else spread_from
        self._made: dict[int, Array] = {}
        self._elements = 0

    def array(self, row: int) -> Array:
        """The constant in this row of the table."""
        if row not in self._made:
            self._made[row] = self._make(row, self._columns.constants[row])
        return self._made[row]

    def _make(self, row: int, constant: ConstantRow) -> Array:
        kind = self._columns.types[constant.type]
        shape = tuple(n for n in kind.shape or () if isinstance(n, int))
        dtype = BY_WIRE[kind.dtype]
        where = f"constants[{row}]"
        self._elements += prod(shape)
        if self._elements > self._limits.elements:
            raise Fault(
                FaultKind.LIMIT,
                f"{where}: shape {list(shape)} brings the constants to {self._elements:.3g} elements, "
                f"the limit is {self._limits.elements:.3g}; broadcast a smaller constant",
                field_path=f"program.{where}",
                limit="elements",
            )
        try:
            if constant.payload == "splat":
                one = array_of_bytes(constant.content, dtype, (), where)
                spread = self._elements > self._spread_from
                return np.broadcast_to(one, shape) if spread else np.full(shape, one)
            if constant.payload == "data":
                return _native(array_of_bytes(constant.content, dtype, shape, where))
        except ValueError as error:
            raise Fault(FaultKind.UNREADABLE, str(error), field_path=f"program.{where}") from None
        return self._from_blob(constant, shape, dtype, where)

    def _from_blob(
        self, constant: ConstantRow, shape: tuple[int, ...], dtype: Any, where: str
    ) -> Array:
        if self._fetch is None:
            raise Fault(
                FaultKind.INVALID,
                f"{where}: expected inline bytes, a blob came; send the bytes themselves",
                field_path=f"program.{where}",
            )
        whole = memoryview(
            self._fetch(pb.BlobRef(sha256=constant.content, size_bytes=constant.size_bytes))
        )
        start = constant.offset_bytes
        part = whole[start : start + prod(shape) * dtype.stored.itemsize]
        try:
            return _native(array_of_bytes(part, dtype, shape, where))
        except ValueError as error:
            raise Fault(FaultKind.UNREADABLE, str(error), field_path=f"program.{where}") from None


def _native(array: Array) -> Array:
    """The array in this machine's byte order, read-only."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)
