"""What the expression parser reads and writes: tokens, stack items, and the function under construction.

The tokens are cut and the inputs declared before the first node, because inputs come first in a
program. Every fault is raised here, with its line and column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, NoReturn

from gradproof_proto.tables import Location
from gradproof_proto.writer import ProgramWriter

from gradproof import _expression_functions as words
from gradproof._errors import TargetError
from gradproof._words import PRODUCER, PRODUCER_VERSION

MAX_LENGTH: Final = 200_000
FILE: Final = "expression"
KEYWORDS: Final = frozenset(
    (
        *("lambda", "for", "import", "from", "def", "class", "while", "return", "yield", "await"),
        *("async", "with", "try", "except", "global", "nonlocal", "del", "assert", "raise"),
        *("pass", "break", "continue", "in", "is"),
    )
)
"""Python's keywords that are no part of an expression here."""
WORDS: Final = frozenset({"if", "else", "and", "or", "not", "True", "False", "None"})
_TOKEN = re.compile(
    r"(?P<space>\s+|\#[^\n]*|\\\n)"
    r"|(?P<number>(?:\d[\d_]*)?\.\d[\d_]*(?:[eE][+-]?\d+)?|\d[\d_]*\.?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>[^\W\d]\w*)"
    r"|(?P<string>'[^'\n\\]*'|\"[^\"\n\\]*\")"
    r"|(?P<sign>\*\*|//|<=|>=|==|!=|:=|\.\.\.|[-+*/%@<>=&|^~()\[\],.:])"
)


class Token(NamedTuple):
    """A piece of the text: "number", "name", "string" or "sign"; places count from 0."""

    kind: str
    text: str
    start: int
    end: int


class Item(NamedTuple):
    """Something on the stack: a "value" of the program, or a plain "number", "word", "list", "slice"."""

    kind: str
    content: Any
    start: int
    end: int
    last: Any = None
    """Of a comparison its right side, so that `a < b < c` can go on from there; of a list its depth."""


class ExpressionWriter:
    """One text, its tokens, and the function being written; `span` is the part that the next node stands for."""

    def __init__(self, text: str, inputs: Sequence[str]) -> None:
        self.text = text
        if len(text) > MAX_LENGTH:
            raise TargetError(
                f"expression: expected at most {MAX_LENGTH} characters, {len(text)} came; write a function"
            )
        self.tokens = self.tokenize()
        if not self.tokens:
            raise TargetError("expression: expected something like `x**3 + 2*x`, nothing came")
        self.writer = ProgramWriter(f"{PRODUCER}.expression", PRODUCER_VERSION)
        self.function = self.writer.function(FILE)
        self.inputs: dict[str, words.Value] = {}
        for name in inputs or self.free_names():
            self.inputs[name] = words.Value(self.function.input(name))
        self.constants: dict[tuple[type, Any], int] = {}
        self.span = (0, 0)

    def tokenize(self) -> list[Token]:
        """The text as tokens; raises at the first character that begins none."""
        tokens: list[Token] = []
        at = 0
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                self.fail(at, f"{self.text[at]!r} has no meaning here")
            kind = str(found.lastgroup)
            if kind != "space":
                tokens.append(Token(kind, found[0], at, found.end()))
            at = found.end()
        return tokens

    def free_names(self) -> list[str]:
        """The names that stand for inputs, in the order of their first appearance."""
        names: dict[str, None] = {}
        tokens = self.tokens
        for i, token in enumerate(tokens):
            before = tokens[i - 1].text if i else ""
            after = tokens[i + 1].text if i + 1 < len(tokens) else ""
            if token.kind != "name" or token.text in (KEYWORDS | WORDS) or before == ".":
                continue
            if (
                after == "("
                or (after == "=" and before in ("(", ","))
                or token.text in words.CONSTANTS
            ):
                continue
            if token.text == "newaxis" or (token.text in words.MODULES and after == "."):
                continue
            names[token.text] = None
        return list(names)

    def output(self, item: Item) -> int:
        """The value that an item of the whole text returns."""
        self.span = (item.start, item.end)
        try:
            return self.id_of(self.plain(item))
        except words.Misuse as error:
            self.fail(item.start, str(error))

    def emit(self, op: str, *operands: Any, **attrs: Any) -> words.Value:
        """Add a node at the present place; plain numbers become constants."""
        start, end = self.span
        (line, column), (end_line, end_column) = (
            self.line_and_column(start),
            self.line_and_column(end),
        )
        place = Location(FILE, line, column, end_line, end_column)
        ids = [self.id_of(x) for x in operands]
        return words.Value(self.function.node(f"gp.{op}", ids, attrs, place))

    def id_of(self, operand: Any) -> int:
        """The number of an operand's value; numbers and lists of them are added as constants."""
        if isinstance(operand, words.Value):
            return operand.id
        if isinstance(operand, tuple):
            return self.emit("stack", *operand, axis=0).id
        if type(operand) not in (bool, int, float):
            raise words.Misuse(f"a value was expected, {operand!r} came")
        key = (type(operand), repr(operand))
        if key not in self.constants:
            self.constants[key] = self.function.constant(operand)
        return self.constants[key]

    def plain(self, item: Item) -> Any:
        """An item as operators and functions take it: a value, a number, a word, or a tuple of them."""
        if item.kind == "list":
            return tuple(self.plain(part) for part in item.content)
        if item.kind == "slice":
            self.fail(item.start, "a slice stands where a value was expected")
        return item.content

    def whole(self, item: Item) -> int:
        """A plain whole number, as in a slice."""
        if item.kind != "number" or type(item.content) is not int:
            self.fail(item.start, "a slice takes whole numbers")
        return item.content

    def number(self, token: Token) -> int | float:
        """A literal as a Python number."""
        try:
            if re.fullmatch(r"\d[\d_]*", token.text):
                whole = int(token.text)
                return whole if whole < 2**63 else float(whole)
            return float(token.text)
        except (ValueError, OverflowError):
            self.fail(token.start, "this number is too long or too large")

    def line_and_column(self, at: int) -> tuple[int, int]:
        """A place in the text as line and column, counted from 1."""
        return self.text.count("\n", 0, at) + 1, at - self.text.rfind("\n", 0, at)

    def fail(self, at: int, message: str) -> NoReturn:
        """Raise at a place in the text."""
        line, column = self.line_and_column(at)
        where = f"line {line}, column {column}" if line > 1 else f"column {column}"
        raise TargetError(f"expression, {where}: {message}")
