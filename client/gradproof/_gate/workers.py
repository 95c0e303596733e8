"""Processes that check cases side by side: one that hangs or dies costs its own case and no other.

Each case is checked by one process with one thread for linear algebra, so the numbers are the same however many
processes there are.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from gradproof._errors import GradproofError
from gradproof._gate.cases import Case, unreadable
from gradproof._gate.code import code_digest
from gradproof._gate.contents import FILE
from gradproof._gate.kept import Kept
from gradproof._gate.result import CaseResult
from gradproof._gate.verdicts import Verdict

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from gradproof._gate.cache import Cache
    from gradproof._gate.watch import Reads
    from gradproof._transport import Transport

GRACE_S: Final = 2.0
"""A case that was told to end by its own deadline has so long before its process is killed."""
READY: Final = -1
THREADS: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Linear algebra with several threads adds in another order on another machine."""

Task = Callable[[Case, "Bench"], CaseResult | None]
"""What is done with a case; None says that it was left for later."""


@dataclass(frozen=True, slots=True)
class Job:
    """What every process has to know.

    `committed` are the files of baselines by case, `held` says whether they are wanted, `evidence` whether reports
    bring what pictures need. Answers are kept in `cache`, for these `surroundings` of the run.
    """

    root: Path
    cases: tuple[Case, ...]
    committed: dict[str, Path]
    held: bool
    pythonpath: tuple[str, ...] = ()
    cache: Path | None = None
    surroundings: str = ""
    evidence: bool = False

    @property
    def kept(self) -> Kept | None:
        """The results that are kept whole."""
        return Kept(self.cache, self.root, self.surroundings) if self.cache else None


@dataclass(slots=True)
class Bench:
    """Where cases are checked: the job, the way to the service, the answers that are kept, what this process reads."""

    job: Job
    transport: Transport
    cache: Cache
    reads: Reads | None = None


def checked(case: Case, bench: Bench) -> CaseResult | None:
    """The case checked and judged."""
    return _run(case, bench, kept_only=False)


def from_kept(case: Case, bench: Bench) -> CaseResult | None:
    """The case judged by kept answers; None when some are not kept."""
    return _run(case, bench, kept_only=True)


def _run(case: Case, bench: Bench, *, kept_only: bool) -> CaseResult | None:
    from gradproof._gate.case_run import (  # with numpy behind it: the processes only
        named_files,
        run_case,
    )

    job, reads = bench.job, bench.reads
    if reads is not None:
        for file in named_files(case):
            reads.look(FILE, str(job.root / file))
    result = run_case(
        case, job.root, bench.transport, bench.cache, job.committed.get(case.name), held=job.held,
        kept_only=kept_only, evidence=job.evidence,
    )  # fmt: skip
    if (
        reads is not None
        and job.kept is not None
        and result is not None
        and result.verdict is Verdict.PASS
    ):
        contents = reads.contents(str(job.root))
        if contents is not None:
            job.kept.keep(case, result, contents)
    return result


def proved(case: Case, bench: Bench) -> CaseResult | None:
    """The case with the proof that it can fail."""
    from gradproof._gate.prove import prove_case

    return prove_case(case, bench)


def linted(case: Case, bench: Bench) -> CaseResult | None:
    """The case with what the look of its function tells."""
    from gradproof._gate.lint import lint_case

    return lint_case(case, bench)


def open_bench(job: Job) -> Bench:
    """A bench in this process; raises `GradproofError` when no service answers."""
    from gradproof._gate.cache import Cache
    from gradproof._transport import default_transport

    return Bench(job, default_transport(), Cache(job.cache, code_digest() if job.cache else ""))


class Workers:
    """Up to `count` processes, started when there is work for them; a context manager that ends them."""

    def __init__(self, job: Job, count: int) -> None:
        self.job = job
        self.count = max(1, count)
        self._idle: list[_Worker] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._idle:
            worker.end()
        self._idle.clear()

    def each(
        self, task: Task, indices: Sequence[int], *, side_by_side: int | None = None, ends: float | None = None,
        done: Callable[[int, CaseResult | None], bool] = lambda _i, _r: True,
    ) -> dict[int, CaseResult | None]:  # fmt: skip
        """The result of the task for every index; those that `ends` (monotonic) left no time for are missing.

        `done` is called as results come in; when it says False nothing after that index is begun.
        """
        left, results = deque(sorted(indices)), dict[int, CaseResult | None]()
        busy: list[_Worker] = []
        most = min(side_by_side or self.count, self.count, max(len(left), 1))
        try:
            while left or busy:
                while left and len(busy) < most and (ends is None or time.monotonic() < ends):
                    worker = self._idle.pop() if self._idle else _Worker(self.job)
                    worker.give(task, left.popleft())
                    busy.append(worker)
                if not busy:
                    break
                for worker in _ready(busy):
                    index, result = worker.take()
                    busy.remove(worker)
                    if worker.alive:
                        self._idle.append(worker)
                    results[index] = result
                    if not done(index, result):
                        left = deque(k for k in left if k < index)
        finally:
            for worker in busy:
                worker.kill()
        return results


@dataclass(slots=True)
class _Worker:
    """One process and the case it is at; the clock of a case starts when the process is ready for it."""

    job: Job
    process: Any = None
    link: Connection[Any, Any] | None = None
    index: int = READY
    deadline: float = field(default=float("inf"))
    alive: bool = True

    def give(self, task: Task, index: int) -> None:
        """Begin a case."""
        if self.process is None:
            self._start()
        assert self.link is not None
        self.index, self.deadline = index, float("inf")
        with suppress(OSError):  # a process that died already is found out when its answer is taken
            self.link.send((task, index))

    def _start(self) -> None:
        from multiprocessing import get_context

        context = get_context("spawn")
        self.link, far = context.Pipe()
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, "1"))
        try:
            self.process = context.Process(target=_serve, args=(far, self.job), daemon=True)
            self.process.start()
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
        far.close()

    def begun(self) -> None:
        """The process has begun with its case."""
        self.deadline = time.monotonic() + self._case.settings.timeout_s + GRACE_S

    @property
    def _case(self) -> Case:
        return self.job.cases[self.index]

    def take(self) -> tuple[int, CaseResult | None]:
        """The result; a process that died or had to be killed gives the reason as one."""
        assert self.link is not None
        if time.monotonic() >= self.deadline and not self.link.poll():
            self.kill()
            return self.index, unreadable(
                self._case,
                f"{self._case.target}: it did not finish within {self._case.settings.timeout_s:g} s and was stopped",
            )
        try:
            return self.index, self.link.recv()
        except (EOFError, OSError):
            self.process.join(GRACE_S)  # its own end tells more than that of a kill
            self.kill()
            return self.index, unreadable(
                self._case, f"{self._case.target}: its process died ({_how(self.process.exitcode)})"
            )

    def kill(self) -> None:
        """End the process at once."""
        self.alive = False
        if self.process is not None:
            self.process.kill()
            self.process.join()

    def end(self) -> None:
        """Let the process end by itself."""
        if self.link is not None:
            self.link.close()
        if self.process is not None:
            self.process.join(GRACE_S)
            self.kill()


def _ready(busy: Sequence[_Worker]) -> list[_Worker]:
    """The workers that have something to tell, or no time left; messages that a case has begun are taken in."""
    from multiprocessing.connection import wait

    while True:
        late = min(worker.deadline for worker in busy) - time.monotonic()
        links = {worker.link: worker for worker in busy}
        found = wait(list(links), None if late == float("inf") else max(late, 0.0))  # type: ignore[arg-type]
        told: list[_Worker] = []
        for link in found:
            worker = links[link]  # type: ignore[index]
            if not _only_begun(worker):
                told.append(worker)
        told += [w for w in busy if w not in told and time.monotonic() >= w.deadline]
        if told:
            return sorted(told, key=lambda w: w.index)


def _only_begun(worker: _Worker) -> bool:
    """Takes in that a case has begun; False when there is a result, or the process is gone."""
    if worker.deadline != float("inf"):
        return False
    assert worker.link is not None
    try:
        worker.link.recv()
    except (EOFError, OSError):
        return False
    worker.begun()
    return True


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"


def _serve(link: Connection[Any, Any], job: Job) -> None:
    """What a process does: cases in, results out, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started it decides
    prepare_process(job)
    bench: Bench | GradproofError
    try:
        bench = open_bench(job)
        if job.cache is not None:
            from gradproof._gate.watch import watch

            bench.reads = watch()
    except GradproofError as error:
        bench = error
    while True:
        try:
            task, index = link.recv()
        except (EOFError, OSError):
            return
        link.send(None)
        link.send(_guarded(task, job.cases[index], bench))


def prepare_process(job: Job) -> None:
    """Work from the root; what the user's code prints goes to stderr, for stdout is the answer."""
    os.chdir(job.root)
    for folder in reversed((str(job.root), *(str(job.root / p) for p in job.pythonpath))):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    sys.stdout.flush()
    os.dup2(2, 1)


def _guarded(task: Task, case: Case, bench: Bench | GradproofError) -> CaseResult | None:
    """The task's result, whatever the user's code does."""
    if isinstance(bench, GradproofError):
        return unreadable(case, bench.message, bench.exit_code)
    try:
        return task(case, bench)
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the gate goes on with the other cases)
        said = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(": ")
        return unreadable(case, f"{case.target} raised {said}")
