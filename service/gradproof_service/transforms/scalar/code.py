"""A graph of scalars as one Python function on floats, or as a list of calls when it is long.

The source is put together from the `scalar` expressions of our own op records, numbered locals and
nothing else: no name, attribute or text of a client comes into it. Results agree with the kernels
within each op's `ulps`. Where a float would raise (overflow, a domain's edge) the runner raises
`ArithmeticError` or `ValueError`, and the caller asks the plan on arrays, which knows inf and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import BOOL, F64, Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Op, Site
from gradproof_service.transforms.evaluate import Step, plan

Runner = Callable[..., list[Array]]
"""`(*arrays) -> outputs`, all float64 or bool arrays of rank 0."""

LINES: Final = 1000
"""Nodes up to which a graph becomes source; Python compiles 10 to 15 us a line."""
WIDE: Final = 120
"""Characters of an expression that is still written into the one that uses it."""
NAMES: Final[dict[str, Any]] = {
    "__builtins__": {}, "abs": abs, "array": np.array,
    **{
        name: getattr(math, name)
        for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sqrt", "pow")
    },
}  # fmt: skip
"""Everything that a `scalar` expression may name."""


def scalar_runner(graph: Graph) -> Runner | None:
    """The graph on floats, None when it holds anything but float64 scalars and truth values."""
    if any(t.shape or t.dtype != F64 for t in graph.input_types):
        return None
    steps = plan(graph, (False,) * len(graph.inputs)).steps
    if not steps or not all(_is_scalar(step.site) for step in steps):
        return None
    return _source(graph, steps) if len(steps) <= LINES else _tape(graph, steps)


def _is_scalar(site: Site) -> bool:
    if len(site.outs) != 1 or site.out.shape or site.out.dtype not in (F64, BOOL):
        return False
    if site.op.name in ("constant", "full"):
        return True
    return bool(site.op.scalar) and len(site.ins) < 4 and all(
        not t.shape and t.dtype in (F64, BOOL) for t in site.ins
    )  # fmt: skip


def _source(graph: Graph, steps: Sequence[Step]) -> Runner:
    """One function with a line for each node that is used more than once; the others stand in its expression."""
    count = len(graph.inputs)
    uses = _uses(graph, steps)
    numbers: list[Any] = []
    names: dict[int, str] = {v: f"v{v}" for v in range(count)}
    lines = [f"    v{v} = a{v}.item()" for v in range(count) if uses.get(v)]
    for step in steps:
        v = step.first
        if not step.operands:
            names[v] = f"c{len(numbers)}"
            numbers.append(_number(step.site))
            continue
        expression = step.site.op.scalar.format(*(names[u] for u in step.operands))
        if uses[v] == 1 and len(expression) < WIDE:
            names[v] = f"({expression})"
        else:
            names[v] = f"v{v}"
            lines.append(f"    v{v} = {expression}")
    arguments = ", ".join(f"a{v}" for v in range(count))
    constants = ", ".join(f"c{k}" for k in range(len(numbers)))
    outputs = ", ".join(f"array({names[v]})" for v in graph.outputs)
    text = "\n".join(
        [f"def bind({constants}):", f"  def run({arguments}):", *lines,
         f"    return [{outputs}]", "  return run"]
    )  # fmt: skip
    return _defined(text, "bind")(*numbers)


def _uses(graph: Graph, steps: Sequence[Step]) -> dict[int, int]:
    """How often each value is named, in expressions and as an output."""
    uses: dict[int, int] = {}
    for step in steps:
        for i, v in enumerate(step.operands):
            uses[v] = uses.get(v, 0) + step.site.op.scalar.count(f"{{{i}}}")
    for v in graph.outputs:
        uses[v] = uses.get(v, 0) + 1
    return uses


def _tape(graph: Graph, steps: Sequence[Step]) -> Runner:
    """A walk over a list of calls: nothing is compiled but one small function for each op."""
    place: dict[int, int] = {v: v for v in range(len(graph.inputs))}
    start: list[Any] = []
    for step in steps:
        if not step.operands:
            place[step.first] = len(graph.inputs) + len(start)
            start.append(_number(step.site))
    calls: list[tuple[Any, int, int, int]] = []
    free = len(graph.inputs) + len(start)
    for step in steps:
        if step.operands:
            at = [place[v] for v in step.operands] + [-1, -1]
            calls.append((scalar_function(step.site.op), at[0], at[1], at[2]))
            place[step.first] = free
            free += 1
    outputs = [place[v] for v in graph.outputs]

    def run(*inputs: Array) -> list[Array]:
        values: list[Any] = [*(x.item() for x in inputs), *start]
        push = values.append
        for f, a, b, c in calls:
            if b < 0:
                push(f(values[a]))
            elif c < 0:
                push(f(values[a], values[b]))
            else:
                push(f(values[a], values[b], values[c]))
        return [np.array(values[v]) for v in outputs]

    return run


@lru_cache(maxsize=256)
def scalar_function(op: Op) -> Callable[..., Any]:
    """An op's `scalar` expression as a function of its operands."""
    arguments = [f"x{i}" for i in range(op.arity[0])]
    text = f"def f({', '.join(arguments)}): return {op.scalar.format(*arguments)}"
    return _defined(text, "f")


def _defined(text: str, name: str) -> Callable[..., Any]:
    """The function that a text of our own making defines."""
    scope = dict(NAMES)
    exec(text, scope)  # noqa: S102  (op records' expressions and numbered names)
    return scope[name]


def _number(site: Site) -> Any:
    return site.op.kernel(site).item()
