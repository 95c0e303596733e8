"""Command lines in which nothing has to be parsed: Typer would cost more than a whole gate over unchanged cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

RUNS: Final = (("gate",), ("gate", "run"))


def read(arguments: Sequence[str]) -> Callable[[], int]:
    """What is left to do for a command line; all but the plainest are read as `app.read` says."""
    if tuple(arguments) in RUNS:
        from gradproof._cli.gate import Asked, run_run
        from gradproof._cli.trouble import guarded

        return partial(guarded, partial(run_run, Asked()))
    from gradproof._cli.app import read as read_any

    return read_any(arguments)
