"""Where the lanes' derivatives go in a sparse matrix, found once.

Most lanes have entries by the same variables, their columns in one order, and follow each other as the rows do: their derivatives,
laid side by side, are the matrix's entries as they stand. Lanes that lack some (at a border), or whose columns come in another order
or meet (at a periodic one), are set apart and written one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.pattern import Pattern, TooDense, need
from gradproof_service.transforms.sparsity.places import (
    Grid,
    Shape,
    in_shape,
    places_of,
)

INDEX = np.int32


@dataclass(frozen=True, slots=True)
class InOrder:
    """Lane l has its entries side by side from entry `first[l]` on, one by each variable."""

    first: Grid


@dataclass(frozen=True, slots=True)
class OneByOne:
    """The derivative by variable k in lane l goes to entry `places[k][l]`, -1: nowhere; where several go to one they add up.

    `whole` where each has one entry of its own.
    """

    places: tuple[Array, ...]
    whole: bool


To = InOrder | OneByOne


Same = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """Some lanes of a group (None: all of them), the variables by which they have entries, and where those go.

    Variables that stand together are one and the same in these lanes: they have one entry.
    """

    group: int
    lanes: Array | None
    variables: tuple[Same, ...]
    to: To


@dataclass(frozen=True, slots=True)
class Assembly:
    """The pattern and the parts that fill it."""

    pattern: Pattern
    parts: tuple[Part, ...]


@dataclass(slots=True)
class _Table:
    """The columns of one group's lanes by variable, -1 for none, one element for all lanes alike."""

    rows: Array
    columns: Sequence[Array]
    usual: tuple[Same, ...]
    """The variables that a usual lane has by their columns, those of one column together."""
    odd: Array
    """Lanes that have other variables, or whose columns are not in that order, or meet otherwise."""
    ranks: Array
    """For odd lanes the place of each column among the lane's distinct ones, -1 where there is none."""


def assembled(groups: Sequence[tuple[Array, Sequence[Array]]], rows: int, width: int) -> Assembly:
    """The matrix that groups of (output rows, columns of each variable) fill; each row is in one lane.

    A column array of one element stands for all lanes; -1 is no column. Raises `TooDense` for too many entries.
    """
    need(sum(len(at) * len(columns) for at, columns in groups))
    if max(rows, width) > np.iinfo(INDEX).max:
        raise TooDense(f"{rows} x {width} entries have no index of 32 bits")
    tables = [_table(at, columns) for at, columns in groups]
    lengths = np.zeros(rows + 1, INDEX)
    for t in tables:
        lengths[1:][t.rows if len(t.rows) < rows else ...] = len(t.usual)
        lengths[1:][t.rows[t.odd]] = t.ranks.max(axis=1, initial=-1) + 1
    starts = np.cumsum(lengths, dtype=INDEX)
    columns = np.empty(int(starts[-1]), INDEX)
    parts: list[Part] = []
    for g, t in enumerate(tables):
        parts += _parts(g, t, starts, columns)
    return Assembly(Pattern(starts, columns, width), tuple(parts))


def in_blocks(part: Part, shape: Shape) -> Part:
    """The part for lanes that are walked in this shape: one by one where its own does not go with it."""
    if isinstance(part.to, OneByOne):
        return part
    first = in_shape(part.to.first, shape)
    if isinstance(first, Grid):
        return replace(part, to=InOrder(first))
    places = first.at[:, None] + np.arange(len(part.variables))
    return replace(part, to=_one_by_one(places, True))


def _table(rows: Array, columns: Sequence[Array]) -> _Table:
    usual = _usual_order(len(rows), columns)
    ordinary = np.ones(len(rows), dtype=bool)
    before: Array | int = -1
    for first, *same in usual:
        ordinary &= columns[first] > before
        before = columns[first]
        for k in same:
            ordinary &= columns[k] == before
    for k in set(range(len(columns))).difference(*usual):
        ordinary &= columns[k] < 0
    odd = np.zeros(0, np.int64) if ordinary.all() else np.flatnonzero(~ordinary)
    table = np.empty((len(odd), len(columns)), INDEX)
    for j, column in enumerate(columns):
        table[:, j] = _at(column, odd)
    return _Table(rows, columns, usual, odd, _ranks(table))


def _at(column: Array, lanes: Array | None) -> Array:
    """A variable's columns in some lanes."""
    return column if lanes is None or len(column) == 1 else column[lanes]


def _usual_order(lanes: int, columns: Sequence[Array]) -> tuple[Same, ...]:
    """The variables of a lane near the middle that has as many as any, by their columns there."""
    lane = lanes // 2
    if any(int(c[min(lane, len(c) - 1)]) < 0 for c in columns):
        shape = np.zeros(lanes, np.int16)
        count = sum((np.broadcast_to(c >= 0, lanes).astype(np.int16) for c in columns), shape)
        full = np.flatnonzero(count == count.max())
        lane = int(full[len(full) // 2])
    found: dict[int, Same] = {}
    for k, column in enumerate(columns):
        here = int(column[lane if len(column) > 1 else 0])
        found[here] = (*found.get(here, ()), k)
    return tuple([found[here] for here in sorted(found) if here >= 0])


def _ranks(table: Array) -> Array:
    """For each row of columns the place of each among the distinct ones, -1 where there is none."""
    if not len(table):
        return np.zeros(table.shape, np.int64)
    above = np.where(table < 0, np.iinfo(INDEX).max, table)
    order = np.argsort(above, axis=1, kind="stable")
    ranked = np.take_along_axis(above, order, axis=1)
    fresh = np.ones(table.shape, dtype=bool)
    fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
    rank = np.empty(table.shape, np.int64)
    np.put_along_axis(rank, order, np.cumsum(fresh, axis=1) - 1, axis=1)
    return np.where(table < 0, -1, rank)


def _parts(group: int, t: _Table, starts: Array, columns: Array) -> list[Part]:
    """The group's parts; writes its columns into their places."""
    found: list[Part] = []
    if t.usual and len(t.odd) < len(t.rows):
        found.append(_usual(group, t, starts, columns))
    if (t.ranks >= 0).any():
        places = np.where(t.ranks < 0, -1, starts[t.rows[t.odd]][:, None] + t.ranks)
        held = places >= 0
        for k, mine in enumerate(held.T):
            columns[places[mine, k]] = _at(t.columns[k], t.odd[mine])
        whole = bool((t.ranks.max(axis=1, initial=-1) + 1 == held.shape[1]).all())
        some = np.flatnonzero(held.any(axis=0))
        variables = tuple([(k,) for k in some.tolist()])
        found.append(Part(group, t.odd, variables, _one_by_one(places[:, some], whole)))
    return found


def _usual(group: int, t: _Table, starts: Array, columns: Array) -> Part:
    """The lanes whose entries stand side by side in the usual order."""
    lanes, rows = None, t.rows
    if len(t.odd):
        usual = np.ones(len(rows), dtype=bool)
        usual[t.odd] = False
        lanes = np.flatnonzero(usual)
        rows = rows[lanes]
    first = starts[rows]
    at = places_of(first)
    if isinstance(at, Grid):
        for j, (k, *_) in enumerate(t.usual):
            mine = _at(t.columns[k], lanes)
            at.moved(j).view(columns)[...] = mine.reshape(at.shape) if len(mine) > 1 else mine
        return Part(group, lanes, t.usual, InOrder(at))
    places = first[:, None] + np.arange(len(t.usual))
    for j, (k, *_) in enumerate(t.usual):
        columns[places[:, j]] = _at(t.columns[k], lanes)
    return Part(group, lanes, t.usual, _one_by_one(places, True))


def _one_by_one(places: Array, whole: bool) -> OneByOne:
    return OneByOne(tuple([np.ascontiguousarray(column) for column in places.T]), whole)
