"""A graph of scalars as one Python function on floats, or as a list of calls when it is long.

The source is put together from the `scalar` expressions of our own op records, numbered locals and
nothing else: no name, attribute or text of a client comes into it. Results agree with the kernels
within each op's `ulps`. Where a float would raise (overflow, a domain's edge) the runner raises one of
`NOT_ON_FLOATS`, and the caller asks the plan on arrays, which knows inf and NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import BOOL, F64, Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Op, Site
from gradproof_service.transforms.evaluate import Step, plan

Runner = Callable[..., list[Array] | None]
"""`(*arrays) -> outputs`, float64 or bool arrays of rank 0; None for inputs of another rank or dtype."""
NOT_ON_FLOATS: Final = (ArithmeticError, ValueError, AttributeError, TypeError)
"""What a runner raises: where a float has no answer (the first two), for what is no array or not their number."""

LINES: Final = 1000
"""Nodes up to which a graph becomes source; Python compiles 10 to 15 us a line."""
WIDE: Final = 120
"""Characters of an expression that is still written into the one that uses it."""
NAMES: Final[dict[str, Any]] = {
    "__builtins__": {}, "abs": abs, "array": np.array, "f64": F64,
    **{
        name: getattr(math, name)
        for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sqrt", "pow")
    },
}  # fmt: skip
"""Everything that a `scalar` expression may name, and what the runner needs around it."""


def scalar_runner(graph: Graph) -> Runner | None:
    """The graph on floats, None when it holds anything but float64 scalars and truth values."""
    if any(t.shape or t.dtype != F64 for t in graph.input_types):
        return None
    steps = plan(graph, (False,) * len(graph.inputs)).steps
    if not steps or not all(is_scalar(step.site) for step in steps):
        return None
    return _source(graph, steps) if len(steps) <= LINES else _tape(graph, steps)


def is_scalar(site: Site) -> bool:
    """Whether this application of an op can be written as an expression on floats and truth values."""
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
    nodes = [(step.first, step.site, step.operands) for step in steps]
    uses = uses_of(nodes, graph.outputs)
    names = {v: f"v{v}" for v in range(count)}
    lines: list[str] = []
    if count:
        other = [f"a{v}.dtype is not f64" for v in range(count)] + [
            f"a{v}.ndim" for v in range(count)
        ]
        lines.append(f"    if {' or '.join(other)}: return None")
    lines += [f"    v{v} = a{v}.item()" for v in range(count) if uses.get(v)]
    numbers = write(nodes, uses, names, lines)
    arguments = ", ".join(f"a{v}" for v in range(count))
    outputs = ", ".join(f"array({names[v]})" for v in graph.outputs)
    return bound(f"run({arguments})", [*lines, f"    return [{outputs}]"], numbers)


Node = tuple[int, Site, Sequence[int]]
"""A value, the site that makes it and the values that it is made of."""


def uses_of(nodes: Iterable[Node], outputs: Iterable[int]) -> dict[int, int]:
    """How often each value is named, in expressions and as an output."""
    uses: dict[int, int] = {}
    for _, site, operands in nodes:
        for i, v in enumerate(operands):
            uses[v] = uses.get(v, 0) + site.op.scalar.count(f"{{{i}}}")
    for v in outputs:
        uses[v] = uses.get(v, 0) + 1
    return uses


def write(
    nodes: Iterable[Node], uses: dict[int, int], names: dict[int, str], lines: list[str]
) -> list[Any]:
    """Add what each value is called to `names`, and the lines that must stand before to `lines`.

    Returns the constants, which are called c0, c1 and so on.
    """
    numbers: list[Any] = []
    for v, site, operands in nodes:
        if not operands:
            names[v] = f"c{len(numbers)}"
            numbers.append(number(site))
            continue
        expression = site.op.scalar.format(*(names[u] for u in operands))
        if uses.get(v) == 1 and len(expression) < WIDE:
            names[v] = f"({expression})"
        else:
            names[v] = f"v{v}"
            lines.append(f"    v{v} = {expression}")
    return numbers


def bound(head: str, lines: Sequence[str], numbers: Sequence[Any]) -> Callable[..., Any]:
    """The function `head` of these lines, which call the numbers c0, c1 and so on."""
    constants = ", ".join(f"c{k}" for k in range(len(numbers)))
    name = head.partition("(")[0]
    text = "\n".join([f"def bind({constants}):", f"  def {head}:", *lines, f"  return {name}"])
    return _defined(text, "bind")(*numbers)


def _tape(graph: Graph, steps: Sequence[Step]) -> Runner:
    """A walk over a list of calls: nothing is compiled but one small function for each op."""
    place: dict[int, int] = {v: v for v in range(len(graph.inputs))}
    start: list[Any] = []
    for step in steps:
        if not step.operands:
            place[step.first] = len(graph.inputs) + len(start)
            start.append(number(step.site))
    calls: list[tuple[Callable[..., Any], tuple[int, ...]]] = []
    free = len(graph.inputs) + len(start)
    for step in steps:
        if step.operands:
            calls.append((scalar_function(step.site.op), tuple([place[v] for v in step.operands])))
            place[step.first] = free
            free += 1
    outputs = [place[v] for v in graph.outputs]

    def run(*inputs: Array) -> list[Array] | None:
        if not are_numbers(inputs):
            return None
        values: list[Any] = [*(x.item() for x in inputs), *start]
        push = values.append
        for f, places in calls:
            push(f(values, places))
        return [np.array(values[v]) for v in outputs]

    return run


def are_numbers(inputs: Iterable[Array]) -> bool:
    """Whether these are float64 arrays without axes."""
    return all(x.dtype is F64 and not x.ndim for x in inputs)


@lru_cache(maxsize=256)
def scalar_function(op: Op) -> Callable[[Sequence[Any], Sequence[int]], Any]:
    """An op's `scalar` expression as a function of all values and of the places of its operands among them."""
    places = [f"i{i}" for i in range(op.arity[0])]
    expression = op.scalar.format(*(f"v[{i}]" for i in places))
    return _defined(
        f"def f(v, places):\n  {', '.join(places)}, = places\n  return {expression}", "f"
    )


def _defined(text: str, name: str) -> Callable[..., Any]:
    """The function that a text of our own making defines."""
    scope = dict(NAMES)
    exec(text, scope)  # noqa: S102  (op records' expressions and numbered names)
    return scope[name]


def number(site: Site) -> Any:
    """The number that an op without operands makes."""
    return site.op.kernel(site).item()
