"""What a plan will do, before anything is allocated: its values, its tasks in order, its work and its memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Final

from gradproof_service.arrays import Shape
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.summation import LEAF
from gradproof_service.transforms.evaluate import Step, plan
from gradproof_service.transforms.live import within
from gradproof_service.transforms.plans.draft import Draft, Region, Task
from gradproof_service.transforms.plans.schedule import schedule

BLOCK_BUFFERS: Final = 6
"""Buffers that a region's blocks use at once besides those of its entries, as estimated."""


@dataclass(slots=True)
class Sketch:
    """A graph at fixed shapes: values by id, tasks in the order of their running."""

    graph: Graph
    batch: int | None
    batched: Sequence[bool]
    shapes: list[Shape]
    fixed: bytearray
    constant: bytearray
    """Values that no input reaches and that are computed once; they are fixed too."""
    constants: list[Step]
    tasks: list[Task]
    last: list[int]
    """For each value the number of the last task that needs it; the number of tasks for outputs."""
    work: float
    """Estimated floating operations of one run."""
    peak_bytes: int
    """Most bytes alive at once: inputs, constants, buffers and results."""

    @property
    def loose(self) -> list[int]:
        """Values that are arrays of their own on each run."""
        return [v for v, fixed in enumerate(self.fixed) if not fixed]

    def nbytes(self, v: int) -> int:
        """Bytes of a value with its batch axis."""
        return prod(self.shapes[v]) * self.graph.types[v].dtype.itemsize


def sketch(graph: Graph, flags: tuple[bool, ...], batch: int | None, blocks: bool = True) -> Sketch:
    """Plan one graph for these batched inputs and this batch size; without `blocks` no regions are made."""
    made = plan(graph, flags)
    draft = Draft(graph, made.batched, batch)
    for step in made.steps:
        draft.place(step, blocks)
    tasks, last = schedule(draft)
    result = Sketch(
        graph, batch, made.batched, draft.shapes, draft.fixed, draft.constant, draft.constants,
        tasks, last, draft.work, 0,
    )  # fmt: skip
    result.peak_bytes = _peak(result)
    return result


def _peak(s: Sketch) -> int:
    """The most bytes alive at once.

    Inputs throughout, other values from the task that makes them to the last that needs them, a
    region's exits and blocks, what functions hold that are called; small outputs once more, as they are copied.
    """
    inputs, end = len(s.graph.inputs), len(s.tasks)
    last = with_views(s)
    change = [0] * (end + 2)
    for n, task in enumerate(s.tasks):
        if isinstance(task, Region):
            born = [*task.exits, *(t.first for t in task.sums)]
            blocks = (len(task.entries) + BLOCK_BUFFERS) * LEAF * 8
            change[n] += blocks
            change[n + 1] -= blocks
        else:
            if task.op.batching == "run":
                inside = within(task.site, task.batched, s.batch or 1, "nbytes")
                change[n] += inside
                change[n + 1] -= inside
            views = task.site.op.moves != ""
            born = [] if views else range(task.first, task.first + len(task.site.outs))
        for v in born:
            change[n] += s.nbytes(v)
            if last[v] < end:
                change[max(last[v], n) + 1] -= s.nbytes(v)
    kept = sum(s.nbytes(v) for v in range(inputs))
    kept += sum(s.nbytes(v) for v in range(inputs) if s.fixed[v])
    kept += sum(
        s.nbytes(step.first) for step in s.constants
        if not step.site.op.moves and step.site.op.name != "full"
    )  # fmt: skip
    alive = peak = kept
    for n in range(end + 1):
        alive += change[n]
        peak = max(peak, alive)
    return max(peak, alive + sum(s.nbytes(v) for v in s.graph.outputs if s.fixed[v]))


def with_views(s: Sketch) -> list[int]:
    """Last uses, an operand living as long as what may be a view of it."""
    last = list(s.last)
    for task in reversed(s.tasks):
        if isinstance(task, Step) and task.site.op.moves:
            v = task.operands[0]
            last[v] = max(last[v], last[task.first])
    return last
