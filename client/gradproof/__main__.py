"""The `gradproof` command: `gradproof ...` and `python -m gradproof ...` are the same."""

from __future__ import annotations

import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command and leave with its exit code, which `_cli/trouble.py` lists.

    What is imported is no garbage. Python would look through it many times while it comes in, and once
    more at the end, for a quarter of the time of a whole check; so it is set aside with `gc.freeze`.
    """
    gc.disable()
    folder = os.getcwd()  # noqa: PTH109  (pathlib costs more than all the rest of this function)
    if folder not in sys.path:
        sys.path.insert(0, folder)  # `module:function` means the user's module, beside them
    try:
        from gradproof._cli.plain import read

        work = read(sys.argv[1:])
        gc.freeze()
        gc.enable()  # what the user's function leaves behind is collected as ever
        code = work()
        sys.stdout.flush()
    except BrokenPipeError:  # the reader went away, as `head` does: nobody is left to tell
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:  # before the work began, which tells its own interrupts
        sys.stderr.write("error: interrupted\n")
        code = 130
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
