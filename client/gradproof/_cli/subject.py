"""A target at a point, as a command line names them."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradproof._cli.report_parts import first_reason
from gradproof._cli.trouble import Mistake
from gradproof._errors import RequestError, TargetError
from gradproof._points import parse_points
from gradproof._program import Program
from gradproof._subject import Subject, prepare
from gradproof._targets import Target, resolve

Array = np.ndarray[Any, Any]
COLUMN: Final = re.compile(r"expression, column (?P<column>\d+):")
SAID: Final = {
    "at:": "--at:", "point:": "--at:", "wrt:": "--wrt:", "outputs:": "--output:", "kind: ": "",
    "structure:": "--structure:", "suppress:": "--suppress:", "select:": "--select:", "claim_kind": "--claim-kind",
}  # fmt: skip
SAID_AS: Final = re.compile(
    r"^(?:options\.)?(at:|point:|wrt:|outputs:|structure:|suppress:|select:|kind: )|\b(claim_kind)\b"
)
"""Words of the Python face, and the options they are here."""
AROUND: Final = 60
"""Characters of a long expression shown on either side of a mistake."""


@dataclass(frozen=True, slots=True)
class Aimed:
    """A resolved target and its subject at the point; no subject for a program that was given no point."""

    target: Target
    subject: Subject | None

    @property
    def program(self) -> Program:
        """The program; raises `Mistake` for a black box, which has none."""
        if self.subject is None:
            assert isinstance(self.target.subject, Program)
            return self.target.subject
        if self.subject.program is None:
            raise Mistake(
                f"{self.target.name} is a black box, so it has no program: "
                f"{first_reason(self.subject.origin.reason)}; `gradproof check` judges it by its values"
            )
        return self.subject.program

    @property
    def source(self) -> str:
        """The text of an expression, for carets under its columns; empty for anything else."""
        return self.target.name if self.target.kind == "expression" else ""


def aimed(
    text: str, at: Iterable[str], *, structure: Iterable[str] = (), partial: bool = False
) -> Aimed:
    """Resolve a target and its point; with `partial` a program may go without its point.

    Raises `TargetError` or `Mistake` for what cannot be resolved, and for names that do not fit.
    """
    target = resolved(text)
    point, kinds = point_of(at), structure_of(structure)
    if partial and not (point or kinds) and isinstance(target.subject, Program):
        return Aimed(target, None)
    with in_our_words(target):
        return Aimed(target, prepare(target.subject, point, kinds))


def point_of(at: Iterable[str]) -> dict[str, Any]:
    """The values by input name; a plain number is a NumPy scalar, as a call would pass it."""
    return {name: value[()] for name, value in parse_points(at).items()}


def structure_of(texts: Iterable[str]) -> dict[str, str]:
    """The kinds by input name; raises `Mistake` for what is no `NAME=KIND`, or a name that comes twice."""
    kinds: dict[str, str] = {}
    for text in texts:
        name, equals, kind = (part.strip() for part in text.partition("="))
        if not (name and equals and kind):
            raise Mistake(f"--structure {text[:60]!r}: expected NAME=KIND, such as S=spd")
        if name in kinds:
            raise Mistake(f"--structure {name}: a second kind came; give each input one")
        kinds[name] = kind
    return kinds


@contextmanager
def in_our_words(target: Target) -> Generator[None]:
    """Tell mistakes about the request in the words of the command line."""
    try:
        yield
    except (TargetError, RequestError) as error:
        told = SAID_AS.sub(lambda found: SAID[found[1] or found[2]], error.message)
        if told == error.message:
            raise
        raise Mistake(f"{target.name}: {told}") from error


def resolved(text: str) -> Target:
    """The target that a text names; a mistake in an expression is shown with a caret under it."""
    try:
        return resolve(text)
    except TargetError as error:
        found = COLUMN.match(error.message)
        if found is None:
            raise
        column = int(found["column"])
        start = max(column - AROUND, 0)
        shown = text[start : column + AROUND].replace("\n", " ")
        raise Mistake(f"{error}\n{shown}\n{' ' * (column - 1 - start)}^") from error
