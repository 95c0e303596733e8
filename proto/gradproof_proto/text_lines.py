"""The lines of a text, taken in order; blank ones and those that begin with `#` say nothing."""

from __future__ import annotations

import base64
import binascii

from gradproof_proto.text_cursor import Cursor, TextError


class Lines:
    """One text and how far it is read."""

    def __init__(self, text: str) -> None:
        self.text = text.split("\n")
        self._next = 0

    def next(self) -> str | None:
        """The line that comes next, None at the end."""
        return self.text[self._next] if self._next < len(self.text) else None

    def latest(self) -> str:
        """The line that was taken last."""
        return self.text[self._next - 1]

    def advance(self) -> None:
        """Passes over the next line."""
        self._next += 1

    def skip(self) -> None:
        """Passes over lines that say nothing."""
        while (line := self.next()) is not None:
            said = line.strip(" \t\r")
            if said and not said.startswith("#"):
                return
            self._next += 1

    def take(self, expected: str) -> Cursor:
        """The next line that says something."""
        self.skip()
        if self._next == len(self.text):
            raise TextError(len(self.text), 1, expected, "the end of the text")
        self._next += 1
        return Cursor(self.text[self._next - 1].rstrip("\r"), self._next)

    def base64(self, cursor: Cursor) -> bytes:
        """Takes the lines after `base64`; `cursor` stands behind that word."""
        cursor.finish()
        parts: list[str] = []
        while (line := self.next()) is not None and line.lstrip(" \t").startswith("|"):
            parts.append(line.strip(" \t\r")[1:].strip(" \t"))
            self._next += 1
        try:
            return base64.b64decode("".join(parts), validate=True)
        except (binascii.Error, ValueError):
            raise TextError(self._next, 1, "lines of base64 after `|`", "something else") from None
