"""What the tracer cannot follow, each idiom with a name and the way around it.

An idiom is recognised by what Python asked of a traced array (its truth, a plain number, its
elements) and by the user's source text at that point; the values are never looked at.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from gradproof._tracing.places import NOWHERE, Place, opcode_name, place_of, user_frame


@dataclass(frozen=True, slots=True)
class Idiom:
    """One way of writing that cannot be recorded: its stable name, what happens, what to write."""

    name: str
    happens: str
    instead: str


class Unsupported(Exception):
    """The function left what can be recorded; `idiom` is its stable name, `place` the line."""

    def __init__(self, idiom: str, message: str, place: Place = NOWHERE) -> None:
        where = f"{place}: " if place.line else ""
        super().__init__(f"{where}{message} [{idiom}]")
        self.idiom = idiom
        self.place = place


IDIOMS: Final = {
    idiom.name: idiom
    for idiom in (
        Idiom("branch-on-value", "a branch looks at the value of a traced array", "np.where(condition, a, b)"),
        Idiom("array-of-traced", "a plain array is made from traced values", "np.stack([a, b]) or np.concatenate"),
        Idiom("assign-into-array", "a traced value is assigned into a plain array",
              "np.stack, np.where, or an array made by np.zeros_like(x)"),
        Idiom("out-into-array", "a traced result is written into a plain array (out= or an in-place operator)",
              "z = z + t"),
        Idiom("plain-number", "a traced value is turned into a plain Python number", "the array itself"),
        Idiom("math-function", "a function of the math module takes a traced value", "the NumPy function of that name"),
        Idiom("builtin-max", "max or min compares traced values", "np.maximum(a, b), np.minimum(a, b) or np.max(x)"),
        Idiom("traced-index", "a traced value is used as an index or a length", "np.take(M, t) or np.where"),
        Idiom("no-rule", "this function has no recorded meaning", "the functions listed by `gradproof ops`"),
        Idiom("no-op", "this function needs an op that the catalogue does not have", "another form"),
        Idiom("unknown-option", "this option of the function is not recorded", "the function without it"),
        Idiom("in-place-function", "this function changes its argument and returns nothing", "np.where or x[index] = value"),
        Idiom("object-value", "the result is no array of numbers", "an array, a number, or a tuple of them"),
    )
}  # fmt: skip


def refuse(idiom: str, detail: str = "", instead: str = "") -> NoReturn:
    """Raise `Unsupported` at the user's line; `detail` and `instead` replace the idiom's own words."""
    row = IDIOMS[idiom]
    frame = user_frame()
    place = NOWHERE if frame is None else place_of(frame)
    raise Unsupported(idiom, f"{detail or row.happens}; write {instead or row.instead}", place)


def refuse_truth() -> NoReturn:
    """Python asked a traced array whether it is true."""
    text = _source()
    if re.match(r"(max|min|sorted)\s*\(", text):
        refuse("builtin-max")
    refuse("branch-on-value")


def refuse_number(what: str) -> NoReturn:
    """Python asked a traced array for a plain number or for plain elements."""
    text, opcode = _source(), _opcode()
    if opcode == "STORE_SUBSCR":
        refuse("assign-into-array")
    if opcode == "BINARY_SUBSCR" or (opcode == "BINARY_OP" and text.endswith("]")):
        refuse("traced-index")
    found = re.match(r"(?:math|cmath)\.(\w+)\s*\(", text)
    if found:
        refuse("math-function", f"math.{found[1]} takes a traced value", f"np.{found[1]}")
    if re.match(r"(?:\w+\.)*(array|asarray|asanyarray|ascontiguousarray|vectorize)\s*\(", text):
        refuse("array-of-traced")
    if what == "index":
        refuse("traced-index")
    refuse("array-of-traced" if what == "array" else "plain-number")


def behind(error: BaseException) -> BaseException:
    """The refusal that NumPy wrapped in an exception of its own, or the exception itself."""
    at: BaseException | None = error
    while at is not None:
        if isinstance(at, Unsupported):
            return at
        at = at.__cause__ or at.__context__
    return error


def _source() -> str:
    frame = user_frame()
    return "" if frame is None else place_of(frame).source


def _opcode() -> str:
    frame = user_frame()
    return "" if frame is None else opcode_name(frame)
