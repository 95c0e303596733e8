"""The options that several commands share, what they accept, and the headings they stand under in the help."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

CODES: Final = "Exit codes: 0 agrees, 1 findings, 2 usage or unreadable input, 3 inconclusive, 4 the service failed."
VERDICT: Final = "Verdict"
NUMBERS: Final = "Numbers"
PROGRAMS: Final = "Programs"
REFERENCE: Final = "Reference"
SERVICE: Final = "Service"
"""Under these headings the commands stand in the help."""
TOLERANCES: Final = "Tolerances"
PROOF: Final = "Proof"
OUTCOME: Final = "Outcome"
"""Under these headings, besides Typer's own, the options of a command do."""


def not_negative(text: str) -> float:
    """The number that was written, which is zero or more."""
    return _number(text, lambda x: x >= 0, "a number of zero or more")


def above_zero(text: str) -> float:
    """The number that was written, which is above zero."""
    return _number(text, lambda x: x > 0, "a number above zero")


def count(text: str | int) -> int:
    """The whole number that was written, which is zero or more."""
    return int(_number(text, lambda x: x >= 0 and x == int(x), "a whole number of zero or more"))


def _number(text: str | int, fits: Callable[[float], bool], expected: str) -> float:
    said = str(text).strip()
    try:
        value = int(said) if said.isdigit() else float(said)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or not fits(value):
        raise typer.BadParameter(f"expected {expected}, {said!r} came")
    return value


Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET", parser=str.strip, show_default=False,
        help="an expression in quotes, package.module:function, file.py:function, or a program file (.gpb, .gpt)",
    ),
]  # fmt: skip
At = Annotated[
    list[str] | None,
    typer.Option(
        "--at", metavar="NAME=VALUE",
        help="an input's value: x=3.0, x=[1.3,0.7] or W=@w.npy; once for each input",
    ),
]  # fmt: skip
Wrt = Annotated[
    list[str] | None,
    typer.Option(
        "--wrt", metavar="NAME",
        help="differentiate by this input only; may be repeated (default: every float input)",
    ),
]  # fmt: skip
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output", metavar="NAME",
        help="differentiate this output only; may be repeated (default: every float output)",
    ),
]  # fmt: skip
Structures = Annotated[
    list[str] | None,
    typer.Option(
        "--structure", metavar="NAME=KIND",
        help="what an input is: S=spd, symmetric, lower, upper, positive, simplex, orthogonal; may be repeated",
    ),
]  # fmt: skip
Sparse = Annotated[
    bool,
    typer.Option(
        "--sparse",
        help="print only what is not structurally zero; large sparse matrices are printed so by themselves",
    ),
]
Suppress = Annotated[
    list[str] | None,
    typer.Option(
        "--suppress", metavar="CODE", rich_help_panel=OUTCOME,
        help="leave this finding out, such as GP603, GP3 or GP305@model.py:31; may be repeated",
    ),
]  # fmt: skip
Select = Annotated[
    list[str] | None,
    typer.Option(
        "--select", metavar="CODE", rich_help_panel=OUTCOME,
        help="show this finding only, such as GP1 or GP305; may be repeated",
    ),
]  # fmt: skip
Format = Annotated[
    Literal["text", "json"],
    typer.Option("--format", help="text for people, JSON for programs", rich_help_panel=OUTCOME),
]
CheckFormat = Annotated[
    Literal["text", "json", "junit", "sarif", "github", "markdown"],
    typer.Option(
        "--format", rich_help_panel=OUTCOME,
        help="text for people, JSON for programs, or what CI services show",
    ),
]  # fmt: skip
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="FILE", help="write the answer to this file instead of stdout",
        rich_help_panel=OUTCOME,
    ),
]  # fmt: skip
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", parser=above_zero, rich_help_panel=SERVICE,
        help="give up after so many seconds (exit code 4)",
    ),
]  # fmt: skip
Server = Annotated[
    str,
    typer.Option(
        "--server", metavar="ADDRESS", show_default=False, rich_help_panel=SERVICE,
        help="HOST:PORT or unix:PATH of a service (default: $GRADPROOF_SERVER, else this process)",
    ),
]  # fmt: skip
Mode = Annotated[
    Literal["auto", "forward", "reverse"],
    typer.Option("--mode", help="how to compute it; the numbers are the same up to rounding"),
]
