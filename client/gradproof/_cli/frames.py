"""A few lines of the user's source around a place, with a caret under the column."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from gradproof._cli.page import Page

AROUND: Final = 1
"""Lines shown above and below the one that is meant."""
LIMIT_BYTES: Final = 4 << 20
"""Files larger than this are not read for the sake of three lines."""


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


def label(place: Located) -> str:
    """`model.py:31`, relative to the current folder where that is shorter; empty when unknown."""
    if not place.file:
        return ""
    return f"{relative(place.file)}:{place.line}" if place.line else relative(place.file)


def relative(file: str) -> str:
    """The path from the current folder when the file lies below it."""
    path = Path(file)
    try:
        return str(path.relative_to(Path.cwd())) if path.is_absolute() else file
    except (ValueError, OSError):
        return file


def add_frame(page: Page, place: Located, text: str = "", indent: str = "    ") -> None:
    """Add the source around a place: from `text` when the place lies in no file, else from the file.

    Only Python files are read, and one that cannot be read adds nothing.
    """
    from_file = place.file.endswith(".py")
    lines = _lines(place.file) if from_file else text.splitlines()
    if not place.line or place.line > len(lines):
        return
    if len(lines) == 1 and not from_file:
        if caret := _caret(place, lines[0], indent):
            page.add(f"{indent}{lines[0]}")
            page.add((caret, "red"))
        return
    opens = lines[place.line - 1].lstrip().startswith(("def ", "async ", "class ", "@"))
    first = place.line if opens else max(place.line - AROUND, 1)
    while first < place.line and not lines[first - 1].strip():
        first += 1
    last = min(first + 2 * AROUND, len(lines))
    while last > place.line and not lines[last - 1].strip():
        last -= 1
    gutter = len(str(last))
    for n in range(first, last + 1):
        meant = n == place.line
        shown = lines[n - 1][: page.width - gutter - len(indent) - 5]
        page.add(
            (f"{indent}{'>' if meant else ' '} {n:>{gutter}} | ", "dim"),
            (shown, "bold" if meant else "dim"),
        )
        if meant and (caret := _caret(place, shown, f"{indent}  {'':>{gutter}} | ")):
            page.add((caret, "red"))


def _caret(place: Located, line: str, indent: str) -> str:
    """The line of carets under the columns that are meant; empty when they are unknown or all of the line."""
    if not 0 < place.column <= len(line) + 1:
        return ""
    single = place.end_line in (0, place.line)
    end = place.end_column if single and place.end_column > place.column else place.column + 1
    if place.column == 1 + len(line) - len(line.lstrip()) and end > len(line.rstrip()) > 1:
        return ""
    width = max(1, min(end, len(line) + 1) - place.column)
    return f"{indent}{' ' * (place.column - 1)}{'^' * width}"


def _lines(file: str) -> list[str]:
    path = Path(file)
    try:
        if not path.is_file() or path.stat().st_size > LIMIT_BYTES:
            return []
        return path.read_text(encoding="utf-8", errors="replace").expandtabs(4).splitlines()
    except OSError:
        return []
