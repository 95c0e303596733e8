"""Colours for the columns of a pattern: columns of one colour share no row, so one seed serves them all.

Linear in the entries. A stencil's columns repeat with a period, which is tried first and often needs no colour too many; otherwise
columns of many entries choose first, ties broken by chance, all that do not touch each other in one vectorised round (Jones and
Plassmann 1993, first fit).

A symmetric matrix needs less: of an entry and its mirror image one must stand alone. Then columns of one colour may share a row
whose own colour is lower (a star colouring, after Powell and Toint 1979 and Coleman and More 1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.pattern import Pattern

PERIODIC = 48
"""Longest row whose columns are looked at pair by pair for a period."""
DISTANCES = 1 << 16
"""Most distinct distances within rows that a period is sought for."""
TOGETHER = 64
"""Longest row for which columns choose in rounds; each round gives one column of a row its colour."""
COLOURS = 2048
"""Most colours that are worth finding."""


@dataclass(frozen=True, slots=True)
class Colours:
    """`of[c]` is the colour of column c, -1 for a column without entries; `count` is how many there are."""

    of: Array
    count: int


def colour(pattern: Pattern) -> Colours | None:
    """Colours for the columns, or None where more than `COLOURS` would be needed."""
    used = np.zeros(pattern.width, dtype=bool)
    used[pattern.columns] = True
    longest = int(pattern.lengths.max(initial=0))
    if longest <= 1:
        return Colours(np.where(used, 0, -1), min(longest, 1))
    if longest > COLOURS:
        return None
    period = _period(pattern, longest) if longest <= PERIODIC else None
    repeated = None
    if period is not None:
        repeated = _renumbered(np.where(used, np.arange(pattern.width) % period, -1))
        if period == longest:
            return repeated
    greedy = _first_fit(pattern, False) if longest <= TOGETHER else _one_by_one(pattern, False)
    if repeated is not None and (greedy is None or greedy.count > repeated.count):
        return repeated
    return greedy


def star(pattern: Pattern) -> Colours | None:
    """Colours for a symmetric pattern with its diagonal, so that of each entry and its mirror image one is alone in its row.

    Alone: no other column of the row has its colour. No two neighbours have one colour. None where more than `COLOURS` would be
    needed.
    """
    longest = int(pattern.lengths.max(initial=0))
    if longest > COLOURS:
        return None
    return _first_fit(pattern, True) if longest <= TOGETHER else _one_by_one(pattern, True)


def alone(pattern: Pattern, colours: Array) -> Array:
    """For each entry whether it is the only one of its colour in its row."""
    key = _pairs(pattern, colours)
    _, which, count = np.unique(key, return_inverse=True, return_counts=True)
    return count[which] == 1


def clashes(pattern: Pattern, colours: Array) -> int:
    """How many entries share their row with another of the same colour."""
    key = _pairs(pattern, colours)
    return len(key) - len(np.unique(key))


def _pairs(pattern: Pattern, colours: Array) -> Array:
    """A number for each entry's row and colour."""
    count = int(colours.max(initial=0)) + 1
    return pattern.row_of.astype(np.int64) * count + colours[pattern.columns]


def _period(pattern: Pattern, longest: int) -> int | None:
    """The smallest p for which columns c and c' of one row never have c = c' modulo p; None when that needs many more colours."""
    columns, rows = pattern.columns.astype(np.int64), pattern.row_of
    found: Array = np.zeros(0, np.int64)
    for lag in range(1, longest):
        apart = (columns[lag:] - columns[:-lag])[rows[lag:] == rows[:-lag]]
        if len(apart) > 1 and not (apart != apart[0]).any():
            apart = apart[:1]
        found = np.union1d(found, apart)
        if len(found) > DISTANCES:
            return None
    for p in range(longest, 2 * longest + 2):
        if (found % p).all():
            return p
    return None


def _first_fit(pattern: Pattern, symmetric: bool) -> Colours | None:
    by_column = pattern.transposed
    degree = by_column.lengths
    chance = np.random.default_rng(0).permutation(pattern.width)
    priority = np.empty(pattern.width, np.int64)
    priority[np.lexsort((chance, degree))] = np.arange(1, pattern.width + 1)
    colours = np.full(pattern.width, -1, np.int64)
    taken = np.zeros((pattern.rows, 1), np.uint64)
    rows, columns = by_column.columns, by_column.row_of
    while len(rows):
        best = np.zeros(pattern.rows, np.int64)
        np.maximum.at(best, rows, priority[columns])
        lost = np.zeros(pattern.width, dtype=bool)
        lost[columns[best[rows] != priority[columns]]] = True
        wins = ~lost[columns]
        taken = _give(colours, taken, rows[wins], columns[wins], symmetric)
        if taken.shape[1] * 64 > COLOURS:
            return None
        rows, columns = rows[~wins], columns[~wins]
    return Colours(colours, int(colours.max(initial=-1)) + 1)


def _give(colours: Array, taken: Array, rows: Array, columns: Array, symmetric: bool) -> Array:
    """The first free colour to each of some columns that share no row; the colours taken by each row after that.

    With `symmetric` a row that has a colour itself keeps only those up to its own: the higher ones may be there again.
    """
    starts = np.flatnonzero(np.concatenate(([True], columns[1:] != columns[:-1])))
    for word in range(COLOURS // 64 + 1):
        if word == taken.shape[1]:
            taken = np.concatenate((taken, np.zeros((len(taken), 1), np.uint64)), axis=1)
        free = ~np.bitwise_or.reduceat(taken[rows, word], starts)
        fits = free != 0
        lowest = free & (~free + np.uint64(1))
        chosen = columns[starts[fits]]
        colours[chosen] = 64 * word + np.log2(lowest[fits].astype(np.float64)).astype(np.int64)
        lengths = np.diff(np.append(starts, len(rows)))
        entry = np.repeat(fits, lengths)
        there, given = rows[entry], np.repeat(lowest, lengths)[entry]
        if symmetric:
            own = colours[there]
            given[(own >= 0) & (own < colours[columns[entry]])] = 0
            taken[chosen, word] &= 2 * lowest[fits] - 1
            taken[chosen, word + 1 :] = 0
        taken[there, word] |= given
        if fits.all():
            break
        rows, columns = rows[~entry], columns[~entry]
        starts = np.flatnonzero(np.concatenate(([True], columns[1:] != columns[:-1])))
    return taken


def _one_by_one(pattern: Pattern, symmetric: bool) -> Colours | None:
    """First fit, column after column, those of many entries first: for long rows, where few columns can choose at once."""
    by_column = pattern.transposed
    order = np.argsort(-by_column.lengths, kind="stable")
    starts, rows = by_column.starts, by_column.columns
    colours = np.full(pattern.width, -1, np.int64)
    taken = np.zeros((pattern.rows, int(pattern.lengths.max()) // 64 + 1), np.uint64)
    for c in order[: int(np.count_nonzero(by_column.lengths))]:
        mine = rows[starts[c] : starts[c + 1]]
        free = ~np.bitwise_or.reduce(taken[mine], axis=0)
        word = int(np.argmax(free != 0))
        if not free[word]:
            word = taken.shape[1]
            if 64 * word >= COLOURS:
                return None
            taken = np.concatenate((taken, np.zeros((len(taken), 1), np.uint64)), axis=1)
            bit = 0
        else:
            lowest = int(free[word]) & -int(free[word])
            bit = lowest.bit_length() - 1
        colours[c] = 64 * word + bit
        if symmetric:
            own = colours[mine]
            mine = mine[(own < 0) | (own >= colours[c])]
            taken[c, word] &= np.uint64((2 << bit) - 1)
            taken[c, word + 1 :] = 0
        taken[mine, word] |= np.uint64(1 << bit)
    return Colours(colours, int(colours.max(initial=-1)) + 1)


def _renumbered(colours: Array) -> Colours:
    """The same colours without those that no column has."""
    names, of = np.unique(colours, return_inverse=True)
    first = int(names[0] == -1)
    return Colours(of - first, len(names) - first)
