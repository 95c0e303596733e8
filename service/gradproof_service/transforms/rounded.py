"""Disturbed runs that are asked for again, as plans: the bits of `rounding.disturbed`, every call bound.

Each move that such a run makes is a product with factors that its seed alone decides. So a graph is written
anew with one more input for each of them; that graph is planned once, and a seed is one set of factors for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import FLOATS, Array, Shape, Type
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Step, Tick, call
from gradproof_service.transforms.plans.bound import Bound
from gradproof_service.transforms.plans.draft import SMALL_BYTES
from gradproof_service.transforms.plans.sketch import sketch

NODES: Final = 1000
"""Longer graphs are run plainly: a node of theirs costs less to run than to prepare."""
SEEDS: Final = 16
"""Seeds whose factors are kept for one graph and shape."""

Ready = Sequence[tuple[Step, bool, float]]
"""The steps of a plan, whether each is moved, and by how many ulps."""


@dataclass(frozen=True, slots=True)
class Move:
    """One product with random factors: the shape and dtype of what is moved, and by how many ulps.

    `constant` is what is moved where that is the same in every run: the product then is, too.
    """

    shape: Shape
    char: str
    ulps: float
    constant: Array | None


@dataclass(slots=True)
class Rounded:
    """A graph with its moves as inputs, behind its own, for one pattern of batched inputs and one batch size."""

    graph: Graph
    flags: tuple[bool, ...]
    batch: int | None
    moves: tuple[Move, ...]
    held: dict[Any, list[Array]] = field(default_factory=dict[Any, "list[Array]"])
    """By seed and spacing, as far as they were asked for: the inputs that are moves."""
    idle: list[Bound] = field(default_factory=list[Bound])
    """Plans ready to run; each is out of the list while a thread runs it."""

    def run(
        self, key: Any, inputs: Sequence[Array], factors: Callable[[Move], Array], tick: Tick
    ) -> list[Array]:
        """The outputs of the run that `key` names; `factors` draws those of each move, in their order."""
        held = self.held.get(key)
        if held is None:
            if len(self.held) >= SEEDS:
                self.held.pop(next(iter(self.held)), None)
            drawn = list(map(factors, self.moves))
            held = self.held[key] = [
                f if m.constant is None else m.constant * f
                for m, f in zip(self.moves, drawn, strict=True)
            ]
        try:
            ready = self.idle.pop()
        except IndexError:
            ready = self._bound(held)
        results = ready.run(inputs, tick, held)
        self.idle.append(ready)
        return results

    def _bound(self, held: Sequence[Array]) -> Bound:
        plan = sketch(self.graph, self.flags, self.batch, blocks=False)
        end = len(self.graph.inputs)
        plan.fixed[end - len(held) : end] = b"\1" * len(held)
        return Bound(plan, held=held)


def rounded(
    graph: Graph, ready: Ready, flags: tuple[bool, ...], batch: int | None, most: int
) -> Rounded | None:
    """The graph with its moves as inputs; None where a move is no product, or one of more than `most` elements."""
    if len(graph) > NODES:
        return None
    constants: dict[int, Array] = {}
    moved: list[tuple[Type, bool, Move]] = []

    def move(t: Type, batched: bool, ulps: float, constant: Array | None = None) -> None:
        if _moves(t):
            shape = (batch or 1, *t.shape) if batched else t.shape
            moved.append((t, batched, Move(shape, t.dtype.char, ulps, constant)))

    for step, moves, ulps in ready:
        op, site, operands = step.op, step.site, step.operands
        if not moves:
            if all(v in constants for v in operands) and site.outs[0].nbytes <= SMALL_BYTES:
                constants[step.first] = np.asarray(call(step, [constants[v] for v in operands]))
            continue
        if op.batching == "run" or op.normwise:
            return None
        for v, t, batched in zip(operands, site.ins, step.batched, strict=True):
            if op.accumulates:
                move(t, batched, 1.0, constants.get(v))
        for t in site.outs:
            if op.ulps:
                move(t, step.any_batched, ulps)
    if not moved or any(prod(m.shape) > most for _, _, m in moved):
        return None
    made = _with_factors(graph, ready, moved)
    return Rounded(made, (*flags, *(b for _, b, _ in moved)), batch, tuple(m for *_, m in moved))


def _with_factors(graph: Graph, ready: Ready, moved: Sequence[tuple[Type, bool, Move]]) -> Graph:
    """The graph where each move is a product with an input, or such an input where a constant is moved."""
    xp = Builder(f"rounded_{graph.name}")
    ids = {v: xp.input(name, graph.types[v]).id for v, name in enumerate(graph.inputs)}
    inputs = iter([(xp.input(f"move{n}", t), m) for n, (t, _, m) in enumerate(moved)])

    def shaken(v: int) -> int:
        if not _moves(xp.types[v]):
            return v
        factors, move = next(inputs)
        return factors.id if move.constant is not None else (xp.value(v) * factors).id

    for step, moves, _ in ready:
        operands = [ids[v] for v in step.operands]
        if moves and step.op.accumulates:
            operands = [shaken(v) for v in operands]
        first = xp.add_once(step.site, tuple(operands))
        for n in range(len(step.site.outs)):
            ids[step.first + n] = shaken(first + n) if moves and step.op.ulps else first + n
    return xp.finish([xp.value(ids[v]) for v in graph.outputs])


def _moves(t: Type) -> bool:
    return t.dtype in FLOATS
