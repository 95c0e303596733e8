"""An edited function at a point: what it returns, and the derivative of the sum of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.limits import DEFAULT_LIMITS, Limits
from gradproof_service.graph.program import Program
from gradproof_service.graph.typing import Typing
from gradproof_service.ops.record import IllTyped, Site
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.incremental.adjoint import Adjoint
from gradproof_service.transforms.incremental.primal import Node, Primal, Ranks
from gradproof_service.transforms.incremental.store import Store

SPARE: Final = 20_000
"""Nodes that a store may hold beyond twice what was needed when it was last compacted."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is returned, as value numbers with names; which of it is summed, and by which inputs (positions)."""

    outputs: tuple[tuple[str, int], ...]
    outs: tuple[int, ...]
    wrt: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outputs in order, and for each input in `wrt` the derivative of the sum of all entries of `outs`.

    `nodes` counts the nodes that were typed, whose cotangents were looked at, and that were computed.
    """

    outputs: tuple[Array, ...]
    gradient: tuple[Array, ...]
    nodes: tuple[int, int, int]


class Incremental:
    """One function and everything computed for it. One thread uses it at a time.

    `settle` may be stopped by its tick at any point: what was done stands, the rest is done by the next one.
    """

    def __init__(
        self, program: Program, inputs: Sequence[Type], wrt: Sequence[int], *,
        cost: Callable[[Site], int], as_declared: bool = True, limits: Limits = DEFAULT_LIMITS,
    ) -> None:  # fmt: skip
        self._types = tuple(inputs)
        self._wrt = tuple(wrt)
        self._store = Store()
        self._primal = Primal(Typing(program, limits), as_declared, cost)
        self._adjoint = Adjoint(self._store, self._primal)
        self._inputs: list[int] = [-1] * len(self._types)
        self._seeds: dict[tuple[str, Type], int] = {}
        self._base = (0, 0)
        self._settled = False

    def set_input(self, position: int, array: Array) -> None:
        """The value of an input; it has the input's type."""
        placed = self._store.fresh(self._types[position], array)
        self._inputs[position] = placed
        if position in self._wrt:
            self._adjoint.activate(placed)
        self._primal.place(position, placed)

    def set_constant(self, number: int, array: Array) -> None:
        """The value of a constant."""
        self._primal.place(number, self._store.xp.constant(array).id)

    def change(self, number: int, node: Node | None) -> None:
        """Put a node in this place, or take away the node or constant that is there."""
        self._primal.change(number, node)

    def type(self, ranks: Ranks, tick: Tick = no_tick) -> int:
        """Type what changed; how many nodes. `ranks` says for every number where it stands."""
        done = self._primal.settle(self._store, ranks, self._adjoint, tick)
        self._tidy()
        return done

    @property
    def faults(self) -> dict[int, IllTyped]:
        """What keeps nodes from having types, by number, after `type`."""
        return self._primal.faults

    @property
    def elements(self) -> int:
        """Elements of all values of the function, after `type`."""
        return self._primal.elements

    @property
    def work(self) -> int:
        """Floating operations of one evaluation of the function as `cost` counts them, after `type`."""
        return self._primal.work

    @property
    def held_nodes(self) -> int:
        """Nodes held: those of the function and its cotangents, and some that no version needs any more."""
        return len(self._store)

    @property
    def held_elements(self) -> int:
        """Elements of all arrays held."""
        return self._store.elements

    def type_of(self, number: int) -> Type | None:
        """The type of a value after `type`, None when it has none."""
        found = self._primal.ids[number]
        return None if found is None else self._store.type(found)

    def settle(self, asked: Asked, ranks: Ranks, tick: Tick = no_tick) -> Outcome:
        """Compute what changed, after `type` found no faults. The bits are those of a computation from scratch."""
        typed = self.type(ranks, tick)
        returned = [self._id(number) for _, number in asked.outputs]
        seeds = [(returned[o], self._seed(asked.outputs[o][0], returned[o])) for o in asked.outs]
        swept = self._adjoint.settle(seeds, ranks, tick)
        store = self._store
        bars: list[int] = []
        for i in asked.wrt:
            bar = self._adjoint.bar(self._inputs[i])
            bars.append(store.xp.zeros(self._types[i]).id if bar is None else bar)
        computed = store.compute([*returned, *bars], tick)
        if not self._settled:
            self._base, self._settled = (len(store), store.elements), True
        return Outcome(
            tuple([store.value(v) for v in returned]),
            tuple([store.value(v) for v in bars]),
            (typed, swept, computed),
        )

    def _id(self, number: int) -> int:
        found = self._primal.ids[number]
        assert found is not None, "settle is called for a function whose nodes all have types"
        return found

    def _seed(self, name: str, returned: int) -> int:
        t = self._store.type(returned)
        found = self._seeds.get((name, t))
        if found is None:
            found = self._store.fresh(t, np.ones(t.shape, t.dtype))
            self._seeds[name, t] = found
        return found

    def _tidy(self) -> None:
        """Drop what no version needs any more, once it is more than what is needed."""
        store = self._store
        nodes = max(self._base[0], len(self._primal))
        elements = max(self._base[1], self._primal.elements)
        if len(store) <= 2 * nodes + SPARE and store.elements <= 2 * elements + SPARE:
            return
        kept = set(self._adjoint.roots())
        own = (v for v in self._primal.ids if v is not None)
        made, moved = store.compacted([*own, *self._inputs, *kept])
        self._store = made
        self._primal.remap(moved)
        self._adjoint.remap(made, moved)
        self._inputs = [moved[v] for v in self._inputs]
        self._seeds = {key: moved[seed] for key, seed in self._seeds.items() if seed in kept}
        self._base = (len(made), made.elements)
