"""Bearer tokens from a file: one a line, with the last day it holds if it has one. Kept as digests only."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import logging
import time
from pathlib import Path
from typing import Final

from gradproof_service.server.security.files import SecretError, read_file, stamp

SHORTEST: Final = 16
"""Characters of the shortest token: below, one could be guessed."""
LOOK_AGAIN_S: Final = 1.0
_UNTIL: Final = "until="
_log: Final = logging.getLogger("gradproof.tokens")


class Tokens:
    """The tokens of a file, read again when it changes. Raises `SecretError` when it cannot be used."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = stamp(path)
        self._looked = time.monotonic()
        self._known = _read(path)

    def admits(self, token: str) -> bool:
        """Whether the token is known and still holds; takes the same time whichever token comes."""
        self._follow()
        digest, found = _digest(token), False
        today = dt.datetime.now(dt.UTC).date()
        for known, until in self._known:
            found |= hmac.compare_digest(known, digest) and (until is None or today <= until)
        return found

    def _follow(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_AGAIN_S:
            return
        self._looked = now
        seen = stamp(self._path)
        if seen == self._stamp:
            return
        self._stamp = seen
        try:
            self._known = _read(self._path)
        except SecretError as error:
            _log.error("the tokens in use stay: %s", error)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _read(path: Path) -> list[tuple[bytes, dt.date | None]]:
    content = read_file(path, "token file", private=True)
    found: list[tuple[bytes, dt.date | None]] = []
    for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words[0]) < SHORTEST:
            raise SecretError(
                f"{path}, line {number}: the token has {len(words[0])} characters, expected "
                f"{SHORTEST} or more; make one with `openssl rand -hex 32`"
            )
        found.append((_digest(words[0]), _until(path, number, words[1:])))
    if not found:
        raise SecretError(f"{path}: it holds no token; write one a line")
    return found


def _until(path: Path, number: int, words: list[str]) -> dt.date | None:
    if not words:
        return None
    try:
        if len(words) == 1 and words[0].startswith(_UNTIL):
            return dt.date.fromisoformat(words[0].removeprefix(_UNTIL))
    except ValueError:
        pass
    raise SecretError(
        f"{path}, line {number}: expected nothing or until=YYYY-MM-DD behind the token; mend the line"
    )
