"""A finished plan: buffers allotted, calls prebound, regions ready. One thread uses it at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Run, Step, Tick, call, evaluate, no_tick
from gradproof_service.transforms.plans.blocks import Blocks
from gradproof_service.transforms.plans.draft import Region
from gradproof_service.transforms.plans.memory import Arena
from gradproof_service.transforms.plans.sketch import Sketch, with_views
from gradproof_service.transforms.plans.straight import (
    aligned_operands,
    layout,
    stored,
    tied,
    writes_in_place,
)

Called = Callable[[Graph, Sequence[Array], Tick], list[Array]]
"""How a function that a node calls is run."""


def evaluated(graph: Graph, args: Sequence[Array], tick: Tick) -> list[Array]:
    """Plainly, without a plan."""
    return evaluate(graph, args, tick=tick)


class Bound:
    """Runs a sketch: `run(arrays)` gives fresh outputs, whatever was returned before stays as it was.

    The first run binds each task just before it runs it, so that buffers lie as the kernels' own
    results do. A `Bound` whose run has raised is of no further use.

    `held` are the last inputs of the graph, which the sketch must call fixed: not copied, and each run may
    name others of the same shapes, dtypes and layouts, which are tied to the calls once. `called` runs the functions
    that nodes call.
    """

    def __init__(
        self,
        sketch: Sketch,
        threads: int = 1,
        held: Sequence[Array] = (),
        called: Called = evaluated,
    ) -> None:
        self._sketch = sketch
        self._threads = threads
        self._called: Run = lambda graph, args: called(graph, args, self._tick)
        self._env: list[Any] = [None] * len(sketch.graph.types)
        self._arena = Arena()
        self._owned: dict[int, Array] = {}
        """Buffers in use, by the value that was written there."""
        self._root = list(range(len(self._env)))
        """The value in whose buffer a value lies: its own, or that of what it is a view of."""
        self._last = with_views(sketch)
        self._dying: dict[int, list[int]] = {}
        """By task, the arrays that nobody needs after it, through a view neither."""
        for v, n in enumerate(self._last):
            if not sketch.fixed[v] and v >= len(sketch.graph.inputs):
                self._dying.setdefault(n, []).append(v)
        self._tick: Tick = no_tick
        self._calls: list[Callable[[], Any]] = []
        self._copies: list[Callable[[str], Array] | None] = []
        """How to copy each output whose buffer is chosen once."""
        self._ready = False
        self._quiet = copy_context()
        """A context without floating-point warnings; entering it costs a tenth of `np.errstate`."""
        self._quiet.run(np.seterr, all="ignore")
        self._loose = sketch.loose
        self._first_held = len(sketch.graph.inputs) - len(held)
        self._env[self._first_held : self._first_held + len(held)] = held
        self._landing = [
            self._allot(v) if sketch.fixed[v] else None for v in range(self._first_held)
        ]
        self._tied: dict[int, tuple[Sequence[Array], list[Callable[[], Any]]]] = {}
        """Inputs that were held, by the first of them, and the calls with these."""

    def run(
        self, inputs: Sequence[Array], tick: Tick = no_tick, held: Sequence[Array] = ()
    ) -> list[Array]:
        """The outputs at these inputs, whose shapes and dtypes are those planned for."""
        env = self._env
        self._tick = tick
        if held:
            self._hold(held)
        for i, (x, buffer) in enumerate(zip(inputs, self._landing, strict=True)):
            if buffer is None:
                env[i] = x
            else:
                buffer[...] = x
        if not self._ready:
            with np.errstate(all="ignore"):
                self._bind_all()
        elif tick is no_tick:
            self._quiet.run(self._run_calls)
        else:
            with np.errstate(all="ignore"):
                for one in self._calls:
                    one()
                    tick()
        results = [
            self._result(v) if copy is None else copy("K")
            for v, copy in zip(self._sketch.graph.outputs, self._copies, strict=True)
        ]
        for v in self._loose:
            env[v] = None
        return results

    def _hold(self, held: Sequence[Array]) -> None:
        """Run with these in the place of the inputs that were held until now."""
        place = slice(self._first_held, self._first_held + len(held))
        before = self._env[place]
        if before[0] is held[0]:
            return
        known = self._tied.get(id(held[0]))
        if known is None:
            new = {id(old): x for old, x in zip(before, held, strict=True)}
            self._tied[id(before[0])] = before, self._calls
            known = self._tied[id(held[0])] = held, [_with(call, new) for call in self._calls]
        self._calls = known[1]
        self._env[place] = held

    def _run_calls(self) -> None:
        for one in self._calls:
            one()

    def _result(self, v: int) -> Array:
        x = self._env[v]
        inputs = len(self._sketch.graph.inputs)
        mine = not self._sketch.fixed[v] and v >= inputs and x.base is None
        return x if mine and x.flags.owndata else x.copy("K")

    def _bind_all(self) -> None:
        """Bind every task and run it."""
        for step in self._sketch.constants:
            self._put(step, call(step, [self._env[v] for v in step.operands]))
        for n, task in enumerate(self._sketch.tasks):
            done = len(self._calls)
            self._bind(n, task)
            for one in self._calls[done:]:
                one()
            self._tick()
        held = range(self._first_held, len(self._sketch.graph.inputs))
        self._copies = [
            self._env[v].copy if self._sketch.fixed[v] and v not in held else None
            for v in self._sketch.graph.outputs
        ]
        self._ready = True

    def _bind(self, n: int, task: Step | Region) -> None:
        if isinstance(task, Region):
            for step in task.sums:
                self._allot(step.first)
            blocks = Blocks(self._sketch, task, self._env, self._threads)
            self._calls.append(lambda: blocks(self._tick))
            touched = {v for step in (*task.steps, *task.sums) for v in step.operands}
        else:
            self._bind_step(n, task)
            touched = {*task.operands, *range(task.first, task.first + len(task.site.outs))}
        self._forget(n, touched)

    def _bind_step(self, n: int, step: Step) -> None:
        sketch, env = self._sketch, self._env
        op, first = step.site.op, step.first
        ready = all(sketch.fixed[v] for v in step.operands)
        if not (ready and len(step.site.outs) == 1 and sketch.fixed[first]):
            self._late(step)
            return
        xs = [env[v] for v in step.operands]
        if op.moves:
            seen = call(step, list(xs))
            if np.may_share_memory(seen, xs[0]):
                env[first] = seen
                self._root[first] = self._root[step.operands[0]]
                return
        function = writes_in_place(step)
        apart = function is None
        if function is None:
            if step.any_batched or op.batching == "run":
                self._late(step)
                return
            function = partial(stored, op.kernel, step.site)
        args = aligned_operands(step, xs) if step.any_batched else xs
        strides = None
        if apart or not all(x.flags.c_contiguous for x in xs):
            strides = layout(np.asarray(call(step, list(xs))))
        if strides is None and op.batching == "elementwise" and isinstance(function, np.ufunc):
            self._free_for(n, step)
        self._calls.append(tied(function, args, self._allot(first, strides)))

    def _late(self, step: Step) -> None:
        """A call that looks its operands up when it runs."""
        env, fixed = self._env, self._sketch.fixed
        made = range(step.first, step.first + len(step.site.outs))
        operands = step.operands
        if len(made) == 1 and not fixed[step.first]:

            def loose() -> None:
                env[step.first] = np.asarray(
                    call(step, [env[v] for v in operands], self._tick, self._called)
                )

            self._calls.append(loose)
            return

        def mixed() -> None:
            self._put(step, call(step, [env[v] for v in operands], self._tick, self._called))

        self._calls.append(mixed)

    def _put(self, step: Step, result: Any) -> None:
        """Store results: copied into the buffers of fixed values, as they are otherwise."""
        parts = (result,) if len(step.site.outs) == 1 else result
        for v, part in enumerate(parts, step.first):
            y = np.asarray(part)
            if not self._sketch.fixed[v] or self._sketch.constant[v]:
                self._env[v] = y
                continue
            if v not in self._owned and self._env[v] is None:
                self._allot(v, layout(y))
            np.copyto(self._env[v], y)

    def _allot(self, v: int, strides: Sequence[int] | None = None) -> Array:
        t = self._sketch.graph.types[v]
        array = self._arena.take(self._sketch.shapes[v], t.dtype, strides)
        self._owned[v] = self._env[v] = array
        return array

    def _free_for(self, n: int, step: Step) -> None:
        """Give back the buffer of a dying operand that the result can take over in place."""
        shape, dtype = self._sketch.shapes[step.first], step.site.out.dtype
        for v in step.operands:
            owned = self._owned.get(v)
            if owned is None or self._last[v] > n:
                continue
            alone = all(u == v or self._root[u] != v for u in step.operands)
            if alone and owned.shape == shape and owned.dtype == dtype and owned.flags.c_contiguous:
                self._arena.give_back(self._owned.pop(v))
                return

    def _forget(self, n: int, touched: set[int]) -> None:
        """What nobody needs after a task: arrays are dropped, buffers are free for what comes."""
        loose = [*self._dying.get(n, ()), *touched.intersection(self._dying.get(-1, ()))]
        if loose:
            self._calls.append(partial(_drop, self._env, tuple(loose)))
        for v in {self._root[u] for u in touched}:
            if v in self._owned and self._last[v] <= n:
                self._arena.give_back(self._owned.pop(v))


def _with(call: Callable[[], Any], new: Mapping[int, Array]) -> Callable[[], Any]:
    """A call that is tied to some arrays, tied to others by their `id`; what looks its operands up is the same."""
    if not isinstance(call, partial) or not any(id(x) in new for x in call.args):
        return call
    return partial(call.func, *(new.get(id(x), x) for x in call.args), **call.keywords)


def _drop(env: list[Any], values: tuple[int, ...]) -> None:
    for v in values:
        env[v] = None
