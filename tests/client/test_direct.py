"""The quick way of recording elementwise ops, and where its nodes say they come from."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from gradproof import Program
from gradproof._tracing import array, carry, dispatch
from gradproof._tracing.kernels import DIRECT
from gradproof._tracing.roads import _arrays, _record
from gradproof_proto.reader import read
from gradproof_proto.tables import Location
from gradproof_proto.v1 import check_pb2

POINT = (np.array([0.3, 0.6, 0.9]), np.array([0.2, 0.5, 0.7]))
OTHERS = (2.0, 3, 0.0, -0.0, True, np.float64(0.5), np.array([1.0, 2.0, 3.0]), [1, 2, 3])


def recorded(f: Callable[..., Any], *point: Any) -> bytes:
    """The program that the first road makes of a function, as bytes."""
    carried = carry(f, point)
    return Program(_record(f, carried.arguments, carried.outputs, _arrays)).to_bytes()


@pytest.mark.parametrize("ufunc", list(DIRECT), ids=lambda u: u.__name__)
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["f64", "f32"])
def test_the_quick_way_records_what_the_long_one_does(
    ufunc: Any, dtype: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With live values, views, numbers of every kind, arrays and lists: the same bytes, places included."""
    point = [x.astype(dtype) for x in POINT]

    def f(x: Any, y: Any) -> Any:
        if ufunc.nin == 1:
            return ufunc(x), ufunc(y[1]), ufunc(x[::-1])
        if ufunc is np.power:
            return (
                x**2,
                x**2.0,
                x**3,
                2**x,
                ufunc(x, 2),
                ufunc(x, y),
                ufunc(x, OTHERS[-2]),
                x[1] ** y,
            )
        mixed = [ufunc(x, other) for other in OTHERS] + [ufunc(other, y) for other in OTHERS]
        return ufunc(x, y), ufunc(y[1], x), ufunc(x, y.astype(np.float64)), *mixed

    quick = recorded(f, *point)
    monkeypatch.setattr(array, "DIRECT", {})
    assert recorded(f, *point) == quick


def test_floats_take_the_quick_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Operators and functions of live floats and numbers never ask what a ufunc means."""

    def f(x: Any, y: Any) -> Any:
        return np.exp(2.0 - x) * y + 3, -x / y

    carried = carry(f, POINT)

    def asked(*_: Any) -> Any:
        raise AssertionError("asked")

    monkeypatch.setattr(dispatch, "call_ufunc", asked)
    assert _record(f, carried.arguments, carried.outputs, _arrays) == carried.program.message  # pyright: ignore[reportOptionalMemberAccess]


def chains(f: Callable[..., Any], *point: Any) -> list[tuple[str, list[int]]]:
    """For each node its op and the lines that led to it, innermost first."""
    carried = carry(f, point)
    assert carried.program is not None
    columns = read(carried.program.message)
    found: list[tuple[str, list[int]]] = []
    for op, loc in zip(columns.functions[0].op, columns.functions[0].loc, strict=True):
        lines: list[int] = []
        row: Location = columns.locations[loc]
        while row.line:
            lines.append(row.line)
            row = columns.locations[row.caller]
        found.append((columns.ops[op], lines))
    return found


def test_every_call_of_a_helper_names_its_own_caller() -> None:
    """One helper called from three lines, and one that calls itself: each node has the calls of its own."""

    def helper(t: Any) -> Any:
        return np.sin(t)

    def deep(t: Any, depth: int) -> Any:
        return np.exp(t) if not depth else deep(t, depth - 1)

    def f(x: Any) -> Any:
        a = helper(x)
        b = helper(a)
        return deep(b, 1) + helper(b)

    inside, recursive, line = (g.__code__.co_firstlineno + 1 for g in (helper, deep, f))
    assert chains(f, POINT[0]) == [
        ("gp.sin", [inside, line]),
        ("gp.sin", [inside, line + 1]),
        ("gp.exp", [recursive, recursive, line + 2]),
        ("gp.sin", [inside, line + 2]),
        ("gp.add", [line + 2]),
    ]


def test_a_generator_taken_up_from_two_lines_names_both() -> None:
    """A frame that is left and entered again has other callers each time."""

    def numbers(t: Any) -> Iterator[Any]:
        while True:
            t = np.sin(t)
            yield t

    def f(x: Any) -> Any:
        series = numbers(x)
        a = next(series)
        b = next(series)
        return a * b

    inside, line = numbers.__code__.co_firstlineno + 2, f.__code__.co_firstlineno + 2
    assert chains(f, POINT[0]) == [
        ("gp.sin", [inside, line]),
        ("gp.sin", [inside, line + 1]),
        ("gp.multiply", [line + 2]),
    ]


def test_a_long_way_down_keeps_the_nearest_calls() -> None:
    """Of twenty calls that led to a node the eight nearest are told."""

    def deep(t: Any, depth: int) -> Any:
        if depth:
            return deep(t, depth - 1)
        return np.sin(t)

    ((_, lines),) = chains(lambda x: deep(x, 20), POINT[0])
    first = deep.__code__.co_firstlineno
    assert lines == [first + 3] + [first + 2] * 7


def test_a_recording_lets_go_of_the_variables_it_went_through() -> None:
    """What the function's variables held is free when the program is made."""

    class Held:
        """Something that only a variable of the function holds."""

    alive: list[weakref.ref[Held]] = []

    def f(x: Any) -> Any:
        held = Held()
        alive.append(weakref.ref(held))
        return np.sin(x)

    carry(f, POINT[:1])
    assert len(alive) == 2
    assert not any(ref() for ref in alive)


def test_a_view_of_a_view_may_lie_a_thousand_deep() -> None:
    """Views know the writes through what they are views of, however many lie between."""

    def f(x: Any) -> Any:
        x = x * 1.0
        y = x
        for _ in range(1201):
            y = y[::-1]
        x[0] = x[1] * 2.0
        return y * 3.0

    carried = carry(f, POINT[:1])
    assert carried.origin.carriage == check_pb2.CARRIAGE_ARRAY_TRACE
