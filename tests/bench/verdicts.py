"""How gradproof and three well-known gradient checkers judge the same claims.

    python -m tests.bench.verdicts [--json FILE] [--only ours,torch,jax,scipy] [--merge FILE ...] [--quick]

Every planted fault of `tests/suites` is shown to each checker as a user of it would: the NumPy
function with the hand-written derivative as its rule. So is every correct derivative, at ordinary
points and at hard ones. Peers run with their default steps and tolerances (scipy, which returns a
distance and no verdict, with the 1e-6 of its documentation's readers). A peer that is not installed
is printed as absent; what another interpreter measured is put beside it with `--merge`.
"""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import argparse
import json
import platform
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench import peers
from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import Fault, faults_of, masked
from tests.suites.hard import CASES
from tests.suites.model import Subject

Judge = Callable[[Subject, Any], str]
SLIPS = "slip in the source"
ROWS = (
    SLIPS,
    "values spoiled",
    "one entry 1e-3",
    "one entry 1e-4",
    "one entry 1e-5",
    "one entry 1e-6",
)


def row_of(fault: Fault) -> str:
    """The row of the table a fault is counted in."""
    if fault.fault.startswith("relative-"):
        return f"one entry {fault.fault.removeprefix('relative-')}"
    return SLIPS if fault.line else "values spoiled"


def questions(quick: bool) -> Iterator[tuple[str, Subject, Any]]:
    """(row, subject, claim) of everything that is asked."""
    step = 8 if quick else 1
    for subject in SUBJECTS[::step]:
        yield "correct, ordinary", subject, subject.claim
        for fault in faults_of(subject, "one"):
            if not masked(fault):
                yield row_of(fault), subject, fault.claim
    for case in CASES[::step]:
        yield (
            "correct, hard",
            Subject(case.function, case.claim, case.kind, case.at, ()),
            case.claim,
        )


def measure(judge: Judge, quick: bool) -> dict[str, Any]:
    """Counts of answers per row, and seconds per question."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    raised: dict[str, int] = defaultdict(int)
    asked, began = 0, time.perf_counter()
    for row, subject, claim in questions(quick):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            try:
                answer = judge(subject, claim)
            except peers.NotApplicable:
                answer = "not applicable"
            except Exception as error:  # noqa: BLE001  (a checker that raises has rejected the claim)
                answer = "disagrees"
                raised[f"{row}: {type(error).__name__}: {str(error).splitlines()[0][:80]}"] += 1
        counts[row][answer] += 1
        asked += 1
    seconds = (time.perf_counter() - began) / max(asked, 1)
    return {
        "rows": {row: dict(c) for row, c in counts.items()},
        "seconds_per_check": seconds,
        "raised": dict(raised),
    }


def share(counts: dict[str, int], answer: str) -> float:
    """Per cent of the questions it could be asked."""
    asked = sum(n for a, n in counts.items() if a != "not applicable")
    return 100 * counts.get(answer, 0) / asked if asked else float("nan")


def table(measured: dict[str, dict[str, Any]]) -> str:
    """The table as Markdown: faults found, correct derivatives accused and left open."""
    names = list(measured)
    lines = ["| per cent | " + " | ".join(names) + " |", "|---" * (len(names) + 1) + "|"]

    def line(label: str, row: str, answer: str) -> str:
        cells = [
            f"{share(m['rows'].get(row, {}), answer):.1f}" if "rows" in m else "absent"
            for m in measured.values()
        ]
        return f"| {label} | " + " | ".join(cells) + " |"

    lines += [line(f"found: {row}", row, "disagrees") for row in ROWS]
    for row in ("correct, ordinary", "correct, hard"):
        lines.append(
            line(f"accused falsely: {row.removeprefix('correct, ')} points", row, "disagrees")
        )
        lines.append(
            line(f"left open: {row.removeprefix('correct, ')} points", row, "inconclusive")
        )
    cost = [
        f"{1e3 * m['seconds_per_check']:.0f} ms" if "rows" in m else "absent"
        for m in measured.values()
    ]
    return "\n".join([*lines, "| time per check | " + " | ".join(cost) + " |"])


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--only", default=",".join(peers.CHECKERS))
    parser.add_argument("--merge", type=Path, nargs="*", default=[])
    parser.add_argument("--quick", action="store_true")
    chosen = parser.parse_args()
    measured: dict[str, dict[str, Any]] = {}
    for key in filter(None, chosen.only.split(",")):
        label, load = peers.CHECKERS[key]
        try:
            judge, version = load()
        except ImportError:
            measured[label] = {"absent": True}
            continue
        measured[f"{label} {version}"] = measure(judge, chosen.quick)
    for file in chosen.merge:
        measured |= json.loads(file.read_text())["measured"]
    print(table(measured))
    if chosen.json:
        about = {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "machine": platform.machine(),
        }
        chosen.json.write_text(
            json.dumps({"about": about, "measured": measured}, indent=1, sort_keys=True) + "\n"
        )


if __name__ == "__main__":
    main()
