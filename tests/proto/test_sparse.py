"""Sparse tensors read back as they were written, and what is no matrix by rows is refused in one sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from gradproof_proto.sparse import Rows, from_sparse, to_sparse

WHOLE = Rows(
    (2, 2, 3), 2, np.array([0, 1, 1, 3, 3], np.int32), np.array([2, 0, 1], np.int32), np.array([1.5, -2.0, 4.0])
)  # fmt: skip


def test_round_trip() -> None:
    """Shape, rows, columns and values come back, and stand where they stood."""
    found = from_sparse(to_sparse(WHOLE))
    assert found.shape == (2, 2, 3)
    assert found.matrix_shape == (4, 3)
    dense = found.dense()
    assert dense.shape == (2, 2, 3)
    assert (dense[0, 0, 2], dense[1, 0, 0], dense[1, 0, 1]) == (1.5, -2.0, 4.0)
    assert np.count_nonzero(dense) == 3


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        (replace(WHOLE, starts=WHOLE.starts[:-1]), "row_starts: expected 5 whole numbers"),
        (replace(WHOLE, starts=np.array([0, 2, 1, 3, 3], np.int32)), "rise from 0 to 3"),
        (replace(WHOLE, starts=np.array([0, 1, 1, 3, 4], np.int32)), "rise from 0 to 3"),
        (
            replace(WHOLE, columns=np.array([3, 0, 1], np.int32)),
            "expected columns 0 to 2, 0 to 3 came",
        ),
        (replace(WHOLE, columns=np.array([-1, 0, 1], np.int32)), "expected columns 0 to 2"),
        (replace(WHOLE, columns=np.array([2, 1, 0], np.int32)), "columns that rise"),
        (replace(WHOLE, columns=np.array([2, 1, 1], np.int32)), "columns that rise"),
        (replace(WHOLE, columns=WHOLE.columns[:-1]), "columns: expected 3 whole numbers"),
        (replace(WHOLE, columns=WHOLE.columns * 0.5), "columns: expected 3 whole numbers"),
        (replace(WHOLE, values=WHOLE.values[:, None]), "values: expected one axis"),
        (replace(WHOLE, row_axes=4), "row_axes up to their number"),
        (replace(WHOLE, shape=(2, -2, 3)), "sides >= 0"),
    ],
)
def test_what_is_no_matrix_is_refused(planted: Rows, said: str) -> None:
    """Where, what was expected, what came."""
    with pytest.raises(ValueError, match=said):
        from_sparse(to_sparse(planted))
