"""How few seeds fill a sparse matrix: columns (or rows) that do not meet share one, and what is dense goes alone.

A few long rows would force a colour on every column, so they are left to the other mode, one seed each; of a symmetric matrix they
are read from the columns of the same number instead (a direct method on a star colouring whose hubs have colours of their own).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.colouring import Colours, colour
from gradproof_service.transforms.sparsity.pattern import Pattern

LONG = 64
"""Most long rows that are taken out one by one."""


@dataclass(frozen=True, slots=True)
class Compression:
    """The seeds, and where each entry stands in what they give.

    Column c is seeded in forward group `columns[c]`, row r in reverse group `rows[r]` (-1: in none). The results, one row of
    outputs for each forward group and then one row of inputs for each reverse group, laid flat behind each other, hold entry e
    at `places[e]`.
    """

    columns: Array
    forward: int
    rows: Array
    reverse: int
    places: Array

    @property
    def seeds(self) -> int:
        """Seeds of both kinds."""
        return self.forward + self.reverse


def compress(pattern: Pattern, *, symmetric: bool = False) -> Compression | None:
    """The cheapest of: columns, rows, columns with the long rows apart, rows with the long columns apart; None when none is cheap.

    With `symmetric` the pattern is a symmetric matrix's, of which only products with columns can be had. An option whose least
    possible number of seeds does not beat what is found already is not tried.
    """
    best: Compression | None = None
    for least, attempt in sorted(_options(pattern, symmetric), key=lambda option: option[0]):
        if best is None or least < best.seeds:
            found = attempt()
            if found is not None and (best is None or found.seeds < best.seeds):
                best = found
    return best


def one_each(pattern: Pattern, *, symmetric: bool = False) -> Compression:
    """A seed for every column, or for every row where there are fewer: what is left when nothing can share one."""
    if symmetric or pattern.width <= pattern.rows:
        columns, forward = np.arange(pattern.width), pattern.width
        rows, reverse = np.full(pattern.rows, -1), 0
    else:
        columns, forward = np.full(pattern.width, -1), 0
        rows, reverse = np.arange(pattern.rows), pattern.rows
    use_row = np.full(pattern.entries, bool(reverse))
    return _settled(pattern, columns, forward, rows, reverse, use_row)


def _options(
    pattern: Pattern, symmetric: bool
) -> list[tuple[int, Callable[[], Compression | None]]]:
    """What can be tried, each with the fewest seeds that it may take."""
    longest, hubs, fewest = _hubs(pattern)
    options: list[tuple[int, Callable[[], Compression | None]]] = []
    options.append((longest, lambda: _columns(pattern, 0, symmetric=symmetric)))
    if hubs:
        options.append((fewest, lambda: _columns(pattern, hubs, symmetric=symmetric)))
    if symmetric:
        return options
    across = pattern.transposed
    high, poles, few = _hubs(across)
    options.append((high, lambda: _turned(pattern, across, 0)))
    if poles:
        options.append((few, lambda: _turned(pattern, across, poles)))
    return options


def _hubs(pattern: Pattern) -> tuple[int, int, int]:
    """The longest row, how many of the longest to take out, and how long the longest of the others is plus those."""
    lengths = np.sort(pattern.lengths)[::-1][: LONG + 1]
    if not len(lengths):
        return 0, 0, 0
    together = lengths + np.arange(len(lengths))
    return int(lengths[0]), int(np.argmin(together)), int(together.min())


def _columns(pattern: Pattern, hubs: int, *, symmetric: bool = False) -> Compression | None:
    """Forward groups for the columns; the `hubs` longest rows by reverse seeds, or by their own columns when symmetric."""
    if not hubs:
        colours = colour(pattern)
        if colours is None:
            return None
        return _placed(pattern, colours, np.full(pattern.rows, -1), 0)
    long = np.sort(np.argsort(-pattern.lengths, kind="stable")[:hubs])
    apart = np.full(pattern.rows, -1)
    apart[long] = np.arange(hubs)
    kept = apart[pattern.row_of] < 0
    if symmetric:
        kept &= apart[pattern.columns] < 0
    rest = Pattern(
        np.concatenate(([0], np.cumsum(kept)))[pattern.starts], pattern.columns[kept], pattern.width
    )
    colours = colour(rest)
    if colours is None:
        return None
    if not symmetric:
        return _placed(pattern, colours, apart, hubs)
    of = np.where(apart >= 0, colours.count + apart, colours.of)
    return _mirrored(pattern, Colours(of, colours.count + hubs), apart)


def _turned(pattern: Pattern, across: Pattern, hubs: int) -> Compression | None:
    """The same with rows and columns exchanged."""
    found = _columns(across, hubs)
    if found is None:
        return None
    use_row = found.rows[pattern.columns] < 0
    return _settled(pattern, found.rows, found.reverse, found.columns, found.forward, use_row)


def _placed(pattern: Pattern, colours: Colours, apart: Array, hubs: int) -> Compression:
    return _settled(pattern, colours.of, colours.count, apart, hubs, apart[pattern.row_of] >= 0)


def _settled(
    pattern: Pattern, columns: Array, forward: int, rows: Array, reverse: int, use_row: Array
) -> Compression:
    """Where each entry is read: from the group of its row, or of its column."""
    row, column = pattern.row_of.astype(np.int64), pattern.columns.astype(np.int64)
    in_row = forward * pattern.rows + rows[row] * pattern.width + column
    places = np.where(use_row, in_row, columns[column] * pattern.rows + row)
    return Compression(columns, forward, rows, reverse, places)


def _mirrored(pattern: Pattern, colours: Colours, apart: Array) -> Compression:
    """Entries of long rows are read from the column of the same number, which is alone in its group."""
    row, column = pattern.row_of.astype(np.int64), pattern.columns.astype(np.int64)
    swap = apart[row] >= 0
    source, at = np.where(swap, row, column), np.where(swap, column, row)
    return Compression(
        colours.of,
        colours.count,
        np.full(pattern.rows, -1),
        0,
        colours.of[source] * pattern.rows + at,
    )
