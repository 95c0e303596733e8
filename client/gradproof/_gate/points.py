"""The points of a case: numbers as they are written, arrays from files, or draws with a seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np

from gradproof._errors import RequestError, TargetError
from gradproof._gate.keys import SAMPLE, read_table
from gradproof._gate.toml_lines import Document
from gradproof._named_files import open_beneath
from gradproof._points import DTYPES, NO_ARRAY, parse_point

Array = np.ndarray[Any, Any]
ARRAY_BYTES: Final = 1 << 30
"""Larger files are no point of a case."""


def points(at: Any, root: Path, rng_seed: int) -> list[dict[str, Any]]:
    """Every literal point of a case; raises `RequestError` or `TargetError` for what is none.

    A plain number is a NumPy scalar, as a call would pass it; paths count from `root` and stay beneath it.
    """
    given: list[Any] = at if isinstance(at, list) else [at]
    return [_point(one, root, rng_seed) for one in given]


def _point(at: Any, root: Path, rng_seed: int) -> dict[str, Any]:
    if isinstance(at, str):
        return _file_of_points(at, root)
    if not isinstance(at, Mapping):
        raise RequestError(
            f"at: expected a table of inputs, {at!r:.60} came; write at = {{ x = 1.0 }}"
        )
    return {str(name): _value(str(name), value, root, rng_seed) for name, value in at.items()}


def _file_of_points(text: str, root: Path) -> dict[str, Any]:
    """Every array of an `.npz` file, by name."""
    if not text.startswith("@") or not text.endswith(".npz"):
        raise RequestError(f'at: expected a table of inputs or "@FILE.npz", {text!r} came')
    try:
        with _opened(root, text[1:]) as stream:
            loaded: Any = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise ValueError("it holds one array without a name")
            return {name: loaded[name][()] for name in loaded}
    except NO_ARRAY as error:
        raise TargetError(f"at: {text[1:]} cannot be read as arrays, {error}") from error


def _value(name: str, value: Any, root: Path, rng_seed: int) -> Any:
    if isinstance(value, Mapping):
        if "sample" in value:
            return _drawn(name, value, rng_seed)
        return {str(k): _value(f"{name}.{k}", v, root, rng_seed) for k, v in value.items()}
    if isinstance(value, str):
        return _text(name, value, root)
    try:
        array = np.array(value, dtype=np.bool_ if isinstance(value, bool) else np.float64)
    except (ValueError, TypeError) as error:
        raise RequestError(
            f"at.{name}: expected numbers in rows of equal length, {value!r:.60} came"
        ) from error
    return array[()]


def _text(name: str, value: str, root: Path) -> Any:
    """What `--at` takes too: `"@w.npy"` and `"[1, 2]:f32"`."""
    try:
        return parse_point(f"{name}={value}", partial(_opened, root))[1][()]
    except TargetError as error:
        raise TargetError(error.message.replace("--at ", "at.", 1)) from error


def _opened(root: Path, file: str) -> BinaryIO:
    return open_beneath(root, file, ARRAY_BYTES)


def _drawn(name: str, given: Mapping[str, Any], rng_seed: int) -> Any:
    """Numbers that the seed decides, the same with every version of NumPy (its frozen legacy generator)."""
    sample = read_table(Document(f"at.{name}", {}), given, (), SAMPLE)
    seed = f"{sample.get('rng_seed', rng_seed)}:{name}".encode()
    words = np.frombuffer(hashlib.sha256(seed).digest(), np.uint32)
    rng = np.random.RandomState(words)  # the only stream that NumPy promises to keep
    shape, scale = sample.get("shape", ()), sample.get("scale", 1.0)
    low, high = sample.get("low", 0.0), sample.get("high", 1.0)
    if not low < high:
        raise RequestError(f"at.{name}: expected low below high, {low:g} and {high:g} came")
    drawn: Array
    match sample["sample"]:
        case "uniform":
            drawn = np.asarray(low + (high - low) * rng.random_sample(shape))
        case "positive":
            drawn = np.asarray(scale * (0.1 + np.abs(rng.standard_normal(shape))))
        case _:
            drawn = np.asarray(scale * rng.standard_normal(shape))
    return drawn.astype(DTYPES[sample.get("dtype", "f64")])[()]
