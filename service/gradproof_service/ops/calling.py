"""What the ops that call functions share: typing a called function, and its floats' tangents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof_service.arrays import Type
from gradproof_service.ops.record import SHAPE, IllTyped, Sample


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


def no_sample() -> Sample:
    """Control flow draws no test points of its own."""
    raise LookupError("control flow is tested on programs, not on single sites")
