"""What the ops that call functions share: typing a called function, and its floats' tangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.ops.record import SHAPE, IllTyped, Sample, Site


def typed_graph(function: Any, types: Sequence[Type]) -> Any:
    """The typed graph of a function attribute at these operand types."""
    graph = function.at(tuple(types)) if hasattr(function, "at") else function
    if tuple(graph.input_types) != tuple(types):
        raise IllTyped(
            SHAPE,
            f"calls {graph.name} with {listed(types)}, it takes {listed(graph.input_types)}",
        )
    return graph


def listed(types: Sequence[Type]) -> str:
    """Types as a person reads them."""
    return "(" + ", ".join(map(repr, types)) + ")"


def as_tuple(result: Any) -> tuple[Any, ...]:
    """The results of an op, however many it has."""
    return result if isinstance(result, tuple) else (result,)


def single(outs: Sequence[Any]) -> Any:
    """Results as a kernel returns them: bare when there is one."""
    return outs[0] if len(outs) == 1 else tuple(outs)


def floats(types: Sequence[Type]) -> list[int]:
    """Positions of the types that have tangents."""
    return [i for i, t in enumerate(types) if t.is_float]


def dots_of(xp: Any, types: Sequence[Type], dots: Sequence[Any]) -> list[Any]:
    """A tangent (or cotangent) for every float, zero where there is none."""
    return [xp.zeros(t) if d is None else d for t, d in zip(types, dots, strict=True) if t.is_float]


def spread(types: Sequence[Type], values: Sequence[Any]) -> tuple[Any, ...]:
    """Values of the floats put back in place, None for the others."""
    rest = iter(values)
    return tuple(next(rest) if t.is_float else None for t in types)


def widened(xp: Any, graph: Any, ins: Sequence[int], outs: Sequence[int]) -> Any:
    """The function that carries tangents: behind each group of its inputs come those of its floats, and so of its outputs.

    `ins` and `outs` are the sizes of the groups, in order.
    """
    pushed = xp.derive.jvp(graph, tuple(floats(graph.input_types)))
    b = xp.new(f"wide_{graph.name}")
    values: list[Any] = []
    dots: list[Any] = []
    for size in ins:
        types = graph.input_types[len(values) : len(values) + size]
        names = range(len(values), len(values) + size)
        values += [b.input(f"x{i}", t) for i, t in zip(names, types, strict=True)]
        dots += [b.input(f"x{i}_dot", t) for i, t in zip(names, types, strict=True) if t.is_float]
    made = b.inline(pushed, [*values, *dots])
    count = len(graph.outputs)
    out_dots = dict(zip(floats(graph.output_types), made[count:], strict=True))
    results: list[Any] = []
    at = 0
    for size in outs:
        results += made[at : at + size]
        results += [out_dots[i] for i in range(at, at + size) if i in out_dots]
        at += size
    return b.finish(results)


def changing(step: Any, first: int, count: int) -> tuple[Type, ...]:
    """Types of the carry that a step changes: what it hands on as it came is not held twice when carries are kept.

    The carry are the inputs from `first` on and the leading outputs, `count` of them.
    """
    return tuple(step.types[v] for i, v in enumerate(step.outputs[:count], first) if v != i)


def batch_size(s: Site, xs: Sequence[Array]) -> int | None:
    """How many points the operands bring, None without a batch; each comes with the batch axis or without."""
    return next((len(x) for x, t in zip(xs, s.ins, strict=True) if x.ndim > t.rank), None)


def at_point(s: Site, xs: Sequence[Array], b: int) -> list[Array]:
    """The operands of one point of a batch."""
    return [x[b] if x.ndim > t.rank else x for x, t in zip(xs, s.ins, strict=True)]


class Stacks:
    """The outputs of steps, put together along a new first axis as they come."""

    def __init__(self, types: Sequence[Type], size: int | None) -> None:
        """`types` of the stacks, the axis of the steps included; `size` of the batch that some rows may carry."""
        self._axis = 0 if size is None else 1
        lead = () if size is None else (size,)
        self.arrays = [np.empty((*lead, *t.shape), t.dtype) for t in types]
        self._rows = [np.moveaxis(a, self._axis, 0) for a in self.arrays]

    def put(self, k: int, rows: Sequence[Array]) -> None:
        """The outputs of step k."""
        for j, row in enumerate(rows):
            if row.dtype != self._rows[j].dtype:
                kind = np.result_type(row.dtype, self._rows[j].dtype)  # a complex step
                self.arrays[j] = self.arrays[j].astype(kind, copy=False)
                self._rows[j] = np.moveaxis(self.arrays[j], self._axis, 0)
            self._rows[j][k] = row


def steps_first(x: Array, t: Type) -> Array:
    """Slices with the axis of the steps in front of the batch axis, if there is one."""
    return np.moveaxis(x, 1, 0) if x.ndim > t.rank else x


def no_sample() -> Sample:
    """Control flow draws no test points of its own."""
    raise LookupError("control flow is tested on programs, not on single sites")
