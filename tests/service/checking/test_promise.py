"""A value is held to what its input is declared to be, and refused in one sentence where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof_service.arrays import Structure
from gradproof_service.checking.points import _onto
from gradproof_service.checking.promise import require_kept
from gradproof_service.diagnostic import Fault

DECLARED = [s for s in Structure if s not in (Structure.NONE, Structure.INTEGER_VALUED)]


@pytest.mark.parametrize("structure", DECLARED)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_what_lies_on_the_set_is_taken(structure: Structure, dtype: str, size: float) -> None:
    """Points drawn on the set, in both precisions and at every scale, singly and stacked, are taken."""
    rng = np.random.default_rng(7)
    for shape in ((3, 3), (2, 4, 4), (1, 1)):
        drawn = _onto(structure, size * rng.standard_normal((1, *shape)), size)[0].astype(dtype)
        require_kept([("x", structure, drawn)])


@pytest.mark.parametrize(
    ("structure", "value", "told"),
    [
        (Structure.SYMMETRIC, [[1.0, 2.0], [3.0, 1.0]], r"entry \[0, 1\] is 2 and entry \[1, 0\] is 3"),
        (Structure.SPD, [[1.0, 2.0], [2.0, 1.0]], "least eigenvalue is -1"),
        (Structure.SPD, [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.0, 1.0]]], "least eigenvalue is 0"),
        (Structure.LOWER, [[1.0, 2.0], [3.0, 1.0]], r"entry \[0, 1\] is 2, above the diagonal"),
        (Structure.UPPER, [[1.0, 2.0], [3.0, 1.0]], r"entry \[1, 0\] is 3, below the diagonal"),
        (Structure.POSITIVE, [1.0, 0.0], r"entry \[1\] is 0, not above zero"),
        (Structure.POSITIVE, -2.0, "it is -2, not above zero"),
        (Structure.SIMPLEX, [0.5, 0.6], "add up to 1.1"),
        (Structure.SIMPLEX, [1.5, -0.5], r"entry \[1\] is -0.5, below zero"),
        (Structure.ORTHOGONAL, [[1.0, 0.0], [0.0, 2.0]], "differs from the identity by 3"),
        (Structure.INTEGER_VALUED, [1.0, 2.5], r"entry \[1\] is 2.5, not a whole number"),
        (Structure.SPD, [1.0, 2.0], r"shape \(2,\) is not that of square matrices"),
        (Structure.SIMPLEX, 1.0, "no axis of parts"),
    ],
)  # fmt: skip
def test_what_lies_off_it_is_refused(structure: Structure, value: object, told: str) -> None:
    """The sentence names the input, what is declared, the first place and its number."""
    with pytest.raises(Fault, match=told) as caught:
        require_kept([("a", Structure.NONE, np.array(0.0)), ("x", structure, np.array(value))])
    assert caught.value.message.startswith(
        f"point: input 'x' is declared {structure.name.lower()}, but "
    )
    assert caught.value.field_path == 'point["x"]'
