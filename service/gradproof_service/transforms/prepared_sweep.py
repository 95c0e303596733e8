"""Value and gradient of a long graph of scalars, prepared without its derivative graph."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.scalar.code import NOT_ON_FLOATS, are_numbers
from gradproof_service.transforms.scalar.sweep import Sweep


class PreparedSweep:
    """Called with the inputs, like a `Prepared` of the derivative graph, which is made only when it is needed.

    It is needed for batches, for other dtypes than float64, and where a float raises but an array
    holds inf or NaN. Safe to call from several threads at once.
    """

    def __init__(
        self, sweep: Sweep, values: bool, derived: Callable[[], Graph], threads: int
    ) -> None:
        self.threads = threads
        self._sweep = sweep
        self._values = values
        self._derived = derived
        self._road: Prepared | None = None
        self._lock = Lock()

    def __call__(self, *inputs: Any, tick: Tick = no_tick) -> list[Array]:
        """The outputs when they are asked for, then the gradients; raises as `Prepared` does."""
        try:
            if len(inputs) == self._sweep.takes and are_numbers(inputs):
                outputs, slopes = self._sweep([x.item() for x in inputs], tick)
                return [np.array(v) for v in ([*outputs, *slopes] if self._values else slopes)]
        except NOT_ON_FLOATS:
            pass  # as in `Prepared`: the plan on arrays knows which answer, or which refusal, it is
        return self.road(*inputs, tick=tick)

    @property
    def road(self) -> Prepared:
        """The derivative graph as plans."""
        with self._lock:
            if self._road is None:
                self._road = Prepared(self._derived(), self.threads, on_floats=False)
            return self._road

    @property
    def graph(self) -> Graph:
        """The derivative graph."""
        return self.road.graph
