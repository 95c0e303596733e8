"""Places in the source as the text form has them: `model.py:12:4 in scope node "name"`, named on lines of their own."""

from __future__ import annotations

import re

from gradproof_proto.tables import Location
from gradproof_proto.text import FILE
from gradproof_proto.text_cursor import STRING, U32, Cursor
from gradproof_proto.writer import ProgramWriter

_PLACE = re.compile(
    rf"(?P<file>{STRING}|{FILE.pattern})(?::(\d+)(?::(\d+))?)?(?:-(\d+)(?::(\d+))?)?", re.ASCII
)


class Places:
    """Parses places; remembers those that have a name, by the row that the writer gave them."""

    def __init__(self, writer: ProgramWriter) -> None:
        self._writer = writer
        self._rows: dict[str, int] = {}

    def line(self, cursor: Cursor) -> None:
        """Takes `!1 = place from !2` and the place's row into the program."""
        name = cursor.take("place", "a name such as !1")
        if name in self._rows:
            cursor.fail_at(cursor.mark(), "a new name for the location", name)
        cursor.expect("=")
        row = self._place(cursor)
        if cursor.accept("from"):
            row = row._replace(caller=self._shared(cursor))
        self._rows[name] = self._writer.location(row)

    def _shared(self, cursor: Cursor) -> int:
        if cursor.text not in self._rows:
            cursor.fail("a location such as !1 that stands above")
        return self._rows[cursor.take("place", "a location such as !1")]

    def _place(self, cursor: Cursor) -> Location:
        """Takes `file:line:column-line:column in scope node "name"`, each part optional after the file."""
        found = cursor.match(_PLACE, "a place such as model.py:12:4")
        file = found["file"]
        if file.startswith('"'):
            file = cursor.unquote(file)
        if any(len(number) > 10 or int(number) >= U32 for number in found.groups()[1:] if number):
            cursor.fail("lines and columns below 2^32")
        line, column, end_line, end_column = (int(number or 0) for number in found.groups()[1:])
        scope = cursor.name("a scope") if cursor.accept("in") else ""
        node = cursor.string("a node's name as a string") if cursor.accept("node") else ""
        return Location(file, line, column, end_line, end_column, scope, 0, node)

    def suffix(self, cursor: Cursor) -> Location | int | None:
        """Takes `@ place` or nothing, and the end of the line."""
        place: Location | int | None = None
        if cursor.accept("@"):
            place = self._shared(cursor) if cursor.kind == "place" else self._place(cursor)
        cursor.finish()
        return place
