"""Small graphs for tests: a function of the builder `xp` typed at a point."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph


def graph_of(function: Callable[..., Any], **point: Any) -> tuple[Graph, list[Array]]:
    """The graph of `function(xp, *values)` and the point as arrays, in order."""
    arrays = [np.asarray(v) for v in point.values()]
    xp = Builder(getattr(function, "__name__", "f").strip("<>"))
    values = [xp.input(n, type_of_array(a)) for n, a in zip(point, arrays, strict=True)]
    result = function(xp, *values)
    outputs = list(result) if isinstance(result, tuple | list) else [result]
    return xp.finish(outputs), arrays


def function(xp: Builder, name: str, body: Callable[..., Any], *types: Any) -> Graph:
    """A function for a control-flow attribute: `body(xp, *values)` of inputs of these types."""
    inner = xp.new(name)
    values = [inner.input(f"v{i}", t) for i, t in enumerate(types)]
    result = body(inner, *values)
    return inner.finish(list(result) if isinstance(result, tuple | list) else [result])
