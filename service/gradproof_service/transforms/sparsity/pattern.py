"""Where the entries of a sparse matrix stand: the columns of each row, without numbers.

A pattern is immutable and its columns are sorted and distinct within a row. Work and memory are linear in the entries that are
read and written; `TooDense` is raised before more than `ENTRIES` of them are made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from gradproof_service.arrays import Array
from gradproof_service.ops.record import Lands

ENTRIES = 1 << 26
"""Most entries of one pattern (half a GiB of indices)."""


class TooDense(Exception):
    """The structure has so many entries that it is no use to know it."""


@dataclass(frozen=True)
class Pattern:
    """Rows of columns: row r has `columns[starts[r]:starts[r + 1]]`, sorted, each below `width`."""

    starts: Array
    columns: Array
    width: int

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.starts) - 1

    @property
    def entries(self) -> int:
        """Number of entries."""
        return len(self.columns)

    @cached_property
    def lengths(self) -> Array:
        """Entries of each row."""
        return np.diff(self.starts)

    @cached_property
    def row_of(self) -> Array:
        """The row of each entry."""
        return np.repeat(np.arange(self.rows, dtype=self.columns.dtype), self.lengths)

    @cached_property
    def transposed(self) -> Pattern:
        """The same entries by column."""
        return _of_matrix(self.matrix().T.tocsr())

    def matrix(self) -> Any:
        """The pattern as a `csr_array` of True."""
        return csr_array(
            (np.ones(self.entries, bool), self.columns, self.starts), shape=(self.rows, self.width)
        )

    def part(self, first: int, stop: int) -> Pattern:
        """Some consecutive rows."""
        low, high = self.starts[first], self.starts[stop]
        return Pattern(self.starts[first : stop + 1] - low, self.columns[low:high], self.width)

    def with_entries(self, held: Array) -> Pattern:
        """Only the entries that are held, rows and columns as they were."""
        starts = np.concatenate(([0], np.cumsum(held)))[self.starts]
        return Pattern(starts, self.columns[held], self.width)

    def columns_between(self, first: int, stop: int) -> tuple[Pattern, Array]:
        """Some consecutive columns, renumbered from zero, and which entries those are."""
        held = (self.columns >= first) & (self.columns < stop)
        part = self.with_entries(held)
        return Pattern(part.starts, part.columns - first, stop - first), np.flatnonzero(held)


def empty(rows: int, width: int) -> Pattern:
    """No entries."""
    return Pattern(np.zeros(rows + 1, np.int32), np.zeros(0, np.int32), width)


def identity(held: Array) -> Pattern:
    """The diagonal, where it is held."""
    return single(np.where(held, np.arange(len(held)), -1), len(held))


def single(columns: Array, width: int) -> Pattern:
    """One entry for each row, none where the column is -1."""
    held = columns >= 0
    if held.all():
        return Pattern(np.arange(len(columns) + 1), columns.astype(_index(width)), width)
    return Pattern(
        np.concatenate(([0], np.cumsum(held))), columns[held].astype(_index(width)), width
    )


def of_entries(rows: Array, columns: Array, height: int, width: int) -> Pattern:
    """The pattern of entries in any order."""
    return _of_matrix(csr_array((np.ones(len(rows), bool), (rows, columns)), shape=(height, width)))


def union(patterns: Sequence[Pattern]) -> Pattern:
    """The entries of any of them; one pattern given several times costs nothing."""
    distinct = list({id(p): p for p in patterns}.values())
    total = distinct[0]
    for p in distinct[1:]:
        if p.entries == total.entries and _same(p, total):
            continue
        need(p.entries + total.entries)
        total = _of_matrix(total.matrix() + p.matrix())
    return total


def stacked(patterns: Sequence[Pattern]) -> Pattern:
    """One below the other."""
    starts = [np.zeros(1, np.int64)]
    at = 0
    for p in patterns:
        starts.append(p.starts[1:].astype(np.int64) + at)
        at += p.entries
    return Pattern(
        np.concatenate(starts), np.concatenate([p.columns for p in patterns]), patterns[0].width
    )


def through(read: Array | Lands | None, size: int, operand: Pattern) -> Pattern:
    """The rows of a value of `size` elements that reads the operand like this (see `ops.reads`)."""
    if read is None:
        every = np.unique(operand.columns)
        need(size * len(every))
        return Pattern(np.arange(size + 1) * len(every), np.tile(every, size), operand.width)
    if isinstance(read, Lands):
        at = read.places.reshape(-1)
        held = at >= 0
        rows, columns = at[held], read.x.reshape(-1)[held]
        need(len(rows))
        return _product(of_entries(rows, columns, size, operand.rows).matrix(), operand)
    if not size or not read.size:
        return empty(size, operand.width)
    need(read.size)
    flat = read.reshape(size, -1)
    held = flat >= 0
    whole = bool(held.all())
    if flat.shape[1] == 1:
        return _taken(operand, flat[:, 0], held[:, 0], whole)
    starts = (
        np.arange(size + 1) * flat.shape[1]
        if whole
        else np.concatenate(([0], np.cumsum(held.sum(1))))
    )
    columns = flat.reshape(-1) if whole else flat[held]
    reads = csr_array((np.ones(len(columns), bool), columns, starts), shape=(size, operand.rows))
    return _product(reads, operand)


def need(entries: int) -> None:
    """Raises `TooDense` for more than `ENTRIES`."""
    if entries > ENTRIES:
        raise TooDense(
            f"a sparse structure would have {entries:.3g} entries, the limit is {ENTRIES:.3g}"
        )


def _taken(operand: Pattern, at: Array, held: Array, whole: bool) -> Pattern:
    """Some rows of a pattern, empty ones where nothing is held."""
    at = at if whole else np.where(held, at, 0)
    lengths = operand.lengths[at]
    if not whole:
        lengths = np.where(held, lengths, 0)
    starts = np.concatenate(([0], np.cumsum(lengths)))
    need(int(starts[-1]))
    places = np.repeat(operand.starts[at] - starts[:-1], lengths) + np.arange(starts[-1])
    return Pattern(starts, operand.columns[places], operand.width)


def _product(reads: Any, operand: Pattern) -> Pattern:
    need(int(operand.lengths[reads.indices].sum()))
    return _of_matrix(reads @ operand.matrix())


def _of_matrix(matrix: Any) -> Pattern:
    matrix.sum_duplicates()
    matrix.sort_indices()
    return Pattern(matrix.indptr, matrix.indices, matrix.shape[1])


def _same(a: Pattern, b: Pattern) -> bool:
    return np.array_equal(a.starts, b.starts) and np.array_equal(a.columns, b.columns)


def _index(width: int) -> Any:
    return np.int32 if width < 2**31 - 1 else np.int64
