"""Types, attribute values and elements of constants in the text form, as `text_parser.py` meets them in a line."""

from __future__ import annotations

import math
import re
import struct

import numpy as np

from gradproof_proto.tables import AttrRow, AttrValue, Dimension, TypeRow
from gradproof_proto.tensors import BY_NAME, BY_WIRE, DtypeRow, checked_size
from gradproof_proto.text import PRINTED, STRUCTURES, WORD
from gradproof_proto.text_cursor import STRING, Cursor

_TYPE = re.compile(
    rf"(?P<dtype>[a-z]+[0-9]*|\?)(?P<shape>\[(?:[^\]\"]|{STRING})*\])?"
    rf"(?: +(?P<structure>{'|'.join(STRUCTURES.values())})(?![A-Za-z0-9_]))?"
)
_AXIS = re.compile(
    rf"[ \t]*(?:(?P<size>[0-9]+)|(?P<symbol>[A-Za-z_][A-Za-z0-9_]*)|(?P<quoted>{STRING})|(?P<open>\?))[ \t]*(?:,|$)"
)
_STRUCTURE_NUMBERS = {name: number for number, name in STRUCTURES.items()}
_NUMBER_WORDS = ("inf", "nan")


class Values:
    """Parses what stands inside a line; knows the functions by name and remembers types it has seen."""

    def __init__(self, functions: dict[str, list[int]]) -> None:
        self._functions = functions
        self._types: dict[str, TypeRow] = {}

    def seen(self, text: str) -> TypeRow:
        """The type that this text said before; raises KeyError when it did not."""
        return self._types[text]

    def type(self, cursor: Cursor) -> TypeRow:
        """Takes a type such as `f64[3,n] symmetric`."""
        expected = "a type such as f64[2,3]"
        start = cursor.mark()
        found = cursor.match(_TYPE, expected)
        row = self._types.get(found[0])
        if row is not None:
            return row
        dtype, shape, structure = found["dtype"], found["shape"], found["structure"]
        if dtype != "?" and dtype not in BY_NAME:
            cursor.fail_at(start, f"a dtype ({', '.join(BY_NAME)}, or ?)", dtype)
        axes: tuple[Dimension, ...] | None = () if shape is None else None
        if shape is not None and shape != "[...]":
            axes = self._axes(cursor, start, shape[1:-1])
        row = TypeRow(
            int(BY_NAME[dtype].wire) if dtype != "?" else 0,
            axes,
            _STRUCTURE_NUMBERS[structure] if structure else 0,
        )
        self._types[found[0]] = row
        return row

    def _axes(self, cursor: Cursor, start: int, text: str) -> tuple[Dimension, ...]:
        axes: list[Dimension] = []
        position = 0
        while position < len(text) or text.endswith(",") or not text:
            found = _AXIS.match(text, position)
            if found is None or found.end() == position or len(found["size"] or "") > 18:
                cursor.fail_at(start, "axes such as [2,n,?]", f"[{text[position:][:30]}]")
            position = found.end()
            size, symbol, quoted = found["size"], found["symbol"], found["quoted"]
            axes.append(
                int(size) if size else symbol or (cursor.unquote(quoted) if quoted else None)
            )
            if position == len(text) and not text[:position].rstrip().endswith(","):
                break
        return tuple(axes)

    def function(self, cursor: Cursor) -> int:
        """Takes a function's name, as in `@f` or `@f#3`, and returns its index."""
        if cursor.kind != "function":
            cursor.fail("a function such as @main")
        start = cursor.mark()
        token = cursor.take("function", "")
        name, number = split_function(cursor, token)
        indices = self._functions.get(name, [])
        if number is None and len(indices) == 1:
            return indices[0]
        if number is not None and number in indices:
            return number
        several = len(indices) > 1 and number is None
        expected = (
            f"one of {token}#{indices[0]}, {token}#{indices[1]}, ..."
            if several
            else "a function of this text"
        )
        return cursor.fail_at(start, expected, token)

    def attr(self, cursor: Cursor) -> tuple[str, str, AttrValue]:
        """Takes `name=value`."""
        name = cursor.name("an attribute or a value")
        cursor.expect("=")
        return (name, *self._value(cursor))

    def _value(self, cursor: Cursor) -> tuple[str, AttrValue]:
        expected = 'a value: true, 1, 1.0, "word", f64, @function or a list'
        if cursor.kind == "number" or cursor.text in _NUMBER_WORDS:
            number = take_number(cursor)
            return ("int_value" if isinstance(number, int) else "double_value"), number
        if cursor.kind == "string":
            return "string_value", cursor.string(expected)
        if cursor.kind == "function":
            return "function", self.function(cursor)
        if cursor.accept("["):
            return self._list(cursor)
        if cursor.kind != "word":
            cursor.fail(expected)
        word = cursor.text
        if word in ("true", "false"):
            cursor.advance()
            return "bool_value", word == "true"
        if word in ("doubles", "functions"):
            cursor.advance()
            cursor.expect("[")
            cursor.expect("]")
            return word, ()
        if word not in BY_NAME:
            cursor.fail(expected)
        cursor.advance()
        return "dtype", int(BY_NAME[word].wire)

    def _list(self, cursor: Cursor) -> tuple[str, AttrValue]:
        if cursor.accept("]"):
            return "ints", ()
        if cursor.kind == "function":
            functions = [self.function(cursor)]
            while not cursor.accept("]"):
                cursor.expect(",")
                functions.append(self.function(cursor))
            return "functions", tuple(functions)
        numbers = [take_number(cursor)]
        while not cursor.accept("]"):
            cursor.expect(",")
            numbers.append(take_number(cursor))
        if all(isinstance(number, int) for number in numbers):
            return "ints", tuple(map(int, numbers))
        return "doubles", tuple(map(float, numbers))


def split_function(cursor: Cursor, token: str) -> tuple[str, int | None]:
    """The name and the number of a function token such as `@f#3`."""
    name, mark, number = (
        token[1:].rpartition("#") if token[-1].isdecimal() and "#" in token else (token[1:], "", "")
    )
    if mark and not number.isdecimal():
        name, number = token[1:], ""
    return (cursor.unquote(name) if name.startswith('"') else name), (
        int(number[:10]) if number else None
    )


def take_number(cursor: Cursor) -> int | float:
    """Takes a whole number that fits 64 bits, or a real number; a point, an exponent or a word makes it real."""
    expected = "a number that fits 64 bits"
    text = cursor.text
    if cursor.kind == "word" and text in _NUMBER_WORDS:
        cursor.advance()
        return float(text)
    if cursor.kind != "number":
        cursor.fail("a number")
    number: int | float
    if text.startswith("nan:"):
        number = struct.unpack(">d", bytes.fromhex(text[4:]))[0]
        if not math.isnan(number):
            cursor.fail("the bits of a NaN after `nan:`")
    elif text.lstrip("-").isdecimal():
        number = int(text) if len(text) <= 20 else 2**64
        if not -(2**63) <= number < 2**63:
            cursor.fail(expected)
    else:
        number = float(text)
        if math.isinf(number) and text != "-inf":
            cursor.fail(expected)
    cursor.advance()
    return number


def take_elements(cursor: Cursor, dtype: DtypeRow, count: int | None) -> bytes:
    """Takes `[a, b, ...]`, or one element when `count` is None; returns little-endian bytes."""
    if dtype.name not in PRINTED:
        cursor.fail(f"`hex`, `base64` or `blob`, the forms that {dtype.name} has")
    if count is None:
        return _take_element(cursor, dtype)
    cursor.expect("[")
    parts: list[bytes] = []
    while not cursor.accept("]"):
        if parts:
            cursor.expect(",")
        if len(parts) == count:
            cursor.fail(f"`]` after {count} elements")
        parts.append(_take_element(cursor, dtype))
    return b"".join(parts)


def _take_element(cursor: Cursor, dtype: DtypeRow) -> bytes:
    kind = dtype.stored.kind
    if kind == "b":
        word = cursor.text
        if word not in ("true", "false"):
            cursor.fail("true or false")
        cursor.advance()
        return b"\1" if word == "true" else b"\0"
    start, text = cursor.mark(), cursor.text
    if kind in "iu":
        limits = np.iinfo(dtype.stored)
        value = int(text) if text.lstrip("-").isdecimal() and len(text) <= 20 else None
        if cursor.kind != "number" or value is None or not limits.min <= value <= limits.max:
            cursor.fail(f"a whole number that fits {dtype.name}")
        cursor.advance()
        return value.to_bytes(dtype.stored.itemsize, "little", signed=kind == "i")
    number = float(take_number(cursor))
    with np.errstate(over="ignore"):
        narrow = np.array(number, dtype.stored)
    if np.isinf(narrow) and not math.isinf(number):
        cursor.fail_at(start, f"a number that fits {dtype.name}", text)
    return narrow.tobytes()


def complete_size(cursor: Cursor, start: int, row: TypeRow) -> int:
    """How many bytes a constant of this type has; fails when the type is not complete."""
    lengths = [axis for axis in row.shape or () if isinstance(axis, int)]
    if not row.dtype or row.shape is None or len(lengths) != len(row.shape):
        cursor.fail_at(start, "a complete type such as f64[2,3]", "a partly unknown one")
    try:
        return checked_size(lengths, BY_WIRE[row.dtype].stored.itemsize, "constant")
    except ValueError:
        cursor.fail_at(start, "a shape that fits in memory", "a larger one")


def word_name(name: str) -> bool:
    """Whether an input of this name is written `%name`; others are written by number."""
    return WORD.fullmatch(name) is not None


def sorted_attrs(cursor: Cursor, entries: list[tuple[str, str, AttrValue]]) -> AttrRow:
    """Attributes as a row; fails when a name stands twice or is empty."""
    if len({name for name, _, _ in entries}) != len(entries) or any(
        not name for name, _, _ in entries
    ):
        cursor.fail("each attribute once, with a name")
    return tuple(entries)
