"""`serve` and `health`: the service itself."""

from functools import partial
from typing import Annotated

import typer

from gradproof._cli.commands.options import CODES, SERVICE, Server, Timeout, count, not_negative
from gradproof._cli.commands.root import Work

family = typer.Typer()


@family.command(epilog=CODES, rich_help_panel=SERVICE)
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
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=count, help="processes that compute at the same time (default: one for each processor)"
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", parser=not_negative, help="time for open calls when told to stop"
        ),
    ] = None,
) -> Work:  # fmt: skip
    """Start a service; it runs until it is interrupted."""
    from gradproof._cli.serving import run_serve

    return partial(run_serve, address, insecure=insecure, workers=workers, grace_s=grace)


@family.command(epilog=CODES, rich_help_panel=SERVICE)
def health(*, timeout: Timeout = None, server: Server = "") -> Work:
    """Ask whether a service answers."""
    from gradproof._cli.serving import run_health

    return partial(run_health, server, timeout)
