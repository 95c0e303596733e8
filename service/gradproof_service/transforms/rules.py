"""Derivative rules traced once: what an op's rule emits at one site, kept as a piece of graph to be copied.

A rule is a formula over types, not over values, so wherever one site stands it emits the same nodes. The piece is made by
running the rule against placeholders, and is remembered on the site: a chain of a million equal nodes runs its rule once.
Rules that call functions of the program (`jvp_all`, `vjp_all`) look into those and are run each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gradproof_service.graph.builder import Builder, Value
from gradproof_service.ops.record import Site

Mask = tuple[bool, ...]


class Piece(NamedTuple):
    """What one rule emits: nodes over placeholders, and which of their values are its results.

    Values are numbered: placeholders (operands, outputs, then the tangents or cotangents that are given), then the
    outputs of `nodes` in order. A result is None where nothing flows.
    """

    nodes: tuple[tuple[Site, tuple[int, ...]], ...]
    results: tuple[int | None, ...]

    def emit(self, xp: Builder, given: Sequence[int]) -> list[int | None]:
        """Append the nodes over the value ids `given`; the ids of the results."""
        ids = list(given)
        add_once = xp.add_once
        for site, operands in self.nodes:
            first = add_once(site, tuple([ids[v] for v in operands]))
            if len(site.outs) == 1:
                ids.append(first)
            else:
                ids.extend(range(first, first + len(site.outs)))
        return [None if v is None else ids[v] for v in self.results]


def forward_piece(site: Site, seeded: Mask) -> Piece:
    """The tangents of the outputs from those of the operands in `seeded`: one result for each output."""
    key = ("jvp", seeded)
    found = site.pieces.get(key)
    if found is None:
        found = site.pieces[key] = _forward_piece(site, seeded)
    return found


def reverse_piece(site: Site, wanted: Mask, seeded: Mask) -> Piece:
    """The cotangents of the operands in `wanted` from those of the outputs in `seeded`: one result for each operand."""
    key = ("vjp", wanted, seeded)
    found = site.pieces.get(key)
    if found is None:
        found = site.pieces[key] = _reverse_piece(site, wanted, seeded)
    return found


def _forward_piece(site: Site, seeded: Mask) -> Piece:
    op = site.op
    xp, xs, ys = _stage(site)
    dots = [
        xp.input(f"x{i}_dot", t) if s else None
        for i, (t, s) in enumerate(zip(site.ins, seeded, strict=True))
    ]
    terms: list[tuple[Value | None, ...]] = []
    for i, x_dot in enumerate(dots):
        rule = op.jvp_rule(i) if x_dot is not None else None
        if rule is not None:
            y_dot = rule(xp, site, xs, ys, x_dot)
            terms.append(y_dot if isinstance(y_dot, tuple) else (y_dot,))
    return _piece(xp, gathered(xp, site, terms))


def _reverse_piece(site: Site, wanted: Mask, seeded: Mask) -> Piece:
    op = site.op
    xp, xs, ys = _stage(site)
    bars = tuple(
        xp.input(f"y{i}_bar", t) if s else None
        for i, (t, s) in enumerate(zip(site.outs, seeded, strict=True))
    )
    y_bar = bars[0] if len(bars) == 1 else bars
    results: list[Value | None] = []
    for i, (want, t) in enumerate(zip(wanted, site.ins, strict=True)):
        rule = op.vjp_rule(i) if want else None
        x_bar = None if rule is None else rule(xp, site, xs, ys, y_bar)
        results.append(None if x_bar is None else xp.unbroadcast(x_bar, t))
    return _piece(xp, results)


def _stage(site: Site) -> tuple[Builder, tuple[Value, ...], tuple[Value, ...]]:
    """A builder with a placeholder for each operand and each output of the site."""
    xp = Builder(site.op.name)
    xs = tuple([xp.input(f"x{i}", t) for i, t in enumerate(site.ins)])
    return xp, xs, tuple([xp.input(f"y{i}", t) for i, t in enumerate(site.outs)])


def _piece(xp: Builder, results: Sequence[Value | None]) -> Piece:
    return Piece(xp.nodes, tuple([None if v is None else v.id for v in results]))


def gathered(
    xp: Builder, site: Site, terms: Sequence[Sequence[Value | None]]
) -> list[Value | None]:
    """The operands' contributions to each output's tangent, summed and fitted to its type."""
    dots: list[Value | None] = []
    for j, t in enumerate(site.outs):
        total: Value | None = None
        for term in terms if t.is_float else ():
            part = term[j]
            if part is not None:
                part = xp.fit(part, t)
                total = part if total is None else total + part
        dots.append(total)
    return dots
