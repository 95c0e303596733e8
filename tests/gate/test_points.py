"""Points of cases: literal numbers, files and draws, each read as it is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gradproof._errors import GradproofError
from gradproof._gate.points import points


def test_numbers_are_read_as_they_are_written(tmp_path: Path) -> None:
    """A number is a scalar, nested lists an array, a text what `--at` takes, a table a mapping; files count from the root."""
    np.save(tmp_path / "w.npy", np.eye(2))
    at = {
        "x": 3,
        "v": [1, 2.5],
        "m": [[1.0], [2.0]],
        "w": "@w.npy",
        "s": "[1, 2]:f32",
        "p": {"a": 1.0, "b": [2.0]},
        "k": "3:i64",
    }
    (found,) = points(at, tmp_path, 0)
    assert found["x"] == 3.0
    assert found["x"].dtype == np.float64
    np.testing.assert_array_equal(found["v"], [1.0, 2.5])
    assert found["m"].shape == (2, 1)
    np.testing.assert_array_equal(found["w"], np.eye(2))
    assert found["s"].dtype == np.float32
    assert found["p"]["a"] == 1.0
    assert found["k"].dtype == np.int64


def test_several_points_and_files_of_points(tmp_path: Path) -> None:
    """A list is several points; an .npz file is a point with its arrays by name."""
    np.savez(tmp_path / "p.npz", x=np.arange(3.0), y=2.0)
    assert len(points([{"x": 1}, {"x": 2}], tmp_path, 0)) == 2
    (found,) = points("@p.npz", tmp_path, 0)
    np.testing.assert_array_equal(found["x"], [0, 1, 2])
    assert found["y"] == 2.0


def test_a_draw_is_decided_by_seed_and_name() -> None:
    """Frozen numbers: the same with every release of NumPy; other names and other seeds give others."""
    root = Path()
    at = {"x": {"sample": "normal", "shape": [3]}, "y": {"sample": "normal", "shape": [3]}}
    (first,), (again,), (other,) = points(at, root, 0), points(at, root, 0), points(at, root, 1)
    np.testing.assert_array_equal(first["x"], again["x"])
    assert not np.array_equal(first["x"], first["y"])
    assert not np.array_equal(first["x"], other["x"])
    assert [float(v).hex() for v in first["x"]] == FROZEN
    low = {
        "x": {
            "sample": "uniform",
            "low": -2,
            "high": -1,
            "shape": [50],
            "rng_seed": 3,
            "dtype": "f32",
        }
    }
    x = points(low, root, 0)[0]["x"]
    assert x.dtype == np.float32
    assert ((x >= -2) & (x <= -1)).all()
    assert points({"x": {"sample": "positive"}}, root, 0)[0]["x"] > 0


FROZEN = ["0x1.ab698bdfb1d35p-3", "-0x1.fd1e8fc857a9ep-3", "0x1.580c04c9878f1p-1"]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (3, "at: expected a table of inputs"),
        ("w.npz", 'expected a table of inputs or "@FILE.npz"'),
        ("@missing.npz", "at: missing.npz cannot be read"),
        ({"x": [[1], [1, 2]]}, "at.x: expected numbers in rows of equal length"),
        ({"x": "@missing.npy"}, "at.x: "),
        ({"x": "abc"}, "at.x: "),
        ({"x": {"sample": "cauchy"}}, "sample: expected normal, uniform or positive"),
        ({"x": {"sample": "normal", "shap": [3]}}, "did you mean 'shape'?"),
        ({"x": {"sample": "normal", "shape": [-3]}}, "shape: expected whole numbers of one or more"),
        ({"x": {"sample": "uniform", "low": 2}}, "expected low below high"),
    ],
)  # fmt: skip
def test_what_is_no_point_is_told(tmp_path: Path, at: object, told: str) -> None:
    """One sentence that names the input."""
    with pytest.raises(GradproofError) as error:
        points(at, tmp_path, 0)
    assert told in error.value.message
