"""What the general laws cannot see in linear algebra: singular matrices, conventions, one GEMM."""

from __future__ import annotations

from itertools import product
from math import inf
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of
from gradproof_service.ops import OPS, linalg
from gradproof_service.transforms.evaluate import call_batched

from tests.service.ops.one_op import (
    gradient,
    gradient_forward,
    graph_of,
    hessian,
    value,
)

RANKS = {
    "full": [[2.0, -1.0, 0.5], [1.0, 3.0, -2.0], [0.25, 1.0, 1.0]],
    "one less": [[2.0, -1.0, 0.5], [1.0, 3.0, -2.0], [4.0, -2.0, 1.0]],
    "two less": [[2.0, -1.0, 0.5], [-4.0, 2.0, -1.0], [1.0, -0.5, 0.25]],
    "none": [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
}


def expansion(a: Array, rows: tuple[int, ...], columns: tuple[int, ...]) -> float:
    """Determinant of a submatrix, by Laplace's expansion along its first row."""
    if not rows:
        return 1.0
    return sum(
        (-1) ** k * a[rows[0], c] * expansion(a, rows[1:], columns[:k] + columns[k + 1 :])
        for k, c in enumerate(columns)
    )


def without(*gone: int) -> tuple[int, ...]:
    """The rows or columns of a 3 x 3 matrix that are left."""
    return tuple(i for i in range(3) if i not in gone)


@pytest.mark.parametrize("rank", RANKS)
def test_det_has_a_gradient_at_every_rank(rank: str) -> None:
    """The gradient of det is the matrix of signed minors, for singular matrices as well."""
    a = np.array(RANKS[rank])
    minors = [
        [(-1) ** (i + j) * expansion(a, without(i), without(j)) for j in range(3)] for i in range(3)
    ]
    np.testing.assert_allclose(gradient("det", a), minors, atol=1e-14)
    np.testing.assert_allclose(gradient_forward("det", a), minors, atol=1e-14)


@pytest.mark.parametrize("rank", RANKS)
def test_det_has_a_hessian_at_every_rank(rank: str) -> None:
    """Second derivatives of a 3 x 3 determinant are signed entries of the matrix."""
    a = np.array(RANKS[rank])
    expected = np.zeros((3, 3, 3, 3))
    for i, j, k, m in product(range(3), repeat=4):
        if i != k and j != m:
            (row,), (column,) = without(i, k), without(j, m)
            sign = (-1) ** (i + j + k + m) * (1 if (i < k) == (j < m) else -1)
            expected[i, j, k, m] = sign * a[row, column]
    np.testing.assert_allclose(hessian("det", a), expected.reshape(9, 9), atol=1e-13)


@pytest.mark.parametrize("op", ["inv", "solve", "solve_triangular", "cholesky"])
def test_one_bad_matrix_spoils_only_its_own_place(op: str) -> None:
    """A singular or indefinite matrix becomes NaN; its neighbours keep their values."""
    stack = np.stack([np.eye(3), np.zeros((3, 3)), 4 * np.eye(3)])
    if op == "cholesky":
        stack[1] = -np.eye(3)
    sides = (np.ones(3),) if op.startswith("solve") else ()
    y = value(op, stack, *sides)
    assert np.isnan(y[1]).all()
    for i in (0, 2):
        np.testing.assert_array_equal(y[i], value(op, stack[i], *sides))
        assert np.isfinite(y[i]).all()


def test_slogdet_of_a_singular_matrix() -> None:
    """A singular matrix has the sign 0 and the logarithm -inf; nothing is raised."""
    op = OPS["slogdet"]
    with np.errstate(all="ignore"):
        sign, log = op.kernel(op.site({}, (type_of("f8", (2, 2)),)), np.zeros((2, 2)))
    assert (sign, log) == (0.0, -inf)


@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_reads_the_symmetric_part(upper: bool) -> None:
    """What A and A^T share alone counts, so the gradient of anything behind it is symmetric."""
    a = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.25], [0.5, -0.25, 2.0]])
    twist = np.array([[0.0, 0.5, -1.0], [-0.5, 0.0, 0.25], [1.0, -0.25, 0.0]])
    y = value("cholesky", a + twist, upper=upper)
    np.testing.assert_allclose(y.T @ y if upper else y @ y.T, a, rtol=1e-15)
    for slope in (gradient, gradient_forward):
        g = slope("cholesky", a, upper=upper)
        np.testing.assert_allclose(g, g.T, rtol=1e-13)


@pytest.mark.parametrize(("lower", "transpose", "unit"), tuple(product([False, True], repeat=3)))
def test_the_other_triangle_is_not_read(lower: bool, transpose: bool, unit: bool) -> None:
    """NaN in the triangle that is not read changes nothing, alone or in a stack."""
    full = np.array([[2.0, -1.0, 0.5], [1.0, 3.0, -2.0], [0.25, 1.0, 1.5]])
    unread = np.triu(np.ones((3, 3)), 1) if lower else np.tril(np.ones((3, 3)), -1)
    a = np.where(unread > 0, np.nan, full)
    triangle = np.tril(full) if lower else np.triu(full)
    if unit:
        np.fill_diagonal(triangle, 1.0)
        np.fill_diagonal(a, np.nan)
    attrs = {"lower": lower, "transpose": transpose, "unit_diagonal": unit}
    b = np.array([1.0, -2.0, 3.0])
    for matrices in (a, np.stack([a, a])):
        x = value("solve_triangular", matrices, b, **attrs)
        back = x @ (triangle if transpose else triangle.T)
        np.testing.assert_allclose(back, np.broadcast_to(b, back.shape), rtol=1e-14)


@pytest.mark.parametrize(
    ("order", "x", "slope"),
    [
        (2.0, [0.0, 0.0], [0.0, 0.0]),
        (3.0, [0.0, 0.0], [0.0, 0.0]),
        (1.0, [0.0, -2.0], [0.0, -1.0]),
        (inf, [1.0, -3.0, 3.0], [0.0, -0.5, 0.5]),
        (-inf, [1.0, -3.0], [1.0, 0.0]),
    ],
)
def test_norm_at_a_kink(order: float, x: list[float], slope: list[float]) -> None:
    """Where the norm has no slope, both rules return what the record says."""
    assert gradient("vector_norm", x, ord=order).tolist() == slope
    assert gradient_forward("vector_norm", x, ord=order).tolist() == slope


@pytest.mark.parametrize(
    ("a", "b"),
    [((5, 4), (4,)), ((4,), (4, 5)), ((5, 4), (4, 3)), ((3, 4), (4, 5)), ((2, 5, 4), (4, 3))],
)
@pytest.mark.parametrize("still", [0, 1])
def test_a_repeated_matrix_is_multiplied_once(
    a: tuple[int, ...], b: tuple[int, ...], still: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many seeds against one unbatched matrix are one product of two matrices, not one each."""
    op = OPS["matmul"]
    site = op.site({}, (type_of("f8", a), type_of("f8", b)))
    rng = np.random.default_rng(1)
    operands = [rng.normal(size=(7, *a)), rng.normal(size=(7, *b))]
    operands[still] = np.broadcast_to(operands[still][0], operands[still].shape)
    if still == 0 and len(a) > 2:
        operands[1] = np.broadcast_to(operands[1][0], operands[1].shape)  # a stack is no one matrix
    expected = np.stack([np.tensordot(x, y, 1) for x, y in zip(*operands, strict=True)])
    seen: list[int] = []
    matmul: Any = np.matmul

    def counted(x: Array, y: Array) -> Array:
        seen.append(max(x.ndim, y.ndim))
        return matmul(x, y)

    monkeypatch.setattr(linalg.np, "matmul", counted)
    np.testing.assert_allclose(op.kernel(site, *operands), expected, rtol=1e-13, atol=1e-14)
    assert seen == [2]


@pytest.mark.parametrize(
    ("equation", "shapes", "expected"),
    [
        ("ii", ((3, 3),), np.trace),
        ("ii->i", ((3, 3),), np.diagonal),
        ("ba", ((2, 3),), np.transpose),
        ("i,j", ((2,), (3,)), np.outer),
        ("...ij,...jk", ((2, 3, 4), (4, 5)), np.matmul),
        ("...i,...i->...", ((2, 1, 3), (4, 3)), lambda a, b: np.sum(a * b, -1)),
        ("ij,jk", ((2, 1), (3, 4)), lambda a, b: a @ np.sum(b, 0, keepdims=True)),
        ("ij,kj->", ((2, 3), (4, 3)), lambda a, b: np.sum(a @ b.T)),
        ("ab,bc,ca->", ((20, 30), (30, 25), (25, 20)), lambda a, b, c: np.trace(a @ b @ c)),
    ],
)
def test_einsum_against_its_meaning(equation: str, shapes: Any, expected: Any) -> None:
    """Each equation is the function that it spells, with implicit results and ellipses too."""
    rng = np.random.default_rng(2)
    xs = [rng.normal(size=shape) for shape in shapes]
    np.testing.assert_allclose(value("einsum", *xs, equation=equation), expected(*xs), rtol=1e-11)


@pytest.mark.parametrize("op", ["matmul", "solve", "slogdet", "einsum", "cholesky"])
def test_inference_allocates_nothing(op: str) -> None:
    """Types and costs of absurdly large operands are found without making them."""
    side = 10**12
    count = 2 if op in ("matmul", "solve", "einsum") else 1
    attrs = {"equation": "ij,jk->ik"} if op == "einsum" else {}
    site = OPS[op].site(attrs, (type_of("f8", (side, side)),) * count)
    cost = OPS[op].cost
    assert cost is not None
    assert cost(site) > 1e35


def test_integers_are_typed_as_numpy_types_them() -> None:
    """Integer matrices multiply to integers, and are solved in the float that promotion gives."""
    small = np.eye(2, dtype=np.int8)
    assert graph_of("matmul", small, small).output_types[0].dtype == np.int8
    assert value("matmul", small, np.ones(2, np.float32)).dtype == np.float32
    assert value("solve", small, np.ones(2, np.float32)).dtype == np.float32
    assert value("inv", small).dtype == np.float64


@pytest.mark.parametrize("turned", [False, True])
def test_complex_rows_times_a_real_matrix(turned: bool) -> None:
    """The complex step's batch of vectors, on either side of the matrix: as NumPy multiplies complex copies."""
    rng = np.random.default_rng(4)
    matrix, parts = rng.standard_normal((3, 5)), rng.standard_normal((2, 7, 5))
    points, row = parts[0] + 1e-30j * parts[1], type_of(np.float64, (5,))
    operands: list[Array] = [matrix, points] if turned else [points, matrix.T]
    types = (type_of(np.float64, (3, 5)), row) if turned else (row, type_of(np.float64, (5, 3)))
    op = OPS["matmul"]
    found = call_batched(op, op.site({}, types), operands, (not turned, turned))
    expected = points @ matrix.T.astype(complex)
    np.testing.assert_allclose(found.real, expected.real, rtol=1e-13)
    np.testing.assert_allclose(found.imag, expected.imag, rtol=1e-13)
