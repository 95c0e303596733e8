"""How far rounding can have moved a graph's outputs: measured by rounding at random.

Every operation of the graph is repeated with its result multiplied by 1 +- eps at random (and,
where a kernel sums products inside, its operands too): random-rounding arithmetic, after
Parker, "Monte Carlo Arithmetic", 1997. The spread over a few runs shows amplification by
cancellation wherever it happens, in values and in derivative programs alike, and uses no
derivative rule: a wrong rule cannot hide behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import (
    Step,
    Tick,
    batch_of,
    call_batched,
    no_tick,
    plan,
)

SAMPLES: Final = 6
TILE: Final = 65_537
"""Signs drawn per array; a prime, so that repeats of it never line up with an axis."""
SIGMAS: Final = 3.0
"""Each result is moved by a whole eps = 2u per operation where rounding moves it by u at most
and by about u/2 typically: three root-mean-squares are more than ten times the typical error."""


def rounding_bounds(
    graph: Graph,
    inputs: Sequence[Array],
    outputs: Sequence[Array],
    *,
    rng_seed: int = 0,
    samples: int = SAMPLES,
    eps: float | None = None,
    tick: Tick = no_tick,
) -> list[Array]:
    """For each output an absolute bound of its rounding error, entry by entry, as float64.

    `outputs` are the unperturbed results at `inputs` (batched or not, as `evaluate` returned
    them). `eps` replaces the dtypes' own spacing: what the error would be had everything been
    computed in a dtype of that spacing. Entries that are not finite, or become so, get inf;
    integer and bool outputs get 0. Statistical: see `SIGMAS`.
    """
    squares = [np.zeros(y.shape) for y in outputs]
    for k in range(samples):
        moved = disturbed(graph, inputs, (rng_seed, k), eps, tick=tick)
        with np.errstate(all="ignore"):
            for total, y, z in zip(squares, outputs, moved, strict=True):
                if y.dtype.kind in "fc":
                    z = batch_of(z, z.ndim, len(y)) if z.ndim < y.ndim else z
                    total += np.abs(z.astype(np.float64) - y) ** 2
    return [_bound(total / samples, y) for total, y in zip(squares, outputs, strict=True)]


def disturbed(
    graph: Graph, inputs: Sequence[Array], seed: tuple[int, ...], eps: float | None = None, *,
    tick: Tick = no_tick,
) -> list[Array]:  # fmt: skip
    """`evaluate` with every operation rounded at random; the same seed rounds the same way."""
    return _run(graph, list(inputs), np.random.default_rng(seed), eps, tick)


def _bound(mean_square: Array, y: Array) -> Array:
    bound = SIGMAS * np.sqrt(mean_square)
    if y.dtype.kind == "f":
        # what is computed exactly in every run may still be rounded once on its way out
        return np.where(np.isfinite(bound) & np.isfinite(y), bound, np.inf)
    return np.zeros(y.shape)


def _run(
    graph: Graph, inputs: list[Array], rng: np.random.Generator, eps: float | None, tick: Tick
) -> list[Array]:
    flags = tuple(np.ndim(x) > len(graph.types[i].shape) for i, x in enumerate(inputs))
    prepared = plan(graph, flags)
    values: list[Any] = [None] * len(graph.types)
    values[: len(inputs)] = [np.asarray(x) for x in inputs]
    with np.errstate(all="ignore"):
        for step in prepared.steps:
            outs = _perturbed(step, [values[v] for v in step.operands], rng, eps, tick)
            if len(step.site.outs) == 1:
                values[step.first] = outs
            else:
                values[step.first : step.first + len(step.site.outs)] = outs
            for v in step.drop:
                values[v] = None
            tick()
    return [np.asarray(values[v]) for v in graph.outputs]


def _perturbed(
    step: Step, xs: list[Any], rng: np.random.Generator, eps: float | None, tick: Tick
) -> Any:
    op, site = step.op, step.site
    if op.accumulates:
        xs = [_shaken(x, rng, eps, 1.0) for x in xs]
    if op.batching == "run":

        def again(g: Graph, args: Sequence[Array]) -> list[Array]:
            outs = _run(g, list(args), rng, eps, tick)
            if not step.any_batched:
                return outs
            size = len(args[0])
            return [batch_of(y, t.rank, size) for y, t in zip(outs, g.output_types, strict=True)]

        if step.any_batched:
            size = next(len(x) for x, b in zip(xs, step.batched, strict=True) if b)
            xs = [
                x if b else np.broadcast_to(x, (size, *np.shape(x)))
                for x, b in zip(xs, step.batched, strict=True)
            ]
        return op.kernel(site, *xs, run=again)
    y = call_batched(op, site, xs, step.batched) if step.any_batched else op.kernel(site, *xs)
    if not op.ulps:
        return y
    if len(site.outs) == 1:
        return _shaken(y, rng, eps, op.ulps)
    return tuple(_shaken(part, rng, eps, op.ulps) for part in y)


def _shaken(x: Any, rng: np.random.Generator, eps: float | None, ulps: float) -> Any:
    """x (1 +- ulps eps), the signs drawn anew for every entry (in long arrays for every `TILE`)."""
    if x.dtype not in FLOATS:
        return x
    spacing = float(np.finfo(x.dtype).eps) if eps is None else max(eps, float(np.finfo(x.dtype).eps))
    signs = rng.integers(0, 2, min(x.size, TILE), dtype=np.int8)
    move = np.array([-spacing * ulps, spacing * ulps], x.dtype)[signs]
    move = np.resize(move, x.shape) if x.size > TILE else move.reshape(x.shape)
    moved = x + x * move
    return moved if np.isfinite(moved).all() else np.where(np.isfinite(x), moved, x)
