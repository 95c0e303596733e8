"""One object for each key: what is equal is the same, for as long as anybody holds it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Final
from weakref import WeakValueDictionary

KEPT: Final = 4096
"""Objects kept although nobody holds them; what a server has seen must not grow without bound."""


class Interned:
    """Objects by key. Forgetting one that somebody holds would make two of it, so only what is free goes."""

    __slots__ = ("_alive", "recent")

    def __init__(self) -> None:
        self.recent: dict[Hashable, Any] = {}
        """Those asked for since there were `KEPT` of them; look here first."""
        self._alive: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def get(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """The object of this key, made when there is none; what `make` raises is raised."""
        found = self.recent.get(key)
        if found is None:
            found = self._alive.get(key)
            if found is None:
                found = self._alive.setdefault(key, make())
            if len(self.recent) >= KEPT:
                self.recent.clear()
            self.recent[key] = found
        return found
