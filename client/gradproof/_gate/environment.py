"""What the surroundings of a run say: whether it runs in continuous integration, where nothing is accepted."""

from __future__ import annotations

import os
from typing import Final

from gradproof._errors import RequestError

VARIABLE: Final = "CI"
NO: Final = ("", "0", "false", "no", "off")


def in_ci() -> bool:
    """Whether the variable `CI` says so, which every service of the kind sets."""
    return os.environ.get(VARIABLE, "").strip().lower() not in NO


def refuse_in_ci(what: str) -> None:
    """Raise `RequestError` in continuous integration: a baseline is accepted by a person."""
    if in_ci():
        raise RequestError(
            f"{what}: refused in continuous integration ({VARIABLE}={os.environ[VARIABLE]}): a person accepts baselines,"
            " on their own machine, and commits them"
        )
