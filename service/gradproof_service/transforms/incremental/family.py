"""Expressions that are computed together, and the runs over them that are kept.

A family is a function in one of its forms: its values, or those of a derivative. Each run (at some inputs, plain or with
its rounding disturbed) is kept with all its values, and when expressions come to the family a run asked for again computes
those alone.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.ops.record import Site
from gradproof_service.transforms.content import input_number, output_numbers, places
from gradproof_service.transforms.evaluate import Step, Tick, call
from gradproof_service.transforms.incremental.expressions import Expressions
from gradproof_service.transforms.incremental.values import Values
from gradproof_service.transforms.rounding import TILE, Disturbance, is_moved

Disturbed = tuple[tuple[int, ...], float | None]
"""Seed and spacing of a run whose rounding is disturbed."""


class Kept:
    """One run: its values by slot, and whether the batch axis is on them."""

    __slots__ = ("batched", "flags", "used", "values")

    def __init__(self, flags: tuple[bool, ...]) -> None:
        self.values: Any = Values()
        self.flags = flags
        self.batched = bytearray()
        self.used = True


class Family:
    """Slots number the family's values in the order in which they came: inputs, then what nodes make."""

    def __init__(self, store: Expressions, leaves: Sequence[int]) -> None:
        self._store = store
        self._leaves = tuple(leaves)
        self._slot = array("i")
        self._nodes: list[tuple[Site, tuple[int, ...]]] = []
        self._first: list[int] = []
        self._numbers: list[int] = []
        self._moved = bytearray()
        self._runs: dict[Any, Kept] = {}
        self._grow()
        for v in leaves:
            self._slot[v] = len(self._numbers)
            self._numbers.append(input_number(store.inputs[v]))
            self._moved.append(1)

    def slots(self, values: Iterable[int]) -> list[int]:
        """The slots of values; those that are not in the family come to it, with what they are made of."""
        wanted = list(values)
        self._grow()
        slot, store = self._slot, self._store
        waiting = [v for v in wanted if slot[v] < 0]
        found = set[int]()
        while waiting:
            v = waiting.pop()
            if slot[v] < 0:
                k = store.node_of(v)
                if k not in found:
                    found.add(k)
                    waiting.extend(store.operands(k))
        for k in sorted(found):
            self._add(k)
        return [slot[v] for v in wanted]

    def run(self, inputs: Sequence[Array], disturbed: Disturbed | None, tick: Tick) -> Kept:
        """The values at these inputs, of which what was computed before is not computed again. Raises what `tick` raises.

        A batched input has one axis more than its type.
        """
        arrays = [np.asarray(x) for x in inputs]
        key = (disturbed, *map(_bits, arrays))
        kept = self._runs.get(key)
        if kept is None:
            flags = tuple(
                [
                    x.ndim > self._store.type(v).rank
                    for v, x in zip(self._leaves, arrays, strict=True)
                ]
            )
            kept = self._runs[key] = Kept(flags)
            kept.values.late.extend(arrays)
            kept.batched.extend(flags)
        kept.used = True
        self._complete(kept, disturbed, tick)
        return kept

    def sweep(self) -> int:
        """Forget the runs that were not asked for since the last sweep; bytes of those that are left."""
        self._runs = {key: kept for key, kept in self._runs.items() if kept.used}
        total = 0
        for kept in self._runs.values():
            kept.used = False
            kept.values.pack()
            total += kept.values.nbytes
        return total

    def _complete(self, kept: Kept, disturbed: Disturbed | None, tick: Tick) -> None:
        values, batched = kept.values, kept.batched
        begin = len(self._leaves)
        start = _node_at(self._first, len(values)) if len(values) > begin else 0
        if start == len(self._nodes):
            return
        late = values.late
        draws: list[int] = []
        disturb = None
        if disturbed is not None:
            disturb = Disturbance(*disturbed, tick)
            numbers = np.array([self._numbers[v] for v in self._first[start:]], np.int64)
            draws = places(numbers, disturbed[0], TILE)
        shift = len(values) - len(late)
        with np.errstate(all="ignore"):
            for n in range(start, len(self._nodes)):
                site, operands = self._nodes[n]
                xs = [late[v - shift] if v >= shift else values[v] for v in operands]
                flags = tuple([batched[v] == 1 for v in operands])
                mine = flags[0] if site.op.batching == "first" else True in flags
                step = Step(site.op, site, operands, self._first[n], flags, mine, ())
                if disturb is not None and self._moved[step.first] and is_moved(site):
                    outs = disturb(step, xs, draws[n - start])
                else:
                    outs = call(step, xs, tick)
                if len(site.outs) == 1:
                    batched.append(mine)
                    late.append(outs)
                else:
                    batched.extend([mine] * len(site.outs))
                    late.extend(outs)
                tick()

    def _add(self, k: int) -> None:
        site, operands = self._store.site(k), self._store.operands(k)
        first = len(self._numbers)
        mine = tuple([self._slot[v] for v in operands])
        self._nodes.append((site, mine))
        self._first.append(first)
        self._numbers += output_numbers(site, [self._numbers[v] for v in mine])
        moved = any(self._moved[v] for v in mine)
        for j in range(len(site.outs)):
            self._slot[self._store.first(k) + j] = first + j
            self._moved.append(moved)

    def _grow(self) -> None:
        short = len(self._store.xp.types) - len(self._slot)
        if short > 0:
            self._slot.extend([-1] * short)


def _node_at(first: list[int], slot: int) -> int:
    """The node whose first value has this slot; the number of nodes when none has it yet."""
    return bisect_left(first, slot)


def _bits(x: Array) -> Any:
    content = x.tobytes() if x.size <= 64 else blake2b(x.tobytes()).digest()
    return x.dtype.str, x.shape, x.strides, content
