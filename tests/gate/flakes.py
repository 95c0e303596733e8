"""An unchanged gate, run again and again: `python -m tests.gate.flakes [RUNS]`, over the example repository.

Every case of every run is checked anew. Processes are replaced after some runs, so that hash seeds, addresses and the
company of the other process change all the time.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from gradproof._gate.baseline import committed
from gradproof._gate.cases import collect
from gradproof._gate.config import load
from gradproof._gate.result import CaseResult
from gradproof._gate.run import job_for
from gradproof._gate.verdicts import Verdict
from gradproof._gate.workers import Workers, checked

from tests.gate.harness import EXAMPLE, copy_of

TOGETHER = 100
"""Runs of one process."""


def flakes(root: Path, runs: int, jobs: int = 2) -> Iterator[tuple[int, str]]:
    """Make so many runs; yields the number of each, and the name of a case that is not what it was, else ""."""
    config = load(root / "gradproof.toml")
    every = collect(config)
    job = job_for(config, every, committed(config.baselines), cached=False)
    first: list[tuple[object, ...]] = []
    for start in range(0, runs, TOGETHER):
        with Workers(job, jobs) as workers:
            for run in range(start, min(start + TOGETHER, runs)):
                results = workers.each(checked, range(len(every)))
                records = [_record(results[k]) for k in range(len(every))]
                first = first or records
                bad = [
                    k
                    for k, now in enumerate(records)
                    if now != first[k] or now[0] is not Verdict.PASS
                ]
                yield run + 1, every[bad[0]].name if bad else ""


def _record(result: CaseResult | None) -> tuple[object, ...]:
    assert result is not None
    return result.verdict, result.sentence, result.baseline, result.reports


def main(runs: int) -> int:
    """Tell how far it is; 1 when a run was not like the first."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for run, flaked in flakes(copy_of(EXAMPLE, Path(folder) / "example"), runs):
            if flaked or run % TOGETHER == 0 or run == runs:
                seconds = time.monotonic() - start
                sys.stdout.write(
                    f"{run} runs, {seconds:.0f} s{f': {flaked} differs' if flaked else ''}\n"
                )
                sys.stdout.flush()
            if flaked:
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
