"""Answers kept by content: what a request asks, byte for byte, and the code that would answer it, decide the name.

The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from gradproof._gate.store import load, save
from gradproof._words import PRODUCER_VERSION

Answer = TypeVar("Answer", bound=Message)


@cache
def versions() -> Mapping[str, str]:
    """What the numbers may depend on besides the request: libraries, Python, and the kind of machine."""
    found = {
        "gradproof": PRODUCER_VERSION,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    for name in ("numpy", "scipy", "mpmath"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return MappingProxyType(found)


class Cache:
    """A folder of answers; `code` is a digest of the code that answers. Counts the requests it knew and those it did not."""

    def __init__(self, folder: Path | None, code: str) -> None:
        self.folder = folder
        self.hits = 0
        self.misses = 0
        made = f"{sorted(versions().items())} {sys.byteorder} {code}"
        self._made = hashlib.sha256(made.encode()).digest()

    def answer(self, kind: type[Answer], request: Message, ask: Callable[[], Answer]) -> Answer:
        """The answer to a request, kept or asked; the same bytes either way."""
        if self.folder is None:
            self.misses += 1
            return ask()
        name = hashlib.sha256(
            self._made + kind.__name__.encode() + request.SerializeToString(deterministic=True)
        ).hexdigest()
        found = _read(kind, load(self.folder, name))
        if found is not None:
            self.hits += 1
            return found
        self.misses += 1
        answer = ask()
        save(self.folder, name, answer.SerializeToString(deterministic=True))
        return answer


def _read(kind: type[Answer], data: bytes | None) -> Answer | None:
    try:
        return None if data is None else kind.FromString(data)
    except DecodeError:
        return None
