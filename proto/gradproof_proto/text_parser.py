"""Parses the text form of a program (`.gpt`), line by line, in time linear in the text. `text.py` shows and prints it.

Beyond what is printed, the parser takes blank lines, lines that begin with `#`, and any word as the name of a value, as in
`%h = gp.tanh(%x)`. Functions may be named before they stand in the text; values and locations may not.
"""

from __future__ import annotations

import re

from gradproof_proto.canonical import canonical
from gradproof_proto.tables import AttrRow, AttrValue, ConstantRow, Location, TypeRow, constant_row
from gradproof_proto.tensors import BY_WIRE
from gradproof_proto.text import DOTTED, RULES
from gradproof_proto.text_cursor import U32, Cursor, TextError
from gradproof_proto.text_lines import Lines
from gradproof_proto.text_places import Places
from gradproof_proto.text_values import (
    Values,
    complete_size,
    sorted_attrs,
    split_function,
    take_elements,
    word_name,
)
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.writer import FunctionWriter, ProgramWriter

__all__ = ["TextError", "parse_program"]

_PLAIN = re.compile(
    rf"[ \t]*(?P<result>%\w+)(?:: (?P<type>[^=\"]+))? = (?P<op>{DOTTED.pattern})\((?P<operands>(?:%\w+, )*%\w+)?",
    re.ASCII,
)
_HEX = re.compile(r"[0-9a-f]*(?![A-Za-z0-9_])")
_RULE_NUMBERS = {name: number for number, name in RULES.items()}


def parse_program(text: str) -> pb.Program:
    """The canonical program that a text says.

    Raises TextError, which names line and column, for text that is not in the form; ProgramError, which names function and
    node, for a program that no reader would take, such as a function that calls itself.
    """
    return _Parser(text).program()


_Tail = tuple[AttrRow, str, Location | int | None]


class _Parser:
    """One text; lines are taken in order."""

    def __init__(self, text: str) -> None:
        self._lines = Lines(text)
        self._writer = ProgramWriter()
        self._version = pb.Version()
        self._places = Places(self._writer)
        self._tails: dict[tuple[bool, str], _Tail] = {}
        self._values = Values(self._declare())

    def program(self) -> pb.Program:
        """Parses everything."""
        cursor = self._lines.take("`gradproof 1`")
        cursor.expect("gradproof")
        self._version.format = cursor.whole("a format number", U32)
        if cursor.accept("min_reader"):
            self._version.min_reader = cursor.whole("a format number", U32)
        cursor.finish()
        entry = self._header()
        for function in self._writer.functions:
            self._function(function)
        self._lines.skip()
        program = self._writer.finish(entry)
        program.version.CopyFrom(self._version)
        return canonical(program)

    def _declare(self) -> dict[str, list[int]]:
        """Makes every function of the text known by name, so that one may be named before it stands."""
        functions: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines.text, 1):
            if line.startswith("func"):
                cursor = Cursor(line, number)
                if not cursor.accept("func"):
                    continue
                start = cursor.mark()
                token = cursor.take("function", "a function such as @main")
                name, stated = split_function(cursor, token)
                index = self._writer.function(name).index
                if stated is not None and stated != index:
                    cursor.fail_at(start, f"#{index}, the number of this function", token)
                functions.setdefault(name, []).append(index)
        return functions

    def _header(self) -> int:
        """Takes the lines before the first function; returns the entry."""
        version = self._version
        entry: int | None = None
        self._lines.skip()
        while (line := self._lines.next()) is not None and not line.startswith("func"):
            cursor = self._lines.take("a header line")
            expected = "producer, opset, metadata, location, entry or func"
            start = cursor.mark()
            word = cursor.take("word", expected)
            if word == "producer":
                version.producer = cursor.string("the producer as a string")
                version.producer_version = cursor.string("the producer's version as a string")
            elif word == "opset":
                namespace = cursor.name("a namespace")
                version.op_sets.add(
                    namespace=namespace, version=cursor.whole("the number of the op set", U32)
                )
            elif word == "metadata":
                key = cursor.string("a key as a string")
                if key in self._writer.metadata:
                    cursor.fail_at(start, "each key once", key)
                self._writer.metadata[key] = cursor.string("a string")
            elif word == "location":
                self._places.line(cursor)
            elif word == "entry":
                entry = self._values.function(cursor)
            else:
                cursor.fail_at(start, expected, word)
            cursor.finish()
            self._lines.skip()
        if entry is None:
            self._lines.take("`entry @name` and a function").fail(
                "`entry @name` before the first function"
            )
        return entry

    def _function(self, function: FunctionWriter) -> None:
        cursor = self._lines.take("a function")
        cursor.expect("func")
        cursor.take("function", "a function such as @main")
        names: dict[str, int] = {}
        cursor.expect("(")
        for index, (name, row) in enumerate(self._signature(cursor, typed=True)):
            names[f"%{name}" if word_name(name) else f"%{index}"] = function.input(name, *row)
        cursor.expect("->")
        cursor.expect("(")
        outputs = [name for name, _ in self._signature(cursor, typed=False)]
        cursor.expect("{")
        cursor.finish()
        returned = False
        while True:
            if self._plain(function, names):
                continue
            cursor = self._lines.take("`}`")
            if cursor.kind == "value":
                self._definition(cursor, function, names)
            elif cursor.accept("rule"):
                self._rule(cursor, function)
            elif not returned and cursor.accept("return"):
                returned = True
                for position, name in enumerate(outputs):
                    if position:
                        cursor.expect(",")
                    function.output(self._operand(cursor, names), name)
                cursor.finish()
            elif returned and cursor.accept("}"):
                cursor.finish()
                return
            else:
                cursor.fail(
                    "a value such as %3 = ..., rule or }"
                    if returned
                    else "a value such as %3 = ..., rule or return"
                )

    def _signature(self, cursor: Cursor, typed: bool) -> list[tuple[str, TypeRow]]:
        """Takes `name: type, ...)`."""
        found: dict[str, TypeRow] = {}
        while not cursor.accept(")"):
            if found:
                cursor.expect(",")
            start = cursor.mark()
            name = cursor.name("a name or `)`")
            if not name or name in found:
                cursor.fail_at(start, "a new name that is not empty", name)
            found[name] = self._values.type(cursor) if typed and cursor.accept(":") else TypeRow()
        return list(found.items())

    def _operand(self, cursor: Cursor, names: dict[str, int]) -> int:
        value = names.get(cursor.text)
        if value is None:
            cursor.fail("a value that is defined above")
        cursor.advance()
        return value

    def _definition(self, cursor: Cursor, function: FunctionWriter, names: dict[str, int]) -> None:
        """Takes `%3 = const ...` or `%3: type, %4 = op(...) as "name" @ place`."""
        results: list[str] = []
        types: list[TypeRow | None] = []
        while True:
            if cursor.text in names or cursor.text in results:
                cursor.fail("a new name for the value")
            results.append(cursor.take("value", "a value such as %3"))
            types.append(self._values.type(cursor) if cursor.accept(":") else None)
            if cursor.accept("="):
                break
            cursor.expect(",")
        op = cursor.name("const or an op such as gp.add")
        if op == "const" and cursor.text != "(" and len(results) == 1 and types == [None]:
            names[results[0]] = function.constant_row(self._constant(cursor))
            return
        cursor.expect("(")
        operands: list[int] = []
        attrs: list[tuple[str, str, AttrValue]] = []
        while not cursor.accept(")"):
            if operands or attrs:
                cursor.expect(",")
            if cursor.kind == "value" and not attrs:
                operands.append(self._operand(cursor, names))
            else:
                attrs.append(self._values.attr(cursor))
        row = sorted_attrs(cursor, attrs) if attrs else ()
        name = cursor.string("the node's name as a string") if cursor.accept("as") else ""
        place = self._places.suffix(cursor)
        stated = types if any(types) else ()
        made = function.node_row(op, operands, row, place, len(results), name=name, types=stated)
        names.update(zip(results, (made,) if isinstance(made, int) else made, strict=True))
        line = self._lines.latest()
        found = _PLAIN.match(line)
        if found:
            self._tails[found["operands"] is None, line[found.end() :]] = (row, name, place)

    def _plain(self, function: FunctionWriter, names: dict[str, int]) -> bool:
        """Takes the next line if it differs from one before only in its values; most lines of a long function do."""
        line = self._lines.next()
        found = _PLAIN.match(line) if line is not None else None
        if line is None or found is None:
            return False
        tail = self._tails.get((found["operands"] is None, line[found.end() :]))
        if tail is None:
            return False
        result, kind, op, written = found.groups()
        try:
            operands = [names[name] for name in written.split(", ")] if written else []
            types = (self._values.seen(kind),) if kind else ()
        except KeyError:
            return False
        if result in names:
            return False
        row, name, place = tail
        made = function.node_row(op, operands, row, place, 1, name=name, types=types)
        names[result] = made if isinstance(made, int) else made[0]
        self._lines.advance()
        return True

    def _constant(self, cursor: Cursor) -> ConstantRow:
        start = cursor.mark()
        row = self._values.type(cursor)
        size = complete_size(cursor, start, row)
        dtype = BY_WIRE[row.dtype]
        itemsize = dtype.stored.itemsize
        index = self._writer.tables.type(row)
        start = cursor.mark()
        if cursor.text == "blob" and cursor.kind == "word":
            digest = cursor.match(re.compile(r"blob +([0-9a-f]{64})"), "blob and a SHA-256 in hex")[
                1
            ]
            lengths = [cursor.whole(what, 2**64) for what in ("the blob's size", "the offset")]
            cursor.finish()
            return ConstantRow(index, "blob", bytes.fromhex(digest), *lengths)
        splat = cursor.accept("splat")
        if cursor.kind == "word" and cursor.text == "hex":
            text = cursor.match(re.compile(rf"hex *({_HEX.pattern})"), "hex digits")[1]
            content = bytes.fromhex(text) if len(text) % 2 == 0 else b""
        elif cursor.accept("base64") and not splat:
            content = self._lines.base64(cursor)
        else:
            count = None if splat or (row.shape == () and cursor.text != "[") else size // itemsize
            content = take_elements(cursor, dtype, count)
        cursor.finish()
        if len(content) != (itemsize if splat else size):
            cursor.fail_at(
                start, f"{itemsize if splat else size} bytes of elements", f"{len(content)}"
            )
        return (
            ConstantRow(index, "splat", content)
            if splat
            else constant_row(index, content, itemsize)
        )

    def _rule(self, cursor: Cursor, function: FunctionWriter) -> None:
        word = cursor.text
        if cursor.kind != "word" or word not in _RULE_NUMBERS:
            cursor.fail(" or ".join(_RULE_NUMBERS))
        cursor.advance()
        functions = self._writer.functions
        both = word == RULES[int(pb.RULE_KIND_FORWARD_BACKWARD)]
        forward = functions[self._values.function(cursor)] if both else None
        target = functions[self._values.function(cursor)]
        nondiff: list[int] = []
        if cursor.accept("nondiff"):
            cursor.expect("=")
            cursor.expect("[")
            nondiff.append(cursor.whole("the position of an input", U32))
            while not cursor.accept("]"):
                cursor.expect(",")
                nondiff.append(cursor.whole("the position of an input", U32))
        function.rule(
            _RULE_NUMBERS[word],
            target,
            forward,
            nondiff,
            claimed_only=cursor.accept("claimed_only"),
            surrogate=cursor.accept("surrogate"),
            loc=self._places.suffix(cursor),
        )
