"""A run of the gate: cases collected, checked side by side, and put together in their order."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._files import write_whole
from gradproof._gate.baseline import committed
from gradproof._gate.cases import Case, Shard, chosen, collect, matches
from gradproof._gate.config import Config
from gradproof._gate.environment import OWN_FOLDER, own_folder
from gradproof._gate.kept import surroundings
from gradproof._gate.result import CaseResult, GateResult, Place, printable
from gradproof._gate.store import prune
from gradproof._gate.verdicts import MEANINGS, OPEN, Verdict
from gradproof._gate.workers import Job, Task, Workers, checked, from_kept
from gradproof._words import PRODUCER_VERSION, SERVER_VARIABLE

LAST: Final = "last.json"

Progress = Callable[[int, int, str], None]
"""Told how many cases are done, of how many, and the name of the last."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a run besides its configuration."""

    words: tuple[str, ...] = ()
    shard: Shard | None = None
    last_failed: bool = False
    fail_fast: bool = False
    jobs: int | None = None
    cached: bool = True
    files: tuple[str, ...] | None = None
    """Only the cases whose targets stand in these files, from the root; None: all."""
    command: str = "gate run"
    evidence: bool = False
    """Whether the reports bring what pictures need."""


def run_gate(
    config: Config,
    asked: Asked | None = None,
    progress: Progress | None = None,
    task: Task = checked,
) -> GateResult:
    """Check every case that is asked for; raises `RequestError` for a configuration that cannot be meant."""
    asked = asked or Asked()
    start = time.perf_counter()
    everything = collect(config)
    files = committed(config.baselines)
    again = _last_failed(config.root) if asked.last_failed else frozenset[str]()
    cases = [
        c
        for c in chosen(everything, asked.words, asked.shard)
        if (not again or c.name in again) and (asked.files is None or c.file in asked.files)
    ]
    results = _checked(config, cases, files, asked, progress, task)
    gone = _gone(config.root, everything, files, asked, again) if task is checked else []
    stopped = 0
    if asked.fail_fast:
        first = next((k for k, r in enumerate(results) if not r.passed), len(results))
        stopped = max(len(cases) - first - 1, 0)
        results = results[: first + 1]
        gone = gone if not stopped and all(r.passed for r in results) else []
    result = GateResult(
        cases=(*results, *gone),
        collected=len(everything),
        command=asked.command,
        root=str(config.root),
        shard=f"{asked.shard.own}/{asked.shard.of}" if asked.shard else "",
        selected=asked.words,
        stopped_early=stopped,
        trouble=_trouble(everything, cases, results, gone, asked),
        seconds=time.perf_counter() - start,
        version=PRODUCER_VERSION,
    )
    if task is checked:
        _remember(config.root, result)
    return printable(result)


def job_for(
    config: Config,
    cases: Sequence[Case],
    files: Mapping[str, Path],
    *,
    cached: bool,
    evidence: bool = False,
) -> Job:
    """What the processes of a run have to know.

    Answers of a service elsewhere are never kept: nothing tells whether its code is still the same.
    """
    cached = cached and not os.environ.get(SERVER_VARIABLE, "").strip()
    held = config.baselines is not None
    return Job(
        root=config.root,
        cases=tuple(cases),
        committed=dict(files),
        held=held,
        pythonpath=config.pythonpath,
        cache=config.root / OWN_FOLDER / "cache" if cached else None,
        surroundings=surroundings(config.root, config.pythonpath, held, evidence) if cached else "",
        evidence=evidence,
    )


def _checked(
    config: Config, cases: Sequence[Case], files: Mapping[str, Path], asked: Asked, progress: Progress | None,
    task: Task,
) -> list[CaseResult]:  # fmt: skip
    """The results in the order of the cases: what is kept by one process, the rest by as many as there are."""
    jobs = asked.jobs or config.jobs or os.cpu_count() or 1
    job = job_for(config, cases, files, cached=asked.cached, evidence=asked.evidence)
    ends = None if config.budget_s is None else time.monotonic() + config.budget_s
    found: dict[int, CaseResult] = {}

    def done(index: int, result: CaseResult | None) -> bool:
        if result is not None:
            found[index] = result
            if progress is not None:
                progress(len(found), len(cases), result.name)
        return result is None or result.passed or not asked.fail_fast

    every, kept = range(len(cases)), job.kept if task is checked else None
    for k, case in enumerate(cases):
        if case.skip:
            done(k, CaseResult(case.name, Verdict.SKIPPED, case.skip, case.target, case.claim))
        elif kept is not None:
            done(k, kept.find(case, files.get(case.name)))
    if len(found) == len(cases):
        return [found[k] for k in every]
    with Workers(job, jobs) as workers:
        if job.cache is not None and task is checked and jobs > 1 and len(cases) > 1:
            workers.each(
                from_kept,
                [k for k in every if k not in found],
                side_by_side=1,
                ends=ends,
                done=done,
            )
        stop = min((k for k, r in found.items() if not r.passed), default=len(cases))
        last = stop if asked.fail_fast else len(cases)
        workers.each(task, [k for k in every if k not in found and k < last], ends=ends, done=done)
    if job.cache is not None:
        prune(job.cache)
    if asked.fail_fast:
        return [found[k] for k in sorted(found)]
    return [found.get(k) or _out_of_time(cases[k], config) for k in every]


def _out_of_time(case: Case, config: Config) -> CaseResult:
    said = f"not checked: the time budget of {config.budget_s:g} s was spent"
    return CaseResult(
        case.name, Verdict.INCONCLUSIVE, said, case.target, case.claim, exit_code=OPEN
    )


def _gone(
    root: Path,
    everything: Sequence[Case],
    files: Mapping[str, Path],
    asked: Asked,
    again: frozenset[str],
) -> list[CaseResult]:
    """A result for every baseline whose case is no longer there; a shard takes its part of them by name."""
    names = {case.name for case in everything}
    shard = asked.shard or Shard()
    return [
        CaseResult(
            name,
            Verdict.GONE,
            f"{file.name} is a baseline of no case: bring the case back, or accept that it is gone",
            place=Place(file.relative_to(root).as_posix(), 1),
            exit_code=MEANINGS[Verdict.GONE].exit_code,
        )
        for name, file in sorted(files.items())
        if name not in names
        and matches(name, asked.words)
        and (not again or name in again)
        and shard.holds(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4]))
    ]


def _trouble(
    everything: Sequence[Case], cases: Sequence[Case], results: Sequence[CaseResult], gone: Sequence[CaseResult],
    asked: Asked,
) -> str:  # fmt: skip
    """Why a run that checked nothing must fail; empty when it did check something."""
    if not everything:
        return "no case is configured; a gate over nothing would never fail"
    if not cases and not gone:
        if asked.words:
            return f"no case matches {' or '.join(asked.words)}; there are {_few([c.name for c in everything])}"
        return (
            ""
            if asked.shard or asked.last_failed or asked.files is not None
            else "no case was collected"
        )
    if (
        results
        and all(r.verdict is Verdict.SKIPPED for r in results)
        and len(cases) == len(everything)
    ):
        return "every case is skipped; a gate over nothing would never fail"
    return ""


def _few(names: Sequence[str]) -> str:
    left = len(names) - 5
    return ", ".join(names[:5]) + (f" and {left} more" if left > 0 else "")


def _last_failed(root: Path) -> frozenset[str]:
    """The cases that failed when they were last run; empty when none did, or nothing is known."""
    try:
        given = json.loads((root / OWN_FOLDER / LAST).read_text(encoding="utf-8"))
        return frozenset(map(str, given["failed"]))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def _remember(root: Path, result: GateResult) -> None:
    """Keep which cases failed; those that were not run stay as they were."""
    ran = {case.name for case in result.cases}
    failed = {case.name for case in result.cases if not case.passed} | (_last_failed(root) - ran)
    text = json.dumps({"failed": sorted(failed)}, indent=2) + "\n"
    with suppress(OSError):  # a folder that cannot be written costs --last-failed, no more
        write_whole(own_folder(root) / LAST, text.encode())
