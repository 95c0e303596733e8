"""Where the lanes' derivatives go in a sparse matrix, found once.

Most lanes have the columns of their variables in one order, and follow each other as the rows do: their derivatives, laid side by
side, are the matrix's entries as they stand. Lanes whose columns come in another order or meet (at a periodic border) are set apart
and written one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.pattern import Pattern, TooDense, need

INDEX = np.int32


@dataclass(frozen=True, slots=True)
class InOrder:
    """Lane l has its entries side by side from entry `first + step * l` on, the derivative by variable k `back[k]` behind that."""

    first: int
    step: int
    back: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Selected:
    """Entries from `first` on: a table whose column `back[k]` is the derivative by variable k, less what is not `held`."""

    first: int
    back: tuple[int, ...]
    held: Array


@dataclass(frozen=True, slots=True)
class OneByOne:
    """Variable k's derivative in lane l is added to entry `places[k][l]`, -1: nowhere."""

    places: tuple[Array, ...]


To = InOrder | Selected | OneByOne


@dataclass(frozen=True, slots=True)
class Part:
    """Some lanes of a group (None: all of them) and where their entries go."""

    group: int
    lanes: Array | None
    to: To


@dataclass(frozen=True, slots=True)
class Assembly:
    """The pattern and the parts that fill it; `added` where entries are added to and must be zero beforehand."""

    pattern: Pattern
    parts: tuple[Part, ...]
    added: bool


@dataclass(slots=True)
class _Table:
    """The columns of one group's lanes, (lanes, variables), -1 for none, in the order of a usual lane."""

    rows: Array
    columns: Array
    order: tuple[int, ...]
    held: Array | None
    odd: Array
    """Lanes whose columns are not in that order, or meet."""


def assembled(groups: Sequence[tuple[Array, Sequence[Array]]], rows: int, width: int) -> Assembly:
    """The matrix that groups of (output rows, columns of each variable) fill; each row is in one lane.

    A column array of one element stands for all lanes; -1 is no column. Raises `TooDense` for too many entries.
    """
    need(sum(len(at) * len(columns) for at, columns in groups))
    if max(rows, width) > np.iinfo(INDEX).max:
        raise TooDense(f"{rows} x {width} entries have no index of 32 bits")
    tables = [_table(at, columns) for at, columns in groups]
    ranks = [_ranks(t.columns[t.odd]) for t in tables]
    lengths = np.zeros(rows + 1, INDEX)
    for t, rank in zip(tables, ranks, strict=True):
        lengths[t.rows + 1] = (
            t.columns.shape[1] if t.held is None else t.held.sum(axis=1, dtype=INDEX)
        )
        lengths[t.rows[t.odd] + 1] = rank.max(axis=1, initial=-1) + 1
    starts = np.cumsum(lengths, dtype=INDEX)
    columns = np.empty(int(starts[-1]), INDEX)
    parts: list[Part] = []
    for g, (t, rank) in enumerate(zip(tables, ranks, strict=True)):
        parts += _parts(g, t, rank, starts, columns)
    added = any(isinstance(part.to, OneByOne) for part in parts)
    return Assembly(Pattern(starts, columns, width), tuple(parts), added)


def _table(rows: Array, columns: Sequence[Array]) -> _Table:
    order = _usual_order(len(rows), columns)
    table = np.empty((len(rows), len(columns)), INDEX)
    for j, k in enumerate(order):
        table[:, j] = columns[k]
    if not table.size or int(table.min()) >= 0:
        held, rising = None, table[:, 1:] > table[:, :-1]
    else:
        held = table >= 0
        highest = np.maximum.accumulate(table, axis=1)
        rising = (table[:, 1:] > highest[:, :-1]) | ~held[:, 1:]
    odd = np.zeros(0, np.int64) if rising.all() else np.flatnonzero(~rising.all(axis=1))
    return _Table(rows, table, order, held, odd)


def _usual_order(lanes: int, columns: Sequence[Array]) -> tuple[int, ...]:
    """The variables by their columns in a lane near the middle that has as many as any."""
    lane = lanes // 2
    if any(int(c[min(lane, len(c) - 1)]) < 0 for c in columns):
        shape = np.zeros(lanes, np.int16)
        count = sum((np.broadcast_to(c >= 0, lanes).astype(np.int16) for c in columns), shape)
        full = np.flatnonzero(count == count.max())
        lane = int(full[len(full) // 2])
    return tuple(
        sorted(
            range(len(columns)), key=lambda k: int(columns[k][lane if len(columns[k]) > 1 else 0])
        )
    )


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


def _parts(group: int, t: _Table, rank: Array, starts: Array, columns: Array) -> list[Part]:
    """The group's parts; writes its columns into their places."""
    found: list[Part] = []
    if len(t.odd):
        places = np.where(rank < 0, -1, starts[t.rows[t.odd]][:, None] + rank)
        held = rank >= 0
        columns[places[held]] = t.columns[t.odd][held]
        found.append(Part(group, t.odd, _one_by_one(places, t.order)))
    if len(t.odd) == len(t.rows):
        return found
    lanes, rows, table, held = None, t.rows, t.columns, t.held
    if len(t.odd):
        lanes = np.setdiff1d(np.arange(len(rows)), t.odd)
        rows, table = rows[lanes], table[lanes]
        held = None if held is None else held[lanes]
    base = starts[rows]
    first = int(base[0])
    step = int(base[1]) - first if len(rows) > 1 else table.shape[1]
    if held is None and (base[1:] - base[:-1] == step).all():
        columns[base[:, None] + np.arange(table.shape[1])] = table
        return [*found, Part(group, lanes, InOrder(first, step, _back(t.order)))]
    count = table.size if held is None else int(held.sum())
    together = (rows[1:] - rows[:-1] == 1).all() and int(starts[rows[-1] + 1]) - first == count
    if held is not None and together:
        columns[first : first + count] = table[held]
        return [*found, Part(group, lanes, Selected(first, _back(t.order), held))]
    across = np.arange(table.shape[1]) if held is None else np.cumsum(held, axis=1) - 1
    places = base[:, None] + across
    if held is not None:
        places = np.where(held, places, -1)
    columns[places[places >= 0]] = table[places >= 0]
    return [*found, Part(group, lanes, _one_by_one(places, t.order))]


def _one_by_one(places: Array, order: tuple[int, ...]) -> OneByOne:
    """A table of places, its columns put back in the order of the variables."""
    return OneByOne(tuple(np.ascontiguousarray(places[:, j]) for j in _back(order)))


def _back(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(k) for k in range(len(order)))
