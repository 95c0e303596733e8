"""What holds for all commands: the root that each family of them joins."""

from collections.abc import Callable
from typing import Annotated

import typer

from gradproof._cli.commands.options import CODES

Work = Callable[[], int]
"""What is left to do when the command line has been read; it gives the exit code."""


def root() -> typer.Typer:
    """The command line without its commands."""
    app = typer.Typer(
        help="Checks derivatives: a verdict you can trust, and its cause.",
        epilog=CODES,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback(invoke_without_command=True)(gradproof)
    return app


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
