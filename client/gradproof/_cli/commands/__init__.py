"""The commands, a file for each family: every function declares one, and gives back the work it stands for.

Typer reads the options from these signatures. What a command needs is imported when it runs, and only
the family of the command that was given is read, so that help and mistakes in the usage stay quick.
A family joins with its `family` app and a line in `FAMILIES`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import typer

from gradproof._cli.commands.root import root


def app(words: Sequence[str]) -> typer.Typer:
    """The command line for these words: the family of their command, or all when they name none."""
    named = [family for names, family in FAMILIES.items() if words and words[0] in names]
    line = root()
    for family in named or FAMILIES.values():
        line.add_typer(family())
    return line


def _verdict() -> typer.Typer:
    from gradproof._cli.commands.verdict import family

    return family


def _numbers() -> typer.Typer:
    from gradproof._cli.commands.numbers import family

    return family


def _programs() -> typer.Typer:
    from gradproof._cli.commands.programs import family

    return family


def _reference() -> typer.Typer:
    from gradproof._cli.commands.reference import family

    return family


def _service() -> typer.Typer:
    from gradproof._cli.commands.service import family

    return family


def _gate() -> typer.Typer:
    from gradproof._cli.commands.gate import family

    return family


FAMILIES: Final[Mapping[tuple[str, ...], Callable[[], typer.Typer]]] = {
    ("check", "lint"): _verdict,
    ("gate",): _gate,
    ("eval", "grad", "jacobian", "hessian"): _numbers,
    ("show", "convert"): _programs,
    ("ops", "explain"): _reference,
    ("serve", "health"): _service,
}
"""The commands of each family, in the order of the help."""
