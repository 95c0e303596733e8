"""What was asked for, as a person typed it: for headlines, and for commands that go further."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

LONGEST: Final = 80
"""Characters of one `--at` that a command to paste repeats."""


@dataclass(frozen=True, slots=True)
class Case:
    """One call of the command: the target, the claim, the point and how it was asked.

    `source` is the text of the target when it is an expression, for carets under its columns;
    `replayed` says that the target is a saved counterexample, which only `check` takes.
    """

    target: str
    claim: str = ""
    at: tuple[str, ...] = ()
    wrt: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    server: str = ""
    source: str = ""
    replayed: bool = False
    structure: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The target, and the point when it is short."""
        point = ", ".join(" = ".join(part.strip() for part in at.split("=", 1)) for at in self.at)
        return f"{self.target} at {point}" if point and len(point) <= 32 else self.target

    def command(self, verb: str, *options: str, wrt: tuple[str, ...] | None = None) -> str:
        """The same target and point under another verb, ready to be pasted into a shell."""
        words = ["gradproof", verb, self.target]
        words += [w for at in self.at for w in ("--at", _short(at))]
        words += [w for kind in self.structure for w in ("--structure", kind)]
        words += [w for name in (self.wrt if wrt is None else wrt) for w in ("--wrt", name)]
        words += [w for name in self.outputs for w in ("--output", name)]
        if verb == "check" and self.claim and "--claim" not in options:
            words += ["--claim", self.claim]
        words += ["--server", self.server] if self.server else []
        return shlex.join([*words, *options])


def _short(at: str) -> str:
    """A point as it was written; a long array of numbers is left to the reader to put in again."""
    return at if len(at) <= LONGEST else at.partition("=")[0] + "=..."
