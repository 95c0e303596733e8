"""What holds for all commands: the root that each family of them joins."""

import os
from collections.abc import Callable
from typing import Annotated

import typer
from typer.models import OptionInfo

from gradproof._cli.commands.options import CODES, SERVICE

Work = Callable[[], int]
"""What is left to do when the command line has been read; it gives the exit code."""


def _secure(option: str, help: str) -> OptionInfo:
    """An option that names a file for connections to a service; it stands before the command."""
    variable = "GRADPROOF_" + option.removeprefix("--").replace("-", "_").upper()
    return typer.Option(
        option, metavar="FILE", show_default=False, rich_help_panel=SERVICE,
        help=f"{help} (default: ${variable})",
    )  # fmt: skip


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
    tls_ca: Annotated[
        str, _secure("--tls-ca", "authorities of the service's certificate, or system")
    ] = "",
    tls_cert: Annotated[str, _secure("--tls-cert", "certificate that shows who calls")] = "",
    tls_key: Annotated[str, _secure("--tls-key", "private key of that certificate")] = "",
    token_file: Annotated[str, _secure("--token-file", "file with the bearer token")] = "",
) -> None:
    """What holds for all commands; `app.run` reads `--debug`, which may stand anywhere."""
    del debug
    given = {"TLS_CA": tls_ca, "TLS_CERT": tls_cert, "TLS_KEY": tls_key, "TOKEN_FILE": token_file}
    os.environ.update({f"GRADPROOF_{name}": file for name, file in given.items() if file})
    if version:
        from gradproof._words import PRODUCER_VERSION

        typer.echo(f"gradproof {PRODUCER_VERSION}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), nl=False)
