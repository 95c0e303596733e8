"""`check` and `lint`: what is true of a function's derivatives."""

from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from gradproof._cli.commands.options import (
    CODES,
    OUTCOME,
    PROOF,
    TOLERANCES,
    VERDICT,
    At,
    CheckFormat,
    Format,
    Out,
    Outputs,
    Select,
    Server,
    Structures,
    Suppress,
    Target,
    Timeout,
    Wrt,
    count,
    not_negative,
)
from gradproof._cli.commands.root import Work

family = typer.Typer()


@family.command(epilog=CODES, rich_help_panel=VERDICT)
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
    structure: Structures = None,
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
            metavar="R", parser=not_negative, rich_help_panel=TOLERANCES,
            help="relative difference forgiven beyond the error bars",
        ),
    ] = None,
    atol: Annotated[
        float | None,
        typer.Option(
            metavar="A", parser=not_negative, rich_help_panel=TOLERANCES,
            help="absolute difference forgiven beyond the error bars",
        ),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            metavar="T", parser=not_negative, rich_help_panel=TOLERANCES,
            help="the relative error that `agrees` must be able to see (default: 1e-3)",
        ),
    ] = None,
    rng_seed: Annotated[
        int,
        typer.Option(
            metavar="N", parser=count, rich_help_panel=TOLERANCES, help="seeds every random choice"
        ),
    ] = 0,
    points: Annotated[
        int,
        typer.Option(
            metavar="N", parser=count, rich_help_panel=PROOF,
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
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", rich_help_panel=PROOF,
            help="draw the report as one offline page: step sweeps, heatmaps, the function node by node",
        ),
    ] = None,
    suppress: Suppress = None,
    select: Select = None,
    form: CheckFormat = "text",
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
        points=points, prove=prove, save=save, html=html, structure=tuple(structure or ()),
        suppress=tuple(suppress or ()), select=tuple(select or ()),
    )  # fmt: skip
    return partial(run_check, asked)


@family.command(epilog=CODES, rich_help_panel=VERDICT)
def lint(
    target: Target,
    *,
    at: At = None,
    structure: Structures = None,
    suppress: Suppress = None,
    select: Select = None,
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
        target, tuple(at or ()), tuple(suppress or ()), tuple(select or ()), form=form, out=out, timeout_s=timeout,
        server=server, exit_zero=exit_zero, fail_level=fail_level, structure=tuple(structure or ()),
    )  # fmt: skip
    return partial(run_lint, asked)
