"""The `gradproof` command: `gradproof ...` and `python -m gradproof ...` are the same."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

from gradproof._cli.app import app

NEGATIVE: Final = re.compile(r"-(?:[\d.(]|[A-Za-z_]\w*(?:$|\W))")
"""An argument that is an expression with a minus in front, not an option."""
OPTIONS: Final = frozenset({"-o", "-h"})


def main(arguments: list[str] | None = None) -> None:
    """Run the command and leave with its exit code, which `_cli/trouble.py` lists."""
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)  # `module:function` means the user's module, beside them
    app(with_negatives(sys.argv[1:] if arguments is None else arguments), prog_name="gradproof")


def with_negatives(arguments: list[str]) -> list[str]:
    """The arguments with a space before each expression that begins with a minus, such as `-x**2`."""
    return [
        f" {a}" if NEGATIVE.match(a) and a[:2] not in OPTIONS and a not in OPTIONS else a
        for a in arguments
    ]


if __name__ == "__main__":
    main()
