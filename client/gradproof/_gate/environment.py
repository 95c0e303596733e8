"""The surroundings of a run: the folder it keeps things in, and whether it runs in continuous integration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gradproof._errors import RequestError

VARIABLE: Final = "CI"
OWN_FOLDER: Final = ".gradproof"
"""Under the root: kept answers, which cases failed last, baselines on their way. Nothing in it is committed."""
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


def own_folder(root: Path) -> Path:
    """The gate's own folder, made when it is not there, and told to git as one that is not committed."""
    folder = root / OWN_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    return folder
