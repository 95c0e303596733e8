"""Points as they are written on a command line: `x=3.0`, `x=[1.3, 0.7]`, `x=[1,2]:f32`, `W=@w.npy`.

Nothing is evaluated: a value is a number, nested brackets of numbers, or a file of an array.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, BinaryIO, Final, NoReturn
from zipfile import BadZipFile

import numpy as np

from gradproof._errors import TargetError

DTYPES: Final = {
    "f64": np.float64, "f32": np.float32, "i64": np.int64, "i32": np.int32, "i16": np.int16, "i8": np.int8,
    "u64": np.uint64, "u32": np.uint32, "u16": np.uint16, "u8": np.uint8, "bool": np.bool_,
}  # fmt: skip
NO_ARRAY: Final = (OSError, ValueError, EOFError, MemoryError, RuntimeError, BadZipFile, zlib.error)
"""What `numpy.load` raises for a file that is none, or is damaged."""
MAX_DEPTH: Final = 32
_NAME = re.compile(r"[^\W\d][\w.]*")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>[-+]?(?:\d[\d_]*\.?\d*(?:[eE][-+]?\d+)?|\.\d+(?:[eE][-+]?\d+)?|inf|nan|pi)\b\.?|[-+]?\d+\.)"
    r"|(?P<word>true|false|True|False)\b|(?P<sign>[\[\],]))"
)


def parse_points(texts: Iterable[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Several `name=value` texts as arrays by name; raises `TargetError` when a name comes twice."""
    points: dict[str, np.ndarray[Any, Any]] = {}
    for text in texts:
        name, value = parse_point(text)
        if name in points:
            raise TargetError(f"--at {name}: a second value came; give each input once")
        points[name] = value
    return points


def opened(file: str) -> BinaryIO:
    """A file that the user names on the command line."""
    return Path(file).open("rb")


def parse_point(
    text: str, open_file: Callable[[str], BinaryIO] = opened
) -> tuple[str, np.ndarray[Any, Any]]:
    """One `name=value` text as a name and an array; numbers are float64 unless a dtype follows (`:i64`)."""
    name, equals, value = text.partition("=")
    name, value = name.strip(), value.strip()
    if not equals or not _NAME.fullmatch(name):
        raise TargetError(f"--at {text[:60]!r}: expected name=value, such as x=3.0 or W=@w.npy")
    if not value:
        raise TargetError(
            f"--at {name}: expected a value after '=', nothing came; write {name}=3.0"
        )
    dtype: Any = None
    head, colon, tail = value.rpartition(":")
    if colon and tail in DTYPES:
        value, dtype = head, DTYPES[tail]
    elif colon and re.fullmatch(r"[A-Za-z]\w*", tail) and not value.startswith("@"):
        raise TargetError(f"--at {name}: {tail!r} is no dtype; expected one of {', '.join(DTYPES)}")
    array = _load(name, value[1:], open_file) if value.startswith("@") else _read(name, value)
    return name, array if dtype is None else _cast(name, array, dtype)


def _cast(name: str, array: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    if np.dtype(dtype).kind in "iu" and array.dtype.kind == "f":
        limits = np.iinfo(dtype)
        if not np.all((array == np.floor(array)) & (array >= limits.min) & (array <= limits.max)):
            raise TargetError(
                f"--at {name}: expected whole numbers for {np.dtype(dtype)}; drop the dtype"
            )
    return array.astype(dtype)


def _load(name: str, file: str, open_file: Callable[[str], BinaryIO]) -> np.ndarray[Any, Any]:
    """An array file; `.npz` takes the array's name after a colon."""
    path, _, key = file.partition(".npz:")
    where = f"{path}.npz" if key else file
    try:
        with open_file(where) as stream:
            loaded: Any = np.load(stream, allow_pickle=False)
            return loaded if isinstance(loaded, np.ndarray) else _member(name, where, key, loaded)
    except NO_ARRAY as error:
        raise TargetError(f"--at {name}: {where} cannot be read as an array, {error}") from error


def _member(name: str, where: str, key: str, loaded: Any) -> np.ndarray[Any, Any]:
    """The array of an `.npz` file that is meant."""
    names = list(loaded.keys())
    if not key and len(names) == 1:
        key = names[0]
    if key not in names:
        raise TargetError(
            f"--at {name}: {where} holds {', '.join(names) or 'nothing'}; write @{where}:{names[0] if names else 'name'}"
        )
    try:
        return loaded[key]
    except ValueError as error:
        raise TargetError(f"--at {name}: {key} in {where} is no plain array, {error}") from error


def _read(name: str, text: str) -> np.ndarray[Any, Any]:
    """A number or nested brackets of numbers."""

    def fail(at: int, message: str) -> NoReturn:
        raise TargetError(f"--at {name}: {message} at character {at + 1} of {text[:60]!r}")

    stack: list[list[Any]] = [[]]
    value_next = True
    words = False
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if not text[at:].strip():
                break
            fail(at, "expected a number, '[' or @file.npy")
        sign = found["sign"]
        if found["number"] or found["word"]:
            if not value_next:
                fail(found.start(), "expected ',' or ']'")
            words = words or bool(found["word"])
            stack[-1].append(
                found["word"].lower() == "true" if found["word"] else _number(found["number"])
            )
            value_next = False
        elif sign == "[":
            if not value_next or len(stack) > MAX_DEPTH:
                fail(found.start(), f"expected ',' or ']' (and at most {MAX_DEPTH} brackets)")
            stack.append([])
        elif sign == "]":
            if len(stack) == 1 or (value_next and stack[-1]):
                fail(found.start(), "expected a number")
            done = stack.pop()
            stack[-1].append(done)
            value_next = False
        else:
            if value_next or len(stack) == 1:
                fail(
                    found.start(),
                    "expected a number"
                    if value_next
                    else "write [1, 2] with brackets for an array; ','",
                )
            value_next = True
        at = found.end()
    if len(stack) > 1 or value_next or len(stack[0]) != 1:
        fail(len(text), "expected ']'" if len(stack) > 1 else "expected a number")
    try:
        return np.array(stack[0][0], dtype=np.bool_ if words else np.float64)
    except ValueError as error:
        raise TargetError(f"--at {name}: expected rows of equal length in {text[:60]!r}") from error


def _number(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    return sign * float(np.pi) if text.lstrip("+-") == "pi" else float(text)
