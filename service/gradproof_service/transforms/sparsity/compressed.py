"""Sparse Jacobians and Hessians from few products: one seed for all columns (or rows) that do not meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, batch_of, evaluate, no_tick, plan
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import chunks_of
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.sparsity.compression import Compression


def entries(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], out: int, compression: Compression, *,
    tick: Tick = no_tick,
) -> Array:  # fmt: skip
    """The values of the entries that the compression places, in the output's dtype."""
    types = [graph.types[i] for i in wrt]
    kind = graph.types[graph.outputs[out]]
    size, width = kind.size, sum(t.size for t in types)
    flat = np.empty(compression.forward * size + compression.reverse * width, kind.dtype)
    ahead = flat[: compression.forward * size].reshape(compression.forward, size)
    back = flat[compression.forward * size :].reshape(compression.reverse, width)
    if compression.forward:
        pushed = jvp(graph, wrt)
        floats = [o for o, t in enumerate(graph.output_types) if t.is_float]
        at = len(graph.outputs) + floats.index(out)
        for part, seeds in _seeds(pushed, inputs, types, compression.columns, compression.forward):
            results = evaluate(pushed, [*inputs, *seeds], tick=tick)
            ahead[part] = batch_of(results[at], kind.rank, len(seeds[0])).reshape(-1, size)
    if compression.reverse:
        pulled = vjp(graph, wrt, (out,))
        for part, seeds in _seeds(pulled, inputs, [kind], compression.rows, compression.reverse):
            results = evaluate(pulled, [*inputs, *seeds], tick=tick)[len(graph.outputs) :]
            count = len(seeds[0])
            back[part] = np.concatenate(
                [
                    batch_of(r, t.rank, count).reshape(count, -1)
                    for r, t in zip(results, types, strict=True)
                ],
                axis=1,
            )
    return flat[compression.places]


def group_seeds(types: Sequence[Type], of: Array, first: int, stop: int) -> list[Array]:
    """Seeds of some groups, ones at the elements of each: one array (stop - first, *shape) for each type."""
    found: list[Array] = []
    at = 0
    for t in types:
        mine = of[at : at + t.size]
        at += t.size
        seeds = mine[None, :] == np.arange(first, stop)[:, None]
        found.append(seeds.astype(t.dtype).reshape(stop - first, *t.shape))
    return found


def _seeds(
    derivative: Graph, inputs: Sequence[Array], types: Sequence[Type], of: Array, count: int
) -> Iterator[tuple[slice, list[Array]]]:
    flags = (False,) * len(inputs) + (True,) * len(types)
    per_row = max(1, plan(derivative, flags).peak_elements) * 8
    for part in chunks_of(count, per_row):
        yield part, group_seeds(types, of, part.start, part.stop)
