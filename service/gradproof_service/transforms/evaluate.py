"""Running a graph on arrays: one executor for primals, derivatives, seeds and perturbed points.

Each input is given as its type says, or with one batch axis more in front; values that do not
depend on a batched input are computed once. The executor never changes what an op means: it only
brings the batch axis to each kernel in the form the op's record asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Op, Site

Tick = Callable[[], None]
"""Called now and then during long work; raises to stop it (a deadline, a cancelled call)."""


Run = Callable[[Graph, Sequence[Array]], list[Array]]
"""How a function is run on inputs some of which may carry the batch axis; outputs that depend on those carry it too."""


def no_tick() -> None:
    """The tick of work that nobody will stop."""


Flow = Callable[[Site, list[int]], Sequence[int]]
"""A node's outputs' flags from those of its operands."""


class Memory(Protocol):
    """What computes a graph from what was computed before (see `transforms.incremental`); in its `plans` under `MEMORY`."""

    def run(
        self, inputs: Sequence[Array], tick: Tick, *, keep: bool
    ) -> tuple[list[Array | None], list[Array]]:
        """What `run` returns for the graph, bit for bit; no values unless `keep`."""
        ...

    def disturbed(
        self, inputs: Sequence[Array], seed: tuple[int, ...], eps: float | None, tick: Tick
    ) -> list[Array]:
        """What `rounding.disturbed` returns for the graph, bit for bit."""
        ...

    def jvp(self, wrt: tuple[int, ...]) -> Graph | None:
        """The graph of `forward.jvp`, with a memory of its own; None: it is not remembered."""
        ...

    def vjp(self, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph | None:
        """The graph of `reverse.vjp`, with a memory of its own; None: it is not remembered."""
        ...

    def cotangents(
        self, wrt: tuple[int, ...], outs: tuple[int, ...]
    ) -> tuple[Graph, list[int | None]] | None:
        """The graph of `reverse.cotangents_graph`, with a memory of its own; None: it is not remembered."""
        ...

    def flags(self, key: Any, seeds: Mapping[int, int], rule: Flow) -> bytearray | None:
        """A flag for each value: that of an input in `seeds`, of an output what `rule` makes of its node's operands' flags.

        `key` names the rule and the seeds; nodes that were asked about before are not asked again. None: not remembered.
        """
        ...

    def returning(self, view: Graph) -> Memory | None:
        """The memory of a graph of the same nodes that returns others of their values; None: it has none."""
        ...


MEMORY: Final = "memory"


class Step(NamedTuple):
    """One node made ready: what to call, on which values, and what may be forgotten after it."""

    op: Op
    site: Site
    operands: tuple[int, ...]
    first: int
    batched: tuple[bool, ...]
    any_batched: bool
    drop: tuple[int, ...]


class Plan:
    """A graph made ready for one pattern of batched inputs."""

    __slots__ = ("_columns", "_steps", "batched", "drops")

    def __init__(
        self, graph: Graph, batched: Sequence[bool], drops: list[tuple[int, ...] | None]
    ) -> None:
        self._columns = graph.sites, graph.operands, graph.first
        self._steps: tuple[Step, ...] | None = None
        self.batched = batched
        """For each value whether it carries the batch axis."""
        self.drops = drops
        """For each node the values nobody needs after it; None for nodes that no output needs."""

    def nodes(self) -> Iterator[tuple[Site, tuple[int, ...], int, tuple[int, ...]]]:
        """Each node that is needed: its site, operands, first output, and what may be forgotten after it."""
        for site, operands, first, drop in zip(*self._columns, self.drops, strict=True):
            if drop is not None:
                yield site, operands, first, drop

    @property
    def steps(self) -> tuple[Step, ...]:
        """The same as records, which a run without a batch does not need: they take more memory than the graph."""
        if self._steps is None:
            self._steps = tuple([self._step(*node) for node in self.nodes()])
        return self._steps

    def _step(
        self, site: Site, operands: tuple[int, ...], first: int, drop: tuple[int, ...]
    ) -> Step:
        flags = tuple([self.batched[v] for v in operands])
        return Step(site.op, site, operands, first, flags, self.batched[first], drop)


def plan(graph: Graph, batched_inputs: tuple[bool, ...]) -> Plan:
    """Order, batching and lifetimes of every value; remembered on the graph."""
    found = graph.plans.get(batched_inputs)
    if found is None:
        found = graph.plans[batched_inputs] = _make_plan(graph, batched_inputs)
    return found


def _make_plan(graph: Graph, batched_inputs: tuple[bool, ...]) -> Plan:
    batched = [False] * len(graph.types)
    batched[: len(batched_inputs)] = batched_inputs
    made = Plan(graph, batched, last_uses(graph))
    if True in batched_inputs:
        for site, operands, first, _ in made.nodes():
            flags = [batched[v] for v in operands]
            if flags[0] if site.op.batching == "first" else True in flags:
                batched[first : first + len(site.outs)] = [True] * len(site.outs)
    return made


def last_uses(graph: Graph) -> list[tuple[int, ...] | None]:
    """For each node the values nobody needs after it; None for nodes that no output needs."""
    sites, operands, first = graph.sites, graph.operands, graph.first
    needed = bytearray(len(graph.types))
    for v in graph.outputs:
        needed[v] = 1
    drops: list[tuple[int, ...] | None] = [None] * len(sites)
    for k in range(len(sites) - 1, -1, -1):
        at = first[k]
        count = len(sites[k].outs)
        if count == 1:
            if not needed[at]:
                continue
            drop: tuple[int, ...] = ()
        else:
            drop = tuple([v for v in range(at, at + count) if not needed[v]])
            if len(drop) == count:
                continue
        for v in operands[k]:
            if not needed[v]:
                needed[v] = 1
                drop = (*drop, v)
        drops[k] = drop
    return drops


def evaluate(graph: Graph, inputs: Sequence[Array], *, tick: Tick = no_tick) -> list[Array]:
    """The graph's outputs at these inputs.

    An input with one axis more than its type is a batch; outputs that depend on a batched input
    have shape (B, *core), the others their core shape. Non-finite results are returned, never
    raised. Complex inputs are let through for the complex step.
    """
    return run(graph, inputs, tick=tick, keep=False)[1]


def evaluate_all(
    graph: Graph, inputs: Sequence[Array], *, tick: Tick = no_tick
) -> list[Array | None]:
    """Every value of the graph by id (None for nodes that no output needs)."""
    return run(graph, inputs, tick=tick, keep=True)[0]


def run(
    graph: Graph, inputs: Sequence[Array], *, tick: Tick, keep: bool
) -> tuple[list[Array | None], list[Array]]:
    """Run the plan; `keep` forgets nothing. Returns (all values, outputs)."""
    memory: Memory | None = graph.plans.get(MEMORY)
    if memory is not None:
        return memory.run(inputs, tick, keep=keep)
    types = graph.types
    arrays = [np.asarray(x) for x in inputs]
    flags = tuple(x.ndim > len(types[i].shape) for i, x in enumerate(arrays))
    prepared = plan(graph, flags)
    values: list[Any] = [None] * len(types)
    values[: len(arrays)] = arrays
    with np.errstate(all="ignore"):
        (_run_batch if True in flags else _run_point)(prepared, values, tick, keep)
    return values, [np.asarray(values[v]) for v in graph.outputs]


def _run_point(prepared: Plan, values: list[Any], tick: Tick, keep: bool) -> None:
    for site, operands, first, drop in prepared.nodes():
        outs = apply(site, [values[v] for v in operands], tick)
        if len(site.outs) == 1:
            values[first] = outs
        else:
            values[first : first + len(site.outs)] = outs
        if not keep:
            for v in drop:
                values[v] = None
        tick()


def _run_batch(prepared: Plan, values: list[Any], tick: Tick, keep: bool) -> None:
    for step in prepared.steps:
        outs = call(step, [values[v] for v in step.operands], tick)
        if len(step.site.outs) == 1:
            values[step.first] = outs
        else:
            values[step.first : step.first + len(step.site.outs)] = outs
        if not keep:
            for v in step.drop:
                values[v] = None
        tick()


def call(step: Step, xs: list[Array], tick: Tick = no_tick, run: Run | None = None) -> Any:
    """One kernel call with the batch axis brought to where the record wants it.

    `run` runs the functions that the node calls; they are evaluated by default.
    """
    if step.op.batching == "run":
        return call_functions(step, xs, run or (lambda g, args: evaluate(g, args, tick=tick)))
    if step.any_batched:
        return call_batched(step.op, step.site, xs, step.batched)
    return step.op.kernel(step.site, *xs)


def apply(site: Site, xs: Sequence[Array], tick: Tick = no_tick) -> Any:
    """One kernel call without a batch: the array, or a tuple of them when the op has several outputs."""
    op = site.op
    if op.batching == "run":
        return op.kernel(site, *xs, run=lambda g, args: evaluate(g, args, tick=tick))
    return op.kernel(site, *xs)


def call_functions(step: Step, xs: Sequence[Array], run: Run) -> Any:
    """A kernel call of a node that calls functions: what does not depend on the batch is computed once in them."""
    made = step.op.kernel(step.site, *xs, run=run)
    if not step.any_batched:
        return made
    size = next(len(x) for x, b in zip(xs, step.batched, strict=True) if b)
    outs = step.site.outs
    if len(outs) == 1:
        return batch_of(made, outs[0].rank, size)
    return tuple([batch_of(y, t.rank, size) for y, t in zip(made, outs, strict=True)])


def call_batched(op: Op, site: Site, xs: list[Array], batched: Sequence[bool]) -> Any:
    """A kernel call where `batched` says which operands carry the batch axis; for ops that call no functions."""
    ins = site.ins
    if op.batching == "first":
        return op.kernel(site, *xs)
    if op.batching == "elementwise":
        rank = len(site.outs[0].shape)
        for i, x in enumerate(xs):
            short = rank - len(ins[i].shape)
            if batched[i] and short:
                xs[i] = x.reshape(x.shape[:1] + (1,) * short + x.shape[1:])
        return op.kernel(site, *xs)
    size = next(len(x) for x, b in zip(xs, batched, strict=True) if b)
    if op.batching == "loop":
        return _looped(op, site, xs, batched, size)
    full = [
        x if b else np.broadcast_to(x, (size, *np.shape(x)))
        for x, b in zip(xs, batched, strict=True)
    ]
    return op.kernel(site, *full)


def _looped(op: Op, site: Site, xs: list[Array], batched: Sequence[bool], size: int) -> Any:
    rows = [
        op.kernel(site, *(x[b] if f else x for x, f in zip(xs, batched, strict=True)))
        for b in range(size)
    ]
    if len(site.outs) == 1:
        return np.stack(rows) if rows else np.empty((0, *site.out.shape), site.out.dtype)
    return tuple(np.stack([row[i] for row in rows]) for i in range(len(site.outs)))


def batch_of(y: Array, rank: int, size: int) -> Array:
    """The array with a batch axis in front, a read-only view when it had none."""
    return y if y.ndim > rank else np.broadcast_to(y, (size, *y.shape))
