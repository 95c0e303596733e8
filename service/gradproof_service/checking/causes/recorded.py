"""A claim that was recorded, as a graph that is fit to be read line by line, and what to give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Type, type_of, type_of_array
from gradproof_service.checking.report import Kind
from gradproof_service.checking.scene import Scene
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.program import Function, Program
from gradproof_service.graph.typing import type_program
from gradproof_service.graph.upcast import upcast


def recorded(
    program: Program | None, index: int, scene: Scene, kind: Kind, o: int, i: int,
    seeds: Array | None,
) -> tuple[Graph | None, tuple[Array, ...] | None]:  # fmt: skip
    """Function `index` of the program in float64, and its inputs at the point; (None, None) when it does not fit.

    A claim that is a program may read fewer inputs, by their names. A rule takes more than the
    function's inputs: one seed, or one for each float output (vjp) or differentiated input (jvp,
    hvp), of which all are zero but that of the claim.
    """
    if program is None or not 0 <= index < len(program.functions):
        return None, None
    function = program.functions[index]
    given = [*scene.inputs, *_seeds(scene, kind, o, i, seeds, len(function.inputs))]
    count = len(scene.inputs)
    types = [type_of(t.dtype, t.shape) for t in scene.original.input_types]
    types += [type_of_array(x) for x in given[count:]]
    named = [x.name for x in function.inputs]
    names = list(scene.graph.inputs)
    if len(named) == len(given):
        read = list(range(len(given)))
    elif seeds is None and set(named) <= set(names):
        read = [names.index(name) for name in named]
    else:
        return None, None
    graph, _ = type_program(replace(program, entry=index), [types[k] for k in read])
    if graph is None:
        return None, None
    graph = apart(graph, function)
    if len(read) < len(given):
        graph = _taking(graph, names, types, read)
    return upcast(graph), tuple(np.asarray(x) for x in given)


def _taking(
    graph: Graph, names: Sequence[str], types: Sequence[Type], read: Sequence[int]
) -> Graph:
    """The graph of some of the function's inputs as one that takes all of them."""
    xp = Builder(graph.name)
    given = [xp.input(name, t) for name, t in zip(names, types, strict=True)]
    ids = xp.copy(graph, [given[k] for k in read])
    return xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names)


def _seeds(
    scene: Scene, kind: Kind, o: int, i: int, seeds: Array | None, takes: int
) -> list[Array]:
    if seeds is None:
        return []
    if takes == len(scene.inputs) + 1:
        return [np.asarray(seeds[0])]
    graph = scene.graph
    if kind is Kind.VJP:
        among = [(p == o, graph.types[v]) for p, v in enumerate(graph.outputs)]
    else:
        among = [(j == i, graph.types[j]) for j in scene.wrt]
    return [
        np.asarray(seeds[0]) if own else np.zeros(t.shape, seeds.dtype)
        for own, t in among
        if t.is_float
    ]


def apart(graph: Graph, function: Function) -> Graph:
    """The graph with a node for each that was recorded: equal ones, which typing makes one, stand apart again.

    Two lines that compute the same are two lines, and only one of them may be wrong.
    """
    at = {origin: k for k, origin in enumerate(graph.origins) if origin >= 0}
    if len(graph.origins) != len(graph) or len(at) == len(function.ops):
        return graph
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    ids += [xp.constant(c).id for c in function.constants]
    merged = list(ids)  # where each recorded value stands in the merged graph
    origins = [-1] * xp.node_count
    seen: dict[Any, int] = {}
    for node, (name, operands) in enumerate(zip(function.ops, function.operands, strict=True)):
        key = (name, id(function.attrs[node]), tuple(merged[v] for v in operands))
        k = at.get(node, seen.get(key, -1))
        if k < 0:
            return graph
        seen[key] = k
        site = graph.sites[k]
        xp.location = function.location(node)
        first = xp.append(site, tuple(ids[v] for v in operands), function.names.get(node, ""))
        ids.extend(range(first, first + len(site.outs)))
        merged.extend(range(graph.first[k], graph.first[k] + len(site.outs)))
        origins.append(node)
    return xp.finish([xp.value(ids[v]) for v in function.outputs], graph.output_names, origins)
