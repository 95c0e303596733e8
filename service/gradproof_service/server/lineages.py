"""What this process keeps of documents between their checks: it only saves time, and the room for it is bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from threading import Lock
from typing import Final

from gradproof_service.checking.scene import Scene
from gradproof_service.diagnostic import Fault
from gradproof_service.transforms.incremental.lineage import Lineage
from gradproof_service.transforms.rounding import LONG

KEPT_BYTES: Final = 1 << 30
"""Bytes that all documents together may keep."""


class Lineages:
    """Lineages by document; the one that was not asked for the longest goes first.

    Several threads may use it, but only one at a time for one document.
    """

    def __init__(self, kept_bytes: int = KEPT_BYTES) -> None:
        self._room = kept_bytes
        self._known: OrderedDict[str, tuple[Lineage, int]] = OrderedDict()
        self._lock = Lock()

    @contextmanager
    def following(self, document: str, scene: Scene) -> Generator[Scene]:
        """The scene, computing by what is kept of its document; as it was where nothing can be kept.

        What is stopped by a `Fault` is taken up again by the next check; after any other failure nothing is kept.
        """
        try:
            yield self._begin(document, scene)
        except Fault:
            raise
        except BaseException:
            self.forget(document)
            raise
        self._end(document)

    def _begin(self, document: str, scene: Scene) -> Scene:
        graph = scene.graph
        if len(graph) <= LONG:
            return scene
        with self._lock:
            lineage, size = self._known.get(document, (None, 0))
        adopted = None if lineage is None else lineage.adopt(graph)
        if lineage is None or adopted is None:
            lineage, size = Lineage(graph), 0
            adopted = lineage.adopt(graph)
        with self._lock:
            self._known[document] = lineage, size
            self._known.move_to_end(document)
        if adopted is None:
            return scene
        return replace(
            scene, graph=adopted, original=adopted if scene.original is graph else scene.original
        )

    def _end(self, document: str) -> None:
        with self._lock:
            known = self._known.get(document)
        if known is None:
            return
        size = known[0].rest()
        with self._lock:
            self._known[document] = known[0], size
            while sum(size for _, size in self._known.values()) > self._room:
                self._known.popitem(last=False)

    def forget(self, document: str) -> None:
        """Keep nothing of a document."""
        with self._lock:
            self._known.pop(document, None)

    def __len__(self) -> int:
        """Documents of which something is kept."""
        return len(self._known)
