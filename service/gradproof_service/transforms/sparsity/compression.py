"""How few seeds fill a sparse matrix: columns (or rows) that do not meet share one, in both modes where that takes fewer.

Long rows would force a colour on every column, so they are left to the other mode, where long rows that do not meet share a seed
themselves. Of a symmetric matrix an entry may be read where its mirror image stands: columns whose rows are long have colours of
their own, the others a star colouring. Every entry is one number of one product: none is the result of a subtraction, whose
rounding would grow along the way (as it does where columns are recovered one from another by substitution).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import ceil

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.colouring import Colours, alone, colour, star
from gradproof_service.transforms.sparsity.pattern import Pattern, identity, union

LONG = 64
"""Most long rows of a symmetric matrix whose columns each have a colour of their own."""
STEEP = 4
"""How many times longer than the next a row is for those up to it to be taken out together."""


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

    With `symmetric` the pattern is a symmetric matrix's, of which only products with columns can be had: columns that do not meet,
    or a star colouring. An option whose least possible number of seeds does not beat what is found already is not tried.
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
    longest = int(pattern.lengths.max(initial=0))
    if symmetric and longest:
        return [
            (longest, lambda: _columns(pattern, 0)),
            (_sparsest(pattern), lambda: _star(pattern)),
        ]
    across = pattern.transposed
    found: list[tuple[int, Callable[[], Compression | None]]] = []
    for p, attempt in ((pattern, _columns), (across, lambda p, n: _turned(pattern, p, n))):
        found += [(least, partial(attempt, p, long)) for long, least in _splits(p)]
    return found


def _splits(pattern: Pattern) -> list[tuple[int, int]]:
    """How many of the longest rows may be taken out, and for each number the fewest seeds that are needed then.

    None of them; as many as pay when each takes a seed; and those that are several times longer than the rest, which may share.
    """
    lengths = np.sort(pattern.lengths)[::-1]
    if not len(lengths):
        return [(0, 0)]
    pays = int(np.argmin(lengths + np.arange(len(lengths))))
    steep = np.flatnonzero(lengths[:-1] >= STEEP * np.maximum(lengths[1:], 1)) + 1
    found = {0: int(lengths[0])}
    for long in {pays, *steep.tolist()} - {0}:
        across = np.bincount(pattern.columns[_apart(pattern, long)])
        found[long] = int(lengths[long] + across.max())
    return list(found.items())


def _apart(pattern: Pattern, long: int) -> Array:
    """For each entry whether it is in one of the longest rows, so many of them."""
    rows = np.zeros(pattern.rows, dtype=bool)
    rows[np.argsort(-pattern.lengths, kind="stable")[:long]] = True
    return rows[pattern.row_of]


def _columns(pattern: Pattern, long: int) -> Compression | None:
    """Forward groups for the columns, reverse groups for the `long` longest rows."""
    if not long:
        colours = colour(pattern)
        if colours is None:
            return None
        return _placed(pattern, colours, Colours(np.full(pattern.rows, -1), 0))
    theirs = _apart(pattern, long)
    colours = colour(pattern.with_entries(~theirs))
    across = colour(pattern.with_entries(theirs).transposed)
    return None if colours is None or across is None else _placed(pattern, colours, across)


def _star(pattern: Pattern) -> Compression | None:
    """Forward groups for a symmetric matrix: the columns of the longest rows each alone, the others by a star colouring."""
    lengths = np.sort(pattern.lengths)[::-1][: LONG + 1]
    hubs = int(np.argmin(lengths + np.arange(len(lengths))))
    apart = np.full(pattern.rows, -1)
    apart[np.argsort(-pattern.lengths, kind="stable")[:hubs]] = np.arange(hubs)
    kept = (apart[pattern.row_of] < 0) & (apart[pattern.columns] < 0)
    colours = star(union([pattern.with_entries(kept), identity(apart < 0)]))
    if colours is None:
        return None
    of = np.where(apart >= 0, colours.count + apart, colours.of)
    row, column = pattern.row_of.astype(np.int64), pattern.columns.astype(np.int64)
    here = alone(pattern, of)
    places = np.where(here, of[column] * pattern.rows + row, of[row] * pattern.rows + column)
    return Compression(of, colours.count + hubs, np.full(pattern.rows, -1), 0, places)


def _sparsest(pattern: Pattern) -> int:
    """Colours below which a star colouring is not to be hoped for: two of them hold a forest, and first fit takes half as many again."""
    beside = int((pattern.row_of != pattern.columns).sum()) / 2
    return ceil(1.5 * (beside / max(1, pattern.rows) + 1))


def _turned(pattern: Pattern, across: Pattern, long: int) -> Compression | None:
    """The same with rows and columns exchanged."""
    found = _columns(across, long)
    if found is None:
        return None
    use_row = found.rows[pattern.columns] < 0
    return _settled(pattern, found.rows, found.reverse, found.columns, found.forward, use_row)


def _placed(pattern: Pattern, colours: Colours, across: Colours) -> Compression:
    use_row = across.of[pattern.row_of] >= 0
    return _settled(pattern, colours.of, colours.count, across.of, across.count, use_row)


def _settled(
    pattern: Pattern, columns: Array, forward: int, rows: Array, reverse: int, use_row: Array
) -> Compression:
    """Where each entry is read: from the group of its row, or of its column."""
    row, column = pattern.row_of.astype(np.int64), pattern.columns.astype(np.int64)
    in_row = forward * pattern.rows + rows[row] * pattern.width + column
    places = np.where(use_row, in_row, columns[column] * pattern.rows + row)
    return Compression(columns, forward, rows, reverse, places)
