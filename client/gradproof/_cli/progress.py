"""Something that moves on stderr while a call lasts longer than a second, and nothing otherwise.

It is drawn with plain characters: Rich draws random numbers for its styles, which would look as if
the function under check had drawn them.
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from typing import Final

PATIENCE_S: Final = 1.0
"""How long a person waits without wondering."""
FRAME_S: Final = 0.1
TRACK: Final = 16
"""Columns in which the block moves to and fro."""
BLOCK: Final = 4


@contextmanager
def at_work(what: str) -> Generator[None]:
    """Around everything that may run the user's code or take long.

    What that code prints goes to stderr, for stdout is the answer; `progress` shows that work goes on.
    """
    with progress(what), redirect_stdout(sys.stderr):
        yield


@contextmanager
def progress(what: str) -> Generator[None]:
    """Show a moving block and the time that has passed, after the first second, on a terminal only."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield
        return
    done = threading.Event()
    shower = threading.Thread(target=_move, args=(what, done), daemon=True)
    shower.start()
    try:
        yield
    finally:
        done.set()
        shower.join()


def line(what: str, elapsed_s: float, width: int) -> str:
    """What is shown after so many seconds, at most `width` columns: `checking f  [   ====     ]  0:02`."""
    free = TRACK - BLOCK
    step = int(elapsed_s / FRAME_S) % (2 * free)
    left = min(step, 2 * free - step)
    tail = f"  [{' ' * left}{'=' * BLOCK}{' ' * (free - left)}]  {int(elapsed_s) // 60}:{int(elapsed_s) % 60:02}"
    room = max(width - len(tail), 0)
    return (what if len(what) <= room else what[: max(room - 3, 0)] + "...") + tail


def _move(what: str, done: threading.Event) -> None:
    start = time.monotonic()
    shown = 0
    wait = PATIENCE_S
    while not done.wait(wait):
        wait = FRAME_S
        text = line(what, time.monotonic() - start, shutil.get_terminal_size().columns - 1)
        sys.stderr.write("\r" + text.ljust(shown))
        sys.stderr.flush()
        shown = len(text)
    if shown:
        sys.stderr.write("\r" + " " * shown + "\r")
        sys.stderr.flush()
