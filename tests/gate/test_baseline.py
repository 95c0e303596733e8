"""Baselines: text that reads back to the same, one name a file, and arrays that tell how far they moved."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from gradproof._errors import RequestError
from gradproof._gate.arrays import EXACT, Held, hold
from gradproof._gate.baseline import Baseline, Measured, Quantity, committed, file_name, parse, read
from gradproof._gate.drift import drifts, lost, moved_point
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

ARRAYS = hnp.arrays(
    st.sampled_from(["f8", "f4", "i8", "i4", "?"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=12),
)


def made(*arrays: np.ndarray, noise: float = 0.0) -> Measured:
    """A point at which these arrays were measured."""
    found = (Quantity(f"q{k}", "reference", hold(a), noise) for k, a in enumerate(arrays))
    return Measured({"x": hold(np.ones(2))}, "ab", tuple(found), {"p": 12.0})


@given(ARRAYS)
def test_an_array_reads_back(array: np.ndarray) -> None:
    """What is written of an array gives the same record again, to the bit."""
    held = hold(array)
    again = Held.from_plain(held.plain())
    assert again.plain() == held.plain()
    assert (again.dtype, again.shape, again.size) == (str(array.dtype), array.shape, array.size)
    if array.size <= EXACT and array.dtype.kind == "f":
        values = np.array(again.values, array.dtype).reshape(array.shape)
        assert np.array_equal(values, array, equal_nan=True)


@given(st.text(max_size=40), st.text(max_size=40), hnp.arrays("f8", 3), st.integers(129, 400))
def test_a_baseline_reads_back(case: str, reason: str, small: np.ndarray, size: int) -> None:
    """Any names, reasons and numbers, with line ends and quotes in them, give the same text again."""
    large = np.linspace(-1, 1, size)
    baseline = Baseline(
        case,
        "m.py:f",
        'a "claim"\n',
        "agrees",
        "numpy",
        {"numpy": "2"},
        (made(small, large),),
        reason,
    )
    text = baseline.text()
    again = parse(text, "f")
    assert again.text() == text
    assert (again.case, again.reason) == (case, reason)


@given(st.integers(0, 10_000))
def test_no_character_can_be_changed_unseen(at: int) -> None:
    """Whichever character of the text is changed, reading it fails."""
    text = Baseline("c", "t", "", "agrees", "numpy", {}, (made(np.arange(3.0)),), "why").text()
    body = text.index("digest")
    at = body + at % (len(text) - body)
    changed = text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]
    with pytest.raises(RequestError, match="f: the baseline"):
        parse(changed, "f")


@given(st.lists(st.text(min_size=1, max_size=30), unique=True, max_size=20))
def test_every_case_has_a_file_of_its_own(names: list[str]) -> None:
    """File names are plain and distinct, whatever the cases are called."""
    files = [file_name(name) for name in names]
    assert len({f.lower() for f in files if f.lower() != f}) <= len(files)
    assert len(set(files)) == len(files)
    assert all(Path(f).name == f and not f.startswith(".") and len(f) <= 110 for f in files)


def test_a_folder_tells_its_cases(tmp_path: Path) -> None:
    """The name of a case is read from the file; a file that cannot be read stands for its own name."""
    baseline = Baseline('a "b"\n', "t", "", "agrees", "numpy", {}, ())
    (tmp_path / "one.toml").write_text(baseline.text())
    (tmp_path / "two.toml").write_bytes(b"\xff\xff")
    found = committed(tmp_path)
    assert {name: path.name for name, path in found.items()} == {
        'a "b"\n': "one.toml",
        "two": "two.toml",
    }
    assert read(tmp_path / "one.toml")[0] == baseline
    assert committed(None) == committed(tmp_path / "missing") == {}


@given(
    hnp.arrays("f8", 500, elements=st.floats(-1e3, 1e3)).filter(lambda a: np.abs(a).max() > 1),
    st.integers(0, 499),
    st.floats(1e-6, 1e3),
)
def test_a_sketch_shows_the_size_of_a_change(array: np.ndarray, at: int, by: float) -> None:
    """One entry of a large array that moves is seen, and its size is known within a factor of three."""
    other = array.copy()
    other[at] += by
    a, b = hold(array), hold(other)
    assert a.digest != b.digest
    (found,) = drifts(made(array), made(other), 0, None)
    square = math.fsum((x - y) ** 2 for x, y in zip(a.sketch, b.sketch, strict=True)) / len(
        a.sketch
    )
    assert math.sqrt(square) == pytest.approx(abs(other[at] - array[at]), rel=1e-6)
    assert found.beyond


@given(
    hnp.arrays("f8", 300, elements=st.floats(-10, 10)),
    hnp.arrays("f8", 300, elements=st.floats(-1, 1)),
)
def test_a_sketch_estimates_the_norm_of_a_difference(array: np.ndarray, change: np.ndarray) -> None:
    """The root mean square over the sketch is the norm of the difference, within a factor of two and a half."""
    if np.linalg.norm(change) < 1e-3:
        return
    a, b = hold(array), hold(array + change)
    square = math.fsum((x - y) ** 2 for x, y in zip(a.sketch, b.sketch, strict=True)) / len(
        a.sketch
    )
    assert 0.4 < math.sqrt(square) / np.linalg.norm(change) < 2.5


@pytest.mark.parametrize("size", [1, 5, EXACT, EXACT + 1, 1000])
def test_noise_is_no_drift_and_more_is(size: int) -> None:
    """A move below the noise is told but not beyond; ten times as much is beyond, with its sign and place."""
    array = np.linspace(1.0, 2.0, size)
    noise = 1e-10
    assert drifts(made(array, noise=noise), made(array.copy(), noise=noise), 0, None) == ()
    (quiet,) = drifts(made(array, noise=noise), made(array * (1 + 1e-11), noise=noise), 0, None)
    assert not quiet.beyond
    (loud,) = drifts(made(array, noise=noise), made(array * (1 - 1e-8), noise=noise), 3, None)
    assert loud.beyond
    assert loud.relative == pytest.approx(-1e-8, rel=1e-3)
    assert loud.worst_index == (() if array.shape == () else (size - 1,))
    assert loud.point == 3
    assert loud.digits == pytest.approx(8.0, abs=0.1)
    assert loud.tolerance_digits == pytest.approx(10.3 if size > 1 else 10.0, abs=0.1)
    assert ("x then" in loud.fingerprint) == (size > 1)


def test_digits_that_are_asked_for_take_the_place_of_noise() -> None:
    """`drift_digits` forgives what has fewer digits, and nothing more."""
    then, now = made(np.array([2.0, 1.0])), made(np.array([2.0, 1.0 + 3e-4]))
    assert not drifts(then, now, 0, 3.0)[0].beyond
    assert drifts(then, now, 0, 4.0)[0].beyond


@pytest.mark.parametrize(
    ("then", "now", "told"),
    [
        (np.ones(3), np.ones((3, 1)), "its shape was (3,) and is (3, 1)"),
        (np.ones(3), np.ones(3, "f4"), "its type was float64 and is float32"),
        (np.ones(3), np.array([1, np.nan, 1]), "not finite in 1 of 3 entries"),
        (np.ones(3), np.array([1, np.inf, 1]), "not finite in 1 of 3 entries"),
        (np.array([1, np.nan]), np.ones(2), "1 of 2 entries moved"),
        (np.arange(1.0, 4.0), -np.arange(1.0, 4.0), "now = -1 x then in all entries that are written"),
        (np.arange(1.0, 4.0), np.zeros(3), "now zero in 3 of 3 entries"),
        (np.zeros(3), np.array([0, 0, 1e-300]), "1 of 3 entries moved"),
    ],
)  # fmt: skip
def test_a_change_of_another_kind_is_named(then: np.ndarray, now: np.ndarray, told: str) -> None:
    """Shapes, types, what is not finite, signs and zeros are drift whatever the noise, and named."""
    (found,) = drifts(made(then), made(now), 0, None)
    assert found.beyond
    assert told in found.fingerprint


def test_nan_that_stays_nan_has_not_moved() -> None:
    """Equal to the bit is equal, also where numbers are not."""
    array = np.array([np.nan, np.inf, -0.0])
    assert drifts(made(array), made(array.copy()), 0, None) == ()


def test_arrays_that_appear_or_vanish_are_drift() -> None:
    """An output more or less is told by name."""
    more = drifts(made(np.ones(2)), made(np.ones(2), np.ones(2)), 0, None)
    less = drifts(made(np.ones(2), np.ones(2)), made(np.ones(2)), 0, None)
    assert [d.fingerprint for d in (*more, *less)] == [
        "new: the baseline does not hold it",
        "gone: it is no longer measured",
    ]
    assert all(d.beyond for d in (*more, *less))


def test_a_point_that_moved_is_named() -> None:
    """The first input that is elsewhere, of another type, or not there."""
    then, now = (
        Measured({"x": hold(np.ones(2)), "y": hold(np.ones(1))}, "", (), {}),
        Measured({"x": hold(np.ones(2))}, "", (), {}),
    )
    assert moved_point(then, now) == "y"
    assert moved_point(now, now) == ""


def test_agreement_is_lost_by_three_digits_that_matter() -> None:
    """From 15.9 to 12.5 digits nothing is lost; from 14.2 to 3.1 it is; the differences' own error is no loss."""
    assert not lost(15.9, 12.5, "forward")
    assert lost(14.2, 3.1, "forward")
    assert lost(14.2, 9.0, "reverse")
    assert not lost(11.5, 8.0, "differences")
    assert lost(9.5, 3.5, "differences")
    assert not lost(None, 0.0, "forward")
    assert not lost(3.0, 2.0, "forward")
