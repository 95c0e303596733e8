"""Jacobians, gradients and Hessians: many seeds pushed through one derivative graph at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, batch_of, evaluate, no_tick, plan
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp

Mode = Literal["auto", "forward", "reverse"]
Run = Callable[[Graph, Sequence[Array]], list[Array]]
"""How a derivative graph is evaluated: `evaluate`, or the same with its rounding disturbed."""
BATCH_BYTES = 256 << 20
"""Memory that one batch of seeds may take at its peak; larger batches run in chunks."""


@dataclass(frozen=True, slots=True)
class Linearization:
    """Outputs and Jacobian blocks of one graph at one point.

    `blocks[o][i]` is the Jacobian of output `outs[o]` by input `wrt[i]`, of shape
    `(*output.shape, *input.shape)` and the output's dtype.
    """

    outputs: list[Array]
    wrt: tuple[int, ...]
    outs: tuple[int, ...]
    blocks: list[list[Array]]


def jacobian(
    graph: Graph,
    inputs: Sequence[Array],
    wrt: tuple[int, ...],
    outs: tuple[int, ...],
    mode: Mode = "auto",
    *,
    run: Run | None = None,
    tick: Tick = no_tick,
) -> Linearization:
    """All blocks of the Jacobian of `outs` by `wrt`, dense.

    Forward mode needs one seed per input element, reverse one per output element; `auto` takes
    the fewer. Seeds run in chunks within `BATCH_BYTES`; the primal runs once per chunk.
    """
    types = graph.types
    in_types = [types[i] for i in wrt]
    out_types = [types[graph.outputs[o]] for o in outs]
    if mode == "auto":
        mode = "reverse" if _count(out_types) <= _count(in_types) else "forward"
    by = _by_columns if mode == "forward" else _by_rows
    go = run or (lambda g, xs: evaluate(g, xs, tick=tick))
    return by(graph, inputs, wrt, outs, in_types, out_types, go)


def _by_columns(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...],
    in_types: list[Type], out_types: list[Type], run: Run,
) -> Linearization:  # fmt: skip
    derivative = jvp(graph, wrt)
    floats = [o for o, v in enumerate(graph.outputs) if graph.types[v].is_float]
    place = [len(graph.outputs) + floats.index(o) for o in outs]
    columns = [np.empty((_count(in_types), *t.shape), t.dtype) for t in out_types]
    primal: list[Array] = []
    for start, seeds in _seed_chunks(derivative, len(graph.inputs), in_types):
        results = run(derivative, [*inputs, *seeds])
        primal = results[: len(graph.outputs)]
        size = len(seeds[0])
        for column, at, t in zip(columns, place, out_types, strict=True):
            column[start : start + size] = batch_of(results[at], t.rank, size)
    if not primal:
        primal = run(graph, inputs)
    blocks: list[list[Array]] = []
    for column, t in zip(columns, out_types, strict=True):
        row: list[Array] = []
        at = 0
        for i in in_types:
            part = column[at : at + i.size].reshape((*i.shape, *t.shape))
            row.append(_outputs_first(part, i.rank, t.rank))
            at += i.size
        blocks.append(row)
    return Linearization(primal, wrt, outs, blocks)


def _by_rows(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...],
    in_types: list[Type], out_types: list[Type], run: Run,
) -> Linearization:  # fmt: skip
    derivative = vjp(graph, wrt, outs)
    total = _count(out_types)
    rows = [np.empty((total, *t.shape), t.dtype) for t in in_types]
    primal: list[Array] = []
    for start, seeds in _seed_chunks(derivative, len(graph.inputs), out_types):
        results = run(derivative, [*inputs, *seeds])
        primal = results[: len(graph.outputs)]
        size = len(seeds[0])
        for row, bar, t in zip(rows, results[len(graph.outputs) :], in_types, strict=True):
            row[start : start + size] = batch_of(bar, t.rank, size)
    if not primal:
        primal = run(graph, inputs)
    blocks: list[list[Array]] = []
    at = 0
    for t in out_types:
        blocks.append(
            [
                row[at : at + t.size].reshape((*t.shape, *i.shape)).astype(t.dtype, copy=False)
                for row, i in zip(rows, in_types, strict=True)
            ]
        )
        at += t.size
    return Linearization(primal, wrt, outs, blocks)


def _outputs_first(part: Array, in_rank: int, out_rank: int) -> Array:
    order = (*range(in_rank, in_rank + out_rank), *range(in_rank))
    return np.ascontiguousarray(part.transpose(order)) if part.ndim else part


def _seed_chunks(
    derivative: Graph, inputs: int, types: list[Type]
) -> Iterator[tuple[int, list[Array]]]:
    """Identity seeds over all `types`, a chunk of rows at a time: (first row, one array each)."""
    total = _count(types)
    flags = (False,) * inputs + (True,) * len(types)
    per_row = max(1, plan(derivative, flags).peak_elements) * 8
    chunk = max(1, min(total, BATCH_BYTES // per_row))
    for start in range(0, total, chunk):
        stop = min(total, start + chunk)
        seeds: list[Array] = []
        at = 0
        for t in types:
            flat = np.zeros((stop - start, t.size), t.dtype)
            low, high = max(start, at), min(stop, at + t.size)
            if low < high:
                rows = np.arange(low, high)
                flat[rows - start, rows - at] = 1
            seeds.append(flat.reshape(stop - start, *t.shape))
            at += t.size
        yield start, seeds


def chunks_of(total: int, per_row_bytes: int) -> Iterator[slice]:
    """Slices of [0, total) whose rows together stay within `BATCH_BYTES`."""
    chunk = max(1, BATCH_BYTES // max(1, per_row_bytes))
    for start in range(0, total, chunk):
        yield slice(start, min(total, start + chunk))


def gradient_graph(graph: Graph, wrt: tuple[int, ...], out: int = 0) -> Graph:
    """The graph inputs -> gradients of the scalar output `out` by `wrt`, one per input."""
    key = ("gradient", wrt, out)
    found = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _gradient_graph(graph, wrt, out)
    return found


def _gradient_graph(graph: Graph, wrt: tuple[int, ...], out: int) -> Graph:
    derivative = vjp(graph, wrt, (out,))
    xp = Builder(f"gradient_{graph.name}")
    inputs = [xp.input(n, t) for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    t = graph.types[graph.outputs[out]]
    if t.size != 1:
        raise ValueError(f"a gradient needs one number, the output has shape {t.shape}")
    one = xp.constant(np.ones(t.shape, t.dtype))
    outs = xp.inline(derivative, [*inputs, one])[len(graph.outputs) :]
    return xp.finish(outs, [f"d_{graph.inputs[i]}" for i in wrt])


def hessian(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], out: int = 0, *,
    tick: Tick = no_tick,
) -> list[list[Array]]:  # fmt: skip
    """Hessian blocks of a scalar output, forward over reverse.

    `blocks[a][b]` has shape `(*input_a.shape, *input_b.shape)`: the derivative by input b of the
    gradient by input a.
    """
    gradient = gradient_graph(graph, wrt, out)
    outs = tuple(range(len(wrt)))
    return jacobian(gradient, inputs, wrt, outs, "forward", tick=tick).blocks


def hvp(graph: Graph, wrt: tuple[int, ...], out: int = 0) -> Graph:
    """The graph (inputs..., tangents...) -> (gradients..., Hessian times tangents...)."""
    return jvp(gradient_graph(graph, wrt, out), wrt)


def _count(types: Sequence[Type]) -> int:
    return sum(t.size for t in types)
