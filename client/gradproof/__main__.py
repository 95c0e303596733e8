"""The `gradproof` command: `gradproof ...` and `python -m gradproof ...` are the same."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from gradproof._cli.app import run


def main() -> NoReturn:
    """Run the command and leave with its exit code, which `_cli/trouble.py` lists."""
    folder = os.getcwd()  # noqa: PTH109  (pathlib costs more than all the rest of this function)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # `module:function` means the user's module, beside them
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `head` does: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


if __name__ == "__main__":
    main()
