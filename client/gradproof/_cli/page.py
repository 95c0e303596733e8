"""A page of text in which stretches carry a style; it is coloured on a terminal and plain anywhere else.

Rich is imported only for a terminal, so that a pipe costs nothing and never sees an escape code.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from dataclasses import dataclass, field
from typing import Final, TextIO

from gradproof._printable import printable_text

NARROW: Final = 80
"""Columns of a page that goes into a pipe or a file."""
WIDE: Final = 120
"""Most columns that a page uses on a terminal: longer lines are hard to read."""
ASCII: Final = str.maketrans({"✓": "+", "✗": "x", "±": "~", "²": "2", "…": ".", "→": ">", "·": "."})
"""What stands in for the signs that an old terminal or locale cannot show."""

Span = tuple[str, str]
"""Text, and the Rich style it is shown in; "" is no style."""


@dataclass(slots=True)
class Page:
    """Lines of styled stretches, added from the top."""

    width: int = NARROW
    lines: list[list[Span]] = field(default_factory=list[list[Span]])

    def add(self, *spans: str | Span) -> None:
        """One line; a plain string is a stretch without style. Names and messages may be a stranger's: nothing in them is obeyed."""
        styled = (s if isinstance(s, tuple) else (s, "") for s in spans)
        self.lines.append(
            [(printable_text(text).replace("\n", "\ufffd"), style) for text, style in styled]
        )

    def wrap(self, text: str, indent: str, style: str = "", first: str | None = None) -> None:
        """A sentence in as many lines as it needs; `first` is the indent of the first of them."""
        for line in textwrap.wrap(
            " ".join(text.split()), self.width, initial_indent=indent if first is None else first,
            subsequent_indent=indent, break_long_words=False, break_on_hyphens=False,
        ):  # fmt: skip
            self.add((line, style))

    def plain(self) -> str:
        """The text without any style, each line ended and without trailing spaces."""
        return "".join("".join(text for text, _ in line).rstrip() + "\n" for line in self.lines)


def page_for(stream: TextIO | None = None) -> Page:
    """An empty page as wide as the stream it is meant for."""
    out = sys.stdout if stream is None else stream
    if not out.isatty():
        return Page()
    return Page(max(NARROW, min(WIDE, shutil.get_terminal_size().columns)))


def show(page: Page, stream: TextIO | None = None) -> None:
    """Write a page: coloured when the stream is a terminal and `NO_COLOR` is not set."""
    out = sys.stdout if stream is None else stream
    if not colourful(out):
        write(page.plain(), out)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False, soft_wrap=True)
    for line in page.lines:
        console.print(Text.assemble(*line))


def write(text: str, stream: TextIO | None = None) -> None:
    """Write plain text; signs that the stream's encoding lacks are replaced, never an error, and controls are shown, not sent."""
    out = sys.stdout if stream is None else stream
    text = printable_text(text)
    encoding = out.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII).encode(encoding, "replace").decode(encoding)
    out.write(text)
    out.flush()


def colourful(stream: TextIO) -> bool:
    """The stream is a terminal that wants colour (see no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
