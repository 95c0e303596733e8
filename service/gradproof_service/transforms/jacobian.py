"""Jacobians, gradients and Hessians: many seeds pushed through one derivative graph at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Literal

import numpy as np

from gradproof_service.arrays import Array, Type
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.budget import Found, Then, lightest, required
from gradproof_service.transforms.evaluate import Run, Tick, batch_of, evaluate, no_tick
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.live import largest_batch, live
from gradproof_service.transforms.reverse import vjp

Mode = Literal["auto", "forward", "reverse"]
BATCH_BYTES = 256 << 20
"""Memory that one batch of seeds may take at its peak; larger batches run in chunks."""
SEED_BYTES = 64
"""About what an element of a function takes for each seed that runs through its derivative."""


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
    most: float = inf,
) -> Linearization:
    """All blocks of the Jacobian of `outs` by `wrt`, dense.

    Forward mode needs one seed per input element, reverse one per output element; `auto` takes
    the fewer. Seeds run in chunks within `BATCH_BYTES`; the primal runs once per chunk.

    `most`: elements that an evaluation may hold at once (the limit live_elements). Reverse mode computes values again
    where the plain sweep would hold more; raises `Fault` that names the least where nothing fits.
    """
    types = graph.types
    in_types = [types[i] for i in wrt]
    out_types = [types[graph.outputs[o]] for o in outs]
    if mode == "auto":
        mode = "reverse" if _count(out_types) <= _count(in_types) else "forward"
    go = run or partial(evaluate, tick=tick)
    kinds = in_types, out_types
    flags = (False,) * len(graph.inputs) + (True,) * len(wrt if mode == "forward" else outs)
    if mode == "forward":
        push = jvp(graph, wrt)
        if most < inf:
            required(graph, Found(push, live(push, flags, 1)), most, "live_elements")
        return _by_columns(graph, push, inputs, wrt, outs, kinds, go, most)
    pull = reverse_within(graph, wrt, outs, flags, 1, most, tick)
    return _by_rows(graph, pull, inputs, wrt, outs, kinds, go, most)


def reverse_within(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], flags: tuple[bool, ...], batch: int,
    most: float, tick: Tick, then: Then = lambda pull: pull,
) -> Graph:  # fmt: skip
    """What `then` makes of a reverse sweep that computes values again where it would hold more than `most` otherwise.

    `flags` and `batch` are those of the evaluation that holds at most so many elements at once. Raises
    `Fault` that names the least where nothing fits.
    """
    if most == inf:
        return then(vjp(graph, wrt, outs))

    def peak(derivative: Graph) -> int:
        tick()
        return live(derivative, flags, batch)

    found = lightest(graph, wrt, outs, most, peak, then)
    return required(graph, found, most, "live_elements")


def _by_columns(
    graph: Graph, derivative: Graph, inputs: Sequence[Array], wrt: tuple[int, ...],
    outs: tuple[int, ...], kinds: tuple[list[Type], list[Type]], run: Run, most: float,
) -> Linearization:  # fmt: skip
    in_types, out_types = kinds
    floats = [o for o, v in enumerate(graph.outputs) if graph.types[v].is_float]
    place = [len(graph.outputs) + floats.index(o) for o in outs]
    columns = [np.empty((_count(in_types), *t.shape), t.dtype) for t in out_types]
    primal: list[Array] = []
    for start, seeds in _seed_chunks(graph, derivative, in_types, most):
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
    graph: Graph, derivative: Graph, inputs: Sequence[Array], wrt: tuple[int, ...],
    outs: tuple[int, ...], kinds: tuple[list[Type], list[Type]], run: Run, most: float,
) -> Linearization:  # fmt: skip
    in_types, out_types = kinds
    total = _count(out_types)
    rows = [np.empty((total, *t.shape), t.dtype) for t in in_types]
    primal: list[Array] = []
    for start, seeds in _seed_chunks(graph, derivative, out_types, most):
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
    graph: Graph, derivative: Graph, types: list[Type], most: float
) -> Iterator[tuple[int, list[Array]]]:
    """Identity seeds over all `types`, a chunk of rows at a time: (first row, one array each)."""
    total = _count(types)
    chunk = max(1, total)
    if most < inf or not at_once(graph, total):
        flags = (False,) * len(graph.inputs) + (True,) * len(types)
        chunk = rows_at_once(derivative, flags, total, most)
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


def at_once(graph: Graph, seeds: int) -> bool:
    """Whether so many seeds run through a derivative of the graph in one batch, without a look at its plan."""
    return seeds * SEED_BYTES * graph.elements <= BATCH_BYTES


def rows_at_once(derivative: Graph, flags: tuple[bool, ...], total: int, most: float = inf) -> int:
    """How many of `total` seeds run in one batch.

    What they hold together stays within `most` elements, and within `BATCH_BYTES` or twice what one alone holds.
    """
    enough = max(BATCH_BYTES // 8, 2 * live(derivative, flags, 1))
    return largest_batch(derivative, flags, total, min(enough, most))


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
    return gradient_of(graph, vjp(graph, wrt, (out,)), wrt, out)


def gradient_of(graph: Graph, derivative: Graph, wrt: tuple[int, ...], out: int) -> Graph:
    """A reverse sweep of the scalar output `out` as a graph inputs -> gradients."""
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
    tick: Tick = no_tick, most: float = inf,
) -> list[list[Array]]:  # fmt: skip
    """Hessian blocks of a scalar output, forward over reverse; `most` as in `jacobian`.

    `blocks[a][b]` has shape `(*input_a.shape, *input_b.shape)`: the derivative by input b of the
    gradient by input a.
    """
    outs = tuple(range(len(wrt)))
    derivative = hvp_within(graph, wrt, out, 1, most, tick)
    types = [graph.types[i] for i in wrt]
    gradient = gradient_graph(graph, wrt, out)
    run = partial(evaluate, tick=tick)
    return _by_columns(gradient, derivative, inputs, wrt, outs, (types, types), run, most).blocks


def hvp(graph: Graph, wrt: tuple[int, ...], out: int = 0) -> Graph:
    """The graph (inputs..., tangents...) -> (gradients..., Hessian times tangents...)."""
    return jvp(gradient_graph(graph, wrt, out), wrt)


def hvp_within(
    graph: Graph, wrt: tuple[int, ...], out: int, batch: int, most: float, tick: Tick
) -> Graph:
    """`hvp`, its values computed again where one for `batch` tangents (0: one without a batch) holds more than `most`."""
    plain = hvp(graph, wrt, out)
    flags = (False,) * len(graph.inputs) + (bool(batch),) * len(wrt)
    if live(plain, flags, batch) <= most:
        return plain
    return reverse_within(
        graph, wrt, (out,), flags, batch, most, tick,
        lambda pull: jvp(gradient_of(graph, pull, wrt, out), wrt),
    )  # fmt: skip


def _count(types: Sequence[Type]) -> int:
    return sum(t.size for t in types)
