"""A TOML file as plain values, and the line on which each key stands.

tomlkit keeps every character of the document but tells no positions; here its parts are walked in the order in
which they are written, and the line ends in them are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError
from tomlkit.items import AoT, InlineTable, Item, Key, Table

from gradproof._errors import RequestError

Path_ = tuple[str | int, ...]
"""The keys that lead to a value; a whole number counts the elements of an array of tables."""


@dataclass(frozen=True, slots=True)
class Document:
    """The values of a file, and the line of each key by its path; `file` is how messages call it."""

    file: str
    values: dict[str, Any]
    lines: dict[Path_, int] = field(default_factory=dict[Path_, int])

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a key, or of the nearest table around it; zero when nothing of it is written."""
        for end in range(len(path), 0, -1):
            if found := self.lines.get(tuple(path[:end])):
                return found
        return 0

    def where(self, path: Sequence[str | int]) -> str:
        """`pyproject.toml:12`, or the file alone when the line is unknown."""
        line = self.line(path)
        return f"{self.file}:{line}" if line else self.file


def read_toml(path: Path, called: str = "") -> Document:
    """Read a file; raises `RequestError` naming the line for what is no TOML, and for an unreadable file."""
    called = called or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{called}: the file cannot be read, {error}") from error
    return parse_toml(text, called)


def parse_toml(text: str, called: str) -> Document:
    """The document of a text; raises `RequestError` naming the line."""
    try:
        parsed = tomlkit.parse(text)
    except ParseError as error:
        said = str(error).partition(" at line ")[0]
        said = f"{said[0].lower()}{said[1:]}" if said else "it cannot be read"
        raise RequestError(f"{called}:{error.line}: this is no TOML, {said}") from error
    except TOMLKitError as error:
        raise RequestError(f"{called}: this is no TOML, {error}") from error
    walk = _Walk()
    walk.body(parsed.body, ())
    return Document(called, parsed.unwrap(), walk.lines)


class _Walk:
    """Counts lines through a document; `at` is the line on which the next character stands."""

    def __init__(self) -> None:
        self.at = 1
        self.lines: dict[Path_, int] = {}

    def body(self, body: Sequence[tuple[Key | None, Item]], path: Path_) -> None:
        for key, item in body:
            if key is None:
                self._pass(item.as_string())
                continue
            here = (*path, key.key)
            if isinstance(item, AoT):
                self._array(item, here)
            elif isinstance(item, Table):
                self._table(key, item, here)
            else:
                self._value(item, here)

    def _array(self, array: AoT, path: Path_) -> None:
        for number, table in enumerate(array.body):
            self._header(table, (*path, number))
            self.lines.setdefault(path, self.lines[(*path, number)])
            self.body(table.value.body, (*path, number))

    def _table(self, key: Key, table: Table, path: Path_) -> None:
        if key.is_dotted() or table.is_super_table():
            self.lines.setdefault(path, self.at)
        else:
            self._header(table, path)
        self.body(table.value.body, path)

    def _header(self, table: Table, path: Path_) -> None:
        self._pass(table.trivia.indent)
        self.lines.setdefault(path, self.at)
        self._pass(table.trivia.trail)

    def _value(self, item: Item, path: Path_) -> None:
        self._pass(item.trivia.indent)
        self.lines.setdefault(path, self.at)
        if isinstance(item, InlineTable):  # its keys stand where it begins, or below
            for name in item:
                self.lines.setdefault((*path, str(name)), self.at)
        self._pass(item.as_string())
        self._pass(item.trivia.trail)

    def _pass(self, text: str) -> None:
        self.at += text.count("\n")
