"""`gate review`: each baseline that is missing, moved or no longer wanted, with its difference, and a question."""

from __future__ import annotations

import sys
from difflib import unified_diff
from typing import Final

from gradproof._cli.gate_outputs.text import add_case
from gradproof._cli.page import page_for, show, write
from gradproof._gate.accept import accept, acceptable
from gradproof._gate.config import Config
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.verdicts import FINDINGS, PASSED

QUESTION: Final = "  [a]ccept, [r]eject, [s]kip, show [d]ifference, [q]uit? "
MOST_LINES: Final = 60
"""Lines of a difference that are shown at once."""


def review(config: Config, result: GateResult) -> int:
    """Ask about every case that could be accepted; 0 when none is left open or rejected and nothing else is wrong."""
    asked = [case for case in result.cases if acceptable(case)]
    counts = {"accepted": 0, "rejected": 0, "skipped": 0}
    for number, case in enumerate(asked):
        page = page_for()
        page.add((f"{number + 1} of {len(asked)}", "dim"))
        add_case(page, case, result.root)
        show(page)
        answer = _answer(case)
        if answer == "q":
            counts["skipped"] += len(asked) - number
            break
        if answer == "a":
            reason = _line(f'  why? (Enter: "{case.sentence[:40]}...") ') or case.sentence
            path = accept(config, case, reason)
            write(
                f"  {path.relative_to(config.root)} {'removed' if str(case.verdict) == 'GONE' else 'written'}\n"
            )
            counts["accepted"] += 1
        elif answer == "r":
            write("  rejected: the baseline stays, the case goes on failing until it is mended\n")
            counts["rejected"] += 1
        else:
            counts["skipped"] += 1
    wrong = [case for case in result.cases if not case.passed and case not in asked]
    told = ", ".join(f"{n} {word}" for word, n in counts.items() if n) or "nothing to review"
    also = (
        f"; {len(wrong)} cannot be accepted: {', '.join(c.name for c in wrong[:5])}"
        if wrong
        else ""
    )
    write(f"{told}{also}\n")
    return FINDINGS if wrong or counts["rejected"] or counts["skipped"] else PASSED


def _answer(case: CaseResult) -> str:
    """One of a, r, s, q; the end of the input is q."""
    while True:
        given = _line(QUESTION)
        if given is None:
            write("\n")
            return "q"
        word = given.lower()[:1]
        if word in ("a", "r", "s", "q"):
            return word
        if word == "d":
            write(difference(case))
        else:
            write("  write one of a, r, s, d, q\n")


def difference(case: CaseResult) -> str:
    """The baseline as it is and as it would be, line by line; a long one is cut and said to be."""
    lines = list(
        unified_diff(
            case.previous.splitlines(), case.baseline.splitlines(), "baseline", "now", lineterm="", n=2
        )
    )  # fmt: skip
    shown = lines[:MOST_LINES]
    if len(lines) > MOST_LINES:
        shown.append(f"... {len(lines) - MOST_LINES} more lines")
    return "".join(f"  {line}\n" for line in shown)


def _line(question: str) -> str | None:
    """What a person writes; None at the end of the input."""
    write(question)
    given = sys.stdin.readline()
    return given.strip() if given else None
