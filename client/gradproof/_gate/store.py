"""A folder of answers by name, each whole with its digest: what was damaged, or never written to its end, is not there."""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from gradproof._files import write_whole

DIGEST_BYTES: Final = 32
KEPT_S: Final = 30 * 24 * 3600
"""An answer that was not used for so long is let go."""


def load(folder: Path, name: str) -> bytes | None:
    """What was kept under a name (hexadecimal), and now is used; None when there is nothing whole."""
    path = _path(folder, name)
    try:
        data = path.read_bytes()
        if hashlib.sha256(data[DIGEST_BYTES:]).digest() != data[:DIGEST_BYTES]:
            return None
        os.utime(path)
    except OSError:
        return None
    return data[DIGEST_BYTES:]


def save(folder: Path, name: str, data: bytes) -> None:
    """Keep it; a full disk costs the next run time, no more."""
    path = _path(folder, name)
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, hashlib.sha256(data).digest() + data)


def prune(folder: Path) -> None:
    """Let go of what nobody used for a month."""
    oldest = time.time() - KEPT_S
    for path in folder.glob("*/*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


def _path(folder: Path, name: str) -> Path:
    return folder / name[:2] / name[2:]
