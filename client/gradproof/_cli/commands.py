"""The commands: each function declares one, and gives back the work it stands for.

Typer reads the options from these signatures. What a command needs is imported when it runs, so that
help and mistakes in the usage stay quick.
"""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

Work = Callable[[], int]
"""What is left to do when the command line has been read; it gives the exit code."""
CODES: Final = "Exit codes: 0 agrees, 1 findings, 2 usage or unreadable input, 3 inconclusive, 4 the service failed."
VERDICT: Final = "Verdict"
NUMBERS: Final = "Numbers"
PROGRAMS: Final = "Programs"
REFERENCE: Final = "Reference"
SERVICE: Final = "Service"
"""Under these headings the commands stand in the help."""
TOLERANCES: Final = "Tolerances"
PROOF: Final = "Proof"
OUTCOME: Final = "Outcome"
"""Under these headings, besides Typer's own, the options of a command do."""

app = typer.Typer(
    help="Checks derivatives: a verdict you can trust, and its cause.",
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _not_negative(text: str) -> float:
    return _number(text, lambda x: x >= 0, "a number of zero or more")


def _above_zero(text: str) -> float:
    return _number(text, lambda x: x > 0, "a number above zero")


def _count(text: str | int) -> int:
    return int(_number(text, lambda x: x >= 0 and x == int(x), "a whole number of zero or more"))


def _number(text: str | int, fits: Callable[[float], bool], expected: str) -> float:
    said = str(text).strip()
    try:
        value = int(said) if said.isdigit() else float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not fits(value):
        raise typer.BadParameter(f"expected {expected}, {said!r} came")
    return value


Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", parser=str.strip, show_default=False,
        help="an expression in quotes, package.module:function, file.py:function, or a program file (.gpb, .gpt)",
    ),
]  # fmt: skip
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at", metavar="NAME=VALUE",
        help="an input's value: x=3.0, x=[1.3,0.7] or W=@w.npy; once for each input",
    ),
]  # fmt: skip
Wrt = Annotated[
    list[str] | None,
    typer.Option(
        "--wrt", metavar="NAME",
        help="differentiate by this input only; may be repeated (default: every float input)",
    ),
]  # fmt: skip
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output", metavar="NAME",
        help="differentiate this output only; may be repeated (default: every float output)",
    ),
]  # fmt: skip
Format = Annotated[
    Literal["text", "json"],
    typer.Option("--format", help="text for people, JSON for programs", rich_help_panel=OUTCOME),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="write the answer to this file instead of stdout",
        rich_help_panel=OUTCOME,
    ),
]  # fmt: skip
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", parser=_above_zero, rich_help_panel=SERVICE,
        help="give up after so many seconds (exit code 4)",
    ),
]  # fmt: skip
Server = Annotated[
    str,
    typer.Option(
        "--server", metavar="ADDRESS", show_default=False, rich_help_panel=SERVICE,
        help="HOST:PORT or unix:PATH of a service (default: $GRADPROOF_SERVER, else this process)",
    ),
]  # fmt: skip
Mode = Annotated[
    Literal["auto", "forward", "reverse"],
    typer.Option("--mode", help="how to compute it; the numbers are the same up to rounding"),
]


@app.callback(invoke_without_command=True)
def gradproof(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="print the version and leave")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,
) -> None:
    """What holds for all commands; `app.run` reads `--debug`, which may stand anywhere."""
    del debug
    if version:
        from gradproof._program import PRODUCER_VERSION

        typer.echo(f"gradproof {PRODUCER_VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)


@app.command(epilog=CODES, rich_help_panel=VERDICT)
def check(
    target: Target,
    *,
    at: At = None,
    claim: Annotated[
        str,
        typer.Option(
            metavar="TARGET", parser=str.strip, show_default=False,
            help="the derivative you believe: a function, an expression or a program",
        ),
    ] = "",
    claim_kind: Annotated[
        Literal["gradient", "jacobian", "vjp", "jvp", "hessian", "hvp"] | None,
        typer.Option(
            metavar="KIND",
            help="what the claim returns: gradient, jacobian, vjp, jvp, hessian or hvp; guessed when it can be",
        ),
    ] = None,
    wrt: Wrt = None,
    output: Outputs = None,
    order: Annotated[
        Literal[1, 2], typer.Option(help="2 checks second derivatives too")
    ] = 1,
    profile: Annotated[
        Literal["numpy", "torch", "jax"],
        typer.Option(help="whose convention decides at kinks and ties"),
    ] = "numpy",
    rtol: Annotated[
        float | None,
        typer.Option(
            metavar="R", parser=_not_negative, rich_help_panel=TOLERANCES,
            help="relative difference forgiven beyond the error bars",
        ),
    ] = None,
    atol: Annotated[
        float | None,
        typer.Option(
            metavar="A", parser=_not_negative, rich_help_panel=TOLERANCES,
            help="absolute difference forgiven beyond the error bars",
        ),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            metavar="T", parser=_not_negative, rich_help_panel=TOLERANCES,
            help="the relative error that `agrees` must be able to see (default: 1e-3)",
        ),
    ] = None,
    rng_seed: Annotated[
        int,
        typer.Option(
            metavar="N", parser=_count, rich_help_panel=TOLERANCES, help="seeds every random choice"
        ),
    ] = 0,
    points: Annotated[
        int,
        typer.Option(
            metavar="N", parser=_count, rich_help_panel=PROOF,
            help="check at so many points: the given one, and others inside the domain",
        ),
    ] = 1,
    prove: Annotated[
        bool,
        typer.Option(
            "--prove", rich_help_panel=PROOF,
            help="plant faults into the claim and count those that this check catches",
        ),
    ] = False,
    save: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel=PROOF,
            help="write a disagreement to this .gpc file; `gradproof check FILE` shows it again",
        ),
    ] = None,
    form: Format = "text",
    out: Out = None,
    fail_level: Annotated[
        Literal["error", "warning", "info"],
        typer.Option(help="the least finding that exits 1", rich_help_panel=OUTCOME),
    ] = "error",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 instead of 1 or 3", rich_help_panel=OUTCOME)
    ] = False,
    timeout: Timeout = None,
    server: Server = "",
) -> Work:  # fmt: skip
    """Check the derivatives of a function, and those claimed for it."""
    from gradproof._cli.check import Asked, run_check

    asked = Asked(
        target, claim, claim_kind, tuple(at or ()), tuple(wrt or ()), tuple(output or ()),
        order=order, rtol=rtol, atol=atol, tau=tau, rng_seed=rng_seed, profile=profile, form=form,
        out=out, timeout_s=timeout, server=server, exit_zero=exit_zero, fail_level=fail_level,
        points=points, prove=prove, save=save,
    )  # fmt: skip
    return partial(run_check, asked)


@app.command(epilog=CODES, rich_help_panel=VERDICT)
def lint(
    target: Target,
    *,
    at: At = None,
    suppress: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="leave this finding out, such as GP603; may be repeated"),
    ] = None,
    form: Format = "text",
    out: Out = None,
    fail_level: Annotated[
        Literal["error", "warning", "info"],
        typer.Option(help="the least finding that exits 1", rich_help_panel=OUTCOME),
    ] = "error",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="exit 0 instead of 1", rich_help_panel=OUTCOME)
    ] = False,
    timeout: Timeout = None,
    server: Server = "",
) -> Work:  # fmt: skip
    """Tell what the look of a function says about its derivatives; nothing is computed."""
    from gradproof._cli.lint import Linted, run_lint

    asked = Linted(
        target, tuple(at or ()), tuple(suppress or ()), form=form, out=out, timeout_s=timeout,
        server=server, exit_zero=exit_zero, fail_level=fail_level,
    )  # fmt: skip
    return partial(run_lint, asked)


@app.command("eval", epilog=CODES, rich_help_panel=NUMBERS)
def evaluate(
    target: Target, *, at: At = None, form: Format = "text", out: Out = None,
    timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the outputs of a function at a point."""
    from gradproof._cli.compute import Wanted, run_compute

    wanted = Wanted("eval", target, tuple(at or ()), (), (), "auto", form, out, timeout, server)
    return partial(run_compute, wanted)


@app.command(epilog=CODES, rich_help_panel=NUMBERS)
def grad(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    form: Format = "text", out: Out = None, timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the gradient of a function with one number as output."""
    return _derivative("grad", target, at, wrt, output, mode, form, out, timeout, server)


@app.command(epilog=CODES, rich_help_panel=NUMBERS)
def jacobian(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    form: Format = "text", out: Out = None, timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the Jacobian of a function, of shape (*output.shape, *input.shape)."""
    return _derivative("jacobian", target, at, wrt, output, mode, form, out, timeout, server)


@app.command(epilog=CODES, rich_help_panel=NUMBERS)
def hessian(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    form: Format = "text", out: Out = None, timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the Hessian of a function with one number as output."""
    return _derivative("hessian", target, at, wrt, output, mode, form, out, timeout, server)


def _derivative(
    verb: Literal["grad", "jacobian", "hessian"], target: str, at: list[str] | None,
    wrt: list[str] | None, output: list[str] | None, mode: Literal["auto", "forward", "reverse"],
    form: Literal["text", "json"], out: Path | None, timeout: float | None, server: str,
) -> Work:  # fmt: skip
    from gradproof._cli.compute import Wanted, run_compute

    names = (tuple(at or ()), tuple(wrt or ()), tuple(output or ()))
    return partial(run_compute, Wanted(verb, target, *names, mode, form, out, timeout, server))


@app.command(epilog=CODES, rich_help_panel=PROGRAMS)
def show(
    target: Target,
    *,
    at: At = None,
    dot: Annotated[bool, typer.Option("--dot", help="draw it for Graphviz")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="draw it for Mermaid")] = False,
    out: Out = None,
    server: Server = "",
) -> Work:
    """Print a function as a program, typed when a point is given."""
    if dot and mermaid:
        raise typer.BadParameter("give --dot or --mermaid, not both")
    from gradproof._cli.programs import run_show

    picture = "dot" if dot else "mermaid" if mermaid else "text"
    return partial(run_show, target, tuple(at or ()), picture, out, server)


@app.command(epilog=CODES, rich_help_panel=PROGRAMS)
def convert(
    target: Target,
    *,
    at: At = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="FILE", help="the program file: .gpb is binary, .gpt is text"
        ),
    ],
) -> Work:
    """Write a function as a program file, all of it or nothing."""
    from gradproof._cli.programs import run_convert

    return partial(run_convert, target, tuple(at or ()), out)


@app.command(epilog=CODES, rich_help_panel=REFERENCE)
def ops(
    *,
    family: Annotated[
        str,
        typer.Option(metavar="NAME", show_default=False, help="only this part of the catalogue"),
    ] = "",
    form: Format = "text",
    server: Server = "",
) -> Work:
    """List the operations a program can be made of."""
    from gradproof._cli.catalogue import run_ops

    return partial(run_ops, family, form, server)


@app.command(epilog=CODES, rich_help_panel=REFERENCE)
def explain(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CODE|OP", parser=str.strip, show_default=False,
            help="the code or name of a finding, or an op",
        ),
    ],
    *,
    form: Format = "text",
    server: Server = "",
) -> Work:  # fmt: skip
    """Explain a finding or an operation, and what to do about it."""
    from gradproof._cli.catalogue import run_explain

    return partial(run_explain, subject, form, server)


@app.command(epilog=CODES, rich_help_panel=SERVICE)
def serve(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", show_default=False,
            help="unix:PATH or HOST:PORT to listen on (default: a socket of your own)",
        ),
    ] = "",
    *,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="listen beyond this machine without encryption")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=_count, help="calls that are computed at the same time"
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", parser=_not_negative, help="time for open calls when told to stop"
        ),
    ] = None,
) -> Work:  # fmt: skip
    """Start a service; it runs until it is interrupted."""
    from gradproof._cli.serving import run_serve

    return partial(run_serve, address, insecure=insecure, threads=threads, grace_s=grace)


@app.command(epilog=CODES, rich_help_panel=SERVICE)
def health(*, timeout: Timeout = None, server: Server = "") -> Work:
    """Ask whether a service answers."""
    from gradproof._cli.serving import run_health

    return partial(run_health, server, timeout)
