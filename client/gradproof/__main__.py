"""The `gradproof` command: `gradproof ...` and `python -m gradproof ...` are the same."""

from __future__ import annotations

import gc
import os
import sys
from typing import Final, NoReturn

GARBAGE_THRESHOLD: Final = 100_000
"""New objects between two collections: what is imported is no garbage, and Python looks after every 700."""


def main() -> NoReturn:
    """Run the command and leave with its exit code, which `_cli/trouble.py` lists."""
    gc.set_threshold(GARBAGE_THRESHOLD)
    folder = os.getcwd()  # noqa: PTH109  (pathlib costs more than all the rest of this function)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # `module:function` means the user's module, beside them
    from gradproof._cli.app import run

    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `head` does: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    gc.freeze()  # a last collection of all that was imported would take a tenth of a whole check
    sys.exit(code)


if __name__ == "__main__":
    main()
