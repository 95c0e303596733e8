"""`ops` and `explain`: what the catalogue holds."""

from functools import partial
from typing import Annotated

import typer

from gradproof._cli.commands.options import CODES, REFERENCE, Format, Server
from gradproof._cli.commands.root import Work

family = typer.Typer()


@family.command(epilog=CODES, rich_help_panel=REFERENCE)
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


@family.command(epilog=CODES, rich_help_panel=REFERENCE)
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
