"""Claims given as scipy.sparse matrices: what is not stored is claimed to be zero."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from gradproof_proto.sparse import Rows, from_sparse, to_sparse
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb

from gradproof._arguments import Array
from gradproof._claim_parts import alike
from gradproof._errors import RequestError
from gradproof._options import KINDS

MATRICES: Final = ("jacobian", "hessian")
"""Kinds that can be claimed as a sparse matrix."""


def is_sparse(value: Any) -> bool:
    """Whether the value is a matrix or array of scipy.sparse; imports nothing."""
    return type(value).__module__.startswith("scipy.sparse") and hasattr(value, "tocsr")


def sparse_claim(
    kind: str | None,
    input: Array,
    output: Array,
    value: Any,
    names: tuple[str, str],
    second: str = "",
) -> pb.Claim:
    """A claimed matrix of shape (output.size, input.size) as a wire claim; a Hessian's rows are its first input.

    Raises `RequestError` for a kind that is no matrix, or another shape.
    """
    kind = kind or "jacobian"
    name, out = names
    if kind not in MATRICES:
        raise RequestError(
            f"claim for {name}: a {kind} is no matrix; give an array, or claim a jacobian"
        )
    wanted = (output.size, input.size)
    if tuple(value.shape) != wanted:
        raise RequestError(
            f"claim for {name}: expected a sparse matrix of shape {wanted} for a {kind}, {tuple(value.shape)} came; "
            "rows are the elements of the output, columns those of the argument"
        )
    rows = value.tocsr().copy()
    rows.sum_duplicates()
    data = rows.data.astype(np.float64) if rows.data.dtype.kind in "iub" else rows.data
    told = Rows((*output.shape, *input.shape), output.ndim, rows.indptr, rows.indices, data)
    return pb.Claim(
        kind=KINDS[kind], input=name, output=out, second_input=second,
        values=pb.ClaimValues(sparse=to_sparse(told)),
    )  # fmt: skip


def same_numbers(a: pb.ClaimValues, b: pb.ClaimValues) -> bool:
    """Whether two calls of a claim gave the same numbers, up to rounding."""
    if not a.HasField("sparse") or not b.HasField("sparse"):
        return a.HasField("sparse") == b.HasField("sparse") and alike(
            from_tensor(a.value), from_tensor(b.value)
        )
    one, two = from_sparse(a.sparse), from_sparse(b.sparse)
    return (
        np.array_equal(one.starts, two.starts)
        and np.array_equal(one.columns, two.columns)
        and alike(one.values, two.values)
    )
