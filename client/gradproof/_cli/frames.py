"""An excerpt of the user's source on a page of the terminal, with carets under the columns that are meant."""

from __future__ import annotations

from pathlib import Path

from gradproof._cli.page import Page
from gradproof._excerpt import Located, columns_meant, excerpt


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
    """Add the source around a place; an expression of one line is shown only where columns are known."""
    lines = excerpt(place, text)
    if not lines:
        return
    if not place.file.endswith(".py") and len(text.splitlines()) == 1:
        if caret := _caret(place, lines[0].text, indent):
            page.add(f"{indent}{lines[0].text}")
            page.add((caret, "red"))
        return
    gutter = len(str(lines[-1].number))
    for line in lines:
        shown = line.text[: page.width - gutter - len(indent) - 5]
        page.add(
            (f"{indent}{'>' if line.meant else ' '} {line.number:>{gutter}} | ", "dim"),
            (shown, "bold" if line.meant else "dim"),
        )
        if line.meant and (caret := _caret(place, shown, f"{indent}  {'':>{gutter}} | ")):
            page.add((caret, "red"))


def _caret(place: Located, line: str, indent: str) -> str:
    meant = columns_meant(place, line)
    return f"{indent}{' ' * meant[0]}{'^' * (meant[1] - meant[0])}" if meant else ""
