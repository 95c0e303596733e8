"""The command line: arguments in, an exit code out; what is wrong with them is told in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from typing import Final

import typer
from typer.main import get_command

from gradproof._cli.commands import app
from gradproof._cli.commands.root import Work
from gradproof._cli.trouble import INTERRUPTED, guarded, say

NEGATIVE: Final = re.compile(r"-(?:[\d.(]|[A-Za-z_]\w*(?:$|\W))")
"""An argument that is an expression with a minus in front, not an option."""
SHORT: Final = ("-o", "-h")
NO_EXPRESSIONS: Final = ("gate",)
"""Commands whose arguments are no expressions, so that they may have more short options."""
DEBUG: Final = "--debug"
EXTRA: Final = "Got unexpected extra argument"
OURS: Final = {
    "Invalid value: ": "", "Value error, ": "", ". Did you": "; did you",
    "No such command": "there is no command", "No such option:": "there is no option", "(s) (": " (",
}  # fmt: skip
"""Words of Typer, and what is said instead of them."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    return read(arguments)()


def read(arguments: Sequence[str]) -> Work:
    """What is left to do for a command line; a mistake in it is told here, and its work is to give 2.

    The work is not done inside Typer, which would end interrupts and broken pipes in its own way.
    """
    words = with_negatives([a for a in arguments if a != DEBUG])
    try:
        asked: Work | int | None = get_command(app(words)).main(
            words, prog_name="gradproof", standalone_mode=False
        )
    except typer.TyperException as error:
        say(sentence(error))
        return partial(int, error.exit_code)
    if callable(asked):
        return partial(guarded, asked, debug=DEBUG in arguments)
    if asked == INTERRUPTED:  # Typer ends so, without a word
        say("interrupted")
    return partial(int, asked or 0)


def with_negatives(arguments: Sequence[str]) -> list[str]:
    """The command, and behind it a space before each expression with a minus in front, such as `-x**2`."""
    if arguments and arguments[0] in NO_EXPRESSIONS:
        return list(arguments)
    return [
        f" {a}" if k and NEGATIVE.match(a) and not a.startswith(SHORT) else a
        for k, a in enumerate(arguments)
    ]


def sentence(error: typer.TyperException) -> str:
    """What Typer says of a mistake, and where the command's help is."""
    near = getattr(error, "possibilities", None)  # of options, the nearest first
    told = f"{error.message}; did you mean {near[0]}?" if near else error.format_message()
    text = " ".join(told.split()).removesuffix(".")
    for said, ours in OURS.items():
        text = text.replace(said, ours)
    if text.startswith(EXTRA):
        text += "; quote an expression that holds spaces"
    command = getattr(getattr(error, "ctx", None), "command_path", "gradproof")
    return f"{text[0].lower()}{text[1:]} (see `{command} -h`)"
