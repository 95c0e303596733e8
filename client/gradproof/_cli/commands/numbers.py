"""`eval`, `grad`, `jacobian` and `hessian`: the numbers of a function and its derivatives."""

from functools import partial
from pathlib import Path
from typing import Literal

import typer

from gradproof._cli.commands.options import (
    CODES,
    NUMBERS,
    At,
    Format,
    Mode,
    Out,
    Outputs,
    Server,
    Sparse,
    Structures,
    Target,
    Timeout,
    Wrt,
)
from gradproof._cli.commands.root import Work

family = typer.Typer()


@family.command("eval", epilog=CODES, rich_help_panel=NUMBERS)
def evaluate(
    target: Target, *, at: At = None, form: Format = "text", out: Out = None,
    timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the outputs of a function at a point."""
    from gradproof._cli.compute import Wanted, run_compute

    wanted = Wanted("eval", target, tuple(at or ()), (), (), "auto", form, out, timeout, server)
    return partial(run_compute, wanted)


@family.command(epilog=CODES, rich_help_panel=NUMBERS)
def grad(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    structure: Structures = None, form: Format = "text", out: Out = None, timeout: Timeout = None,
    server: Server = "",
) -> Work:  # fmt: skip
    """Print the gradient of a function with one number as output."""
    return _derivative("grad", target, at, wrt, output, mode, structure, form, out, timeout, server)


@family.command(epilog=CODES, rich_help_panel=NUMBERS)
def jacobian(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    structure: Structures = None, sparse: Sparse = False, form: Format = "text", out: Out = None,
    timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the Jacobian of a function, of shape (*output.shape, *input.shape)."""
    return _derivative(
        "jacobian", target, at, wrt, output, mode, structure, form, out, timeout, server, sparse=sparse
    )  # fmt: skip


@family.command(epilog=CODES, rich_help_panel=NUMBERS)
def hessian(
    target: Target, *, at: At = None, wrt: Wrt = None, output: Outputs = None, mode: Mode = "auto",
    structure: Structures = None, sparse: Sparse = False, form: Format = "text", out: Out = None,
    timeout: Timeout = None, server: Server = "",
) -> Work:  # fmt: skip
    """Print the Hessian of a function with one number as output."""
    return _derivative(
        "hessian", target, at, wrt, output, mode, structure, form, out, timeout, server, sparse=sparse
    )  # fmt: skip


def _derivative(
    verb: Literal["grad", "jacobian", "hessian"], target: str, at: list[str] | None,
    wrt: list[str] | None, output: list[str] | None, mode: Literal["auto", "forward", "reverse"],
    structure: list[str] | None, form: Literal["text", "json"], out: Path | None, timeout: float | None,
    server: str, *, sparse: bool = False,
) -> Work:  # fmt: skip
    from gradproof._cli.compute import Wanted, run_compute

    names = (tuple(at or ()), tuple(wrt or ()), tuple(output or ()))
    kinds = tuple(structure or ())
    wanted = Wanted(verb, target, *names, mode, form, out, timeout, server, kinds, sparse)
    return partial(run_compute, wanted)
