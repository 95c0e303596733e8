"""Files whose path stands in data: a program's source locations, the baselines and arrays of a configuration.

A path on the command line is the user's own word and is opened as it is. One that came inside a file
may be a stranger's: it is followed only beneath a folder that the user chose, to a plain file with one
name, and what is judged is the opened file, not the path, so that a swap in between gains nothing.
"""

from __future__ import annotations

import os
import stat
import time
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

SOURCE_BYTES: Final = 4 << 20
"""Larger files are not read for the sake of a few lines of source."""
SETTLED_NS: Final = 20_000_000
"""A file that changed so shortly before it was read may change once more without a sign."""
KEPT: Final = 16
"""Texts that are kept."""
_own: dict[str, str] = {}
_trusted: list[Path] = []
_texts: dict[str, tuple[tuple[int, ...], str]] = {}
"""What was read of a file whose code runs here, behind the sign of the file as it was then."""


def own(told: str, file: str) -> None:
    """Remember that this process runs code of `file`, which locations call `told`: it may be shown wherever it lies."""
    _own[told] = file


def trust(folder: Path) -> None:
    """Source beneath this folder may be shown, as beneath the working directory: it holds the configuration in use."""
    if folder not in _trusted:
        _trusted.append(folder)


def source_text(told: str) -> str:
    """The text of a Python file that a location names; empty when it is none, or may not be read."""
    if not told.endswith(".py"):
        return ""
    try:
        if told in _own:
            return _own_text(_own[told])
        return next(filter(None, (_beneath(root, told) for root in (Path.cwd(), *_trusted))), "")
    except (OSError, ValueError):
        return ""


def _own_text(file: str) -> str:
    """The text of a file whose code runs here, read anew when it changed: every check asks for it."""
    sign, text = _texts.get(file, (None, ""))
    now = _sign(file)
    if sign != now:
        text = _text(_judged(_opened(file), SOURCE_BYTES, alone=False))
        _texts.pop(file, None)
        if now[-1] < time.time_ns() - SETTLED_NS and now == _sign(file):
            while len(_texts) >= KEPT:
                _texts.pop(next(iter(_texts)))
            _texts[file] = now, text
    return text


def _sign(file: str) -> tuple[int, ...]:
    seen = Path(file).stat()
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mode, seen.st_mtime_ns


def open_beneath(root: Path, name: str | Path, limit_bytes: int) -> BinaryIO:
    """Open a plain file beneath a folder; links are followed as long as they stay there.

    Raises `OSError` with half a sentence for a path or link that leads out, for what is no plain file,
    has a second name or is larger, and `ValueError` for a name that no file can have.
    """
    top, path = Path(os.path.realpath(root)), Path(name)
    inside = not path.is_absolute() or path.is_relative_to(root) or path.is_relative_to(top)
    if ".." in path.parts or not inside:
        raise OSError(f"its path leads out of {root}; name a file beneath it")
    real = Path(os.path.realpath(root / path))
    if not real.is_relative_to(top) or real == top:
        raise OSError(f"it is no file beneath {root}; put the file itself there")
    *folders, file = real.relative_to(top).parts
    with ExitStack() as held:
        at = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
        held.callback(os.close, at)
        for folder in folders:  # one by one: a folder that became a link meanwhile is refused
            at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            held.callback(os.close, at)
        _judge(os.stat(file, dir_fd=at, follow_symlinks=False), limit_bytes)  # not even opened
        return _judged(_opened(file, os.O_NOFOLLOW, at), limit_bytes)


def _beneath(root: Path, told: str) -> str:
    try:
        return _text(open_beneath(root, told, SOURCE_BYTES))
    except OSError:
        return ""


def _opened(file: str, more: int = 0, folder: int | None = None) -> int:
    """A descriptor to read from; a pipe without a writer does not hold it up."""
    return os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | more, dir_fd=folder)


def _judged(handle: int, limit_bytes: int, *, alone: bool = True) -> BinaryIO:
    try:
        _judge(os.fstat(handle), limit_bytes, alone=alone)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _judge(seen: os.stat_result, limit_bytes: int, *, alone: bool = True) -> None:
    """Raises `OSError` unless it is a plain file, not too large and, if `alone`, without a second name."""
    if not stat.S_ISREG(seen.st_mode):
        raise OSError("it is no plain file; put one there")
    if alone and seen.st_nlink > 1:
        raise OSError("it has a second name on this machine (a hard link); put a copy there")
    if seen.st_size > limit_bytes:
        raise OSError(f"it has {seen.st_size} bytes, at most {limit_bytes} are read")


def _text(file: BinaryIO) -> str:
    with file:
        return file.read(SOURCE_BYTES).decode("utf-8", "replace")
