"""The command line: one parser for all commands, errors that name the nearest word, an exit code.

Start-up time is part of the interface, so the parser is the standard library's: importing a
validation library to read options took 70 ms, a quarter of a whole check.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shutil
from collections.abc import Sequence
from typing import Final, NoReturn

from gradproof._cli.commands import COMMANDS
from gradproof._cli.trouble import guarded

NEGATIVE: Final = re.compile(r"-(?:[\d.(]|[A-Za-z_]\w*(?:$|\W))")
"""An argument that is an expression with a minus in front, not an option."""
SHORT: Final = ("-o", "-h")
CODES: Final = "Exit codes: 0 agrees, 1 findings, 2 usage or unreadable input, 3 inconclusive, 4 the service failed."
TAKES: Final = {
    "convert": "TARGET -o FILE [options]",
    "ops": "[options]",
    "explain": "CODE|OP [options]",
    "serve": "[ADDRESS] [options]",
    "health": "[options]",
}
"""What stands behind a command in its usage line, where that is not a target."""


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; mistakes in its usage leave with 2."""
    parser = make_parser()
    given, unknown = parser.parse_known_args(with_negatives(arguments))
    if unknown:
        (given.parser or parser).refuse(unknown[0])
    if given.run is None:
        parser.print_help()
        return 0
    return guarded(lambda: given.run(given), debug=given.debug)


def with_negatives(arguments: Sequence[str]) -> list[str]:
    """The arguments with a space before each expression that begins with a minus, such as `-x**2`."""
    return [f" {a}" if NEGATIVE.match(a) and not a.startswith(SHORT) else a for a in arguments]


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviations and names the nearest command to a mistyped one."""

    def __init__(self, **settings: object) -> None:
        width = max(80, min(shutil.get_terminal_size().columns, 100))
        super().__init__(
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(
                prog, max_help_position=26, width=width
            ),
            **settings,  # pyright: ignore[reportArgumentType]  (passed on as they came)
        )

    def error(self, message: str) -> NoReturn:
        """Tell a mistake in the usage and leave with 2."""
        wrong = re.search(r"argument COMMAND: invalid choice: '(.*?)'", message)
        if wrong:
            near = difflib.get_close_matches(wrong[1], COMMANDS, 1)
            hint = (
                f"did you mean {near[0]!r}?" if near else f"the commands are {', '.join(COMMANDS)}"
            )
            message = f"there is no command {wrong[1]!r}; {hint}"
        self.exit(2, f"error: {message}\n{self.format_usage()}see `{self.prog} -h`\n")

    def refuse(self, unknown: str) -> NoReturn:
        """Tell an argument that nothing takes, with the nearest option, and leave with 2."""
        name = unknown.partition("=")[0]
        near = difflib.get_close_matches(name, self._option_string_actions, 1)
        hint = f"did you mean {near[0]}?" if near else "quote an expression that holds spaces"
        self.error(f"nothing takes the argument {unknown.strip()!r}; {hint}")


def make_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="gradproof", description="Checks derivatives: a verdict you can trust, and its cause.", epilog=CODES
    )  # fmt: skip
    parser.add_argument(
        "--version", action="version", version=_version(), help="print the version and leave"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=None, parser=None)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", parser_class=Parser)
    for name, (sentence, add, body) in COMMANDS.items():
        text = sentence[0].lower() + sentence[1:].rstrip(".")
        takes = TAKES.get(name, "TARGET [options]")
        command = commands.add_parser(
            name, help=text, description=sentence, epilog=CODES, usage=f"gradproof {name} {takes}"
        )
        command.add_argument(
            "--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        command.set_defaults(run=body, parser=command)
        add(command)
    return parser


def _version() -> str:
    from gradproof._program import PRODUCER_VERSION

    return f"gradproof {PRODUCER_VERSION}"
