"""`gate`: the cases of a repository, run, proved, reviewed and accepted; what is shown is made from one record."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gradproof._cli.gate_outputs import WRITERS, read_outputs, write_outputs
from gradproof._cli.gate_outputs.text import add_run
from gradproof._cli.page import Page, page_for, show, write
from gradproof._cli.trouble import Mistake
from gradproof._errors import RequestError
from gradproof._gate.cases import read_shard
from gradproof._gate.config import Config, load
from gradproof._gate.environment import refuse_in_ci
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.run import Asked as RunAsked
from gradproof._gate.run import Progress, run_gate
from gradproof._gate.verdicts import PASSED
from gradproof._gate.workers import checked, linted, proved


@dataclass(frozen=True, slots=True)
class Asked:
    """One call of `gate run` or `gate prove`, as it was asked."""

    config: Path | None = None
    words: tuple[str, ...] = ()
    shard: str = ""
    last_failed: bool = False
    fail_fast: bool = False
    jobs: int | None = None
    cached: bool = True
    form: str = "text"
    outputs: tuple[str, ...] = ()
    verbose: bool = False
    exit_zero: bool = False


TASKS: Final = {"gate run": checked, "gate prove": proved, "gate lint": linted}
"""What each command does with a case."""


def run_run(asked: Asked) -> int:
    """Check every case that is asked for and write what is wanted; the exit code."""
    return _shown(asked, _run(asked, "gate run"))


def run_prove(asked: Asked) -> int:
    """Plant faults into every case that is asked for; the exit code."""
    return _shown(asked, _run(asked, "gate prove"))


def run_lint(asked: Asked, files: tuple[Path, ...]) -> int:
    """Look at the functions of every case in the files, or of all; nothing is computed."""
    return _shown(asked, _run(asked, "gate lint", files))


def _run(asked: Asked, command: str, files: tuple[Path, ...] = ()) -> GateResult:
    outputs = read_outputs(asked.outputs)
    config = load(asked.config)
    wanted = RunAsked(
        asked.words, read_shard(asked.shard) if asked.shard else None, asked.last_failed, asked.fail_fast,
        asked.jobs, asked.cached, _from_root(config, files), command=command,
        evidence=any(WRITERS[form].evidence for form in (asked.form, *(o.form for o in outputs))),
    )  # fmt: skip
    task = TASKS[command]
    with progress(command) as told:
        result = run_gate(config, wanted, told, task)
    write_outputs(outputs, result)
    return result


def _from_root(config: Config, files: tuple[Path, ...]) -> tuple[str, ...] | None:
    """Files as cases name theirs; None for no files."""
    whole = [file.resolve() for file in files]
    return (
        tuple(f.relative_to(config.root).as_posix() for f in whole if f.is_relative_to(config.root))
        if files
        else None
    )


def _shown(asked: Asked, result: GateResult) -> int:
    if asked.form == "text":
        page = page_for()
        add_run(page, result, verbose=asked.verbose)
        show(page)
    else:
        write(WRITERS[asked.form].write(result))
    return PASSED if asked.exit_zero else result.exit_code


def run_accept(config: Path | None, names: tuple[str, ...], reason: str, *, every: bool) -> int:
    """Accept the named cases as they are now; nothing is written when one of them cannot be."""
    from gradproof._gate.accept import acceptable

    refuse_in_ci("gate accept")
    loaded = load(config)
    if not names and not every:
        raise Mistake(
            "gate accept: name the cases with --case NAME, or take --all that are new or moved"
        )
    with progress("gate accept") as told:
        result = run_gate(loaded, RunAsked(command="gate accept"), told)
    by_name = {case.name: case for case in result.cases}
    for name in names:
        if name not in by_name:
            raise Mistake(
                f"--case {name}: there is no such case; there are {', '.join(list(by_name)[:8])}"
            )
    chosen = [by_name[n] for n in dict.fromkeys(names)] or [
        c for c in result.cases if acceptable(c)
    ]
    page = page_for()
    for case in chosen:
        _accepted(page, loaded, case, reason)
    if not chosen:
        page.add("nothing to accept: every baseline is there and met")
    show(page)
    return PASSED


def _accepted(page: Page, config: Config, case: CaseResult, reason: str) -> None:
    from gradproof._gate.accept import accept

    path = accept(config, case, reason)
    verb = "removed" if str(case.verdict) == "GONE" else "written"
    page.add(("✓ ", "green"), f"{case.name}: {path.relative_to(config.root)} {verb}")


def run_review(config: Path | None, words: tuple[str, ...]) -> int:
    """Go through what is new, moved or gone, one by one."""
    from gradproof._cli.gate_review import review

    refuse_in_ci("gate review")
    loaded = load(config)
    with progress("gate review") as told:
        result = run_gate(loaded, RunAsked(words=words, command="gate review"), told)
    return review(loaded, result)


def run_init(folder: Path | None, *, dry: bool, out: Path | None) -> int:
    """List the functions with gradients, and unless it is a dry run write a first configuration."""
    from gradproof._gate.suggest import suggestions, write_first, written

    root = Path.cwd()
    where = (folder or root).resolve()
    if not where.is_dir() or not where.is_relative_to(root):
        raise Mistake(f"{folder}: expected a folder below the current one")
    found = suggestions(root, where)
    page = page_for()
    for one in found:
        kind = one.kind or "kind to be guessed"
        page.add(
            ("  ", ""),
            (one.target, "bold"),
            f"  claim {one.derivative.name} ({kind}), line {one.function.line}",
        )
    if not found:
        page.add(
            "no function with a gradient beside it was found; names like f and grad_f, loss and loss_grad are looked for"
        )
        show(page)
        return PASSED
    if dry:
        page.add(f"{len(found)} found; `gradproof gate init` writes them to gradproof.toml")
    elif out is not None:
        if out.exists():
            raise RequestError(f"{out}: the file exists already; it is never overwritten")
        from gradproof._cli.asking import write_file

        write_file(out, written(found, ""))
        page.add(f"{len(found)} found; written to {out}")
    else:
        path = write_first(root, found)
        page.add(
            f"{len(found)} found; written to {path.name}: say at which points, then `gradproof gate run`"
        )
    show(page)
    return PASSED


@contextlib.contextmanager
def progress(what: str) -> Generator[Progress | None]:
    """A bar over the cases on stderr, on a terminal only; without a thread, so that it moves when a case is done."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    bar = Bar(*columns, console=Console(stderr=True), transient=True, auto_refresh=False)
    with bar:
        task = bar.add_task(what, total=None)

        def told(done: int, total: int, name: str) -> None:
            bar.update(
                task, completed=done, total=total, description=f"{what}  {name}", refresh=True
            )

        yield told
