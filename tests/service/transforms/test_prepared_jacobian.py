"""A prepared Jacobian is the Jacobian, however its seeds are started."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.transforms import prepared_jacobian
from gradproof_service.transforms.jacobian import jacobian
from gradproof_service.transforms.prepare import prepare
from gradproof_service.transforms.prepared_jacobian import PreparedJacobian
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.seeding import split_at_identity

from tests.service.functions import graph_of

RNG = np.random.default_rng(3)
W = RNG.standard_normal((4, 3))
V = RNG.standard_normal((3, 4))


def _layers(xp: Any, x: Any) -> Any:
    return xp.tanh(xp.constant(V) @ xp.tanh(xp.constant(W) @ x))


def _weights(xp: Any, x: Any, w: Any) -> Any:
    return xp.tanh(w @ x) / (2.0 + xp.square(xp.sum(w)))


def _rows(xp: Any, x: Any, w: Any) -> Any:
    return -(x @ xp.matrix_transpose(w)) / xp.exp(x @ xp.matrix_transpose(w))


def _matrix(xp: Any, x: Any, w: Any) -> Any:
    return xp.sin(w) * xp.expand_dims(xp.sum(x), axes=(-1,)), xp.sum(w) * x


def _linear(xp: Any, x: Any) -> Any:
    return xp.constant(W) @ x


def _constant(xp: Any, x: Any) -> Any:
    return xp.stop_gradient(x) * 2.0


def _own(xp: Any, x: Any) -> Any:
    return xp.exp(-xp.square(x))


PROGRAMS = [
    (_layers, {"x": RNG.standard_normal(3)}),
    (_weights, {"x": RNG.standard_normal(3), "w": W}),
    (_rows, {"x": RNG.standard_normal(3), "w": W}),
    (_matrix, {"x": RNG.standard_normal(3), "w": W}),
    (_linear, {"x": RNG.standard_normal(3)}),
    (_constant, {"x": RNG.standard_normal(3)}),
    (_own, {"x": RNG.standard_normal((2, 3))}),
    (_own, {"x": np.array(0.5)}),
]


@pytest.mark.parametrize("mode", ["auto", "forward", "reverse"])
@pytest.mark.parametrize(("function", "point"), PROGRAMS)
def test_equals_the_jacobian_by_batched_seeds(function: Any, point: Any, mode: Any) -> None:
    """Every block in every mode, against seeds pushed whole through the derivative graph."""
    graph, xs = graph_of(function, **point)
    wrt, outs = tuple(range(len(xs))), tuple(range(len(graph.outputs)))
    ready = PreparedJacobian(graph, wrt, outs, mode)
    for _ in range(2):
        found = ready(*xs)
        expected = [b for row in jacobian(graph, xs, wrt, outs, mode).blocks for b in row]
        for y, z in zip(found, expected, strict=True):
            assert (y.shape, y.dtype) == (z.shape, z.dtype)
            np.testing.assert_allclose(y, z, rtol=1e-13, atol=1e-14)
        xs = [x + 0.25 for x in xs]


def test_seeds_in_chunks_give_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the memory allows a few rows at a time."""
    graph, xs = graph_of(_layers, x=RNG.standard_normal(3))
    whole = prepare(graph, kind="jacobian")(*xs)[0]
    monkeypatch.setattr(prepared_jacobian, "ROWS_BYTES", 200)
    np.testing.assert_allclose(PreparedJacobian(graph, (0,), (0,))(*xs)[0], whole, rtol=1e-13)


def test_no_product_with_an_identity_is_left() -> None:
    """Of the two products of two layers one is a scaling of rows, made before the batch."""
    graph, _ = graph_of(_layers, x=RNG.standard_normal(3))
    split = split_at_identity(vjp(graph, (0,), (0,)), 1)
    assert [site.op.name for site in split.after.sites].count("matmul") == 1
    assert "eye" not in {site.op.name for site in split.before.sites}
    assert split.rows.count(True) == 1
