"""`serve` and `health`: the service itself."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

from gradproof._cli.commands.options import CODES, SERVICE, Server, Timeout, count, not_negative
from gradproof._cli.commands.root import Work

SECURITY: Final = "Security"
OPERATION: Final = "Operation"
family = typer.Typer()


class WithLimits(TyperCommand):
    """A command whose help ends with the table of limits, which is read only when the help is asked for."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help, and the limits below it."""
        super().format_help(ctx, formatter)
        from gradproof._embedded import limits_page

        typer.echo(
            " Limits, set with --set limits.NAME=VALUE, in the file or in the environment:\n"
        )
        typer.echo("\n".join(f" {line}" for line in [*limits_page(), ""]))


def _named(option: str, help: str, metavar: str, panel: str) -> Any:
    return typer.Option(
        option, metavar=metavar, show_default=False, rich_help_panel=panel, help=help
    )


@family.command(cls=WithLimits, epilog=CODES, rich_help_panel=SERVICE)
def serve(
    address: Annotated[
        str,
        typer.Argument(
            metavar="ADDRESS", show_default=False,
            help="unix:PATH or HOST:PORT to listen on (default: a socket of your own)",
        ),
    ] = "",
    *,
    config: Annotated[
        Path | None,
        _named("--config", "TOML file with settings; $GRADPROOF_SERVE_SECTION_NAME and options go before it", "FILE", OPERATION),
    ] = None,
    setting: Annotated[
        list[str] | None,
        _named("--set", "any setting, such as limits.nodes=100000; may be repeated", "NAME=VALUE", OPERATION),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", parser=count,
            help="processes that compute at the same time (default: one for each processor)",
        ),
    ] = None,
    grace: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", parser=not_negative, help="time for open calls when told to stop"
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="listen beyond this machine without encryption", rich_help_panel=SECURITY
        ),
    ] = False,
    tls_cert: Annotated[str, _named("--tls-cert", "certificate chain in PEM; with --tls-key: serve TLS", "FILE", SECURITY)] = "",
    tls_key: Annotated[str, _named("--tls-key", "private key in PEM", "FILE", SECURITY)] = "",
    client_ca: Annotated[str, _named("--client-ca", "authorities whose clients may call", "FILE", SECURITY)] = "",
    token_file: Annotated[str, _named("--token-file", "bearer tokens of those who may call, one a line", "FILE", SECURITY)] = "",
    health: Annotated[str, _named("--health", "a port that only answers probes, in plain text", "HOST:PORT", OPERATION)] = "",
    metrics: Annotated[str, _named("--metrics", "a port for Prometheus, in plain text", "HOST:PORT", OPERATION)] = "",
    log_format: Annotated[str, _named("--log-format", "text or json", "FORM", OPERATION)] = "",
) -> Work:  # fmt: skip
    """Start a service; it runs until it is interrupted."""
    from gradproof._cli.serving import run_serve, settings

    named = (
        ("ADDRESS", "listen.address", address),
        ("--insecure", "listen.insecure", "true" if insecure else ""),
        ("--workers", "workers.count", "" if workers is None else str(workers)),
        ("--grace", "operation.grace_s", "" if grace is None else str(grace)),
        ("--tls-cert", "tls.certificate", tls_cert),
        ("--tls-key", "tls.key", tls_key),
        ("--client-ca", "tls.client_ca", client_ca),
        ("--token-file", "auth.token_file", token_file),
        ("--health", "operation.health_address", health),
        ("--metrics", "operation.metrics_address", metrics),
        ("--log-format", "operation.log_format", log_format),
    )
    said = [entry for entry in named if entry[2]]
    return lambda: run_serve(config, [*settings(setting or ()), *said])


@family.command(epilog=CODES, rich_help_panel=SERVICE)
def health(*, timeout: Timeout = None, server: Server = "") -> Work:
    """Ask whether a service answers."""
    from gradproof._cli.serving import run_health

    return partial(run_health, server, timeout)
