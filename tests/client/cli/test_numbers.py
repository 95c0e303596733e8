"""Short text of numbers and arrays."""

from __future__ import annotations

import numpy as np
import pytest
from gradproof._cli import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (33.0, "33"),
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
        (1.5e-300, "1.5e-300"),
        (np.nan, "nan"),
        (-np.inf, "-inf"),
    ],
)
def test_a_number_is_short(value: float, text: str) -> None:
    """A number in a report has at most ten digits and no empty decimals."""
    assert numbers.number(value) == text


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.bool_])
def test_exact_text_reads_back(dtype: type[np.generic]) -> None:
    """What `eval` prints reads back to the same number."""
    for value in (0.1, 1 / 3, 1e-30, 7.0, 0.0):
        scalar = dtype(value)
        text = numbers.exact(scalar)
        back = {"True": True, "False": False}.get(text) if dtype is np.bool_ else dtype(float(text))
        assert back == scalar


@pytest.mark.parametrize(
    ("value", "text"), [(15.99, "15.9 digits"), (0.05, "0.0 digits"), (3.1, "3.1 digits")]
)
def test_digits_are_rounded_down(value: float, text: str) -> None:
    """Agreement is never overstated."""
    assert numbers.digits(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (-1.0, "-1"), (1.000004, "1.000004"), (1 + 1e-12, "1.000000000001")],
)
def test_a_ratio_that_is_not_one_does_not_look_like_one(value: float, text: str) -> None:
    """A ratio shows as many digits as it takes to differ from 1."""
    assert numbers.ratio(value) == text


@pytest.mark.parametrize("shape", [(), (3,), (1000,), (2, 2), (6, 7), (50, 50, 50), (0,), (3, 0)])
def test_an_array_in_brief_fits(shape: tuple[int, ...]) -> None:
    """However large, an array takes one line of the room it has, and its shape is told."""
    array = np.random.default_rng(0).standard_normal(shape)
    text = numbers.brief(array, 60)
    assert len(text) <= 60
    assert "\n" not in text
    assert array.size <= 6 or "x".join(map(str, shape)) in text


def test_an_array_in_full_is_whole_when_it_is_small() -> None:
    """`eval` prints every element exactly up to the limit, and the corners of what is larger."""
    array = np.linspace(0, 1, 20) / 3
    text = numbers.full(array, 80)
    assert [float(t) for t in text.strip("[]").split(",")] == array.tolist()
    assert "..." in numbers.full(np.zeros(10**6), 80)
