"""Dense Jacobians as plans: what does not depend on the seeds runs once, the seeds in one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, batch_of, no_tick
from gradproof_service.transforms.jacobian import BATCH_BYTES
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.unit_sweeps import sweep

Mode = Literal["auto", "forward", "reverse"]
ROWS_BYTES: Final = BATCH_BYTES
"""Memory that one batch of seeds may take at its peak; longer ones run in chunks."""


class PreparedJacobian:
    """Jacobian blocks ready to be asked for at many points.

    Called with the graph's inputs it returns one array of shape `(*output.shape, *input.shape)` and the
    output's dtype for each pair of an output and an input, outputs first. Forward mode takes one seed an
    input element, reverse one an output element; "auto" takes the fewer, block by block.
    """

    def __init__(
        self, graph: Graph, wrt: Sequence[int], outs: Sequence[int], mode: Mode = "auto",
        threads: int = 1,
    ) -> None:  # fmt: skip
        self.blocks = [_Block(graph, i, o, mode, threads) for o in outs for i in wrt]

    def __call__(self, *inputs: Any, tick: Tick = no_tick) -> list[Array]:
        """The blocks at these inputs, which carry no batch axis."""
        return [block(inputs, tick) for block in self.blocks]


class _Block:
    """The Jacobian of one output by one input."""

    def __init__(self, graph: Graph, wrt: int, out: int, mode: Mode, threads: int) -> None:
        self._in = graph.types[wrt]
        self._out = graph.types[graph.outputs[out]]
        if mode == "auto":
            mode = "reverse" if self._out.size <= self._in.size else "forward"
        self.mode = mode
        start, end = (out, wrt) if mode == "reverse" else (wrt, out)
        one = sweep(graph, mode, start, (end,))
        self._split, self._seeds = one.split, one.seeds
        self._before = Prepared(self._split.before, threads)
        self._after = Prepared(self._split.after, threads)
        self._constant = bool(self._split.plain)

    def __call__(self, inputs: Sequence[Any], tick: Tick) -> Array:
        """The block at these inputs."""
        handed = self._before(*inputs, tick=tick)
        # a derivative that does not depend on the seed is zero, and stands among the plain outputs
        rows = self._everywhere(handed[0]) if self._constant else self._rows(handed, tick)
        if self.mode == "reverse":
            whole = rows.reshape(self._out.shape + self._in.shape)
            return whole.astype(self._out.dtype, copy=False)
        axes = self._in.rank
        order = (*range(axes, axes + self._out.rank), *range(axes))
        whole = rows.reshape(self._in.shape + self._out.shape).transpose(order)
        return whole.astype(self._out.dtype, order="C", copy=False)

    @property
    def _result(self) -> Any:
        return self._in if self.mode == "reverse" else self._out

    def _everywhere(self, row: Array) -> Array:
        return np.array(batch_of(row, self._result.rank, self._seeds))

    def _rows(self, handed: Sequence[Array], tick: Tick) -> Array:
        """One row a seed, in as few batches as the memory allows."""
        flags = self._split.rows
        sketch = self._after.sketch(flags, self._seeds)
        if sketch.peak_bytes <= ROWS_BYTES:
            return batch_of(self._after(*handed, tick=tick)[0], self._result.rank, self._seeds)
        chunk = max(1, self._seeds * ROWS_BYTES // sketch.peak_bytes)
        rows = np.empty((self._seeds, *self._result.shape), self._result.dtype)
        for start in range(0, self._seeds, chunk):
            part = [
                x[start : start + chunk] if b else x for x, b in zip(handed, flags, strict=True)
            ]
            size = min(chunk, self._seeds - start)
            found = self._after(*part, tick=tick)[0]
            rows[start : start + size] = batch_of(found, self._result.rank, size)
        return rows
