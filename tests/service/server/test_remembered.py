"""A program that is sent again is the program that was prepared before."""

from __future__ import annotations

import gradproof as gp
import numpy as np
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_service.arrays import type_of
from gradproof_service.graph.limits import DEFAULT_LIMITS
from gradproof_service.graph.program import Program
from gradproof_service.graph.typing import type_program
from gradproof_service.server.remembered import Remembered
from gradproof_service.wire.decode import decode_program


def _message(text: str) -> pb.Program:
    return gp.expression(text).message


def _ask(room: Remembered, message: pb.Program, made: list[str]) -> Program:
    def decode() -> Program:
        made.append("decoded")
        return decode_program(message)

    return room.program(message, None, DEFAULT_LIMITS, False, decode)


def _typed(room: Remembered, program: Program, *shape: int) -> object:
    types = (type_of(np.float64, shape),)
    return room.typed(program, types, DEFAULT_LIMITS, lambda: type_program(program, types))[0]


def test_equal_content_is_decoded_and_typed_once() -> None:
    """Equal bytes give the same program and the same graph, with all that was prepared for it."""
    room, made = Remembered(), []
    first = _ask(room, _message("sin(x) * x"), made)
    again = _ask(room, _message("sin(x) * x"), made)
    assert first is again
    assert made == ["decoded"]
    assert _typed(room, first) is _typed(room, again)
    assert _typed(room, first, 3) is not _typed(room, first)


def test_other_content_is_another_program() -> None:
    """One sign changes the content."""
    room, made = Remembered(), []
    assert _ask(room, _message("sin(x) * x"), made) is not _ask(room, _message("sin(x) * -x"), made)


def test_the_room_is_bounded() -> None:
    """The program that was not used for longest goes; what is too large is never kept."""
    room, made = Remembered(programs=2), []
    one = _ask(room, _message("x"), made)
    _ask(room, _message("x + 1"), made)
    assert _ask(room, _message("x"), made) is one
    _ask(room, _message("x + 2"), made)
    assert _ask(room, _message("x"), made) is one
    _ask(room, _message("x + 1"), made)
    assert made == ["decoded"] * 4
    assert _typed(room, one) is not None
    tiny = Remembered(room_bytes=10)
    assert _ask(tiny, _message("x"), made) is not _ask(tiny, _message("x"), made)


def test_findings_are_each_caller_s_own() -> None:
    """A caller who adds to the findings does not add to what the next one is told."""
    room, made = Remembered(), []
    program = _ask(room, _message("x"), made)
    types = (type_of(np.float64, ()),)
    _, findings = room.typed(program, types, DEFAULT_LIMITS, lambda: (None, []))
    findings.append(None)  # type: ignore[arg-type]
    assert room.typed(program, types, DEFAULT_LIMITS, lambda: (None, []))[1] == []
