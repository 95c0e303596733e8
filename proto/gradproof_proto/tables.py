"""The interned tables of a program: strings, ops, types, attributes, locations and constants, in first-use order.

Everything that writes programs (the writer, the text parser, the canonical form) fills these tables, so equal rows are one
row everywhere. Rows are keyed by their bits: 1, 1.0 and True differ, and so do 0.0, -0.0 and every NaN payload.
"""

from __future__ import annotations

import struct
from collections.abc import Hashable, Iterable, Sequence
from typing import NamedTuple

from gradproof_proto.v1 import program_pb2 as pb

AttrValue = bool | int | float | str | tuple[int, ...] | tuple[float, ...]
AttrRow = tuple[tuple[str, str, AttrValue], ...]
Dimension = int | str | None


class Location(NamedTuple):
    """A place in the user's source; zero and empty mean unknown. Lines and columns count from 1.

    `caller` is the row of the call that led here, as `Tables.location` returned it.
    """

    file: str = ""
    line: int = 0
    column: int = 0
    end_line: int = 0
    end_column: int = 0
    scope: str = ""
    caller: int = 0
    source_node: str = ""


class TypeRow(NamedTuple):
    """What is known about a value. `dtype` 0 and `shape` None mean unknown; an axis is a length, a symbol's name, or None."""

    dtype: int = 0
    shape: tuple[Dimension, ...] | None = None
    structure: int = 0


class ConstantRow(NamedTuple):
    """A fixed value: its type's row, where its elements are (`data`, `splat` or `blob`), and the bytes themselves.

    A blob's bytes are its SHA-256; its size and offset stand beside it.
    """

    type: int
    payload: str
    content: bytes
    size_bytes: int = 0
    offset_bytes: int = 0


UNKNOWN_TYPE = TypeRow()
UNKNOWN_LOCATION = Location()


class Tables:
    """Interning tables, each a dict from a row's key to its index; `fill` writes them into a program."""

    def __init__(self) -> None:
        self._strings: dict[str, int] = {"": 0}
        self._ops: dict[str, int] = {}
        self._types: dict[TypeRow, int] = {UNKNOWN_TYPE: 0}
        self._attrs: dict[Hashable, int] = {(): 0}
        self._attr_rows: list[AttrRow] = [()]
        self._locations: dict[Location, int] = {UNKNOWN_LOCATION: 0}
        self._constants: dict[ConstantRow, int] = {}

    def string(self, text: str) -> int:
        """The row of a string."""
        return self._strings.setdefault(text, len(self._strings))

    def op(self, name: str) -> int:
        """The row of an op name such as `gp.matmul`."""
        row = self._ops.get(name)
        if row is None:
            self.string(name)
            row = self._ops[name] = len(self._ops)
        return row

    def type(self, row: TypeRow) -> int:
        """The row of a type."""
        index = self._types.get(row)
        if index is None:
            for axis in row.shape or ():
                if isinstance(axis, str):
                    self.string(axis)
            index = self._types[row] = len(self._types)
        return index

    def attrs(self, row: AttrRow) -> int:
        """The row of a set of attributes, given as (name, field of Attr.value, value)."""
        if not row:
            return 0
        if len(row) > 1:
            row = tuple(sorted(row, key=_attr_name))
        key = tuple((name, kind, _bits(kind, value)) for name, kind, value in row)
        index = self._attrs.get(key)
        if index is None:
            for name, _, _ in row:
                self.string(name)
            index = self._attrs[key] = len(self._attr_rows)
            self._attr_rows.append(row)
        return index

    def location(self, row: Location) -> int:
        """The row of a place; its caller must be a row already."""
        index = self._locations.get(row)
        if index is None:
            if not 0 <= row.caller < len(self._locations):
                raise ValueError(
                    f"location: expected a caller below {len(self._locations)}, {row.caller} came; add it first."
                )
            for text in (row.file, row.scope, row.source_node):
                self.string(text)
            index = self._locations[row] = len(self._locations)
        return index

    def constant(self, row: ConstantRow) -> int:
        """The row of a constant."""
        return self._constants.setdefault(row, len(self._constants))

    def op_names(self) -> Iterable[str]:
        """Every op in use, in first-use order."""
        return self._ops

    def fill(self, program: pb.Program) -> None:
        """Writes the tables into an empty program."""
        strings = self._strings
        program.op_table.extend(strings[name] for name in self._ops)
        program.types.extend(self._type_message(row) for row in self._types)
        program.attrs.extend(self._attr_message(row) for row in self._attr_rows)
        program.locations.extend(self._location_message(row) for row in self._locations)
        program.constants.extend(map(_constant_message, self._constants))
        program.strings.extend(strings)

    def _type_message(self, row: TypeRow) -> pb.Type:
        message = pb.Type(rank_unknown=row.shape is None)
        _set_enum(message, "dtype", row.dtype)
        _set_enum(message, "structure", row.structure)
        for axis in row.shape or ():
            if axis is None:
                message.shape.add()
            elif isinstance(axis, str):
                message.shape.add(symbol=self._strings[axis])
            else:
                message.shape.add(size=axis)
        return message

    def _attr_message(self, row: AttrRow) -> pb.AttrSet:
        message = pb.AttrSet()
        for name, kind, value in row:
            attr = message.attrs.add(name=self._strings[name])
            if isinstance(value, tuple):
                container = getattr(attr, kind)
                container.SetInParent()
                container.values.extend(value)
            else:
                setattr(attr, kind, value)
        return message

    def _location_message(self, row: Location) -> pb.Location:
        strings = self._strings
        return pb.Location(
            file=strings[row.file],
            line=row.line,
            column=row.column,
            end_line=row.end_line,
            end_column=row.end_column,
            scope=strings[row.scope],
            caller=row.caller,
            source_node=strings[row.source_node],
        )


def constant_row(type_index: int, data: bytes, itemsize: int) -> ConstantRow:
    """The row of little-endian elements: one element when they are all alike and several, else all of them."""
    if (
        len(data) > itemsize
        and data[:itemsize] == data[-itemsize:]
        and data == data[:itemsize] * (len(data) // itemsize)
    ):
        return ConstantRow(type_index, "splat", data[:itemsize])
    return ConstantRow(type_index, "data", data)


def row_bytes(row: Iterable[object]) -> bytes:
    """A row of plain values as bytes that tell every two rows apart, real numbers by their bits."""
    parts: list[bytes] = []
    for value in row:
        if value is None or isinstance(value, bool):
            parts.append(b"n" if value is None else b"b1" if value else b"b0")
        elif isinstance(value, int):
            parts.append(b"i%d;" % value)
        elif isinstance(value, float):
            parts.append(b"f" + struct.pack("<d", value))
        else:
            kind, content = (
                (b"x", value) if isinstance(value, bytes) else (b"s", str(value).encode())
            )
            parts.append(b"%s%d:%s" % (kind, len(content), content))
    return b"".join(parts)


def _constant_message(row: ConstantRow) -> pb.Constant:
    if row.payload == "blob":
        blob = pb.BlobRef(
            sha256=row.content, size_bytes=row.size_bytes, offset_bytes=row.offset_bytes
        )
        return pb.Constant(type=row.type, blob=blob)
    if row.payload == "splat":
        return pb.Constant(type=row.type, splat=row.content)
    return pb.Constant(type=row.type, data=row.content)


def _set_enum(message: pb.Type, field: str, value: int) -> None:
    setattr(message, field, value)


def _attr_name(entry: tuple[str, str, AttrValue]) -> str:
    return entry[0]


def _bits(kind: str, value: AttrValue) -> Hashable:
    """What tells two values of one kind apart: the bits of real numbers, the value itself otherwise."""
    if kind == "double_value":
        return struct.pack("<d", value)
    if kind == "doubles":
        numbers: Sequence[float] = value if isinstance(value, tuple) else ()
        return struct.pack(f"<{len(numbers)}d", *numbers)
    return value
