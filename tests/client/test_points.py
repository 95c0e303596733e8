"""Points on the command line: numbers, brackets, files and dtypes, and one sentence for anything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradproof import TargetError
from gradproof._points import parse_point, parse_points
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("x=3", np.float64(3)),
        ("x=-1e-3", np.float64(-1e-3)),
        ("x=.5", np.float64(0.5)),
        ("x=1.", np.float64(1)),
        ("x=1_000", np.float64(1000)),
        ("x=pi", np.float64(np.pi)),
        ("x=-inf", np.float64(-np.inf)),
        ("x=[1.3, 0.7]", np.array([1.3, 0.7])),
        (" x = [ 1 , 2 ] ", np.array([1.0, 2.0])),
        ("x=[[1,2],[3,4]]:i64", np.array([[1, 2], [3, 4]])),
        ("x=3.0:f32", np.float32(3)),
        ("x=[]", np.zeros(0)),
        ("m=[true, false]", np.array([True, False])),
        ("params.w=[1]", np.array([1.0])),
    ],
)
def test_a_value_is_read(text: str, want: Any) -> None:
    """Numbers are float64 unless a dtype follows; brackets are arrays."""
    name, got = parse_point(text)
    assert name == text.partition("=")[0].strip()
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "expected name=value"),
        ("=3", "expected name=value"),
        ("x=", "expected a value after '='"),
        ("x=abc", "expected a number"),
        ("x=1,2", r"write \[1, 2\] with brackets"),
        ("x=[1,2", "expected ']'"),
        ("x=[1,,2]", "expected a number"),
        ("x=[1 2]", "expected ',' or ']'"),
        ("x=[1,[2]]", "rows of equal length"),
        ("x=[[[[" + "[" * 100, "at most 32 brackets"),
        ("x=__import__('os')", "expected a number"),
        ("x=3:f16", "'f16' is no dtype"),
        ("x=1.5:i64", "expected whole numbers"),
        ("x=@nowhere.npy", "nowhere.npy cannot be read"),
    ],
)
def test_what_is_no_value_is_told(text: str, message: str) -> None:
    """The name, what was expected and where."""
    with pytest.raises(TargetError, match=message):
        parse_point(text)


def test_a_name_comes_once() -> None:
    """Two values for one input are a mistake, not a choice."""
    assert list(parse_points(["x=1", "y=2"])) == ["x", "y"]
    with pytest.raises(TargetError, match="x: a second value came"):
        parse_points(["x=1", "x=2"])


def test_files_are_arrays_and_never_pickles(tmp_path: Path) -> None:
    """`.npy` and `.npz` are read; objects in them are refused."""
    np.save(tmp_path / "w.npy", np.eye(2))
    np.savez(tmp_path / "z.npz", a=np.ones(3), b=np.zeros(2))
    np.save(tmp_path / "bad.npy", np.array([object()]), allow_pickle=True)
    assert parse_point(f"W=@{tmp_path / 'w.npy'}")[1].shape == (2, 2)
    assert parse_point(f"b=@{tmp_path / 'z.npz'}:b")[1].shape == (2,)
    with pytest.raises(TargetError, match="holds a, b"):
        parse_point(f"b=@{tmp_path / 'z.npz'}")
    with pytest.raises(TargetError, match="cannot be read as an array"):
        parse_point(f"b=@{tmp_path / 'bad.npy'}")


@given(st.text(alphabet="x=[]0123456789.,e+-:finatrue@ ", max_size=30))
def test_any_text_is_a_point_or_a_sentence(text: str) -> None:
    """No text raises anything but `TargetError`."""
    try:
        parse_point(f"x={text}")
    except TargetError:
        return
