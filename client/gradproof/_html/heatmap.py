"""Three pictures of one Jacobian side by side: what was claimed, the reference, and how many digits of it match.

A large matrix is shown in blocks: the worst entry of a block stands for it, so that one wrong entry among a million is seen.
"""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from gradproof._html.colours import colours

SIDE: Final = 96
"""Most cells of a picture along one side."""
EXACT_DIGITS: Final = 17.0
MARKED: Final = 60
"""Most cells that are ringed because their digits are few."""
WIDEST: Final = 6.0
"""A picture of few rows is at most so many times as wide as it is tall, so that its cells can be clicked."""
WRONG_DIGITS: Final = 6.0
"""A ring is drawn around cells that match in fewer digits than this."""
Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pooled:
    """A matrix reduced to at most `SIDE` cells a side: `row`, `column` are the entries that stand for each cell."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]

    def of(self, matrix: Matrix) -> Matrix:
        """The standing entries of a matrix of the full size."""
        return matrix[self.row, self.column]


def digits_matched(claimed: Matrix, reference: Matrix) -> Matrix:
    """Decimal digits in which the entries match, 0 to 17; NaN where one of them is not a number."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(claimed), np.abs(reference))
        gap = np.abs(claimed - reference)
        digits = -np.log10(gap / size)
    digits = np.where(gap == 0, EXACT_DIGITS, digits)
    return np.clip(digits, 0.0, EXACT_DIGITS)


def pool(severity: Matrix) -> Pooled:
    """Where the most severe entry of each block lies; every entry has a block of its own when there are few."""
    rows, columns = severity.shape
    row_cut = _cuts(rows)
    column_cut = _cuts(columns)
    row = np.empty((len(row_cut) - 1, len(column_cut) - 1), np.int64)
    column = np.empty_like(row)
    ranked = np.where(np.isnan(severity), np.inf, severity)
    for i in range(len(row_cut) - 1):
        band = ranked[row_cut[i] : row_cut[i + 1]]
        for j in range(len(column_cut) - 1):
            block = band[:, column_cut[j] : column_cut[j + 1]]
            r, c = np.unravel_index(int(np.argmax(block)), block.shape)
            row[i, j], column[i, j] = row_cut[i] + r, column_cut[j] + c
    return Pooled(row, column)


def heatmap(claimed: Matrix, reference: Matrix, name: str) -> Markup:
    """The figure for two matrices of one shape, with what its cells show as data for the page's script."""
    digits = digits_matched(claimed, reference)
    pooled = pool(-digits)
    cells = {
        "claimed": pooled.of(claimed), "reference": pooled.of(reference), "digits": pooled.of(digits),
    }  # fmt: skip
    finite = np.abs(np.concatenate([cells["claimed"].ravel(), cells["reference"].ravel()]))
    top = float(np.max(finite[np.isfinite(finite)], initial=0.0)) or 1.0
    panes = Markup("").join(
        _pane(kind, label, cells[kind], cells["digits"], top)
        for kind, label in (
            ("claimed", "claimed"), ("reference", "reference"), ("digits", "digits matched"),
        )
    )  # fmt: skip
    return Markup(
        '<div class="heatmap" data-figure="heatmap" data-cells="{}" role="group" aria-label="{}">'
        '{}<p class="readout" aria-live="polite">{}<span class="hint" hidden> Click a cell, or move with the arrow keys.</span></p></div>'
    ).format(
        _cells_json(pooled, cells), f"Jacobian of {name}", panes,
        f"{claimed.shape[0]} x {claimed.shape[1]} entries"
        + ("" if claimed.size == pooled.row.size else ", each cell shows the worst of its block")
        + ".",
    )  # fmt: skip


def _pane(kind: str, label: str, shown: Matrix, digits: Matrix, top: float) -> Markup:
    with np.errstate(all="ignore"):
        level = shown / EXACT_DIGITS if kind == "digits" else 0.5 + 0.5 * np.cbrt(shown / top)
    rows, columns = shown.shape
    rings = Markup("")
    if kind == "digits":
        few = np.argwhere(~(digits >= WRONG_DIGITS))[:MARKED]
        rings = Markup("").join(
            Markup('<rect class="ring" x="{}" y="{}" width="1" height="1"/>').format(int(c), int(r))
            for r, c in few
        )
    low, high = ("0", "17") if kind == "digits" else (f"{-top:.2g}", f"{top:.2g}")
    return Markup(
        '<figure class="pane" data-kind="{}"><figcaption>{}</figcaption>'
        '<svg style="aspect-ratio:{:.3g}" viewBox="0 0 {} {}" preserveAspectRatio="none" tabindex="0" role="img" aria-label="{}">'
        '<image width="{}" height="{}" preserveAspectRatio="none" href="{}"/>{}'
        '<rect class="cursor" width="1" height="1" visibility="hidden"/></svg>'
        '<span class="scale"><span>{}</span><i></i><span>{}</span></span></figure>'
    ).format(
        kind, label, min(max(columns / rows, 0.8), WIDEST), columns, rows, f"{label}, {rows} by {columns} cells", columns, rows,
        png(colours(level)), rings, low, high,
    )  # fmt: skip


def _cells_json(pooled: Pooled, cells: dict[str, Matrix]) -> str:
    import json

    def plain(matrix: Matrix) -> list[list[Any]]:
        return [[f"{v:.10g}" for v in row] for row in matrix.tolist()]

    return json.dumps(
        {
            "row": pooled.row.tolist(),
            "column": pooled.column.tolist(),
            **{kind: plain(matrix) for kind, matrix in cells.items()},
        },
        separators=(",", ":"),
    )


def png(pixels: NDArray[np.uint8]) -> str:
    """An image (rows, columns, 3) as a PNG in a data address (PNG specification, third edition: colour type 2, filter 0)."""
    rows, columns, _ = pixels.shape
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), pixels.reshape(rows, -1)], axis=1)

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    content = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + b64encode(content).decode()


def _cuts(length: int) -> list[int]:
    cells = min(length, SIDE)
    return [length * i // cells for i in range(cells + 1)]
