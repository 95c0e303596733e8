"""What the general laws cannot see in indexing: NumPy's meaning, ends of axes, repeated places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import type_of, type_of_array
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped
from gradproof_service.transforms.evaluate import evaluate
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp
from hypothesis import given
from hypothesis import strategies as st

from tests.service.ops.draws import HypothesisDraw
from tests.service.ops.one_op import graph_of, hessian, value

WORDS = ("array", "array", "int", "slice", "slice", "new,slice", "new,array")


def index_expression(d: HypothesisDraw) -> tuple[Any, tuple[Any, ...], list[Any], str]:
    """An array, an index as NumPy takes it, the same as operands and as a spec."""
    shape = d.shape(1, 4, 4)
    adv = d.shape(0, 2, 3)
    parts: list[Any] = []
    arrays: list[Any] = []
    words: list[str] = []
    for n in shape:
        kind = d.choice(WORDS)
        if kind.startswith("new"):
            parts.append(None)
            words.append("new")
        if kind.endswith("array"):
            arrays.append(d.integers(d.choice((adv, adv[1:], (1,) * len(adv))), -n, n - 1))
            parts.append(arrays[-1])
            words.append("array")
        elif kind == "int":
            parts.append(d.integer(-n, n - 1))
            words.append(str(parts[-1]))
        else:
            ends = d.integer(-n - 2, n + 2), d.integer(-n - 2, n + 2), d.choice((-2, -1, 1, 2))
            parts.append(slice(*ends))
            words.append(":".join(map(str, ends)))
    if d.choice((False, True)):
        at = d.integer(0, len(words))
        words.insert(at, "...")
        parts.insert(at, ...)
    return d.real(shape), tuple(parts), arrays, ",".join(words)


@given(data=st.data())
def test_index_get_and_set_are_numpys(data: Any) -> None:
    """x[spec] and x[spec] = u mean what NumPy means, and the normal spelling means the same."""
    d = HypothesisDraw(data)
    x, index, arrays, spec = index_expression(d)
    expected = x[index]
    graph = graph_of("index_get", x, *arrays, spec=spec)
    np.testing.assert_array_equal(evaluate(graph, [x, *arrays])[0], expected)
    normal = graph.sites[0]["spec"]
    np.testing.assert_array_equal(value("index_get", x, *arrays, spec=normal), expected)
    assert graph_of("index_get", x, *arrays, spec=normal).sites[0]["spec"] == normal
    u = d.real(expected.shape)
    y = x.copy()
    y[index] = u
    np.testing.assert_array_equal(value("index_set", x, u, *arrays, spec=spec), y)


OUTSIDE = [
    ("take", {"axis": 0}, np.array([0, 3, -4])),
    ("take_along_axis", {"axis": 0}, np.array([0, 3, -4])),
    ("gather_nd", {}, np.array([[0], [3], [-4]])),
    ("index_get", {"spec": "array"}, np.array([0, 3, -4])),
]


@pytest.mark.parametrize(("op", "attrs", "indices"), OUTSIDE, ids=[o[0] for o in OUTSIDE])
def test_reading_outside_gives_the_fill_and_no_slope(
    op: str, attrs: dict[str, Any], indices: Any
) -> None:
    """An index outside [-n, n) reads NaN (or `fill`) and sends no cotangent anywhere."""
    x = np.array([5.0, 6.0, 7.0])
    np.testing.assert_array_equal(value(op, x, indices, **attrs), [5, np.nan, np.nan])
    np.testing.assert_array_equal(value(op, x, indices, **attrs, fill=-1.0), [5, -1, -1])
    least = np.iinfo(np.int64).min
    np.testing.assert_array_equal(
        value(op, x.astype(np.int64), indices, **attrs), [5, least, least]
    )
    graph = graph_of(op, x, indices, **attrs)
    bar = evaluate(vjp(graph, (0,), (0,)), [x, indices, np.array([2.0, 3.0, 4.0])])[1]
    np.testing.assert_array_equal(bar, [2, 0, 0])


def test_writing_outside_is_dropped() -> None:
    """An update outside leaves x alone, and its cotangent is zero."""
    x, i, u = np.array([5.0, 6.0]), np.array([1, 2, -3]), np.array([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(value("scatter_elements", x, i, u), [5, 1])
    graph = graph_of("scatter_elements", x, i, u)
    bars = evaluate(vjp(graph, (0, 2), (0,)), [x, i, u, np.array([10.0, 20.0])])[1:]
    np.testing.assert_array_equal(bars[0], [10, 0])
    np.testing.assert_array_equal(bars[1], [20, 0, 0])


def test_the_last_of_several_updates_stays() -> None:
    """At a place set twice the later update has the value and the whole derivative."""
    x, i, u = np.zeros(3), np.array([1, 1, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0])
    np.testing.assert_array_equal(value("index_set", x, u, i, spec="array"), [3, 4, 0])
    graph = graph_of("index_set", x, u, i, spec="array")
    bar = evaluate(vjp(graph, (1,), (0,)), [x, u, i, np.array([10.0, 20.0, 30.0])])[1]
    np.testing.assert_array_equal(bar, [0, 0, 10, 20])


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (0, 1), (0, 1, 2)])
def test_product_of_updates_with_zeros(zeros: tuple[int, ...]) -> None:
    """Derivatives of a multiplied place are products of the others, to second order, zeros or not."""
    x, i, u = np.array([3.0]), np.array([0, 0, 0]), np.array([2.0, 5.0, 7.0])
    u[list(zeros)] = 0.0
    graph = graph_of("scatter_elements", x, i, u, reduction="mul")
    bar = evaluate(vjp(graph, (2,), (0,)), [x, i, u, np.ones(1)])[1]
    np.testing.assert_allclose(bar, [3 * u[1] * u[2], 3 * u[0] * u[2], 3 * u[0] * u[1]], rtol=1e-15)
    second = hessian_of_updates(x, i, u)
    expected = 3 * np.array([[0, u[2], u[1]], [u[2], 0, u[0]], [u[1], u[0], 0]])
    np.testing.assert_allclose(second, expected, rtol=1e-14, atol=1e-14)


def hessian_of_updates(x: Any, i: Any, u: Any) -> Any:
    """Second derivatives by the updates of one multiplied place."""
    graph = graph_of("scatter_elements", x, i, u, reduction="mul")
    second = jvp(vjp(graph, (2,), (0,)), (2,))
    return np.stack([evaluate(second, [x, i, u, np.ones(1), t])[3] for t in np.eye(3)])


def test_slices_of_arrays_too_large_to_hold() -> None:
    """Inference allocates nothing of the array's size."""
    huge = type_of("float64", (10**12, 10**6))
    some = type_of("int64", (5,))
    assert OPS["slice"].site({"starts": (0, -1), "stops": (2**62, -(2**62)), "steps": (3, -1)}, (huge,)).out.shape == (
        333333333334, 10**6,
    )  # fmt: skip
    assert OPS["take"].site({"axis": 1}, (huge, some)).out.shape == (10**12, 5)
    assert OPS["index_get"].site({"spec": "::2,array"}, (huge, some)).out.shape == (5 * 10**11, 5)
    assert (
        OPS["index_set"].site({"spec": "...,array"}, (huge, type_of("float64", ()), some)).out
        is huge
    )


def test_a_backward_slice_to_the_first_element_keeps_its_meaning() -> None:
    """The normal spelling of x[::-1] is a slice that runs to the first element, not an empty one."""
    x = np.arange(4.0)
    graph = graph_of("slice", x, starts=(-1,), stops=(-5,), steps=(-1,))
    again = graph_of("slice", x, **graph.sites[0].attrs)
    np.testing.assert_array_equal(evaluate(again, [x])[0], x[::-1])
    assert again.sites[0].attrs == graph.sites[0].attrs


def test_dynamic_starts_are_clamped() -> None:
    """A block that would stick out is moved inside; negative starts do not wrap."""
    x = np.arange(5.0)
    for start, first in ((-2, 0), (0, 0), (2, 2), (9, 2)):
        np.testing.assert_array_equal(
            value("dynamic_slice", x, np.int64(start), sizes=(3,)), x[first : first + 3]
        )


REFUSED = [
    ("take", (type_of("float64", (3,)), type_of("float64", (2,))), {}, "astype int64"),
    ("take", (type_of("float64", (3,)), type_of("bool", (3,))), {}, "nonzero"),
    ("take_along_axis", (type_of("float64", (3, 2)), type_of("int64", (1, 1))), {"axis": 0}, "broadcast_to"),
    ("gather_nd", (type_of("float64", (3,)), type_of("int64", (4, 2))), {}, "reshape"),
    ("index_get", (type_of("float64", (3,)),), {"spec": "0,0"}, "at most 1"),
    ("index_get", (type_of("float64", (3,)),), {"spec": "x"}, "expected a whole number"),
    ("index_get", (type_of("float64", (3,)),), {"spec": "3"}, "outside"),
    ("index_get", (type_of("float64", (3,)),), {"spec": "array"}, "index operands"),
    ("index_set", (type_of("int64", (3,)), type_of("float64", ())), {"spec": "0"}, "without loss"),
    ("scatter_nd", (type_of("float64", (3,)), type_of("int64", (2, 1)), type_of("float64", (3,))), {}, "expected"),
    ("dynamic_slice", (type_of("float64", (3,)), type_of("int64", ())), {"sizes": (4,)}, "does not lie"),
    ("conv", (type_of("float64", (1, 2, 3)), type_of("float64", (1, 1, 2))), {}, "groups"),
    ("conv", (type_of("float64", (1, 1, 3)), type_of("float64", (1, 1, 4))), {}, "no place"),
    ("max_pool", (type_of("float64", (3,)),), {"window": (2,), "padding": (2, 0)}, "less than"),
]  # fmt: skip


@pytest.mark.parametrize(("op", "ins", "attrs", "says"), REFUSED)
def test_refusals_say_what_to_do(op: str, ins: Any, attrs: dict[str, Any], says: str) -> None:
    """Operands that do not fit are refused in a sentence, never by an error of NumPy's."""
    with pytest.raises(IllTyped) as caught:
        OPS[op].site(attrs, ins)
    assert says in caught.value.message


def test_hessian_of_a_read_is_zero() -> None:
    """Reads are linear: the second derivative is exactly zero."""
    assert not hessian("index_get", np.arange(3.0), spec="::2").any()
    assert type_of_array(value("shape_of", np.zeros((2, 0)))) is type_of("int64", (2,))
