"""How the commands reach the service, and how they write what they were given."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from gradproof._cli.page import write
from gradproof._files import write_whole
from gradproof._transport import Transport, connect, default_transport

Format = Literal["text", "json"]


@contextlib.contextmanager
def service(server: str) -> Generator[Transport]:
    """The service at an address, or else the one that `GRADPROOF_SERVER` names or this process holds."""
    transport = connect(server) if server else default_transport()
    try:
        yield transport
    finally:
        transport.close()


def write_file(path: Path, data: str | bytes) -> None:
    """Write a file, all of it or nothing; raises `OSError` naming the file."""
    if path.is_dir():
        raise IsADirectoryError(21, "is a folder, expected a file", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(2, "the folder does not exist", str(path.parent))
    write_whole(path, data.encode() if isinstance(data, str) else data)


def deliver(text: str, file: Path | None) -> None:
    """Write text to the file, or to stdout when there is none."""
    if file is None:
        write(text)
    else:
        write_file(file, text)
