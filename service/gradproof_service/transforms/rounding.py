"""How far rounding can have moved a graph's outputs: measured by rounding at random.

Every operation of the graph is repeated with its result moved by a few eps at random (and,
where a kernel sums products inside, its operands too): random-rounding arithmetic, after
Parker, "Monte Carlo Arithmetic", 1997. The spread over a few runs shows amplification by
cancellation wherever it happens, in values and in derivative programs alike, and uses no
derivative rule: a wrong rule cannot hide behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import repeat
from math import prod
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.content import contents, places
from gradproof_service.transforms.evaluate import (
    MEMORY,
    Memory,
    Step,
    Tick,
    call,
    call_batched,
    call_functions,
    last_uses,
    no_tick,
    plan,
)
from gradproof_service.transforms.plans.prepared import SHAPES_KEPT
from gradproof_service.transforms.rounded import Move, Rounded, rounded

SAMPLES: Final = 6
BLURRED: Final = 0.05
TILE: Final = 65_537
"""Signs drawn per array; a prime, so that repeats of it never line up with an axis."""
LONG: Final = 2000
"""Nodes of the longest graph whose moves are drawn one after the other."""
STRIDE: Final = 25_931
"""From the place of one move of a node to that of its next."""
SEEDS_KEPT: Final = 64
"""Seeds that are known to have been asked for, of one graph and shape."""
LEVELS: Final = (-7.0, -6.0, -5.0, -4.0, 4.0, 5.0, 6.0, 7.0)
"""Multiples of eps by which a result may be moved; several, so that two moves rarely cancel."""
SIGMAS: Final = 0.7
"""Times the mean absolute move. A result is moved by about 5.5 eps = 11 u per operation where
rounding moves it by u at most and u/2 typically: the bound is some fifteen times the typical error
and four times that of operations which all err by their most in directions drawn at random."""


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
    return spread_bounds(
        outputs,
        lambda k: disturbed(graph, inputs, (rng_seed, k), eps, tick=tick),
        samples,
    )


def spread_bounds(
    outputs: Sequence[Array], again: Callable[[int], Sequence[Array]], samples: int = SAMPLES
) -> list[Array]:
    """Bounds of results from how far `samples` disturbed runs of them (`again(k)`) moved."""
    bounds = spreads(outputs, again, samples)
    return [blurred(bound, y) for bound, y in zip(bounds, outputs, strict=True)]


def spreads(
    outputs: Sequence[Array], again: Callable[[int], Sequence[Array]], samples: int
) -> list[Array]:
    """`SIGMAS` times the mean move of each entry over `samples` disturbed runs; no number where one was lost."""
    moves: list[Array] = [np.zeros(y.shape) for y in outputs]
    with np.errstate(all="ignore"):
        for k in range(samples):
            for total, y, z in zip(moves, outputs, again(k), strict=True):
                if y.dtype.kind == "f":
                    moved = z.astype(np.float64, copy=False) - y
                    np.add(total, np.abs(moved, out=moved if moved.ndim else None), out=total)
        for total in moves:
            np.divide(total, samples, out=total)
            np.multiply(total, SIGMAS, out=total)
    return moves


def blurred(bound: Array, y: Array) -> Array:
    """Bounds from `spreads`: wider where they reach far into a number, infinite where it was lost."""
    if y.dtype.kind != "f":
        return np.zeros(y.shape)
    # with hardly a digit left the moves no longer show how far they reach: nothing is known closely
    bound = np.where(bound > BLURRED * np.abs(y), 4 * bound, bound)
    return np.where(np.isfinite(bound) & np.isfinite(y), bound, np.inf)


def disturbed(
    graph: Graph, inputs: Sequence[Array], seed: tuple[int, ...], eps: float | None = None, *,
    tick: Tick = no_tick,
) -> list[Array]:  # fmt: skip
    """`evaluate` with every operation rounded at random; the same seed rounds the same way.

    A run that was asked for before (the same graph, shapes, seed and spacing) is a plan from then on.
    In a graph of more than `LONG` nodes what is drawn for a node rests on what it computes alone (see
    `content`): an edit leaves the draws of what it does not reach.
    """
    memory: Memory | None = graph.plans.get(MEMORY)
    if memory is not None:
        return memory.disturbed(inputs, seed, eps, tick)
    arrays = [np.asarray(x) for x in inputs]
    draw = _Draw(seed, eps)
    if len(graph) > LONG:
        return _run(graph, arrays, draw, tick, places(_numbers(graph), seed, TILE))
    plan = _asked(graph, arrays, (seed, eps))
    if plan is None:
        return _run(graph, arrays, draw, tick)
    return plan.run((seed, eps), arrays, draw.factors, tick)


def _numbers(graph: Graph) -> Array:
    """The number of each step of the graph's plans, whichever inputs are batched."""
    found = graph.plans.get("numbers")
    if found is None:
        needed = [
            at for at, drop in zip(graph.first, last_uses(graph), strict=True) if drop is not None
        ]
        found = graph.plans["numbers"] = np.array(contents(graph), np.int64)[needed]
    return found


class Disturbance:
    """A disturbed run of a long graph, one node at a time."""

    def __init__(self, seed: tuple[int, ...], eps: float | None, tick: Tick) -> None:
        self._draw = _Draw(seed, eps)
        self._tick = tick

    def __call__(self, step: Step, xs: list[Any], at: int) -> Any:
        """What the node makes of `xs`, moved by what is drawn at a place and behind it."""
        self._draw.at = at
        return _perturbed(step, xs, self._draw, self._tick, step.op.ulps_at(step.site))


class _Asked:
    """What was asked of one graph: seeds by pattern and size of the batch, and the plans for them."""

    __slots__ = ("plans", "seeds")

    def __init__(self) -> None:
        self.seeds: dict[Any, set[Any]] = {}
        self.plans: dict[Any, Rounded | None] = {}


def _asked(graph: Graph, arrays: list[Array], seed: Any) -> Rounded | None:
    """The plan for a run that was asked for before, None for one that is new or cannot be planned."""
    memory: _Asked | None = graph.plans.get("disturbed again")
    if memory is None:
        memory = graph.plans["disturbed again"] = _Asked()
    flags = _batched(graph, arrays)
    batch = next((len(x) for x, b in zip(arrays, flags, strict=True) if b), None)
    place = (flags, batch)
    seeds = memory.seeds.get(place)
    if seeds is None:
        if len(memory.seeds) >= SHAPES_KEPT:
            oldest = next(iter(memory.seeds))
            memory.seeds.pop(oldest, None)
            memory.plans.pop(oldest, None)
        seeds = memory.seeds[place] = set[Any]()
    if seed not in seeds:
        if len(seeds) >= SEEDS_KEPT:
            seeds.clear()
        seeds.add(seed)
        return None
    if not all(
        x.dtype == t.dtype and x.flags.c_contiguous
        for x, t in zip(arrays, graph.input_types, strict=True)
    ):
        return None
    if place not in memory.plans:
        memory.plans[place] = rounded(graph, _ready(graph, flags), flags, batch, TILE)
    return memory.plans[place]


def _batched(graph: Graph, arrays: Sequence[Array]) -> tuple[bool, ...]:
    return tuple([x.ndim > len(t.shape) for x, t in zip(arrays, graph.input_types, strict=True)])


def _run(
    graph: Graph, arrays: list[Array], draw: _Draw, tick: Tick, at: Iterable[int | None] = repeat(None)
) -> list[Array]:  # fmt: skip
    flags = _batched(graph, arrays)
    values: list[Any] = [None] * len(graph.types)
    values[: len(arrays)] = arrays
    with np.errstate(all="ignore"):
        for (step, moves, ulps), place in zip(_ready(graph, flags), at, strict=False):
            draw.at = draw.at if place is None else place
            xs = [values[v] for v in step.operands]
            outs = _perturbed(step, xs, draw, tick, ulps) if moves else call(step, xs, tick)
            if len(step.site.outs) == 1:
                values[step.first] = outs
            else:
                values[step.first : step.first + len(step.site.outs)] = outs
            for v in step.drop:
                values[v] = None
            tick()
    return [np.asarray(values[v]) for v in graph.outputs]


def _ready(graph: Graph, flags: tuple[bool, ...]) -> list[tuple[Step, bool, float]]:
    """The steps of the graph's plan: whether each is rounded at random, and by how many ulps its result."""
    key = ("disturbed", flags)
    found = graph.plans.get(key)
    if found is None:
        moved = _moved(graph)
        found = []
        for step in plan(graph, flags).steps:
            # what is made of constants alone is the same in every run of the graph: no error of it
            moves = bool(moved[step.first]) and is_moved(step.site)
            found.append((step, moves, step.op.ulps_at(step.site)))
        graph.plans[key] = found
    return found


def is_moved(site: Site) -> bool:
    """Whether a node's results are rounded at all."""
    return site.op.exact is None or not site.op.exact(site)


def _moved(graph: Graph) -> bytearray:
    """For each value whether it depends on an input at all."""
    found = bytearray(len(graph.types))
    found[: len(graph.inputs)] = b"\1" * len(graph.inputs)
    for _, _, _, operands, outs in graph.nodes():
        if any(found[v] for v in operands):
            for v in outs:
                found[v] = 1
    return found


def _perturbed(step: Step, xs: list[Any], draw: _Draw, tick: Tick, ulps: float) -> Any:
    op, site = step.op, step.site
    if op.accumulates:
        xs = [draw.shaken(x, 1.0, normwise=op.normwise) for x in xs]
    if op.batching == "run":
        return call_functions(step, xs, lambda g, args: _run(g, list(args), draw, tick))
    y = call_batched(op, site, xs, step.batched) if step.any_batched else op.kernel(site, *xs)
    if not op.ulps:
        return y
    if len(site.outs) == 1:
        return draw.shaken(y, ulps)
    return tuple(draw.shaken(part, ulps) for part in y)


class _Draw:
    """Moves for one disturbed run: windows of a fixed table of random signs, at places drawn from the seed."""

    __slots__ = ("_batch", "_eps", "_places", "_seed", "at")

    def __init__(self, seed: tuple[int, ...], eps: float | None) -> None:
        self._seed = seed
        self._batch = 0
        self._places: list[int] = []
        self._eps = eps
        self.at: int | None = None
        """Where the next move is drawn, where that is the node's to say."""

    def shaken(self, x: Any, ulps: float, *, normwise: bool = False) -> Any:
        """x times 1 and some eps for each ulp, drawn anew for every entry (in long arrays for every `TILE`)."""
        dtype = x.dtype
        if dtype not in FLOATS:
            return x
        own = _SPACING[dtype.char]
        factors = _factors(dtype.char, (own if self._eps is None else max(self._eps, own)) * ulps)
        size = x.size
        if size > TILE:
            return self._long(x, factors) if not normwise else self._normwise(x, factors)
        if normwise and x.ndim > 1 and size:
            return self._normwise(x, factors)
        at = self._place()
        part = factors[at : at + size]
        return x * (part if x.ndim == 1 else part.reshape(x.shape))

    def factors(self, move: Move) -> Array:
        """The factors of a move of up to `TILE` elements, drawn as `shaken` draws them."""
        own = _SPACING[move.char]
        spacing = (own if self._eps is None else max(self._eps, own)) * move.ulps
        at = self._place()
        return _factors(move.char, spacing)[at : at + prod(move.shape)].reshape(move.shape)

    def _long(self, x: Array, factors: Array) -> Array:
        flat = np.ascontiguousarray(x).reshape(-1)
        out = np.empty(flat.shape, flat.dtype)
        at = self._place()
        for start in range(0, len(flat), TILE):
            part = flat[start : start + TILE]
            np.multiply(part, factors[at : at + len(part)], out=out[start : start + len(part)])
        return out.reshape(x.shape)

    def _normwise(self, x: Array, factors: Array) -> Array:
        at = self._place()
        move = np.resize(factors[at : at + min(x.size, TILE)] - 1, x.shape)
        moved = x + np.abs(x).max(axis=(-2, -1), keepdims=True) * move
        return np.where(np.isfinite(x), moved, x)

    def _place(self) -> int:
        at = self.at
        if at is not None:
            self.at = (at + STRIDE) % TILE
            return at
        if not self._places:
            self._places = list(_places(self._seed, self._batch))
            self._batch += 1
        return self._places.pop()


_SPACING: Final = {np.dtype(d).char: float(np.finfo(d).eps) for d in FLOATS}
_SIGNS: Final = np.random.default_rng(20).integers(0, len(LEVELS), TILE)


@lru_cache(maxsize=256)
def _places(seed: tuple[int, ...], batch: int) -> tuple[int, ...]:
    """The places of one disturbed run, a batch at a time: checks of one seed draw the same ones."""
    again = (*seed, 0, batch) if batch else seed
    return tuple(np.random.default_rng(again).integers(0, TILE, 256).tolist())


@lru_cache(maxsize=64)
def _factors(char: str, spacing: float) -> Array:
    """1 plus each move, (2 TILE,): a window of up to `TILE` of them may begin anywhere in the first half."""
    once = (1 + np.array(LEVELS) * spacing)[_SIGNS].astype(char)
    return np.concatenate([once, once])
