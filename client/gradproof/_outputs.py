"""What a function returns, as named outputs; and a plain call that proves the function left no trace."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from gradproof._arguments import Arguments, Array, Function
from gradproof._errors import TargetError

Outputs = tuple[tuple[str, Array], ...]


def evaluate(
    function: Function, arguments: Arguments, values: Sequence[Any] | None = None
) -> Outputs:
    """Call the function and return its outputs by name, as arrays.

    Raises `TargetError` when it raises, changes an argument, or draws from the global random
    state, and for results that are no real numbers.
    """
    with untouched_random_state(name_of(function)):
        result = call(function, arguments, values)
    return named_outputs(result, to_array)


def call(
    function: Function, arguments: Arguments, values: Sequence[Any] | None = None, *after: Any
) -> Any:
    """Call the function with copies; raises `TargetError` when it raises or changes an argument."""
    given = arguments.copies() if values is None else arguments.fit(values)
    before = [np.array(v) for v in given]
    try:
        with np.errstate(all="ignore"):
            result = arguments.call(function, given, *after)
    except TargetError:
        raise
    except Exception as error:  # whatever the user's code raises is told, not handled
        raise TargetError(
            f"{name_of(function)} raised {type(error).__name__} at the point: {one_line(error)}"
        ) from error
    for name, old, new in zip(arguments.names, before, given, strict=True):
        if old.tobytes() != np.asarray(new).tobytes():
            raise TargetError(
                f"{name_of(function)} changes its argument {name!r} in place; work on a copy ({name} = {name}.copy())"
            )
    return result


def named_outputs(result: Any, convert: Callable[[Any, str], Any]) -> tuple[tuple[str, Any], ...]:
    """The outputs of a result: a tuple is several, a mapping names them, anything else is one."""
    if isinstance(result, Mapping):
        return tuple((str(k), convert(v, str(k))) for k, v in result.items())
    if isinstance(result, tuple):
        names = getattr(result, "_fields", None) or [f"out{i}" for i in range(len(result))]
        if len(result) == 1:
            names = ["out"]
        return tuple((n, convert(v, n)) for n, v in zip(names, result, strict=True))
    return (("out", convert(result, "out")),)


def to_array(value: Any, name: str) -> Array:
    """A result as an array of real numbers; raises `TargetError` when it is none."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise TargetError(
            f"output {name}: expected an array of numbers, a ragged list came"
        ) from error
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8 or array.dtype == np.float16:
        what = type(value).__name__ if array.dtype == object else str(array.dtype)
        raise TargetError(
            f"output {name}: expected real numbers of 32 or 64 bits, {what} came; return an array"
        )
    return array


def name_of(function: Any) -> str:
    """What a function is called in messages."""
    return str(getattr(function, "__name__", None) or type(function).__name__)


def one_line(error: BaseException) -> str:
    """An exception's message as one line."""
    return " ".join(str(error).split()) or "no message"


@contextmanager
def untouched_random_state(name: str) -> Generator[None]:
    """Puts the global random states back, and raises `TargetError` when they were drawn from."""
    legacy: Any = sys.modules.get("numpy.random")
    standard: Any = sys.modules.get("random")
    before = legacy.get_state(legacy=False) if legacy else None
    python_before = standard.getstate() if standard else None
    yield
    drawn = False
    if legacy is not None and before is not None:
        after = legacy.get_state(legacy=False)
        if after["state"]["pos"] != before["state"]["pos"] or not np.array_equal(
            after["state"]["key"], before["state"]["key"]
        ):
            legacy.set_state(before)
            drawn = True
    if standard is not None and standard.getstate() != python_before:
        standard.setstate(python_before)
        drawn = True
    if drawn:
        raise TargetError(
            f"{name} draws from the global random state, so no two calls agree; pass np.random.default_rng(seed) or the draws"
        )
