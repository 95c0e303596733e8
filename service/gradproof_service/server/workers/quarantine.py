"""Requests that end every worker that takes them up: known by their bytes, refused before they end more."""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from typing import Final

from gradproof_service.diagnostic import Fault, FaultKind

KEPT_S: Final = 600.0
KEPT: Final = 1024


class Quarantine:
    """Digests of requests, the oldest forgotten first and each after `KEPT_S` seconds."""

    def __init__(self) -> None:
        self._since: OrderedDict[bytes, float] = OrderedDict()

    def digest(self, method: str, request: bytes) -> bytes:
        """What a request is known by; raises `Fault` when it stands here."""
        found = hashlib.blake2b(request, digest_size=16, person=method.encode()[:16]).digest()
        since = self._since.get(found)
        if since is not None:
            if time.monotonic() - since < KEPT_S:
                raise crashed("it did so a short while ago")
            del self._since[found]
        return found

    def add(self, digest: bytes) -> None:
        """Refuse this request from now on."""
        self._since[digest] = time.monotonic()
        if len(self._since) > KEPT:
            self._since.popitem(last=False)


def crashed(when: str) -> Fault:
    """The fault of a request that ends its workers."""
    return Fault(
        FaultKind.CRASHED,
        f"call: this request ends the worker that takes it up ({when}), so it is refused; "
        "ask for less at once, and please report it",
    )
