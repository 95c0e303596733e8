"""Where in the user's source a node comes from: file, line, columns, function, and the calls above.

Frames of gradproof and NumPy are looked through. Columns come from the compiled code itself, so
two nodes on one line are told apart.
"""

from __future__ import annotations

import dis
import inspect
import linecache
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from gradproof_proto.tables import Location

MAX_CALLERS: Final = 8
_HIDDEN: Final = frozenset({"gradproof", "numpy", "functools"})


class Place(NamedTuple):
    """One instruction of the user's code; lines and columns count from 1, zero is unknown."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    scope: str

    @property
    def source(self) -> str:
        """The source text of the instruction, without line breaks; empty when it cannot be read."""
        lines = [linecache.getline(self.file, n) for n in range(self.line, self.end_line + 1)]
        if not any(lines) or not self.column:
            return ""
        lines[-1] = lines[-1][: self.end_column - 1]
        lines[0] = lines[0][self.column - 1 :]
        return " ".join(line.strip() for line in lines)

    def __str__(self) -> str:
        return f"{label(self.file)}:{self.line}" if self.line else "unknown place"


NOWHERE: Final = Place("", 0, 0, 0, 0, "")
MAX_KNOWN: Final = 100_000
"""A long session must not remember every line it ever ran."""
_known: dict[tuple[CodeType, int], Place] = {}
_looked_through: dict[CodeType, bool] = {}


def user_frame(start: FrameType | None = None) -> FrameType | None:
    """The nearest frame outside gradproof and NumPy."""
    at: FrameType | None = start or inspect.currentframe()
    while at is not None and _hidden(at):
        at = at.f_back
    return at


def user_place() -> Place:
    """The place of the nearest frame outside gradproof and NumPy."""
    frame = user_frame()
    return NOWHERE if frame is None else place_of(frame)


def user_stack(boundary: CodeType | None) -> list[Place]:
    """The places from the innermost user frame out to the call made by `boundary`."""
    places: list[Place] = []
    frame: FrameType | None = inspect.currentframe()
    while frame is not None and frame.f_code is not boundary and len(places) < MAX_CALLERS:
        if not _hidden(frame):
            places.append(place_of(frame))
        frame = frame.f_back
    return places


def place_of(frame: FrameType) -> Place:
    """The place that a frame has reached."""
    key = (frame.f_code, frame.f_lasti)
    found = _known.get(key)
    if found is None:
        if len(_known) > MAX_KNOWN:
            _known.clear()
        found = _known[key] = _find(frame.f_code, frame.f_lasti)
    return found


def return_place(function: Any) -> Place | None:
    """The statement by which a Python function returns; None when it has none, or several."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if not isinstance(code, CodeType):
        return None
    found = {
        place.line: place
        for x in dis.get_instructions(code)
        if x.opname.startswith("RETURN_")
        and x.opname != "RETURN_GENERATOR"
        and (place := _find(code, x.offset))
    }
    return found.popitem()[1] if len(found) == 1 else None


def opcode_name(frame: FrameType) -> str:
    """The name of the instruction that a frame is at, such as `STORE_SUBSCR`."""
    return dis.opname[frame.f_code.co_code[frame.f_lasti]]


def label(file: str) -> str:
    """A file's path as it is told to others: relative to site-packages or the working directory when below it."""
    for marker in ("/site-packages/", "\\site-packages\\"):
        if marker in file:
            return file.rpartition(marker)[2]
    try:
        return Path(file).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file


def location(place: Place, caller: int = 0) -> Location:
    """The place as a row of a program's locations."""
    return Location(
        label(place.file), place.line, place.column, place.end_line, place.end_column, place.scope, caller
    )  # fmt: skip


def _hidden(frame: FrameType) -> bool:
    code = frame.f_code
    found = _looked_through.get(code)
    if found is None:
        if len(_looked_through) > MAX_KNOWN:
            _looked_through.clear()
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        found = _looked_through[code] = top in _HIDDEN
    return found


def _find(code: CodeType, instruction: int) -> Place:
    position = next(islice(code.co_positions(), instruction // 2, None), None)
    line, end_line, column, end_column = position or (None, None, None, None)
    line = line or code.co_firstlineno
    end_line = end_line or line
    return Place(
        code.co_filename,
        line,
        _in_characters(code.co_filename, line, column),
        end_line,
        _in_characters(code.co_filename, end_line, end_column),
        code.co_qualname,
    )


def _in_characters(file: str, line: int, offset: int | None) -> int:
    """A byte offset in a line as a column in code points, counted from 1; 0 when unknown."""
    if offset is None:
        return 0
    head = linecache.getline(file, line).encode()[:offset]
    return len(head.decode(errors="replace")) + 1 if head else offset + 1
