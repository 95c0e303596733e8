"""Long elementwise stretches, a block of rows at a time: what one op wrote the next reads from the cache.

How rows are cut into blocks depends on shapes alone, and the partial sums of blocks are put together
in one order: the result has the same bits on any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.ops.summation import LEAF, joined, partial_sums, total
from gradproof_service.transforms.evaluate import Step, Tick
from gradproof_service.transforms.plans.draft import Region
from gradproof_service.transforms.plans.memory import Arena
from gradproof_service.transforms.plans.sketch import Sketch
from gradproof_service.transforms.plans.straight import stored, tied, writes_in_place
from gradproof_service.transforms.plans.threads import shared_out


class Blocks:
    """A region made ready; called with the values around it, it runs all its blocks.

    Blocks hold `LEAF` elements of the widest value, twice that when several threads share them (each
    call hands the interpreter over, which short blocks do not repay).
    """

    def __init__(self, sketch: Sketch, region: Region, env: list[Any], threads: int) -> None:
        self._sketch = sketch
        self._region = region
        self._env = env
        self._threads = threads
        self._count = region.space[1]
        widest = max(self._row(v) for v in [*region.entries, *(t.first for t in region.steps)])
        rows = max(1, LEAF * (2 if threads > 1 else 1) // widest)
        self.rows = min(1 << (rows.bit_length() - 1), self._count)
        self._programs: dict[tuple[int, int], _Program] = {}
        self._in_parts = [
            step for step in region.sums if self.rows * self._row(step.operands[0]) % LEAF == 0
        ]
        self._whole = [step for step in region.sums if step not in self._in_parts]

    def __call__(self, tick: Tick) -> None:
        """Run the region once."""
        env, types = self._env, self._sketch.graph.types
        ends: dict[int, Array] = {v: self._seen(env[v]) for v in self._region.entries}
        for v in {*self._region.exits, *(s.operands[0] for s in self._whole)} - ends.keys():
            env[v] = np.empty(self._sketch.shapes[v], types[v].dtype)
            ends[v] = self._seen(env[v])
        parts = [
            np.empty(-(-prod(self._sketch.shapes[s.operands[0]]) // LEAF), s.site.out.dtype)
            for s in self._in_parts
        ]
        blocks = -(-self._count // self.rows)

        def work(worker: int, take: Callable[[], int]) -> None:
            with np.errstate(all="ignore"):
                while (block := take()) < blocks:
                    low = block * self.rows
                    high = min(low + self.rows, self._count)
                    self._program(worker, high - low).run(ends, parts, low, high)
                    tick()

        shared_out(self._threads, blocks, work)
        for program in self._programs.values():
            program.forget()
        for step, sums in zip(self._in_parts, parts, strict=True):
            np.copyto(env[step.first], joined(sums))
        for step in self._whole:
            np.copyto(
                env[step.first], total(step.site, env[step.operands[0]], step.site["keepdims"])
            )
            if step.operands[0] not in self._region.exits:
                env[step.operands[0]] = None

    def _program(self, worker: int, rows: int) -> _Program:
        found = self._programs.get((worker, rows))
        if found is None:
            found = _Program(self, self._sketch, self._region, self._env, rows)
            self._programs[worker, rows] = found
        return found

    def _row(self, v: int) -> int:
        shape = self._sketch.shapes[v]
        return 1 if self._region.space[0] == "flat" else prod(shape[1:])

    def _seen(self, x: Array) -> Array:
        return x.reshape(-1) if self._region.space[0] == "flat" else x

    @property
    def summed(self) -> list[Step]:
        """The full sums that are made of partial sums of the blocks."""
        return self._in_parts

    @property
    def kept(self) -> set[int]:
        """Row values that are written out in full."""
        return {*self._region.exits, *(s.operands[0] for s in self._whole)}


class _Program:
    """The calls of one block of a fixed number of rows, on buffers of its own."""

    def __init__(
        self, blocks: Blocks, sketch: Sketch, region: Region, env: list[Any], rows: int
    ) -> None:
        self._blocks = blocks
        self._sketch = sketch
        self._region = region
        self._env = env
        self._rows = rows
        self._flat = region.space[0] == "flat"
        self._where = [0, 0]
        self._ends: dict[int, Array] = {}
        self._parts: list[Array] = []
        self._calls: list[Callable[[], Any]] = []
        self._arena = Arena()
        self._seen: dict[int, Array] = {}
        """Row values as they stand in this block."""
        self._owner: dict[int, int] = {}
        """The value whose buffer a value lies in: its own, or that of what it is a view of."""
        self._buffers: dict[int, Array] = {}
        """Buffers in use, by owner."""
        self._last = _last_uses(region)
        self._direct = _direct(region, blocks.kept, self._flat)
        self._rows_of: dict[int, Array] = {}
        """The rows of values that are read and written where they lie, outside."""
        for n, step in enumerate(region.steps):
            self._bind(n, step)
        for step in blocks.summed:
            self._enter(step.operands[0])
            if step.operands[0] in self._direct & set(region.entries):
                self._leave(step.operands[0])

    def run(self, ends: dict[int, Array], parts: list[Array], low: int, high: int) -> None:
        """All ops on rows low to high."""
        self._ends, self._parts = ends, parts
        self._where[:] = low, high
        for v in self._direct:
            self._rows_of[v] = ends[v][low:high]
        for call in self._calls:
            call()

    def forget(self) -> None:
        """Let go of the arrays of the run that is over."""
        self._ends, self._parts = {}, []
        self._rows_of.clear()

    def _bind(self, n: int, step: Step) -> None:
        for v in step.operands:
            self._enter(v)
        v = step.first
        if step.site.op.moves:
            x, shape = self._seen[step.operands[0]], self._shape(v)
            anew = x.reshape(shape) if step.site.op.moves == "order" else np.broadcast_to(x, shape)
            self._seen[v] = anew
            self._owner[v] = self._owner[step.operands[0]]
        else:
            self._compute(n, step)
        self._leave(v)
        for u in {self._owner[u] for u in (*step.operands, v) if u in self._owner}:
            if self._last[u] <= n:
                self._release(u)

    def _compute(self, n: int, step: Step) -> None:
        xs = [self._operand(step, i) for i in range(len(step.operands))]
        function = None if step.site.op.reduces else writes_in_place(step)
        if isinstance(function, np.ufunc):
            self._take_over(n, step)
        if function is None:
            function = partial(stored, step.site.op.kernel, step.site)
        out = None if step.first in self._direct else self._new(step.first)
        arrays = [*xs, out]
        values = (*step.operands, step.first)
        names = [v if x is None else -1 for v, x in zip(values, arrays, strict=True)]
        ready = [x for x in arrays if x is not None]
        if len(ready) == len(arrays):
            self._calls.append(tied(function, ready[:-1], ready[-1]))
        else:
            self._calls.append(partial(self._patched, function, arrays, names))

    def _patched(self, function: Any, arrays: list[Any], names: list[int]) -> None:
        """A call some of whose arrays are rows of what lies outside."""
        rows = self._rows_of
        *xs, out = [rows[v] if v >= 0 else x for v, x in zip(names, arrays, strict=True)]
        function(*xs, out=out) if isinstance(function, np.ufunc) else function(*xs, out)

    def _take_over(self, n: int, step: Step) -> None:
        """Give back the buffer of a dying operand for the result to be written in place."""
        shape, dtype = self._shape(step.first), step.site.out.dtype
        for v in step.operands:
            buffer = self._buffers.get(v)
            if buffer is None or self._last[v] > n:
                continue
            alone = all(u == v or self._owner.get(u) != v for u in step.operands)
            if alone and buffer.shape == shape and buffer.dtype == dtype:
                self._release(v)
                return

    def _operand(self, step: Step, i: int) -> Array | None:
        """An operand's buffer, None when its rows are read where they lie."""
        v = step.operands[i]
        if v in self._direct:
            return None
        x = self._seen.get(v)
        if x is None:
            return self._env[v].reshape(()) if self._flat else self._env[v]
        if self._flat or step.site.op.batching != "elementwise" or not step.batched[i]:
            return x
        short = len(step.site.outs[0].shape) - len(step.site.ins[i].shape)
        return x.reshape(x.shape[:1] + (1,) * short + x.shape[1:])

    def _enter(self, v: int) -> None:
        """Read the rows of a value from outside, when it is met for the first time."""
        if v in self._region.entries and v not in self._seen and v not in self._direct:
            self._calls.append(partial(self._read, v, self._new(v)))
            self._leave(v)

    def _leave(self, v: int) -> None:
        """Write out the rows of a value, and add them up, where that is wanted."""
        if v in self._blocks.kept and v not in self._direct and v not in self._region.entries:
            self._calls.append(partial(self._write, v, self._seen[v]))
        for k, step in enumerate(self._blocks.summed):
            if step.operands[0] == v:
                self._calls.append(partial(self._add, k, v))

    def _new(self, v: int) -> Array:
        buffer = self._arena.take(self._shape(v), self._sketch.graph.types[v].dtype)
        self._seen[v] = self._buffers[v] = buffer
        self._owner[v] = v
        return buffer

    def _release(self, v: int) -> None:
        buffer = self._buffers.pop(v, None)
        if buffer is not None:
            self._arena.give_back(buffer)

    def _shape(self, v: int) -> Shape:
        return (self._rows,) if self._flat else (self._rows, *self._sketch.shapes[v][1:])

    def _read(self, v: int, buffer: Array) -> None:
        low, high = self._where
        np.copyto(buffer, self._ends[v][low:high])

    def _write(self, v: int, rows: Array) -> None:
        low, high = self._where
        self._ends[v][low:high] = rows

    def _add(self, k: int, v: int) -> None:
        rows = self._rows_of[v] if v in self._direct else self._seen[v]
        sums = partial_sums(rows.reshape(-1), ())
        at = self._where[0] * (rows.size // self._rows) // LEAF
        self._parts[k][at : at + len(sums)] = sums


def _direct(region: Region, kept: set[int], flat: bool) -> set[int]:
    """Row values that are read or written where they lie outside, without a buffer of the block.

    Those that are written out anyway, and those from outside that are read once or twice: rows read
    more often are worth an aligned copy in the cache. Views are made of buffers only.
    """
    uses: dict[int, int] = {}
    viewed: set[int] = set()
    for step in region.steps:
        rank = len(step.site.outs[0].shape)
        for v, batched, t in zip(step.operands, step.batched, step.site.ins, strict=True):
            uses[v] = uses.get(v, 0) + 1
            wider = step.site.op.batching == "elementwise" and batched and len(t.shape) < rank
            if step.site.op.moves or (wider and not flat):
                viewed.add(v)
        if step.site.op.moves:
            viewed.add(step.first)
    entries = set(region.entries)
    few = {v for v in entries if uses.get(v, 0) <= 2}
    return (few | (kept - entries)) - viewed


def _last_uses(region: Region) -> dict[int, int]:
    """For each value that owns a buffer the number of the last step that makes or reads it or a view of it."""
    root: dict[int, int] = {}
    last: dict[int, int] = {}
    for n, step in enumerate(region.steps):
        for v in step.operands:
            last[root.get(v, v)] = n
        v = step.first
        root[v] = root.get(step.operands[0], step.operands[0]) if step.site.op.moves else v
        last[root[v]] = n
    return last
