"""Sparse Jacobians and Hessians from few products: one seed for all columns (or rows) that do not meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, batch_of, evaluate, no_tick
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import rows_at_once
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.sparsity.compression import Compression


def entries(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...],
    compression: Compression, *, tick: Tick = no_tick,
) -> Array:  # fmt: skip
    """The values of the entries that the compression places; rows are the elements of all `outs` one after the other."""
    types = [graph.types[i] for i in wrt]
    kinds = [graph.types[graph.outputs[o]] for o in outs]
    size = sum(t.size for t in kinds)
    dtype = np.result_type(*(t.dtype for t in kinds))
    found = np.empty(len(compression.places), dtype)
    order = np.argsort(compression.places, kind="stable") if compression.seeds > 1 else None
    ranked = compression.places if order is None else compression.places[order]

    def pick(first: int, table: Array) -> None:
        """What stands in a table that begins at place `first`."""
        low, high = np.searchsorted(ranked, (first, first + table.size))
        mine = slice(low, high) if order is None else order[low:high]
        found[mine] = table.reshape(-1)[ranked[low:high] - first]

    pushed = jvp(graph, wrt) if compression.forward else graph
    floats = [o for o, t in enumerate(graph.output_types) if t.is_float]
    ends = [len(graph.outputs) + floats.index(o) for o in outs]
    for at, seeds in _seeds(pushed, inputs, types, compression.columns, compression.forward):
        results = evaluate(pushed, [*inputs, *seeds], tick=tick)
        pick(at * size, _side_by_side([results[k] for k in ends], kinds, len(seeds[0])))
    pulled = vjp(graph, wrt, outs) if compression.reverse else graph
    width = sum(t.size for t in types)
    for at, seeds in _seeds(pulled, inputs, kinds, compression.rows, compression.reverse):
        results = evaluate(pulled, [*inputs, *seeds], tick=tick)[len(graph.outputs) :]
        table = _side_by_side(results, types, len(seeds[0]))
        pick(compression.forward * size + at * width, table)
    return found


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


def _side_by_side(results: Sequence[Array], types: Sequence[Type], count: int) -> Array:
    """(count, total size): batches of several arrays, flat, one behind the other."""
    flat = [
        batch_of(r, t.rank, count).reshape(count, -1) for r, t in zip(results, types, strict=True)
    ]
    return flat[0] if len(flat) == 1 else np.concatenate(flat, axis=1)


def _seeds(
    derivative: Graph, inputs: Sequence[Array], types: Sequence[Type], of: Array, count: int
) -> Iterator[tuple[int, list[Array]]]:
    """Seeds in chunks that fit the memory: (the first group, one array for each type)."""
    if not count:
        return
    flags = (False,) * len(inputs) + (True,) * len(types)
    chunk = rows_at_once(derivative, flags, count)
    for start in range(0, count, chunk):
        yield start, group_seeds(types, of, start, min(count, start + chunk))
