"""`show` and `convert`: a function as the program it is carried as."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from gradproof._cli.commands.options import CODES, PROGRAMS, At, Out, Server, Target
from gradproof._cli.commands.root import Work

family = typer.Typer()


@family.command(epilog=CODES, rich_help_panel=PROGRAMS)
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


@family.command(epilog=CODES, rich_help_panel=PROGRAMS)
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
