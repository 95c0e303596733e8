"""Files that hold secrets or certificates: read when they change, refused when they cannot be trusted."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20


class SecretError(Exception):
    """A certificate, key or token file that cannot be used; the text is one sentence and holds no secret."""


def read_file(path: Path, what: str, *, private: bool = False) -> bytes:
    """The file's content; raises `SecretError` when it is no plain file, or `private` and every user of the machine can read it."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(LARGEST + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise SecretError(
            f"{path}: the {what} cannot be read ({error.strerror or error}); name a file that "
            "the service may read"
        ) from None
    if not stat.S_ISREG(mode):
        raise SecretError(
            f"{path}: the {what} is no plain file, which could be read again; name one"
        )
    if private and mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SecretError(
            f"{path}: anyone on this machine can read the {what} (mode {stat.S_IMODE(mode):04o}); "
            "take that right away with chmod o-rwx"
        )
    if len(content) > LARGEST:
        raise SecretError(f"{path}: expected a {what}, the file is larger than 1 MiB")
    return content


def stamp(*paths: Path) -> tuple[tuple[int, int, int], ...]:
    """What changes when a file does; a file that is gone has a stamp of its own."""
    found: list[tuple[int, int, int]] = []
    for path in paths:
        try:
            seen = path.stat()
            found.append((seen.st_mtime_ns, seen.st_size, seen.st_ino))
        except OSError:
            found.append((0, 0, 0))
    return tuple(found)
