"""A few lines of the user's source around a place, for a terminal or a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from gradproof._named_files import source_text

AROUND: Final = 1
"""Lines shown above and below the one that is meant."""


class Located(Protocol):
    """A place in a source file; lines and columns from 1, zero unknown (`SourceLocation` is one)."""

    @property
    def file(self) -> str:
        """The file."""
        ...

    @property
    def line(self) -> int:
        """The line."""
        ...

    @property
    def column(self) -> int:
        """The column."""
        ...

    @property
    def end_line(self) -> int:
        """The last line."""
        ...

    @property
    def end_column(self) -> int:
        """The column after the last character."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an excerpt: its number, its text, and whether it is the one that is meant."""

    number: int
    text: str
    meant: bool


def excerpt(place: Located, text: str = "") -> list[Line]:
    """The source around a place: from `text` when the place lies in no file, else from the file.

    Only Python files are read, and of those only what `source_text` may show. Empty when there is
    nothing, or the place lies outside.
    """
    if place.file.endswith(".py"):
        text = source_text(place.file).expandtabs(4)
    lines = text.splitlines()
    if not place.line or place.line > len(lines):
        return []
    opens = lines[place.line - 1].lstrip().startswith(("def ", "async ", "class ", "@"))
    first = place.line if opens else max(place.line - AROUND, 1)
    while first < place.line and not lines[first - 1].strip():
        first += 1
    last = min(first + 2 * AROUND, len(lines))
    while last > place.line and not lines[last - 1].strip():
        last -= 1
    return [Line(n, lines[n - 1], n == place.line) for n in range(first, last + 1)]


def columns_meant(place: Located, line: str) -> tuple[int, int] | None:
    """The columns that are meant, from 0, the second exclusive; None when they are unknown or all of the line."""
    if not 0 < place.column <= len(line) + 1:
        return None
    single = place.end_line in (0, place.line)
    end = place.end_column if single and place.end_column > place.column else place.column + 1
    if place.column == 1 + len(line) - len(line.lstrip()) and end > len(line.rstrip()) > 1:
        return None
    start = place.column - 1
    return start, start + max(1, min(end, len(line) + 1) - place.column)
