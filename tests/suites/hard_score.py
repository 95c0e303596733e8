"""What the checker says of the hard but correct cases: `python -m tests.suites.hard_score [words of names]`."""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence

from tests.suites.hard import CASES
from tests.suites.hard.judge import judge, told


def main(words: Sequence[str]) -> None:
    """Print every case that is not plain agreement, then the counts."""
    verdicts: Counter[str] = Counter()
    for case in CASES:
        if words and not any(w in case.name for w in words):
            continue
        try:
            report = judge(case)
        except Exception as error:  # noqa: BLE001  (one case that cannot be checked must not hide the others)
            verdicts["CANNOT CHECK"] += 1
            print(f"CANNOT CHECK {case.name}: {type(error).__name__}: {error}")
            continue
        verdicts[report.verdict.name] += 1
        if report.verdict.name != "AGREES":
            print(told(case, report))
    total = sum(verdicts.values())
    print(
        ", ".join(
            f"{name} {count} ({100 * count / total:.1f} %)" for name, count in verdicts.items()
        )
    )


if __name__ == "__main__":
    main(sys.argv[1:])
