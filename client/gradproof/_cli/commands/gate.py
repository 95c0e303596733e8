"""`gate`: the gradients of a repository, kept right in continuous integration."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gradproof._cli.commands.options import CODES, OUTCOME, VERDICT, CheckFormat, count
from gradproof._cli.commands.root import Work

family = typer.Typer()
gate = typer.Typer(
    help="Check every case of a repository, and hold it against its committed baseline.",
    epilog=CODES,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
family.add_typer(gate, name="gate", rich_help_panel=VERDICT)

Configured = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", metavar="FILE", show_default=False,
        help="the configuration (default: gradproof.toml, or \\[tool.gradproof] of pyproject.toml, here or above)",
    ),
]  # fmt: skip
Words = Annotated[
    list[str] | None,
    typer.Option(
        "-k", metavar="WORD",
        help="only cases whose name holds it, or matches it as a pattern; \"not WORD\" for the others; may be repeated",
    ),
]  # fmt: skip
Shard = Annotated[
    str, typer.Option("--shard", metavar="I/N", help="only the I-th of N parts of the cases")
]
LastFailed = Annotated[
    bool,
    typer.Option("--last-failed", "--lf", help="only cases that failed when they were last run"),
]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", "-x", help="stop at the first case that is not right")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", metavar="N", parser=count,
        help="processes (default: one for each core); the numbers are the same",
    ),
]  # fmt: skip
NoCache = Annotated[
    bool, typer.Option("--no-cache", help="check everything anew, also what is unchanged")
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output", metavar="FORM=FILE", rich_help_panel=OUTCOME,
        help="write a form to a file besides, such as junit=gate.xml or sarif=gate.sarif; may be repeated",
    ),
]  # fmt: skip
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="a line for every case", rich_help_panel=OUTCOME)
]
ExitZero = Annotated[
    bool,
    typer.Option("--exit-zero", help="leave with 0 whatever was found", rich_help_panel=OUTCOME),
]


@gate.callback()
def gate_alone(context: typer.Context) -> Work | None:
    """Check every case of a repository, and hold it against its committed baseline; alone it is `gate run`."""
    return None if context.invoked_subcommand else _asked("run")


@gate.command(epilog=CODES)
def run(
    *,
    config: Configured = None,
    k: Words = None,
    shard: Shard = "",
    last_failed: LastFailed = False,
    fail_fast: FailFast = False,
    jobs: Jobs = None,
    no_cache: NoCache = False,
    form: CheckFormat = "text",
    output: Outputs = None,
    verbose: Verbose = False,
    exit_zero: ExitZero = False,
) -> Work:
    """Check every case, and hold it against its baseline."""
    return _asked(
        "run", config=config, words=tuple(k or ()), shard=shard, last_failed=last_failed, fail_fast=fail_fast,
        jobs=jobs, cached=not no_cache, form=form, outputs=tuple(output or ()), verbose=verbose, exit_zero=exit_zero,
    )  # fmt: skip


@gate.command(epilog=CODES)
def prove(
    *,
    config: Configured = None,
    k: Words = None,
    shard: Shard = "",
    jobs: Jobs = None,
    no_cache: NoCache = False,
    form: CheckFormat = "text",
    output: Outputs = None,
    verbose: Verbose = False,
    exit_zero: ExitZero = False,
) -> Work:
    """Plant known faults into every case, and demand that the gate finds them."""
    return _asked(
        "prove", config=config, words=tuple(k or ()), shard=shard, jobs=jobs, cached=not no_cache, form=form,
        outputs=tuple(output or ()), verbose=verbose, exit_zero=exit_zero,
    )  # fmt: skip


@gate.command(epilog=CODES)
def lint(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FILE...", help="only cases whose functions stand in these files"),
    ] = None,
    *,
    config: Configured = None,
    form: CheckFormat = "text",
    output: Outputs = None,
    verbose: Verbose = False,
    exit_zero: ExitZero = False,
) -> Work:
    """Tell what the look of every case's function tells, without computing anything; for a commit hook."""
    from gradproof._cli.gate import Asked, run_lint

    asked = Asked(
        config, jobs=1, form=form, outputs=tuple(output or ()), verbose=verbose, exit_zero=exit_zero
    )
    return partial(run_lint, asked, tuple(files or ()))


@gate.command(epilog=CODES)
def review(*, config: Configured = None, k: Words = None) -> Work:
    """Go through what is new, moved or gone, and accept or reject each."""
    from gradproof._cli.gate import run_review

    return partial(run_review, config, tuple(k or ()))


@gate.command(epilog=CODES)
def accept(
    *,
    case: Annotated[
        list[str] | None,
        typer.Option("--case", metavar="NAME", help="the case to accept; may be repeated"),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="every case that is new, moved or gone")
    ] = False,
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="why; it is written into the baseline")
    ],
    config: Configured = None,
) -> Work:
    """Accept cases as they are now; what is wrong is refused."""
    from gradproof._cli.gate import run_accept

    return partial(run_accept, config, tuple(case or ()), reason, every=all_)


@gate.command(epilog=CODES)
def init(
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="where to look (default: here)")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only list what is found, and write nothing")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="write to this file instead")
    ] = None,
) -> Work:
    """Find functions with gradients beside them by their names, and write a first gradproof.toml; none is overwritten."""
    from gradproof._cli.gate import run_init

    return partial(run_init, folder, dry=dry_run, out=out)


def _asked(what: str, **given: object) -> Work:
    from gradproof._cli.gate import Asked, run_prove, run_run

    work = run_prove if what == "prove" else run_run
    return partial(work, Asked(**given))  # type: ignore[arg-type]
