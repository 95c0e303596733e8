"""What all sessions share: the threads of the quick stage, and the memory for what it keeps.

Small documents have threads of their own, so that they never wait behind a large one. What the quick stage keeps for a
document only saves time: when all documents together keep more than there is room for, the one that was edited longest ago
loses it, and is computed from scratch when it is edited again, to the same bits.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Final

from gradproof_service.server.sessions.quick import Quick

SMALL_NODES: Final = 2000
"""Nodes of the largest document that is small."""
SMALL_THREADS: Final = 2
KEPT_BYTES: Final = 1 << 30
"""Bytes that the quick stages of all documents may keep."""


class Room:
    """Used on the event loop alone; the threads only run what they are given."""

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._small = ThreadPoolExecutor(SMALL_THREADS, "gradproof-quick")
        self._large = ThreadPoolExecutor(1, "gradproof-quick-large")
        self._limit = kept_bytes
        self._kept: OrderedDict[Quick, int] = OrderedDict()
        self._busy: set[Quick] = set()
        self._gone: set[Quick] = set()

    def threads(self, nodes: int) -> Executor:
        """Where work on a document of this size is done."""
        return self._small if nodes <= SMALL_NODES else self._large

    def begin(self, quick: Quick) -> None:
        """A thread enters a quick stage."""
        self._busy.add(quick)

    def end(self, quick: Quick) -> None:
        """It has left again: make room when more is kept than there is room for."""
        self._busy.discard(quick)
        if quick in self._gone:
            self._gone.discard(quick)
            return
        self._kept[quick] = quick.kept_bytes
        self._kept.move_to_end(quick)
        total = sum(self._kept.values())
        for other in list(self._kept):
            if total <= self._limit:
                return
            if other not in self._busy:
                total -= self._kept.pop(other)
                other.forget()

    def __len__(self) -> int:
        """Documents for which something is kept."""
        return len(self._kept)

    def leave(self, quick: Quick) -> None:
        """Its document is gone."""
        self._kept.pop(quick, None)
        if quick in self._busy:
            self._gone.add(quick)

    def close(self) -> None:
        """Let go of the threads; what they do ends at its next tick."""
        for pool in (self._small, self._large):
            pool.shutdown(wait=False, cancel_futures=True)
