"""A TOML file as plain values, and the line on which each key stands.

The standard library reads the values and tells no positions; once it has found the text right, a walk over its keys
finds their lines.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from gradproof._errors import RequestError

Path_ = tuple[str | int, ...]
"""The keys that lead to a value; a whole number counts the elements of an array."""
BETWEEN: Final = re.compile(r"(?:[\s,]|#[^\n]*)*")
"""What may stand between two things that are read: blanks, comments, and the commas of arrays and inline tables."""
PART: Final = re.compile(
    r"""[ \t]*(?:(?P<bare>[\w-]+)|(?P<quoted>"(?:[^"\\]|\\.)*"|'[^']*'))[ \t]*(?P<dot>\.?)"""
)
"""One part of a key, and the dot when another follows."""
SCALAR: Final = re.compile(
    r'''"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')|"(?:[^"\\]|\\.)*"|'[^']*'|[^,\]}#\n]+''', re.DOTALL
)  # fmt: skip
"""A string of any of the four kinds, or else everything up to what ends a value."""
PLACE: Final = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")

TWICE: Final = re.compile(r"cannot declare \((.*)\) twice")
NAMED: Final = re.compile(r"'([^']*)'")


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
        values = tomllib.loads(text)
        return Document(called, values, _Walk(text.replace("\r\n", "\n")).lines)
    except tomllib.TOMLDecodeError as error:
        said, place = str(error), PLACE.search(str(error))
        if place is None:
            raise RequestError(f"{called}: this is no TOML, {said}") from error
        line = place["line"] or text.rstrip().count("\n") + 1
        said = f"{said[0].lower()}{said[1 : place.start()]}"
        if twice := TWICE.match(said):
            said = f"[{'.'.join(re.findall(NAMED, twice[1]))}] is written for the second time"
        raise RequestError(f"{called}:{line}: this is no TOML, {said}") from error
    except RecursionError as error:
        raise RequestError(
            f"{called}: this is no TOML, its brackets are nested too deeply"
        ) from error


class _Walk:
    """Goes through a text that is right; `at` is the next character, `line` its line."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.lines: dict[Path_, int] = {}
        self._arrays: dict[Path_, int] = {}
        table: Path_ = ()
        while self._next():
            if self._next() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> str:
        """The next character that means something; empty at the end."""
        found = BETWEEN.match(self.text, self.at)
        self._pass(found.end() if found else self.at)
        return self.text[self.at : self.at + 1]

    def _pass(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _key(self) -> list[str]:
        parts: list[str] = []
        dot = "."
        while dot:
            found = PART.match(self.text, self.at)
            assert found is not None, "a key of a text that is right"
            quoted = found["quoted"]
            parts.append(tomllib.loads(f"k = {quoted}")["k"] if quoted else found["bare"])
            dot = found["dot"]
            self._pass(found.end())
        return parts

    def _tell(self, path: Path_, parts: Sequence[str]) -> Path_:
        """The path of a key below another one; all of it stands here unless it stood somewhere before."""
        for part in parts:
            path = (*path, part)
            self.lines.setdefault(path, self.line)
            if path in self._arrays:
                path = (*path, self._arrays[path])
        return path

    def _header(self) -> Path_:
        """`[table]` or `[[element of an array]]`; the path of the keys below it."""
        array = self.text.startswith("[[", self.at)
        self.at += 1 + array
        parts = self._key()
        self.at += 1 + array
        if not array:
            return self._tell((), parts)
        path = (*self._tell((), parts[:-1]), parts[-1])
        self._arrays[path] = self._arrays.get(path, -1) + 1
        path = self._tell(path[:-1], parts[-1:])
        self.lines[path] = self.line
        return path

    def _pair(self, table: Path_) -> None:
        path = self._tell(table, self._key())
        self.at += 1  # the sign between
        self._value(path)

    def _value(self, path: Path_) -> None:
        start = self._next()
        if start == "{":
            self.at += 1
            while self._next() != "}":
                self._pair(path)
        elif start == "[":
            self.at += 1
            number = 0
            while self._next() != "]":
                self._value((*path, number))
                number += 1
        else:
            found = SCALAR.match(self.text, self.at)
            self._pass(found.end() if found else self.at)
            return
        self.at += 1
