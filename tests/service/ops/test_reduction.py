"""What the general laws cannot see in reductions: zeros in a product, ties, and what is refused."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped
from gradproof_service.ops.reduction import distance_to_tie

from tests.service.ops.one_op import gradient, gradient_forward, hessian, value


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 7, 8, 9])
@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_product_of_the_others(n: int, zeros: int) -> None:
    """The gradient of prod is the product of the others, with any number of zeros in the data."""
    x = np.arange(2.0, n + 2)
    x[: min(zeros, n)] = 0.0
    others = [np.prod(np.delete(x, i)) for i in range(n)]
    np.testing.assert_array_equal(gradient("prod", x), others)
    np.testing.assert_array_equal(gradient_forward("prod", x), others)


def test_second_derivative_of_a_product_at_two_zeros() -> None:
    """d2/dx_i dx_j is the product of all others, which only the two zeros leave standing."""
    x = np.array([0.0, 3.0, 0.0, 5.0])
    expected = np.zeros((4, 4))
    for i, j in permutations(range(4), 2):
        expected[i, j] = np.prod(np.delete(x, (i, j)))
    np.testing.assert_array_equal(hessian("prod", x), expected)


@pytest.mark.parametrize(("op", "sign"), [("max", 1.0), ("min", -1.0)])
def test_ties_share_the_slope(op: str, sign: float) -> None:
    """Elements that tie for the extreme get equal parts of a slope that sums to 1."""
    x = sign * np.array([[3.0, 1.0, 3.0, 3.0], [0.0, 2.0, 1.0, -np.inf]])
    expected = np.array([[1 / 3, 0, 1 / 3, 1 / 3], [0, 1, 0, 0]])
    np.testing.assert_allclose(gradient(op, x, axes=(1,)), expected, rtol=1e-15)
    np.testing.assert_allclose(gradient_forward(op, x, axes=(1,)), expected, rtol=1e-15)


def test_nan_is_not_hidden() -> None:
    """Where the extreme is NaN its slope is NaN, not zero."""
    assert np.isnan(value("max", [1.0, np.nan]))
    assert np.isnan(gradient("max", [1.0, np.nan])).all()


def test_distance_to_tie() -> None:
    """Below the largest: the way up to it; at the largest: the lead over the second; 0 in a tie."""
    x = np.array([[1.0, 4.0, 3.5], [2.0, 2.0, -np.inf]])
    np.testing.assert_array_equal(distance_to_tie(x, (-1,)), [[3.0, 0.5, 0.5], [0.0, 0.0, np.inf]])
    np.testing.assert_array_equal(distance_to_tie(x, (-2,)), [[1, 2, np.inf], [1, 2, np.inf]])
    np.testing.assert_array_equal(distance_to_tie(x[:, :1], (-1,)), [[np.inf], [np.inf]])
    counts = np.array([3, 1, 1], np.uint8)
    np.testing.assert_array_equal(distance_to_tie(counts, (-1,), -1), [2, 0, 0])


def test_first_index_at_a_tie() -> None:
    """argmax and argmin name the first of the tied elements, also in the flattened array."""
    x = np.array([[1.0, 5.0], [5.0, 1.0]])
    assert value("argmax", x) == 1
    assert value("argmin", x, keepdims=True).tolist() == [[0]]
    assert value("argmax", x, axis=0).tolist() == [1, 0]


def test_empty_sums_and_means() -> None:
    """Of nothing the sum is 0, the product 1 and the mean NaN; none of it warns."""
    x = np.zeros((2, 0))
    assert value("sum", x, axes=(1,)).tolist() == [0, 0]
    assert value("prod", x, axes=(1,)).tolist() == [1, 1]
    assert np.isnan(value("mean", x, axes=(1,))).all()
    assert gradient("prod", x, axes=(1,)).shape == (2, 0)


def test_huge_shapes_are_typed_without_memory() -> None:
    """Inference of 10**24 elements allocates nothing and keeps the promotion rule."""
    huge = (10**12, 10**12)
    assert OPS["sum"].site({"axes": (0,)}, (type_of("int8", huge),)).out is type_of(
        "int64", huge[1:]
    )
    assert OPS["prod"].site({}, (type_of("uint8", huge),)).out is type_of("uint64")
    assert OPS["mean"].site({}, (type_of("int32", huge),)).out is type_of("float64")


@pytest.mark.parametrize(
    ("op", "attrs", "operand"),
    [
        ("max", {}, type_of("float64", (0,))),
        ("max", {}, type_of("bool", (2,))),
        ("argmin", {"axis": 1}, type_of("float64", (2, 0))),
        ("sum", {"axes": (2,)}, type_of("float64", (2, 3))),
        ("sum", {"axes": (0, -2)}, type_of("float64", (2, 3))),
        ("sum", {}, type_of("complex128", (2,))),
    ],
)
def test_refusals(op: str, attrs: dict[str, object], operand: object) -> None:
    """What has no meaning is refused with a sentence, before anything runs."""
    with pytest.raises(IllTyped):
        OPS[op].site(attrs, (operand,))
