"""The text form of a program (`.gpt`): one line per node, made to be read, compared and edited by people.

    gradproof 1
    opset gp 1
    entry @main

    func @main(x: f64[3], W: f64[2,3]) -> (loss) {
      %2 = const f64[2] [0.5, -1.0]
      %3: f64[2] = gp.matmul(%W, %x)                        @ model.py:12:4
      %4 = gp.sum(%3, axes=[-1], keepdims=false)            @ model.py:13:4
      return %4
      rule vjp @main_vjp claimed_only                       @ model.py:20
    }

Printing is exact: parsing the text gives the canonical program back, bit for bit, NaN payloads included. `text_parser.py`
reads what this prints, and names of your own choice for values.
"""

from __future__ import annotations

import base64
import json
import math
import re
import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from gradproof_proto.canonical import canonical_of
from gradproof_proto.reader import FunctionColumns, ProgramColumns, RuleRow, read
from gradproof_proto.tables import AttrValue, ConstantRow, Location, TypeRow
from gradproof_proto.tensors import BY_WIRE
from gradproof_proto.v1 import program_pb2 as pb

WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DOTTED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
FILE = re.compile(r"[A-Za-z0-9_.\-/\\<>]*[A-Za-z0-9_>]")
INLINE_ELEMENTS = 32
LOCATION_COLUMN = 56
BASE64_WIDTH = 96
PRINTED = tuple(BY_WIRE[wire].name for wire in (1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 17, 20))
STRUCTURES = {
    number: name.removeprefix("STRUCTURE_").lower()
    for name, number in pb.Structure.items()
    if number > 1
}
RULES = {
    number: name.removeprefix("RULE_KIND_").lower()
    for name, number in pb.RuleKind.items()
    if number
}


def print_program(program: pb.Program) -> str:
    """The text of a program, in canonical form; raises ProgramError when it is none."""
    return "".join(line + "\n" for line in _Printer(read(canonical_of(read(program)))).lines())


def quoted(text: str, plain: re.Pattern[str]) -> str:
    """A name as it stands when it is of the plain kind, else as a JSON string."""
    return text if plain.fullmatch(text) else json.dumps(text)


class _Printer:
    """Prints one canonical program."""

    def __init__(self, columns: ProgramColumns) -> None:
        self._columns = columns
        counts = Counter(function.name for function in columns.functions)
        self._functions = [
            "@"
            + quoted(function.name, WORD)
            + (f"#{function.index}" if counts[function.name] > 1 else "")
            for function in columns.functions
        ]
        callers = {place.caller for place in columns.locations} - {0}
        shared = [
            row for row, place in enumerate(columns.locations) if place.caller or row in callers
        ]
        self._shared = {row: f"!{number}" for number, row in enumerate(shared, 1)}
        self._places = [
            self._shared.get(row) or place_text(place)
            for row, place in enumerate(columns.locations)
        ]
        self._types = [type_text(row) for row in columns.types]
        self._attrs = [", ".join(self._attr(*entry) for entry in row) for row in columns.attrs]

    def lines(self) -> Iterator[str]:
        """Every line, without its end."""
        columns = self._columns
        version = columns.version
        reader = "" if version.min_reader == version.format else f" min_reader {version.min_reader}"
        yield f"gradproof {version.format}{reader}"
        if version.producer or version.producer_version:
            yield f"producer {json.dumps(version.producer)} {json.dumps(version.producer_version)}"
        for op_set in version.op_sets:
            yield f"opset {quoted(op_set.namespace, WORD)} {op_set.version}"
        for key, value in columns.metadata:
            yield f"metadata {json.dumps(key)} {json.dumps(value)}"
        for row, name in self._shared.items():
            place = columns.locations[row]
            caller = f" from {self._shared[place.caller]}" if place.caller else ""
            yield f"location {name} = {place_text(place)}{caller}"
        yield f"entry {self._functions[columns.entry]}"
        for function in columns.functions:
            yield ""
            yield from self._function(function)

    def _function(self, function: FunctionColumns) -> Iterator[str]:
        inputs = ", ".join(
            quoted(name, WORD) + (f": {self._types[row]}" if row else "")
            for name, row in zip(function.input_names, function.input_types, strict=True)
        )
        outputs = ", ".join(quoted(name, WORD) for name in function.output_names)
        yield f"func {self._functions[function.index]}({inputs}) -> ({outputs}) {{"
        named = [
            f"%{name}" if WORD.fullmatch(name) else f"%{index}"
            for index, name in enumerate(function.input_names)
        ]
        for value, row in enumerate(function.constants, len(named)):
            yield from self._constant(f"  %{value} = const ", self._columns.constants[row])
        yield from self._nodes(function, named)
        returned = [_operand(named, value) for value in function.outputs]
        yield f"  return {', '.join(returned)}".rstrip()
        for rule in function.rules:
            yield self._placed(self._rule(rule), rule.location)
        yield "}"

    def _nodes(self, function: FunctionColumns, named: list[str]) -> Iterator[str]:
        ops = [quoted(name, DOTTED) for name in self._columns.ops]
        names = self._columns.strings
        first_value = int(function.value_start[0])
        operand_start = function.operand_start.tolist()
        value_start = function.value_start.tolist()
        operands = function.operands.tolist()
        out_types = function.out_types.tolist()
        rows = zip(
            function.op.tolist(),
            function.attr.tolist(),
            function.loc.tolist(),
            function.node_name.tolist(),
            strict=True,
        )
        for node, (op, attr, loc, name) in enumerate(rows):
            results: list[str] = []
            for value in range(value_start[node], value_start[node + 1]):
                stated = out_types[value - first_value] if out_types else 0
                results.append(f"%{value}: {self._types[stated]}" if stated else f"%{value}")
            read_values = operands[operand_start[node] : operand_start[node + 1]]
            arguments = [_operand(named, value) for value in read_values]
            if attr:
                arguments.append(self._attrs[attr])
            called = f" as {json.dumps(names[name])}" if name else ""
            yield self._placed(
                f"  {', '.join(results)} = {ops[op]}({', '.join(arguments)}){called}", loc
            )

    def _placed(self, line: str, loc: int) -> str:
        return f"{line:<{LOCATION_COLUMN - 1}} @ {self._places[loc]}" if loc else line

    def _rule(self, rule: RuleRow) -> str:
        forward = (
            f" {self._functions[rule.forward_function]}"
            if rule.kind == pb.RULE_KIND_FORWARD_BACKWARD
            else ""
        )
        nondiff = (
            f" nondiff=[{', '.join(map(str, rule.nondiff_inputs))}]" if rule.nondiff_inputs else ""
        )
        flags = " claimed_only" * rule.claimed_only + " surrogate" * rule.surrogate
        return (
            f"  rule {RULES[rule.kind]}{forward} {self._functions[rule.function]}{nondiff}{flags}"
        )

    def _constant(self, head: str, row: ConstantRow) -> Iterator[str]:
        kind = self._columns.types[row.type]
        head += self._types[row.type]
        dtype = BY_WIRE[kind.dtype]
        if row.payload == "blob":
            yield f"{head} blob {row.content.hex()} {row.size_bytes} {row.offset_bytes}"
            return
        elements = len(row.content) // dtype.stored.itemsize
        splat = " splat" if row.payload == "splat" else ""
        texts = element_texts(row.content, dtype.name) if elements <= INLINE_ELEMENTS else None
        if texts is not None:
            yield (
                f"{head}{splat} {texts[0]}"
                if splat or kind.shape == ()
                else f"{head} [{', '.join(texts)}]"
            )
        elif elements <= INLINE_ELEMENTS:
            yield f"{head}{splat} hex {row.content.hex()}"
        else:
            yield f"{head} base64"
            text = base64.b64encode(row.content).decode()
            for start in range(0, len(text), BASE64_WIDTH):
                yield f"    | {text[start : start + BASE64_WIDTH]}"

    def _attr(self, name: str, kind: str, value: AttrValue) -> str:
        return f"{quoted(name, WORD)}={self._attr_value(kind, value)}"

    def _attr_value(self, kind: str, value: AttrValue) -> str:
        if isinstance(value, tuple):
            if kind == "functions":
                return (
                    f"[{', '.join(self._functions[int(item)] for item in value)}]"
                    if value
                    else "functions[]"
                )
            if kind == "doubles":
                return (
                    f"[{', '.join(double_text(item) for item in value)}]" if value else "doubles[]"
                )
            return f"[{', '.join(map(str, value))}]"
        if isinstance(value, str):
            return json.dumps(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return double_text(value)
        if kind == "function":
            return self._functions[value]
        return BY_WIRE[value].name if kind == "dtype" else str(value)


def _operand(named: list[str], value: int) -> str:
    return named[value] if value < len(named) else f"%{value}"


def double_text(value: float) -> str:
    """A binary64 as the shortest decimal that reads back to the same bits; a NaN other than the usual one by its bits."""
    if math.isnan(value):
        bits = struct.pack(">d", value).hex()
        return "nan" if bits == "7ff8000000000000" else f"nan:{bits}"
    return repr(float(value))


def element_texts(content: bytes, dtype: str) -> list[str] | None:
    """Elements as numbers that read back to the same bits, or None when they have no such form."""
    if dtype not in PRINTED:
        return None
    if dtype == "bool":
        return ["true" if byte else "false" for byte in content] if set(content) <= {0, 1} else None
    array = np.frombuffer(
        content, next(row.stored for row in BY_WIRE.values() if row.name == dtype)
    )
    if array.dtype.kind != "f":
        return [str(int(element)) for element in array]
    texts = [repr(float(element)) if dtype == "f64" else _shortest(element) for element in array]
    with np.errstate(over="ignore"):
        again = np.array([float(text) for text in texts], np.float64).astype(array.dtype)
    return texts if again.tobytes() == content else None


def _shortest(element: np.floating) -> str:
    """A short decimal of a narrow float, or its longer one as binary64 when reading the short one rounds twice."""
    text = str(element)
    with np.errstate(over="ignore"):
        same = type(element)(float(text)).tobytes() == element.tobytes()
    return text if same and ("." in text or "e" in text or "n" in text) else repr(float(element))


def type_text(row: TypeRow) -> str:
    """A type as text: `f64[3,n]`, `f64` for a scalar, `?` for an unknown dtype or axis, `[...]` for an unknown rank."""
    dtype = BY_WIRE[row.dtype].name if row.dtype else "?"
    if row.shape is None:
        shape = "[...]"
    else:
        axes = (
            "?" if axis is None else quoted(axis, WORD) if isinstance(axis, str) else str(axis)
            for axis in row.shape
        )
        shape = f"[{','.join(axes)}]" if row.shape else ""
    return f"{dtype}{shape} {STRUCTURES[row.structure]}" if row.structure > 1 else f"{dtype}{shape}"


def place_text(place: Location) -> str:
    """A place as text, without its caller: `model.py:12:4-12:9 in "Model.forward" node "Add_3"`."""
    text = quoted(place.file, FILE)
    if place.line or place.column or place.end_line or place.end_column:
        text += f":{place.line}" + (f":{place.column}" if place.column else "")
    if place.end_line or place.end_column:
        text += f"-{place.end_line}" + (f":{place.end_column}" if place.end_column else "")
    if place.scope:
        text += f" in {quoted(place.scope, DOTTED)}"
    if place.source_node:
        text += f" node {json.dumps(place.source_node)}"
    return text
