"""Pooling and convolution against their definitions written as loops."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from gradproof_service.arrays import Array
from gradproof_service.ops import OPS
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.service.ops.draws import HypothesisDraw
from tests.service.ops.one_op import gradient, graph_of, value


def window_elements(
    shape: tuple[int, ...], attrs: Any, sizes: tuple[int, ...], place: Any
) -> list[Any]:
    """Offset in the window and index into the last axes, for each element that is no border."""
    found: list[Any] = []
    for offset in product(*map(range, sizes)):
        at = tuple(
            p * stride + q * dilation - low
            for p, q, stride, dilation, low in zip(
                place,
                offset,
                attrs["strides"],
                attrs["dilation"],
                attrs["padding"][::2],
                strict=True,
            )
        )
        if all(0 <= a < n for a, n in zip(at, shape, strict=True)):
            found.append((offset, at))
    return found


@settings(max_examples=40)
@given(data=st.data())
def test_pools_are_their_definition(data: Any) -> None:
    """Each window's largest element and mean over the elements that exist (or over all)."""
    d = HypothesisDraw(data)
    (x,), given_attrs = OPS["avg_pool"].sample(d)
    count_all = given_attrs.pop("count_include_pad")
    site = graph_of("max_pool", x, **given_attrs).sites[0]
    k = len(site["window"])
    largest = value("max_pool", x, **given_attrs)
    mean = value("avg_pool", x, **given_attrs, count_include_pad=count_all)
    for place in product(*map(range, largest.shape[-k:])):
        at = [a for _, a in window_elements(x.shape[-k:], site, site["window"], place)]
        held = (
            np.stack([x[(..., *a)] for a in at], axis=-1)
            if at
            else np.full((*x.shape[:-k], 1), -np.inf)
        )
        np.testing.assert_array_equal(largest[(..., *place)], held.max(axis=-1))
        total = held.sum(axis=-1) if at else 0.0
        n = np.prod(site["window"]) if count_all else max(1, len(at))
        np.testing.assert_allclose(mean[(..., *place)], total / n, rtol=1e-14, atol=1e-14)


def convolved(x: Array, w: Array, attrs: Any, shape: tuple[int, ...]) -> Array:
    """The sum over channels and offsets, one output element at a time."""
    k, inner, outs = x.ndim - 2, w.shape[1], w.shape[0] // attrs["groups"]
    sides = tuple((n - 1) * g + 1 for n, g in zip(x.shape[2:], attrs["lhs_dilation"], strict=True))
    wide = np.zeros((*x.shape[:2], *sides))
    wide[(..., *(slice(None, None, g) for g in attrs["lhs_dilation"]))] = x
    y = np.zeros(shape)
    for b, o, *place in np.ndindex(*shape):
        first = o // outs * inner
        for offset, at in window_elements(wide.shape[-k:], attrs, w.shape[2:], place):
            y[(b, o, *place)] += (
                wide[(b, slice(first, first + inner), *at)] @ w[(o, slice(None), *offset)]
            )
    return y


@settings(max_examples=40)
@given(data=st.data())
def test_conv_is_its_definition(data: Any) -> None:
    """Strides, borders, both dilations and groups, against the formula."""
    d = HypothesisDraw(data)
    (x, w), attrs = OPS["conv"].sample(d)
    got = value("conv", x, w, **attrs)
    expected = convolved(x, w, graph_of("conv", x, w, **attrs).sites[0], got.shape)
    np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-13)


def test_negative_padding_cuts() -> None:
    """Padding of -1 is the convolution of what is left."""
    x, w = np.arange(6.0).reshape(1, 1, 6), np.array([[[1.0, -2.0]]])
    np.testing.assert_array_equal(
        value("conv", x, w, padding=(-1, -2)), value("conv", x[:, :, 1:-2], w)
    )


def test_a_kernel_that_only_meets_the_border_has_no_slope() -> None:
    """Where padding and stride keep every window off x the gradient is zero, and has x's shape."""
    x, w = np.ones((1, 1, 2)), np.ones((1, 1, 1))
    for padding in ((5, -1), (6, -2), (5, -2)):
        np.testing.assert_array_equal(
            gradient("conv", x, w, padding=padding, strides=(7,)), np.zeros((1, 1, 2))
        )


def test_tied_elements_of_a_window_share() -> None:
    """Two largest elements get half of the slope each, and the border gets none."""
    x = np.array([3.0, 3.0, 1.0])
    np.testing.assert_array_equal(
        gradient("max_pool", x, window=(2,), strides=(2,), padding=(0, 1)), [0.5, 0.5, 1]
    )
