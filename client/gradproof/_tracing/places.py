"""Where in the user's source a node comes from: file, line, columns, function, and the calls above.

Frames of gradproof and NumPy are looked through. Columns come from the compiled code itself, so
two nodes on one line are told apart.
"""

from __future__ import annotations

import dis
import inspect
import linecache
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

from gradproof_proto.tables import Location

from gradproof._named_files import own

MAX_CALLERS: Final = 8
_LEFT_AND_ENTERED: Final = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
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


called_from: Final = sys._getframe  # pyright: ignore[reportPrivateUsage]  (only it finds a frame without those below)
"""The frame so many calls outward; 0 is the one that asks."""


def user_frame(start: FrameType | None = None) -> FrameType | None:
    """The nearest frame outside gradproof and NumPy."""
    at: FrameType | None = start or inspect.currentframe()
    while at is not None and _hidden(at):
        at = at.f_back
    return at


class Trail:
    """Where nodes come from while a function runs: rows of places, each with the calls that led to it.

    `add(place)` gives a location's row; `boundary` is the code whose callers are not the user's. While
    the user's frame stays the same, so do its callers: they are walked once, not for every node.
    """

    def __init__(self, add: Callable[[Location], int], boundary: CodeType | None) -> None:
        self._add = add
        self._boundary = boundary
        self._frame: FrameType | None = None
        """The user's frame that nodes came from last; none that can be left and entered again."""
        self._callers = 0
        self._rows: dict[tuple[Place, int], int] = {}
        self._here: dict[int, int] = {}
        """The rows of this frame's instructions."""

    def row(self, frame: FrameType | None) -> int:
        """The row of the user's line that this frame stands on or was called from; 0 when there is none."""
        if frame is not self._frame or frame is None:
            frame = self._outward(frame)
            if frame is None:
                return 0
            if frame is not self._frame:
                self._enter(frame)
        at = frame.f_lasti
        found = self._here.get(at)
        if found is None:
            found = self._here[at] = self._row(place_of(frame), self._callers)
        return found

    def forget(self) -> None:
        """Let go of the frame and of what its variables hold."""
        self._frame = None

    def _enter(self, frame: FrameType) -> None:
        stack: list[Place] = []
        outer = self._outward(frame.f_back)
        while outer is not None and len(stack) < MAX_CALLERS - 1:
            stack.append(place_of(outer))
            outer = self._outward(outer.f_back)
        self._callers = 0
        for place in reversed(stack):
            self._callers = self._row(place, self._callers)
        self._here = {}
        self._frame = None if frame.f_code.co_flags & _LEFT_AND_ENTERED else frame

    def _outward(self, frame: FrameType | None) -> FrameType | None:
        """The nearest frame of the user's from this one on, within the boundary."""
        while frame is not None and _hidden(frame):
            frame = None if frame.f_code is self._boundary else frame.f_back
        return frame

    def _row(self, place: Place, caller: int) -> int:
        key = (place, caller)
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = self._add(location(place, caller))
        return found


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
    """The path of a file that runs here, as it is told to others: relative to site-packages or the working directory when below it."""
    told = _told(file)
    own(told, file)
    return told


def location(place: Place, caller: int = 0) -> Location:
    """The place as a row of a program's locations."""
    return Location(
        label(place.file), place.line, place.column, place.end_line, place.end_column, place.scope, caller
    )  # fmt: skip


def _told(file: str) -> str:
    for marker in ("/site-packages/", "\\site-packages\\"):
        if marker in file:
            return file.rpartition(marker)[2]
    try:
        return Path(file).relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file


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
