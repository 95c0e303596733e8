"""The nodes of one version of a function, as expressions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradproof_service.transforms.incremental.primal import Ranks


class Standing:
    """The nodes of one version as expressions, and where each stands."""

    def __init__(self, firsts: Sequence[int], size: int) -> None:
        self.firsts = np.array(firsts, np.int64)
        self.place = np.full(size, -1, np.int64)
        self.place[self.firsts] = np.arange(len(firsts))

    def rank(self, first: int, ranks: Ranks) -> float:
        """Where an expression stands."""
        return self.place.item(first)

    def stands(self, first: int) -> bool:
        """Whether it is a node of this version."""
        return 0 <= first < len(self.place) and self.place.item(first) >= 0
