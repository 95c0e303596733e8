"""Sparse Jacobians and Hessians: the road is chosen and the structure found once for a graph, numbers are computed at each point.

Elementwise programs on views take the local road; everything else shares seeds between columns or rows that do not meet. The
structure may rest on inputs that are not differentiated (indices): it is found again when those change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.jacobian import gradient_graph
from gradproof_service.transforms.sparsity import pattern as pat
from gradproof_service.transforms.sparsity.compressed import entries
from gradproof_service.transforms.sparsity.compression import Compression, compress, one_each
from gradproof_service.transforms.sparsity.lanes import NotLocal
from gradproof_service.transforms.sparsity.local import Local, local
from gradproof_service.transforms.sparsity.pattern import ENTRIES, Pattern, TooDense
from gradproof_service.transforms.sparsity.propagate import structure

SPARSE = 4
"""A matrix of which more than one part in so many is stored is not worth colouring."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """A matrix (elements of an output, elements of an input), both in C order: values of the pattern's entries, row by row."""

    pattern: Pattern
    values: Array

    def matrix(self) -> Any:
        """The matrix as a `scipy.sparse.csr_array`."""
        found = self.pattern.matrix().astype(self.values.dtype)
        found.data = self.values
        return found


@dataclass(frozen=True, slots=True)
class Coloured:
    """Several outputs whose rows, one after the other, are filled by shared seeds."""

    outs: tuple[int, ...]
    pattern: Pattern
    compression: Compression


@dataclass(frozen=True, slots=True)
class Plan:
    """How each output's rows are filled, and the inputs on which the structure rests with their values then."""

    wrt: tuple[int, ...]
    outs: tuple[int, ...]
    local: dict[int, Local]
    coloured: Coloured | None
    rests_on: dict[int, Array]
    splits: dict[int, list[tuple[Pattern, Array | None]]]
    """By output one part for each input: its pattern, and which of the output's entries it has (None: all)."""

    def holds(self, inputs: Sequence[Array]) -> bool:
        """Whether the structure found then is the structure now."""
        return all(
            np.array_equal(x, inputs[i], equal_nan=x.dtype.kind == "f")
            for i, x in self.rests_on.items()
        )


def sparse_jacobian(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...], *,
    tick: Tick = no_tick,
) -> list[list[Sparse]]:  # fmt: skip
    """`blocks[o][i]`: the Jacobian of output `outs[o]` by input `wrt[i]` as a sparse matrix.

    Its entries are those that are not structurally zero: zero at every value of the differentiated inputs. Raises `Fault` when
    there are more of them than `ENTRIES`.
    """
    return _filled(graph, inputs, prepared(graph, inputs, wrt, outs, tick=tick), tick)


def sparse_hessian(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], out: int = 0, *, tick: Tick = no_tick
) -> list[list[Sparse]]:  # fmt: skip
    """`blocks[a][b]`: the derivative by input `wrt[b]` of the gradient of a scalar output by input `wrt[a]`, sparse."""
    gradient = gradient_graph(graph, wrt, out)
    outs = tuple(range(len(wrt)))
    return _filled(
        gradient, inputs, prepared(gradient, inputs, wrt, outs, symmetric=True, tick=tick), tick
    )


def prepared(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...], *,
    symmetric: bool = False, tick: Tick = no_tick,
) -> Plan:  # fmt: skip
    """The plan for these outputs and inputs, remembered on the graph."""
    key = ("sparse", wrt, outs, symmetric)
    found: Plan | None = graph.plans.get(key)
    if found is None or not found.holds(inputs):
        found = graph.plans[key] = _planned(graph, inputs, wrt, outs, symmetric, tick)
    return found


def _planned(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...], symmetric: bool,
    tick: Tick,
) -> Plan:  # fmt: skip
    roads: dict[int, Local] = {}
    asked: set[int] = set()
    rest: list[int] = []
    for o in outs:
        try:
            roads[o] = local(graph, wrt, o, inputs)
            asked |= roads[o].asked
        except (NotLocal, TooDense):
            rest.append(o)
        tick()
    if symmetric and rest:
        roads, rest = {}, list(outs)
    coloured = None
    if rest:
        coloured, more = _colours(graph, inputs, wrt, tuple(rest), symmetric, tick)
        asked |= more
    patterns = {o: road.pattern for o, road in roads.items()}
    at = 0
    for o in rest if coloured is not None else ():
        size = graph.types[graph.outputs[o]].size
        assert coloured is not None
        patterns[o] = coloured.pattern.part(at, at + size)
        at += size
    splits = {o: _split(p, [graph.types[i].size for i in wrt]) for o, p in patterns.items()}
    return Plan(wrt, outs, roads, coloured, {i: np.array(inputs[i]) for i in sorted(asked)}, splits)


def _colours(
    graph: Graph, inputs: Sequence[Array], wrt: tuple[int, ...], outs: tuple[int, ...], symmetric: bool,
    tick: Tick,
) -> tuple[Coloured, frozenset[int]]:  # fmt: skip
    try:
        parts, asked = structure(graph, inputs, wrt, outs, tick=tick)
        whole = pat.stacked(parts)
    except TooDense:
        whole, asked = _everything(graph, wrt, outs), frozenset()
    if symmetric:
        whole = pat.union([whole, whole.transposed])
    full = SPARSE * whole.entries > whole.rows * whole.width
    shared = None if full else compress(whole, symmetric=symmetric)
    if shared is None or shared.seeds >= (
        whole.width if symmetric else min(whole.rows, whole.width)
    ):
        shared = one_each(whole, symmetric=symmetric)
    return Coloured(outs, whole, shared), asked


def _everything(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Pattern:
    rows = sum(graph.types[graph.outputs[o]].size for o in outs)
    width = sum(graph.types[i].size for i in wrt)
    if rows * width > ENTRIES:
        raise Fault(
            FaultKind.LIMIT,
            f"sparse: the structure of this derivative has more than {ENTRIES:.3g} entries; "
            "ask for products with seeds (vjp, jvp, hvp) instead",
            field_path="sparse",
            limit="jacobian_elements",
        )
    return Pattern(np.arange(rows + 1) * width, np.tile(np.arange(width), rows), width)


def _split(pattern: Pattern, sizes: Sequence[int]) -> list[tuple[Pattern, Array | None]]:
    """One part of the columns for each input."""
    if len(sizes) == 1:
        return [(pattern, None)]
    found: list[tuple[Pattern, Array | None]] = []
    at = 0
    for size in sizes:
        found.append(pattern.columns_between(at, at + size))
        at += size
    return found


def _filled(graph: Graph, inputs: Sequence[Array], plan: Plan, tick: Tick) -> list[list[Sparse]]:
    values = {o: road.entries(inputs, tick) for o, road in plan.local.items()}
    if plan.coloured is not None:
        c = plan.coloured
        flat = entries(graph, inputs, plan.wrt, c.outs, c.compression, tick=tick)
        at = 0
        for o in c.outs:
            t = graph.types[graph.outputs[o]]
            low, high = int(c.pattern.starts[at]), int(c.pattern.starts[at + t.size])
            values[o] = flat[low:high].astype(t.dtype, copy=False)
            at += t.size
    return [
        [Sparse(p, values[o] if mine is None else values[o][mine]) for p, mine in plan.splits[o]]
        for o in plan.outs
    ]
