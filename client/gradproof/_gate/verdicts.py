"""The verdicts of the gate: one table that says what each is called, means, looks like and exits with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

PASSED: Final = 0
FINDINGS: Final = 1
UNREADABLE: Final = 2
OPEN: Final = 3
NO_SERVICE: Final = 4
GRAVITY: Final = (PASSED, OPEN, UNREADABLE, NO_SERVICE, FINDINGS)
"""Exit codes of single cases, the one that decides for all of them last: what is certainly wrong comes first."""


class Verdict(StrEnum):
    """What the gate says of one case."""

    PASS = "PASS"  # noqa: S105  (no password)
    DRIFT = "DRIFT"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    NEW = "NEW"
    GONE = "GONE"
    ERROR = "ERROR"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a verdict stands for; `level` is its severity in the formats that have one, "" when nothing is wrong."""

    says: str
    sign: str
    style: str
    level: str
    exit_code: int


MEANINGS: Final = {
    Verdict.PASS: Meaning("verified, and where its baseline is", "✓", "green", "", PASSED),
    Verdict.DRIFT: Meaning("verified, but not where its baseline is", "≠", "magenta", "error", FINDINGS),
    Verdict.FAIL: Meaning("wrong", "✗", "red", "error", FINDINGS),
    Verdict.INCONCLUSIVE: Meaning("not to be decided", "?", "yellow", "warning", OPEN),
    Verdict.NEW: Meaning("verified, without a baseline", "+", "cyan", "error", FINDINGS),
    Verdict.GONE: Meaning("a baseline without its case", "-", "red", "error", FINDINGS),
    Verdict.ERROR: Meaning("could not be checked", "!", "red", "error", UNREADABLE),
    Verdict.SKIPPED: Meaning("left out on purpose", "·", "dim", "", PASSED),
}  # fmt: skip


def gravest(codes: Iterable[int]) -> int:
    """The exit code of a run from those of its cases."""
    return max(codes, key=GRAVITY.index, default=PASSED)
