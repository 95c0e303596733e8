"""The same function in float64: what a float32 graph means when rounding is taken out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import F32, F64, FLOATS, Frozen, Type, type_of
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph


def upcast(graph: Graph) -> Graph:
    """The graph with every float32 (inputs, constants, casts, called functions) made float64.

    The graph itself when it holds no float32. Constants keep their float32 values exactly.
    """
    if not any(t.dtype == F32 for t in graph.types):
        return graph
    found = graph.plans.get("upcast")
    if found is None:
        found = graph.plans["upcast"] = _upcast(graph)
    return found


def narrowest(graph: Graph) -> np.dtype[Any]:
    """The coarsest float dtype that the graph computes in."""
    return F32 if any(t.dtype == F32 for t in graph.types) else F64


def _upcast(graph: Graph) -> Graph:
    xp = Builder(graph.name)
    ids = [xp.input(n, _wide(t)).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    for k, op, site, operands, _ in graph.nodes():
        xp.location = graph.location(k)
        name = graph.node_names.get(k, "")
        if op.name == "constant":
            array = site["value"].array
            wide = array.astype(np.float64) if array.dtype in FLOATS else array
            ids.append(xp.constant(wide).id)
            continue
        attrs = {key: _wide_attr(value) for key, value in site.attrs.items()}
        args = tuple([ids[v] for v in operands])
        wide_site = op.site(attrs, tuple([xp.types[a] for a in args]))
        first = xp.add_once(wide_site, args, name)
        ids.extend(range(first, first + len(wide_site.outs)))
    origins = graph.origins if xp.node_count == len(graph) else ()
    values = [xp.value(ids[v]) for v in graph.outputs]
    wide = xp.finish(values, graph.output_names, origins)
    wide.function = graph.function
    return wide


def _wide(t: Type) -> Type:
    return type_of(F64, t.shape, t.structure) if t.dtype == F32 else t


def _wide_attr(value: Any) -> Any:
    if isinstance(value, np.dtype):
        return F64 if value == F32 else value  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, Graph):
        return upcast(value)
    if isinstance(value, Frozen):
        return value
    if isinstance(value, tuple) and value and isinstance(value[0], Graph):
        return tuple(upcast(g) for g in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value  # pyright: ignore[reportUnknownVariableType]
