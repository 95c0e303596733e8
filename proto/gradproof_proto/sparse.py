"""Sparse derivatives to the wire and back: a matrix by rows, whatever axes its rows and columns are made of."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.tensors import Fetch, from_tensor, to_tensor
from gradproof_proto.v1 import check_pb2 as pb

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """A matrix (rows, columns) whose row r has `values[starts[r]:starts[r + 1]]` in the columns of the same places.

    `shape` is that of the whole derivative; its first `row_axes` axes are the rows.
    """

    shape: tuple[int, ...]
    row_axes: int
    starts: Array
    columns: Array
    values: Array

    @property
    def matrix_shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return prod(self.shape[: self.row_axes]), prod(self.shape[self.row_axes :])

    @property
    def row_of(self) -> Array:
        """The row of each stored element, int64."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def dense(self) -> Array:
        """Every element, in the shape of the derivative."""
        found: Array = np.zeros(self.matrix_shape, self.values.dtype)
        found[self.row_of, self.columns] = self.values
        return found.reshape(self.shape)


def to_sparse(rows: Rows) -> pb.SparseTensor:
    """The matrix as a message."""
    return pb.SparseTensor(
        shape=rows.shape, row_axes=rows.row_axes, values=to_tensor(rows.values),
        row_starts=to_tensor(rows.starts), columns=to_tensor(rows.columns),
    )  # fmt: skip


def from_sparse(
    message: pb.SparseTensor, *, where: str = "sparse", fetch: Fetch | None = None
) -> Rows:
    """Reads a sparse tensor; raises ValueError when it is not a matrix by rows with rising columns inside its shape."""
    shape = tuple(message.shape)
    if message.row_axes > len(shape) or any(n < 0 for n in shape):
        raise ValueError(
            f"{where}: expected sides >= 0 and row_axes up to their number, shape {list(shape)} and row_axes "
            f"{message.row_axes} came; correct them."
        )
    starts = from_tensor(message.row_starts, where=f"{where}.row_starts", fetch=fetch)
    columns = from_tensor(message.columns, where=f"{where}.columns", fetch=fetch)
    values = from_tensor(message.values, where=f"{where}.values", fetch=fetch)
    rows = Rows(shape, message.row_axes, starts, columns, values)
    _require(rows, where)
    return rows


def _require(rows: Rows, where: str) -> None:
    count, width = rows.matrix_shape
    for name, x, length in (
        ("row_starts", rows.starts, count + 1), ("columns", rows.columns, rows.values.size), ("values", rows.values, None),
    ):  # fmt: skip
        integer = name != "values"
        if (
            x.ndim != 1
            or (integer and x.dtype.kind not in "iu")
            or (length is not None and len(x) != length)
        ):
            wanted = f"{length} whole numbers" if integer else "one axis"
            raise ValueError(
                f"{where}.{name}: expected {wanted}, {x.dtype} of shape {list(x.shape)} came; send the matrix by rows."
            )
    if (
        rows.starts[0] != 0
        or rows.starts[-1] != rows.values.size
        or (np.diff(rows.starts) < 0).any()
    ):
        raise ValueError(
            f"{where}.row_starts: expected numbers that rise from 0 to {rows.values.size}, the number of values; "
            "send the matrix by rows."
        )
    if not rows.values.size:
        return
    low, high = int(rows.columns.min()), int(rows.columns.max())
    if low < 0 or high >= width:
        raise ValueError(
            f"{where}.columns: expected columns 0 to {width - 1}, {low} to {high} came; correct them."
        )
    place = rows.row_of * width + rows.columns.astype(np.int64)
    if (place[1:] <= place[:-1]).any():
        raise ValueError(
            f"{where}.columns: expected columns that rise within each row; sort them and add up what stands twice."
        )
