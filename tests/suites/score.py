"""The score table of the planted-fault suite: `python -m tests.suites.score [--all] [--causes] [NAMES]`."""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.suites.causes import CODES, Diagnosis, diagnoses
from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import faults_of
from tests.suites.planted import Score, score_subject

COLUMNS = ("detected", "argument", "entries", "cause", "line")


def percent(scores: Sequence[Score], column: str) -> str:
    """Share of faults with a true mark, of those that have one; a dash when none has."""
    marks = [getattr(s, column) for s in scores if getattr(s, column) is not None]
    return f"{100 * sum(marks) / len(marks):6.1f}" if marks else "     -"


def table(scores: Iterable[Score]) -> str:
    """One row per class of fault, then the sum."""
    kept = [s for s in scores if not s.masked]
    groups: dict[str, list[Score]] = defaultdict(list)
    for score in kept:
        groups[score.fault].append(score)
    rows = [f"{'fault':<20}{'n':>6}" + "".join(f"{c:>10}" for c in COLUMNS)]
    for fault, group in [*sorted(groups.items()), ("all", kept)]:
        rows.append(
            f"{fault:<20}{len(group):>6}" + "".join(f"{percent(group, c):>10}" for c in COLUMNS)
        )
    return "\n".join(rows)


def main(arguments: Sequence[str]) -> None:
    """Print the table, the masked faults, and what went wrong."""
    chosen = "all" if "--all" in arguments else "one"
    named = [a for a in arguments if not a.startswith("--")]
    scores: list[Score] = []
    correct: list[Score] = []
    for subject in SUBJECTS:
        if named and subject.name not in named:
            continue
        try:
            faults = faults_of(subject, chosen)
            own, found, _ = score_subject(subject, faults)
        except Exception as error:  # noqa: BLE001  (one subject that cannot be checked must not hide the others)
            print(f"CANNOT CHECK {subject.name}: {type(error).__name__}: {error}")
            continue
        if "--causes" in arguments:
            for fault, score in zip(faults, found, strict=True):
                _diagnosed(score, list(diagnoses(fault)) if fault.fault in CODES else [])
        correct.append(own)
        scores += found
    print(table(scores))
    print(
        f"masked: {sum(s.masked for s in scores)}; correct claims that agree: {sum(s.entries for s in correct)}/{len(correct)}"
    )
    for s in (*correct, *scores):
        if not s.masked and not s.entries:
            print(f"  {s.name}: {s.note}")


def _diagnosed(score: Score, said: list[Diagnosis]) -> None:
    if not said:
        return
    score.cause = all(d.named for d in said)
    score.line = any(d.placed for d in said) if said[0].fault.line else None
    if not score.cause or score.line is False:
        print(f"  {score.name} (line {said[0].fault.line}):")
        for d in said:
            print(f"      {d.argument}: {d.cause[:150] or 'nothing'}; lines {sorted(d.lines)}")


if __name__ == "__main__":
    main(sys.argv[1:])
