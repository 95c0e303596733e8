"""Sparse derivatives through the public face, in process and over a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradproof as gp
import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from tests.service.server.harness import ServerThread

Array = NDArray[Any]


def burgers(u: Array) -> Array:
    """Three neighbours an entry."""
    return u[1:-1] * (u[2:] - u[:-2]) / 2 - 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])


def bratu(u: Array) -> Array:
    """Five neighbours an entry, the border held at zero."""
    p = np.pad(u, 1)
    return p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:] - 4 * u + 0.5 * np.exp(u)


def rosenbrock(x: Array) -> Any:
    """A sum over neighbours."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def numbers(*shape: int) -> Array:
    """Values in [0.5, 1.5]."""
    return np.random.default_rng(3).uniform(0.5, 1.5, shape)


@pytest.mark.parametrize(
    ("f", "x"), [(burgers, numbers(20)), (bratu, numbers(4, 5))], ids=["burgers", "bratu"]
)
def test_sparse_is_dense(f: Callable[[Array], Array], x: Array) -> None:
    """`sparse=True` gives a matrix of (outputs, inputs) with the dense Jacobian's entries."""
    dense = gp.jacobian(f, at=(x,), sparse=False)
    found = gp.jacobian(f, at=(x,), sparse=True)
    assert isinstance(found, sp.csr_array)
    assert found.has_canonical_format
    np.testing.assert_allclose(found.toarray(), dense.reshape(found.shape), rtol=1e-13)
    assert found.nnz < dense.size / 2


def test_hessian_has_three_diagonals() -> None:
    """A Hessian of neighbours is sparse, and what is stored is what is not zero."""
    x = numbers(30)
    found = gp.hessian(rosenbrock, at=(x,), sparse=True)
    np.testing.assert_allclose(
        found.toarray(), gp.hessian(rosenbrock, at=(x,), sparse=False), rtol=1e-12
    )
    assert found.nnz == 3 * 30 - 2


def test_auto_is_sparse_when_it_is_large() -> None:
    """By itself a small Jacobian comes dense, a large sparse one sparse, a large dense one dense."""
    assert isinstance(gp.jacobian(burgers, at=(numbers(50),)), np.ndarray)
    assert isinstance(gp.jacobian(burgers, at=(numbers(2000),)), sp.csr_array)
    mixed = np.cos(np.arange(1100.0 * 1000)).reshape(1100, 1000)
    assert isinstance(gp.jacobian(lambda x: np.tanh(mixed @ x), at=(numbers(1000),)), np.ndarray)


def test_several_inputs_and_outputs() -> None:
    """Blocks stand as dense ones do: outputs outside, arguments inside."""

    def f(x: Array, y: Array) -> tuple[Array, Any]:
        return x * y[::-1], np.sum(x * x)

    at = (numbers(6), numbers(6))
    dense, sparse = (gp.jacobian(f, at=at, sparse=s) for s in (False, True))
    for row, expected in zip(sparse, dense, strict=True):
        for block, full in zip(row, expected, strict=True):
            np.testing.assert_allclose(
                block.toarray(), np.asarray(full).reshape(block.shape), rtol=1e-13
            )
    assert sparse[1][1].nnz == 0


def test_a_structured_input_comes_in_the_same_form() -> None:
    """Along the tangent space of a declared structure the numbers are dense, the form is what was asked."""
    x = np.array([[2.0, 0.5], [0.5, 3.0]])
    found = gp.jacobian(lambda a: a * a, at=(x,), sparse=True, structure={"a": "symmetric"})
    dense = gp.jacobian(lambda a: a * a, at=(x,), sparse=False, structure={"a": "symmetric"})
    np.testing.assert_allclose(found.toarray(), dense.reshape(4, 4), rtol=1e-13)


def test_too_many_entries_are_refused_in_one_sentence() -> None:
    """A Jacobian whose structure has more entries than the limit is refused before it is formed."""
    with pytest.raises(gp.LimitError, match="products with seeds"):
        gp.jacobian(lambda x: np.cumsum(x) * np.sum(x), at=(np.ones(100_000),), sparse=True)


@pytest.fixture(scope="module")
def client() -> Iterator[gp.Client]:
    """A client of a service behind a socket."""
    with ServerThread() as server, gp.connect(server.address) as client:
        yield client


def test_over_a_socket_it_is_the_same(client: gp.Client) -> None:
    """The matrix that arrives over the network, large parts as blobs, is the one computed here, bit for bit."""
    x = numbers(150_000)
    far = client.jacobian(burgers, at=(x,))
    near = gp.jacobian(burgers, at=(x,))
    assert far.data.nbytes + far.indices.nbytes > 4 << 20
    assert far.shape == near.shape
    for a, b in ((far.data, near.data), (far.indices, near.indices), (far.indptr, near.indptr)):
        np.testing.assert_array_equal(a, b)


def test_a_large_sparse_claim_travels(client: gp.Client) -> None:
    """A claim of several megabytes is put as blobs and compared there; one wrong entry is named."""
    x = numbers(150_000)
    claim = gp.jacobian(burgers, at=(x,))
    assert client.check(burgers, at=(x,), claim=claim, claim_kind="jacobian").verdict == "agrees"
    claim.data[200_001] *= 1.0001
    report = client.check(burgers, at=(x,), claim=claim, claim_kind="jacobian")
    assert report.verdict == "disagrees"
    assert report.comparisons[-1].worst_index == (200_001 // 3, 200_001 // 3 + 200_001 % 3)
