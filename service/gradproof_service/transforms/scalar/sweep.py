"""The gradient of a long graph of scalars without its derivative graph: one sweep forward and one back, on floats.

Each op has one small function for the way forward, each site one for the way back, written from what its
reverse rule emits. Values and cotangents are lists of floats. Nothing grows with the graph but those
lists: a chain of ten thousand ops is differentiated once in the time that its derivative graph takes to
begin. The numbers are those of the derivative graph within each op's `ulps`, summed in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from gradproof_service.arrays import F64
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import passes
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.rules import reverse_piece
from gradproof_service.transforms.scalar.code import (
    bound,
    is_scalar,
    number,
    scalar_function,
    uses_of,
    write,
)

STRETCH: Final = 4096
"""Nodes between two ticks."""

Forward = Callable[[Sequence[Any], Sequence[int]], Any]
"""`(values, operands) -> value`."""
Back = Callable[[Sequence[Any], list[Any], Sequence[int], int], None]
"""`(values, cotangents, operands, output)`: adds to the operands' cotangents what the output's gives them."""


class NotScalar(Exception):
    """The graph, or what a rule of it emits, holds more than float64 scalars and truth values."""


class _Forwards(dict[Site, Forward]):
    """How each site of a graph is computed."""

    def __missing__(self, site: Site) -> Forward:
        if not is_scalar(site):
            raise NotScalar
        if site.ins:
            found = scalar_function(site.op)
        else:
            value = number(site)
            found: Forward = lambda values, operands: value
        self[site] = found
        return found


class _Backs(dict[tuple[Site, tuple[bool, ...]], Back | None]):
    """How each site, with these of its operands active, carries a cotangent back; None where nothing passes."""

    def __missing__(self, key: tuple[Site, tuple[bool, ...]]) -> Back | None:
        site, active = key
        found = None
        if site.out.is_float and passes(site, active):
            name = ("on floats", active)
            found = site.pieces.get(name)
            if found is None:
                found = site.pieces[name] = _back(site, active)
        self[key] = found
        return found


class _Wholes(dict[Site, Back | None]):
    """The same with every operand active."""

    def __missing__(self, site: Site) -> Back | None:
        self[site] = found = _Backs()[site, (True,) * len(site.ins)]
        return found


class Sweep:
    """Value and gradient of one scalar output, made ready for many points.

    Raises `NotScalar` when a value of the graph, or of a rule, is no float64 scalar or truth value.
    """

    def __init__(self, graph: Graph, wrt: tuple[int, ...], out: int) -> None:
        count = len(graph.inputs)
        if any(t.shape or t.dtype != F64 for t in (*graph.input_types, graph.output_types[out])):
            raise NotScalar
        self.takes = count
        self._outputs = graph.outputs
        self._wrt = wrt
        self._out = graph.outputs[out]
        self._operands = graph.operands
        self._forwards = list(map(_Forwards().__getitem__, graph.sites))
        passive = set(range(count)).difference(wrt)
        """Values that do not depend on `wrt`; few, so that most nodes are looked up by their site alone."""
        whole, partly = _Wholes(), _Backs()
        self._backs: list[Back | None] = []
        for v, (site, operands) in enumerate(zip(graph.sites, graph.operands, strict=True), count):
            back = (
                whole[site]
                if passive.isdisjoint(operands)
                else partly[site, tuple([u not in passive for u in operands])]
            )
            self._backs.append(back)
            if back is None:
                passive.add(v)

    def __call__(
        self, point: Sequence[float], tick: Tick = no_tick
    ) -> tuple[list[Any], list[float]]:
        """The outputs, and the cotangents of `wrt`.

        Raises `ArithmeticError` or `ValueError` where a float raises and an array would hold inf or NaN.
        """
        operands, count = self._operands, len(point)
        values: list[Any] = list(point)
        push = values.append
        for start in range(0, len(operands), STRETCH):
            part = slice(start, start + STRETCH)
            for forward, places in zip(self._forwards[part], operands[part], strict=True):
                push(forward(values, places))
            tick()
        bars: list[Any] = [None] * len(values)
        bars[self._out] = 1.0
        for end in range(self._out - count + 1, 0, -STRETCH):
            start = max(0, end - STRETCH)
            places = range(count + end - 1, count + start - 1, -1)
            parts = self._backs[start:end], operands[start:end]
            for back, at, y in zip(*map(reversed, parts), places, strict=True):
                if back is not None:
                    back(values, bars, at, y)
            tick()
        slopes = [0.0 if bars[i] is None else bars[i] for i in self._wrt]
        return [values[v] for v in self._outputs], slopes


def _back(site: Site, active: tuple[bool, ...]) -> Back:
    """The reverse rule at this site as a function on lists of values and cotangents."""
    piece = reverse_piece(site, active, (True,))
    arity = len(site.ins)
    if not all(is_scalar(s) for s, _ in piece.nodes):
        raise NotScalar
    nodes = [(arity + 2 + k, s, operands) for k, (s, operands) in enumerate(piece.nodes)]
    uses = uses_of(nodes, [])
    names = {v: f"v{v}" for v in range(arity)} | {arity: "y", arity + 1: "y_bar"}
    lines = ["    y_bar = bars[at]", "    if y_bar is None: return"]
    lines.append(f"    {', '.join(f'i{v}' for v in range(arity))}, = operands")
    lines += [f"    v{v} = values[i{v}]" for v in range(arity) if v in uses]
    if arity in uses:
        lines.append("    y = values[at]")
    results = [v for v in piece.results if v is not None]
    numbers = write(nodes, uses_of(nodes, results), names, lines)
    for i, v in enumerate(piece.results):
        if v is not None:
            lines.append(f"    x_bar = {names[v]}")
            lines.append(f"    bar = bars[i{i}]")
            lines.append(f"    bars[i{i}] = x_bar if bar is None else bar + x_bar")
    return bound("back(values, bars, operands, at)", lines, numbers)
