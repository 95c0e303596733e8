"""Reads one line of the text form from left to right, and says where and what was expected when it does not go on."""

from __future__ import annotations

import json
import re
from typing import NoReturn

STRING = r'"(?:[^"\\]|\\.)*"'
"""A string in quotes, as an expression."""
U32 = 2**32
"""Whole numbers in the text stay below it where the wire has 32 bits."""
_TOKEN = re.compile(
    rf"""[ \t]*(?:
      (?P<value>%[A-Za-z0-9_]+)
    | (?P<number>-?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|-inf\b|nan:[0-9a-f]{{16}})
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)
    | (?P<string>{STRING})
    | (?P<function>@(?:[A-Za-z_][A-Za-z0-9_]*|{STRING})(?:\#[0-9]+)?)
    | (?P<place>![0-9]+)
    | (?P<mark>->|[=(),:\[\]{{}}@|])
    )""",
    re.VERBOSE,
)


class TextError(ValueError):
    """Text that is no program: `line` and `column` count from 1; `expected` and `came` say what was and was not there."""

    def __init__(self, line: int, column: int, expected: str, came: str) -> None:
        super().__init__(f"line {line}, column {column}: expected {expected}, {came} came.")
        self.line = line
        self.column = column
        self.expected = expected
        self.came = came


class Cursor:
    """A position in one line. `kind` and `text` are the token that comes next; kind is `end` after the last."""

    __slots__ = ("_end", "_line", "_number", "_start", "kind", "text")

    def __init__(self, line: str, number: int) -> None:
        self._line = line
        self._number = number
        self._end = 0
        self.advance()

    def advance(self) -> None:
        """Goes to the next token."""
        found = _TOKEN.match(self._line, self._end)
        if found is None:
            rest = self._line[self._end :]
            self._start = self._end + len(rest) - len(rest.lstrip(" \t"))
            self.kind, self.text = (
                ("other", self._line[self._start]) if rest.strip(" \t") else ("end", "")
            )
            return
        self.kind = found.lastgroup or ""
        self.text = found[self.kind]
        self._start, self._end = found.span(self.kind)

    def fail(self, expected: str) -> NoReturn:
        """Raises TextError at the next token."""
        shown = self.text if len(self.text) <= 40 else self.text[:37] + "..."
        raise TextError(
            self._number,
            self._start + 1,
            expected,
            f"`{shown}`" if shown else "the end of the line",
        )

    def mark(self) -> int:
        """Where the next token begins, for `fail_at`."""
        return self._start

    def fail_at(self, start: int, expected: str, came: str) -> NoReturn:
        """Raises TextError at a token that was taken already."""
        raise TextError(self._number, start + 1, expected, f"`{came}`")

    def take(self, kind: str, expected: str) -> str:
        """Takes the next token if it is of this kind."""
        if self.kind != kind:
            self.fail(expected)
        text = self.text
        self.advance()
        return text

    def accept(self, text: str) -> bool:
        """Takes the next token if it is this mark or word."""
        if self.text != text or self.kind not in ("mark", "word"):
            return False
        self.advance()
        return True

    def expect(self, text: str) -> None:
        """Takes this mark or word."""
        if not self.accept(text):
            self.fail(f"`{text}`")

    def match(self, pattern: re.Pattern[str], expected: str) -> re.Match[str]:
        """Takes what a pattern finds at the next token, over token borders."""
        found = pattern.match(self._line, self._start)
        if found is None:
            self.fail(expected)
        self._end = found.end()
        self.advance()
        return found

    def whole(self, expected: str, limit: int = 2**63) -> int:
        """Takes a whole number from 0 up to below `limit`."""
        if (
            self.kind != "number"
            or not self.text.isdecimal()
            or len(self.text) > 20
            or int(self.text) >= limit
        ):
            self.fail(expected)
        return int(self.take("number", expected))

    def name(self, expected: str) -> str:
        """Takes a word or a JSON string."""
        if self.kind == "word":
            return self.take("word", expected)
        return self.string(expected)

    def string(self, expected: str) -> str:
        """Takes a JSON string."""
        if self.kind != "string":
            self.fail(expected)
        text = self.unquote(self.text)
        self.advance()
        return text

    def unquote(self, text: str) -> str:
        """A JSON string's content."""
        try:
            content: str = json.loads(text)
            content.encode()
        except ValueError:
            self.fail("a JSON string of whole characters")
        return content

    def finish(self) -> None:
        """Asks for the end of the line."""
        if self.kind != "end":
            self.fail("the end of the line")
