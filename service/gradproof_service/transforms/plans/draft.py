"""Where each value of a plan lives, and which nodes run blockwise: decided node by node.

A value is *fixed* (its buffer is chosen once: constants, and whatever is small) or *loose* (an array
of its own on each run: what is large). Long elementwise stretches form *regions*: nodes whose values
share their leading axis (or, flattened, their size) and run together, a block of rows at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Final

from gradproof_service.arrays import Shape
from gradproof_service.graph.cost import flops
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.ops.summation import LEAF
from gradproof_service.transforms.evaluate import Step

SMALL_BYTES: Final = 1 << 17
"""Values up to this live in the arena and are reached by prebound calls."""
LONG: Final = 2 * LEAF
"""Elements from which a value is worth computing in blocks."""
ROW: Final = LEAF // 2
"""Elements of the longest row of a block."""
KEPT_BYTES: Final = 1 << 20
"""Constants up to this are computed once and kept."""

Space = tuple[str, int]
"""("rows", N): values whose leading axis is N; ("flat", N): values of N elements seen as vectors."""


@dataclass(slots=True, eq=False)
class Region:
    """Nodes that run together in blocks."""

    space: Space
    level: int
    steps: list[Step] = field(default_factory=list[Step])
    sums: list[Step] = field(default_factory=list[Step])
    """Full sums of its values, made from partial sums of the blocks."""
    entries: list[int] = field(default_factory=list[int])
    """Row values that come from outside."""
    exits: list[int] = field(default_factory=list[int])
    """Row values that are needed outside."""


Task = Step | Region


class Draft:
    """The decisions about values, taken node by node."""

    def __init__(self, graph: Graph, batched: Sequence[bool], batch: int | None) -> None:
        types = graph.types
        self.graph = graph
        self.batched = batched
        self.shapes: list[Shape] = [
            (batch, *t.shape) if b and batch is not None else t.shape
            for t, b in zip(types, batched, strict=True)
        ]
        inputs = len(graph.inputs)
        self.fixed = bytearray(len(types))
        self.constant = bytearray(len(types))
        self.rowwise: list[Region | None] = [None] * len(types)
        self.ordered = bytearray(len(types))
        """Values known to be in C order."""
        self.level = [0] * len(types)
        for v in range(inputs):
            self.fixed[v] = self.small(v)
            self.ordered[v] = 1
        self.constants: list[Step] = []
        self.straight: dict[int, list[Step]] = {}
        self.regions: dict[tuple[Space, int], Region] = {}
        self.work = 0.0

    def small(self, v: int) -> bool:
        """Whether a value fits in the arena."""
        return prod(self.shapes[v]) * self.graph.types[v].dtype.itemsize <= SMALL_BYTES

    def place(self, step: Step, blocks: bool) -> None:
        """Decide about one node, in topological order."""
        made = range(step.first, step.first + len(step.site.outs))
        if self._is_constant(step):
            self.constants.append(step)
            for v in made:
                self.constant[v] = self.fixed[v] = 1
                self.ordered[v] = step.site.op.name == "constant"
            return
        cost = flops if step.op.batching == "run" else step.op.cost
        self.work += cost(step.site) if cost else sum(prod(self.shapes[v]) for v in made)
        space = self._space(step) if blocks else None
        if space is not None:
            self._join(step, space)
            return
        ordered = self._keeps_order(step)
        level = max((self._after(v) for v in step.operands), default=0)
        self.straight.setdefault(level, []).append(step)
        for v in made:
            self.level[v] = level
            self.ordered[v] = ordered
            self.fixed[v] = self.fixed[step.operands[0]] if self._is_view(step) else self.small(v)

    def _is_constant(self, step: Step) -> bool:
        if not all(self.constant[v] for v in step.operands) or step.any_batched:
            return False
        op = step.site.op
        bytes_made = sum(t.nbytes for t in step.site.outs)
        return not step.operands or op.moves != "" or bytes_made <= KEPT_BYTES

    def _is_view(self, step: Step) -> bool:
        """Whether the result surely is a view of the operand."""
        moves = step.site.op.moves
        return moves in ("repeat", "view") or (
            moves == "order" and bool(self.ordered[step.operands[0]])
        )

    def _after(self, v: int) -> int:
        return self.level[v] + (self.rowwise[v] is not None)

    def _keeps_order(self, step: Step) -> bool:
        """Whether the result surely lies in C order."""
        op = step.site.op
        if op.batching == "first":
            return bool(self.ordered[step.operands[0]])
        if op.ordered is not None:
            return not step.any_batched and op.ordered(step.site)
        if not all(self.ordered[v] for v in step.operands):
            return False
        if op.moves:
            return op.moves == "order"
        if op.batching == "elementwise":
            shape = self.shapes[step.first]
            return any(self.shapes[v] == shape for v in step.operands)
        return op.reduces

    def _space(self, step: Step) -> Space | None:
        """The space in which a node can run blockwise, None when it cannot."""
        op, site = step.site.op, step.site
        if len(site.outs) != 1 or not step.operands or op.batching == "first":
            return None
        x, y = self.shapes[step.operands[0]], self.shapes[step.first]
        if op.reduces:
            full = op.name == "sum" and not step.any_batched and _is_full(site) and prod(x) > LEAF
            space = self._row_space(x) or (("flat", prod(x)) if full else None)
            if space is None or not self._is_row(step.operands[0], space, len(x)):
                return None
            return (
                space
                if full or (_reduces_rows(site, step.any_batched) and y[:1] == x[:1])
                else None
            )
        if op.moves in ("order", "repeat"):
            space = self._row_space(y if prod(y) > prod(x) else x)
            if space is None or not x or not y or x[0] != y[0] or self.fixed[step.operands[0]]:
                return None
            if op.moves == "repeat" and len(x) != len(y):
                return None
            return space if self._is_row(step.operands[0], space, len(x)) else None
        if op.batching != "elementwise" or prod(y) < LONG:
            return None
        for space in (self._row_space(y), ("flat", prod(y))):
            if space is not None and self._all_fit(step, space):
                return space
        return None

    def _row_space(self, shape: Shape) -> Space | None:
        long = bool(shape) and prod(shape) >= LONG and prod(shape[1:]) <= ROW
        return ("rows", shape[0]) if long else None

    def _all_fit(self, step: Step, space: Space) -> bool:
        y = self.shapes[step.first]
        rows = 0
        for v, b in zip(step.operands, step.batched, strict=True):
            rank = len(y) if b else len(self.shapes[v])
            if self._is_row(v, space, rank) and (space[0] == "flat" or rank == len(y)):
                rows += 1
            elif not self._is_aside(v, y, space):
                return False
        return rows > 0

    def _is_row(self, v: int, space: Space, rank: int) -> bool:
        """Whether a value can be cut into this space's blocks."""
        shape = self.shapes[v]
        if not self.ordered[v] and not (self.constant[v] and space[0] == "rows"):
            return False
        if space[0] == "flat":
            return prod(shape) == space[1]
        return bool(shape) and shape[0] == space[1] and rank >= 1

    def _is_aside(self, v: int, y: Shape, space: Space) -> bool:
        """Whether an operand is the same for every block."""
        shape = self.shapes[v]
        if not self.fixed[v] or prod(shape) * 8 > SMALL_BYTES:
            return False
        if space[0] == "flat":
            return prod(shape) == 1
        return len(shape) < len(y) or shape[0] == 1

    def _join(self, step: Step, space: Space) -> None:
        level = 0
        for v in step.operands:
            home = self.rowwise[v]
            level = max(level, self.level[v] if home and home.space == space else self._after(v))
        key = (space, level)
        region = self.regions.get(key)
        if region is None:
            region = self.regions[key] = Region(space, level)
        v = step.first
        self.ordered[v] = 1
        if step.site.op.name == "sum" and not step.any_batched and _is_full(step.site):
            region.sums.append(step)
            self.level[v] = level + 1
            self.fixed[v] = 1
            return
        region.steps.append(step)
        self.rowwise[v] = region
        self.level[v] = level


def _is_full(site: Site) -> bool:
    return len(site["axes"]) == site.ins[0].rank > 0


def _reduces_rows(site: Site, batched: bool) -> bool:
    """Whether only trailing axes go, and not the leading one."""
    axes: tuple[int, ...] = site["axes"]
    suffix = axes == tuple(range(-len(axes), 0))
    return suffix and bool(axes) and (batched or len(axes) < site.ins[0].rank)
