"""What this machine allows, and how near the engine comes to it.

    python -m tests.bench.limits [--only WORD ...]

Measures what calls, floats, array elements (in the cache and from memory) and products of matrices cost
here, and adds up for each task of the bench that runs as a plan the least that the plan's own calls can
take: of each the dearer of its call and its elements. Beside it stands the time of the task itself. All on
one CPU, minima of CPU time. What the bound leaves out: copying inputs and results, and choosing the plan.
"""

# ruff: noqa: T201  (it prints a table)
from __future__ import annotations

import argparse

from tests.bench.pinning import pin

if __name__ == "__main__":
    pin(1)  # before NumPy is imported, so that its threads are held too

import math
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple

import numpy as np
from gradproof_service.arrays import Array, Type, type_of
from gradproof_service.graph.builder import Builder
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped, Op
from gradproof_service.transforms.evaluate import Step, plan
from gradproof_service.transforms.plans.draft import Region
from gradproof_service.transforms.plans.memory import aligned, keep_freed_memory
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.plans.sketch import Sketch
from gradproof_service.transforms.plans.straight import writes_in_place
from gradproof_service.transforms.scalar.code import is_scalar

from tests.bench.tasks import tasks

CACHED: Final = 8192
"""Elements of arrays that stay in the cache of one core."""
LONG: Final = 1 << 22
"""Elements of arrays that do not."""
CACHE_BYTES: Final = 1 << 20
"""Operands and result of a call up to which its elements count as cached."""
MATRIX: Final = 512
"""Sides of the matrices that tell how fast products are."""


class Machine(NamedTuple):
    """Seconds that things take here; `element(op, dtype, cached)` is that of one element of an elementwise op."""

    call: float
    """A NumPy function on one number, prebound."""
    element: Callable[[str, Any, bool], float]
    byte: float
    """One byte to or from memory, of long arrays."""
    flop: Callable[[Any], float]
    """One floating operation of a product of matrices of this dtype."""
    python: float
    """An empty Python call."""
    number: float
    """An operation on two Python floats."""
    function: float
    """`math.sin` of a Python float."""
    array: float
    """A Python float as an array."""


def seconds(f: Callable[[], Any], spend_s: float = 0.05) -> float:
    """The least CPU time of one call."""
    f()
    count = 1
    while True:
        taken = _once(f, count)
        if taken > 2e-4:
            break
        count *= 2
    best, end = taken, time.perf_counter() + spend_s
    while time.perf_counter() < end:
        best = min(best, _once(f, count))
    return best / count


def _once(f: Callable[[], Any], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        f()
    return time.process_time() - start


def this_machine() -> Machine:
    """Measured now; elements and products when they are first asked for."""
    loop = seconds(lambda: None)
    x, y = np.ones(1), np.empty(1)
    a, b, c = (_vector(LONG, np.float64) for _ in range(3))
    one = 1.5
    return Machine(
        call=seconds(partial(np.negative, x, y)),
        element=cache(_element),
        byte=seconds(partial(np.add, a, b, c)) / (24 * LONG),
        flop=cache(_flop),
        python=loop,
        number=(seconds(lambda: one * one * one * one * one * one * one * one) - loop) / 7,
        function=seconds(partial(math.sin, one)),
        array=seconds(partial(np.array, one)),
    )


def _vector(n: int, dtype: Any) -> Array:
    x = aligned(n * np.dtype(dtype).itemsize).view(dtype)
    x[:] = np.linspace(0.5, 1.5, n)
    return x


def _element(name: str, dtype: Any, cached: bool) -> float:
    n = CACHED if cached else LONG
    op = OPS[name]
    xp = Builder("one")
    count = op.arity[0]
    try:
        inputs = [xp.input(f"x{i}", type_of(dtype, (n,))) for i in range(count)]
        graph = xp.finish([xp.apply(name, *inputs)])
    except IllTyped:  # takes truth values or attributes: counted as an addition
        return _element("add", dtype, cached)
    step = plan(graph, (False,) * count).steps[-1]
    xs = [_vector(n, dtype) for _ in range(count)]
    function = writes_in_place(step)
    if function is None:
        return seconds(partial(op.kernel, step.site, *xs)) / n
    return seconds(partial(function, *xs, _vector(n, step.site.out.dtype))) / n


def _flop(dtype: Any) -> float:
    a, b, c = (_vector(MATRIX**2, dtype).reshape(MATRIX, MATRIX) for _ in range(3))
    return seconds(partial(np.matmul, a, b, c)) / (2.0 * MATRIX**3)


def bound(sketch: Sketch, machine: Machine) -> float:
    """The least seconds that the plan's own calls can take on this machine."""
    return sum(
        _region(task, machine) if isinstance(task, Region) else _call(task, machine)
        for task in sketch.tasks
    )


def _call(step: Step, machine: Machine) -> float:
    if step.site.op.moves:
        return 0.0
    types = (*step.site.ins, *step.site.outs)
    cached = sum(t.nbytes for t in types) <= CACHE_BYTES
    return max(machine.call, _work(step.site.op, step, machine, cached))


def _region(region: Region, machine: Machine) -> float:
    """Blocks stay in the cache; what comes from outside and goes there passes through memory."""
    steps = [s for s in (*region.steps, *region.sums) if not s.site.op.moves]
    outside: dict[int, Type] = {}
    for step in steps:
        read = zip(step.operands, step.site.ins, strict=True)
        outside.update((v, t) for v, t in read if v in region.entries)
        if step.first in region.exits:
            outside[step.first] = step.site.out
    compute = sum(_work(s.site.op, s, machine, True) for s in steps)
    return max(compute, machine.byte * sum(t.nbytes for t in outside.values()))


def _work(op: Op, step: Step, machine: Machine, cached: bool) -> float:
    site = step.site
    dtype = site.out.dtype
    if op.name in ("matmul", "einsum") and op.cost is not None and site.out.is_float:
        return op.cost(site) * machine.flop(dtype)
    if op.batching == "elementwise" and site.out.is_float:
        return site.out.size * machine.element(op.name, dtype, cached)
    whole = sum(t.size for t in (*site.ins, *site.outs))
    return whole * machine.element("negative", np.dtype(np.float64), cached) / 2


def bound_on_floats(sketch: Sketch, machine: Machine) -> float:
    """The same of a plan of single numbers that runs on Python floats: operations, functions, and results as arrays."""
    total = machine.python
    for step in sketch.tasks:
        if isinstance(step, Step) and step.operands:
            called = "(" in step.site.op.scalar
            total += machine.function if called else machine.number
    return total + machine.array * len(sketch.graph.outputs)


def rows(machine: Machine, words: Sequence[str]) -> Iterator[tuple[str, float, float]]:
    """(task, measured seconds, bound in seconds) for each task that runs as one plan."""
    for task in tasks():
        if words and not any(word in task.name for word in words):
            continue
        call = task.makers["ours"]()
        ready = call.func if isinstance(call, partial) else None
        if not isinstance(ready, Prepared):
            continue
        sketch = ready.sketch()
        scalar = all(isinstance(t, Step) and is_scalar(t.site) for t in sketch.tasks)
        least = bound_on_floats(sketch, machine) if scalar else bound(sketch, machine)
        yield task.name, seconds(call, 0.5), least


def main() -> None:
    """Print what things cost here, then the tasks."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--only", nargs="*", default=[], help="words of task names")
    words = parser.parse_args().only
    keep_freed_memory()
    m = this_machine()
    print(f"empty Python call {1e9 * m.python:.0f} ns, operation on floats {1e9 * m.number:.0f}, "
          f"math.sin {1e9 * m.function:.0f}, a float as an array {1e9 * m.array:.0f}, "
          f"a NumPy call {1e9 * m.call:.0f}")  # fmt: skip
    for kind in (np.dtype(np.float64), np.dtype(np.float32)):
        print(f"product of {kind} matrices {1e-9 / m.flop(kind):.0f} GFLOP/s")
    print(f"memory {1e-9 / m.byte:.1f} GB/s; ns an element, cached and from memory:")
    for name in ("add", "multiply", "divide", "sqrt", "exp", "log", "tanh", "tan", "sin", "cos"):
        near, far = (1e9 * m.element(name, np.dtype(np.float64), c) for c in (True, False))
        print(f"  {name:10s} {near:6.2f} {far:6.2f}")
    print(f"\n{'task':40s} {'ms':>10s} {'least':>10s} {'near':>6s}")
    for name, taken, least in rows(m, words):
        print(f"{name:40s} {1e3 * taken:10.4g} {1e3 * least:10.4g} {least / taken:6.2f}")


if __name__ == "__main__":
    main()
