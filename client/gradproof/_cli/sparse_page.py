"""Sparse derivatives on the terminal and as JSON: shape, stored entries, and a table of the first of them."""

from __future__ import annotations

from typing import Final

import numpy as np
from gradproof_proto.sparse import Rows

from gradproof._cli import numbers

SHOWN: Final = 12
"""Entries in the table."""


def sparse_text(rows: Rows) -> str:
    """`999998 x 1000000, 2999994 entries stored`, and the first entries with their index; ends without a newline."""
    height, width = rows.matrix_shape
    count = rows.values.size
    lines = [f"sparse {height} x {width}, {numbers.plural(count, 'entry', 'entries')} stored"]
    indices = [list(map(int, at)) for at in zip(*_index(rows), strict=True)]
    texts = [numbers.number(float(v)) for v in rows.values[:SHOWN]]
    wide = max((len(str(at)) for at in indices), default=0)
    lines += [f"  {at!s:{wide}}  {text}" for at, text in zip(indices, texts, strict=True)]
    if count > SHOWN:
        lines.append(f"  and {count - SHOWN} more; --format json has them all")
    return "\n".join(lines)


def sparse_record(rows: Rows) -> dict[str, object]:
    """Every stored entry by rows, as `scipy.sparse.csr_array((value, columns, row_starts), matrix_shape)` takes them."""
    return {
        "dtype": str(rows.values.dtype),
        "shape": list(rows.shape),
        "matrix_shape": list(rows.matrix_shape),
        "row_starts": rows.starts.tolist(),
        "columns": rows.columns.tolist(),
        "value": rows.values.tolist(),
    }


def _index(rows: Rows) -> tuple[list[int], ...]:
    """The index of each of the first entries, an array for each axis of the derivative."""
    first = slice(0, SHOWN)
    row = np.searchsorted(rows.starts, np.arange(min(SHOWN, rows.values.size)), side="right") - 1
    out, given = rows.shape[: rows.row_axes], rows.shape[rows.row_axes :]
    axes = (
        *np.unravel_index(row, out or (1,)),
        *np.unravel_index(rows.columns[first], given or (1,)),
    )
    kept = axes if out and given else axes[1:] if given else axes[: len(out)]
    return tuple(a.tolist() for a in kept)
