"""The commands and their options; every body is imported only when its command runs.

Start-up time is part of the interface: this module imports Typer and nothing of the engine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gradproof._cli.asking import Format
from gradproof._cli.trouble import finish

Kind = Literal["gradient", "jacobian", "vjp", "jvp", "hessian", "hvp"]
Level = Literal["error", "warning", "info"]
Profile = Literal["numpy", "torch", "jax"]
Mode = Literal["auto", "forward", "reverse"]

TARGET_HELP = "What to look at: an expression in quotes, package.module:function, file.py:function, or a program file (.gpb, .gpt)."
Target = Annotated[str, typer.Argument(help=TARGET_HELP, metavar="TARGET", show_default=False)]
At = Annotated[
    list[str] | None,
    typer.Option("--at", metavar="NAME=VALUE", help="An input's value: x=3.0, x=[1.3,0.7] or W=@w.npy. Once for each input."),
]  # fmt: skip
Wrt = Annotated[
    list[str] | None,
    typer.Option("--wrt", metavar="NAME", help="Differentiate by this input only. May be repeated; default: every float input."),
]  # fmt: skip
Outputs = Annotated[
    list[str] | None,
    typer.Option("--output", metavar="NAME", help="Differentiate this output only. May be repeated; default: every float output."),
]  # fmt: skip
Form = Annotated[Format, typer.Option("--format", help="Text for people, JSON for programs.")]
Into = Annotated[
    Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the answer to this file instead of stdout.")
]  # fmt: skip
Timeout = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", min=0.001, help="Give up after this many seconds (exit code 4).")
]  # fmt: skip
Server = Annotated[
    str, typer.Option("--server", metavar="ADDRESS", help="host:port or unix:PATH of a service; default: $GRADPROOF_SERVER, else none.")
]  # fmt: skip

app = typer.Typer(
    name="gradproof",
    help="Checks derivatives: a verdict you can trust, and its cause.",
    epilog="Exit codes: 0 agrees, 1 findings, 2 usage or unreadable input, 3 inconclusive, 4 the service failed.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Check derivatives: a verdict you can trust, and its cause."""
    context.obj = debug
    if version:
        from gradproof._program import PRODUCER_VERSION

        typer.echo(f"gradproof {PRODUCER_VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def check(
    context: typer.Context,
    target: Target,
    claim: Annotated[
        str,
        typer.Option(
            "--claim",
            metavar="TARGET",
            help="The derivative you believe: a function, an expression, or a program.",
        ),
    ] = "",
    claim_kind: Annotated[
        Kind | None,
        typer.Option("--claim-kind", help="What the claim returns; guessed when it can be."),
    ] = None,
    at: At = None,
    wrt: Wrt = None,
    output: Outputs = None,
    order: Annotated[
        int, typer.Option("--order", min=1, max=2, help="2 checks second derivatives too.")
    ] = 1,
    rtol: Annotated[
        float | None,
        typer.Option("--rtol", min=0, help="Relative difference forgiven beyond the error bars."),
    ] = None,
    atol: Annotated[
        float | None,
        typer.Option("--atol", min=0, help="Absolute difference forgiven beyond the error bars."),
    ] = None,
    tau: Annotated[
        float | None,
        typer.Option(
            "--tau",
            min=0,
            help="The relative error that `agrees` must see; default 1e-3.",
        ),
    ] = None,
    rng_seed: Annotated[
        int, typer.Option("--rng-seed", min=0, help="Seeds every random choice.")
    ] = 0,
    profile: Annotated[
        Profile, typer.Option("--profile", help="Whose convention decides at kinks and ties.")
    ] = "numpy",
    form: Form = "text",
    out: Into = None,
    timeout: Timeout = None,
    server: Server = "",
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit 0 instead of 1 or 3.")
    ] = False,
    fail_level: Annotated[
        Level, typer.Option("--fail-level", help="The least finding that exits 1.")
    ] = "error",
) -> None:
    """Check the derivatives of a function, and those claimed for it."""
    from gradproof._cli.check import Asked, run_check

    asked = Asked(
        target.strip(), claim.strip(), claim_kind, tuple(at or ()), tuple(wrt or ()), tuple(output or ()),
        order=order, rtol=rtol, atol=atol, tau=tau, rng_seed=rng_seed, profile=profile, form=form, out=out,
        timeout_s=timeout, server=server, exit_zero=exit_zero, fail_level=fail_level,
    )  # fmt: skip
    finish(lambda: run_check(asked), debug=context.obj)


@app.command("eval")
def evaluate(
    context: typer.Context, target: Target, at: At = None, form: Form = "text", out: Into = None,
    timeout: Timeout = None, server: Server = "",
) -> None:  # fmt: skip
    """Print the outputs of a function at a point."""
    from gradproof._cli.compute import Wanted, run_compute

    wanted = Wanted(
        "eval",
        target.strip(),
        tuple(at or ()),
        form=form,
        out=out,
        timeout_s=timeout,
        server=server,
    )
    finish(lambda: run_compute(wanted), debug=context.obj)


def derivative(verb: Literal["grad", "jacobian", "hessian"], sentence: str) -> None:
    """Add a command that prints one kind of derivative."""

    def command(
        context: typer.Context, target: Target, at: At = None, wrt: Wrt = None, output: Outputs = None,
        mode: Annotated[Mode, typer.Option("--mode", help="How to compute it; the numbers are the same up to rounding.")] = "auto",
        form: Form = "text", out: Into = None, timeout: Timeout = None, server: Server = "",
    ) -> None:  # fmt: skip
        from gradproof._cli.compute import Wanted, run_compute

        wanted = Wanted(
            verb, target.strip(), tuple(at or ()), tuple(wrt or ()), tuple(output or ()), mode, form, out, timeout, server
        )  # fmt: skip
        finish(lambda: run_compute(wanted), debug=context.obj)

    app.command(verb, help=sentence)(command)


derivative("grad", "Print the gradient of a function with one number as output.")
derivative("jacobian", "Print the Jacobian of a function: (*output.shape, *input.shape).")
derivative("hessian", "Print the Hessian of a function with one number as output.")


@app.command("show")
def show_program(
    context: typer.Context,
    target: Target,
    at: At = None,
    dot: Annotated[bool, typer.Option("--dot", help="Draw it for Graphviz.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Draw it for Mermaid.")] = False,
    out: Into = None,
    server: Server = "",
) -> None:
    """Print a function as a program, typed when a point is given."""
    from gradproof._cli.programs import run_show

    form: Literal["text", "dot", "mermaid"] = "dot" if dot else "mermaid" if mermaid else "text"
    finish(lambda: run_show(target.strip(), tuple(at or ()), form, out, server), debug=context.obj)


@app.command()
def convert(
    context: typer.Context,
    target: Target,
    out: Annotated[
        Path,
        typer.Option(
            "-o", "--out", metavar="FILE", help="The program file: .gpb is binary, .gpt is text."
        ),
    ],
    at: At = None,
) -> None:
    """Write a function as a program file, all of it or nothing."""
    from gradproof._cli.programs import run_convert

    finish(lambda: run_convert(target.strip(), tuple(at or ()), out), debug=context.obj)


@app.command()
def ops(
    context: typer.Context,
    family: Annotated[
        str, typer.Option("--family", metavar="NAME", help="Only this part of the catalogue.")
    ] = "",
    form: Form = "text",
    server: Server = "",
) -> None:
    """List the operations a program can be made of."""
    from gradproof._cli.catalogue import run_ops

    finish(lambda: run_ops(family, form, server), debug=context.obj)


@app.command()
def explain(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="CODE|OP", help="The code or name of a finding, or an op.", show_default=False
        ),
    ],
    form: Form = "text",
    server: Server = "",
) -> None:
    """Explain a finding or an operation, and what to do about it."""
    from gradproof._cli.catalogue import run_explain

    finish(lambda: run_explain(subject, form, server), debug=context.obj)


@app.command()
def health(context: typer.Context, server: Server = "", timeout: Timeout = None) -> None:
    """Ask whether a service answers."""
    from gradproof._cli.serving import run_health

    finish(lambda: run_health(server, timeout), debug=context.obj)


@app.command(
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
def serve(context: typer.Context) -> None:
    """Start a service (its settings: gradproof serve --help)."""
    from gradproof._cli.serving import run_serve

    finish(lambda: run_serve(list(context.args)), debug=context.obj)
