"""What flows through every node: cotangents back from the output, tangents forward to it.

Each node's vjp is prepared once as a small graph of its own and run on the node's values, so that
one use of one value can be given a wrong rule while the rest of the sweep stays right. Nothing
here is a derivative of its own: the rules are those of the op records.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.checking.causes.use import Use
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import Derive, reaches
from gradproof_service.transforms.evaluate import batch_of, evaluate, evaluate_all
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp

EXACT_INPUTS = 96
"""Inputs up to this size are varied element by element, larger ones along seeded directions."""
DIRECTIONS = 32
EXACT_ROWS = 12
"""Claims of up to this many rows are taken row by row, larger ones in seeded combinations."""
COMBINATIONS = 6
NODE_LIMIT = 1500
ELEMENT_LIMIT = 2e7
"""Most elements that the tangents and cotangents of all values may take together."""


class LocalRules:
    """The vjp of single nodes as graphs (operands, results, cotangents) -> operand cotangents."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._made: dict[Any, Graph | None] = {}

    def __call__(
        self, k: int, wanted: tuple[bool, ...], values: list[Any], y_bars: list[Array]
    ) -> list[Array | None]:
        """Cotangents (R, *operand shape) of the operands wanted, None where none flows."""
        key = (id(self.graph.sites[k]), wanted)
        if key not in self._made:
            self._made[key] = self._make(k, wanted)
        local = self._made[key]
        if local is None:
            return [None] * len(wanted)
        first, outs = self.graph.first[k], len(self.graph.sites[k].outs)
        xs = [values[v] for v in self.graph.operands[k]]
        found = iter(evaluate(local, [*xs, *values[first : first + outs], *y_bars]))
        kept = local.plans["flows"]
        size = len(y_bars[0])
        result: list[Array | None] = []
        for flows, t in zip(kept, self.graph.sites[k].ins, strict=True):
            result.append(batch_of(next(found), t.rank, size) if flows else None)
        return result

    def _make(self, k: int, wanted: tuple[bool, ...]) -> Graph | None:
        site = self.graph.sites[k]
        op = site.op
        xp = Builder(f"local_{op.name}", Derive(jvp, vjp))
        xs = tuple(xp.input(f"x{n}", t) for n, t in enumerate(site.ins))
        ys = tuple(xp.input(f"y{n}", t) for n, t in enumerate(site.outs))
        bars = tuple(xp.input(f"b{n}", t) for n, t in enumerate(site.outs))
        x_bars: list[Value | None] = [None] * len(xs)
        seen = tuple(b if t.is_float else None for b, t in zip(bars, site.outs, strict=True))
        if op.vjp_all is not None:
            x_bars = list(op.vjp_all(xp, site, xs, ys, seen, list(wanted)))
        else:
            for n, want in enumerate(wanted):
                rule = op.vjp_rule(n) if want else None
                if rule is not None:
                    x_bars[n] = rule(xp, site, xs, ys, seen[0] if len(ys) == 1 else seen)
        fitted = [
            xp.unbroadcast(b, t) if b is not None and want else None
            for b, t, want in zip(x_bars, site.ins, wanted, strict=True)
        ]
        if all(b is None for b in fitted):
            return None
        graph = xp.finish([b for b in fitted if b is not None])
        graph.plans["flows"] = tuple(b is not None for b in fitted)
        return graph


@dataclass(slots=True)
class Flow:
    """Values, cotangents and tangents of every value on the way from input `i` to output `o`.

    `tangents[v]` is (K, size): row k is the derivative of value v along direction k of
    `directions` (K, n). `bars[v]` is (R, *shape), the cotangent of v for each row; `uses` are the
    operands through which cotangents reach `i`. `claimed`, `reference`, `bar` are (R, K): what
    was claimed and what is right, in these rows and along these directions.
    """

    mismatch: Mismatch
    rules: LocalRules
    values: list[Any]
    active: bytearray
    seeds: Array
    directions: Array
    claimed: Array
    reference: Array
    bar: Array
    tangents: dict[int, Array]
    made: list[int]
    """For each value the node that makes it, -1 for inputs."""
    whole: bool = True
    """Whether the directions are the elements of the input themselves."""
    bars: dict[int, Array] = field(default_factory=dict[int, Array])
    uses: list[Use] = field(default_factory=list[Use])

    @property
    def gap(self) -> Array:
        """Claimed minus reference, (R, K)."""
        return self.claimed - self.reference

    def pushed(self, v: int, cotangent: Array) -> Array:
        """What a cotangent (R, *shape) of value v adds to the claim, (R, K)."""
        return cotangent.reshape(len(cotangent), -1) @ self.tangents[v].T


def flow_of(m: Mismatch) -> Flow | None:
    """Everything that flows, or None when the graph is too large for a search like this."""
    graph, i = m.scene.graph, m.i
    if len(graph) > NODE_LIMIT:
        return None
    forward = m.tangents is not None
    directions, project = (m.tangents, None) if m.tangents is not None else _directions(m)
    seeds, combine = _seeds(m)
    elements = sum(t.size for t in graph.types if t.is_float)
    if elements * (len(directions) + len(seeds)) > ELEMENT_LIMIT:
        return None
    values: list[Any] = evaluate_all(returning_all(graph), m.scene.inputs, tick=m.scene.tick)
    active = reaches(graph, (i,))

    def seen(array: Array) -> Array:
        array = array.T if forward else array
        array = array if combine is None else combine @ array
        return array if project is None else array @ project.T

    bar = m.bar.T if forward else m.bar
    bar = bar if combine is None else np.sqrt(combine**2 @ bar**2)
    bar = bar if project is None else np.sqrt(bar**2 @ (project**2).T)
    flow = Flow(
        m, LocalRules(graph), values, active, seeds, directions, seen(m.claimed),
        seen(m.reference), bar, tangents_at(m, m.scene.inputs, directions), graph.producer(),
    )  # fmt: skip
    sweep(flow, keep=True)
    return flow


def sweep(flow: Flow, keep: bool = False, wrong: Callable[[Use], Array] | None = None) -> Array:
    """One reverse sweep; the cotangent of input `i` as (R, n).

    `wrong(use)` may return another cotangent for a use: the sweep goes on with that one.
    """
    m, graph = flow.mismatch, flow.mismatch.scene.graph
    bars: dict[int, Array] = {}
    out = graph.outputs[m.o]
    bars[out] = flow.seeds.reshape(len(flow.seeds), *graph.types[out].shape)
    for k in range(len(graph) - 1, -1, -1):
        site = graph.sites[k]
        made = range(graph.first[k], graph.first[k] + len(site.outs))
        if not any(v in bars for v in made):
            continue
        operands = graph.operands[k]
        wanted = tuple(bool(flow.active[v]) for v in operands)
        if not any(wanted):
            continue
        m.scene.tick()
        y_bars = [
            bars[v] if v in bars else np.zeros((len(flow.seeds), *t.shape), t.dtype)
            for v, t in zip(made, site.outs, strict=True)
        ]
        x_bars = flow.rules(k, wanted, flow.values, y_bars)
        for n, (v, x_bar) in enumerate(zip(operands, x_bars, strict=True)):
            if x_bar is None:
                continue
            if keep or wrong is not None:
                use = _use(flow, k, n, v, y_bars[0], x_bar)
                if keep:
                    flow.uses.append(use)
                passed = use.x_bar if wrong is None else wrong(use)
            else:
                passed = x_bar
            bars[v] = bars[v] + passed if v in bars else passed
        m.scene.tick()
    if keep:
        flow.bars = bars
    found = bars.get(m.i)
    if found is None:
        return np.zeros((len(flow.seeds), m.scene.size_in(m.i)))
    return found.reshape(len(found), -1)


def _use(flow: Flow, k: int, n: int, v: int, y_bar: Array, x_bar: Array) -> Use:
    graph = flow.mismatch.scene.graph
    site = graph.sites[k]
    first = graph.first[k]
    return Use(
        k, n, v, site.op.name, site, tuple(flow.values[u] for u in graph.operands[k]),
        tuple(flow.values[first : first + len(site.outs)]), y_bar, x_bar,
    )  # fmt: skip


def returning_all(graph: Graph) -> Graph:
    """The same graph with every value among its outputs, so that none is forgotten."""
    found = graph.plans.get("all values")
    if found is None:
        every = range(len(graph.types))
        found = graph.plans["all values"] = Graph(
            graph.name, graph.inputs, graph.types, graph.sites, graph.operands, graph.first,
            list(every), [f"v{v}" for v in every], graph.locations, graph.node_names, graph.origins,
        )  # fmt: skip
    return found


def tangents_at(m: Mismatch, inputs: Sequence[Array], directions: Array) -> dict[int, Array]:
    """Tangents (K, size) of every value that depends on the input, along directions (K, n)."""
    every = returning_all(m.scene.graph)
    active = reaches(every, (m.i,))
    seeds = directions.reshape(len(directions), *every.types[m.i].shape)
    results = evaluate(jvp(every, (m.i,)), [*inputs, seeds], tick=m.scene.tick)
    floats = [v for v in every.outputs if every.types[v].is_float]
    found: dict[int, Array] = {}
    for v, dot in zip(floats, results[len(every.outputs) :], strict=True):
        if active[v]:
            rank = every.types[v].rank
            found[v] = batch_of(dot, rank, len(directions)).reshape(len(directions), -1)
    return found


def _directions(m: Mismatch) -> tuple[Array, Array | None]:
    n = m.scene.size_in(m.i)
    if n <= EXACT_INPUTS:
        return np.eye(n), None
    rng = np.random.default_rng((m.scene.rng_seed, m.i, 11))
    rows = rng.integers(0, 2, (DIRECTIONS, n)) * 2.0 - 1.0
    return rows, rows


def _seeds(m: Mismatch) -> tuple[Array, Array | None]:
    rows = m.rows()
    if len(rows) <= EXACT_ROWS:
        return rows, None
    rng = np.random.default_rng((m.scene.rng_seed, m.o, 12))
    mix = rng.integers(0, 2, (COMBINATIONS, len(rows))) * 2.0 - 1.0
    return mix @ rows, mix
