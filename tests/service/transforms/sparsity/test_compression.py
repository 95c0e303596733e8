"""Colours keep what meets apart, and a compression names every entry once."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from gradproof_service.arrays import Array
from gradproof_service.transforms.sparsity.colouring import (
    Colours,
    alone,
    clashes,
    colour,
    star,
)
from gradproof_service.transforms.sparsity.compression import Compression, compress, one_each
from gradproof_service.transforms.sparsity.pattern import Pattern
from hypothesis import given, settings
from hypothesis import strategies as st


def pattern_of(matrix: Any) -> Pattern:
    """The pattern of a scipy matrix."""
    csr = sp.csr_array(matrix)
    csr.sum_duplicates()
    return Pattern(csr.indptr, csr.indices, csr.shape[1])


def random(rows: int, columns: int, density: float, rng_seed: int) -> Any:
    """A random sparse matrix without empty dimensions."""
    rng = np.random.default_rng(rng_seed)
    return sp.random_array(
        (rows, columns),
        density=density,
        rng=rng,
        data_sampler=lambda size: rng.uniform(0.5, 1.5, size),
    )


def banded(n: int, *offsets: int) -> Any:
    """Ones on these diagonals."""
    return sp.diags_array([np.ones(n)] * len(offsets), offsets=offsets, shape=(n, n))


def arrow(n: int) -> Any:
    """A diagonal, a full first row and a full first column."""
    matrix = np.eye(n)
    matrix[0] = matrix[:, 0] = 1.0
    return sp.csr_array(matrix)


def decompressed(matrix: Any, pattern: Pattern, c: Compression) -> Array:
    """The entries as the compression reads them from products of the matrix with its seeds."""
    dense = matrix.toarray()
    ahead = np.array([dense @ (c.columns == g) for g in range(c.forward)]).reshape(
        c.forward, pattern.rows
    )
    back = np.array([(c.rows == g) @ dense for g in range(c.reverse)]).reshape(
        c.reverse, pattern.width
    )
    return np.concatenate([ahead.reshape(-1), back.reshape(-1)])[c.places]


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.0, 0.5), st.integers(0, 99))
def test_colours_share_no_row(rows: int, columns: int, density: float, rng_seed: int) -> None:
    """Two columns of one colour have no row in common, and every column with an entry has a colour."""
    pattern = pattern_of(random(rows, columns, density, rng_seed))
    found = colour(pattern)
    assert found is not None
    assert clashes(pattern, found.of) == 0
    assert set(found.of[pattern.columns]) == set(range(found.count))


@given(st.integers(1, 20), st.integers(1, 20), st.floats(0.0, 0.6), st.integers(0, 99))
def test_every_entry_comes_back(rows: int, columns: int, density: float, rng_seed: int) -> None:
    """Products with the seeds hold every entry where the compression says."""
    matrix = sp.csr_array(random(rows, columns, density, rng_seed))
    pattern = pattern_of(matrix)
    expected = matrix.toarray()[pattern.row_of, pattern.columns]
    for found in (compress(pattern), one_each(pattern)):
        assert found is not None
        np.testing.assert_allclose(decompressed(matrix, pattern, found), expected, rtol=1e-12)


@settings(max_examples=80)
@given(st.integers(1, 20), st.floats(0.0, 0.5), st.integers(0, 99), st.integers(0, 2))
def test_symmetric_needs_columns_only(n: int, density: float, rng_seed: int, hubs: int) -> None:
    """A symmetric matrix comes back from products with columns alone, hubs or none."""
    half = random(n, n, density, rng_seed)
    full = (half + half.T).toarray()
    full[:hubs, :] = full[:, :hubs] = 0.0
    full[:hubs, :] += 0.75
    full[:, :hubs] += 0.75
    matrix = sp.csr_array(full)
    pattern = pattern_of(matrix)
    found = compress(pattern, symmetric=True)
    assert found is not None
    assert found.reverse == 0
    np.testing.assert_allclose(
        decompressed(matrix, pattern, found), full[pattern.row_of, pattern.columns], rtol=1e-12
    )


def graph(n: int, density: float, rng_seed: int) -> Any:
    """A symmetric matrix with a full diagonal: the graph of its entries."""
    half = random(n, n, density, rng_seed)
    return sp.csr_array(half + half.T + sp.eye_array(n))


def is_star(matrix: Any, colours: Array) -> bool:
    """Whether neighbours differ and every path of four has three colours, by trying all of them."""
    beside = matrix.toarray() != 0
    n = len(beside)
    if any(beside[a, b] and colours[a] == colours[b] for a, b in permutations(range(n), 2)):
        return False
    return not any(
        beside[a, b] and beside[b, c] and beside[c, d] and len({*colours[[a, b, c, d]]}) < 3
        for a, b, c, d in permutations(range(n), 4)
    )


@settings(max_examples=60)
@given(st.integers(1, 7), st.floats(0.0, 0.6), st.integers(0, 99))
def test_a_star_colouring_is_one(n: int, density: float, rng_seed: int) -> None:
    """Neighbours differ, no path of four has two colours, and of each entry and its mirror image one is alone."""
    matrix = graph(n, density, rng_seed)
    pattern = pattern_of(matrix)
    found = star(pattern)
    assert found is not None
    assert is_star(matrix, found.of)
    here = sp.csr_array((alone(pattern, found.of), pattern.columns, pattern.starts)).toarray()
    assert ((here | here.T) == (matrix.toarray() != 0)).all()


def test_a_path_of_two_colours_is_seen() -> None:
    """Four in a row in two colours are no star colouring, in three they are."""
    line = banded(4, -1, 0, 1)
    assert not is_star(line, np.array([0, 1, 0, 1]))
    assert is_star(line, np.array([0, 1, 2, 0]))


@given(st.integers(20, 90), st.integers(0, 20))
def test_large_stars(n: int, rng_seed: int) -> None:
    """Rows too long to choose in rounds are coloured one by one, by the same law."""
    matrix = graph(n, 0.02, rng_seed) + sp.csr_array(
        graph(n, 1.0, rng_seed).toarray() * (np.arange(n) % 9 == 0)
    )
    matrix = sp.csr_array(matrix + matrix.T)
    pattern = pattern_of(matrix)
    found = compress(pattern, symmetric=True)
    assert found is not None
    expected = matrix.toarray()[pattern.row_of, pattern.columns]
    np.testing.assert_allclose(decompressed(matrix, pattern, found), expected, rtol=1e-12)
    coloured = star(pattern)
    assert coloured is not None
    here = sp.csr_array((alone(pattern, coloured.of), pattern.columns, pattern.starts)).toarray()
    assert ((here | here.T) == (matrix.toarray() != 0)).all()


def test_a_tree_takes_fewer_by_symmetry() -> None:
    """The Hessian of a tree takes a few products, however many neighbours meet in a point."""
    n = 500
    rng = np.random.default_rng(0)
    parent = np.minimum(rng.integers(0, np.arange(1, n)), 40)
    half = sp.coo_array((np.ones(n - 1), (np.arange(1, n), parent)), shape=(n, n))
    pattern = pattern_of(sp.csr_array(half + half.T + sp.eye_array(n)))
    columns, symmetric = compress(pattern), compress(pattern, symmetric=True)
    plain = colour(pattern)
    assert columns is not None
    assert symmetric is not None
    assert plain is not None
    assert plain.count > 15
    assert symmetric.seeds <= 6


@pytest.mark.parametrize(
    ("matrix", "seeds"),
    [
        (banded(1000, -1, 0, 1), 3),
        (banded(1000, 0), 1),
        (banded(1000, -2, -1, 0, 1, 2), 5),
        (sp.kron(sp.eye_array(100), np.ones((4, 3))), 3),
        (sp.vstack([banded(500, 0, 1), np.ones((2, 500))]), 4),
        (sp.hstack([banded(500, 0, 1), np.ones((500, 1))]), 3),
        (arrow(1000), 3),
        (sp.kron(sp.eye_array(80), arrow(40)), 3),
    ],
    ids=[
        "three diagonals",
        "one",
        "five",
        "blocks",
        "long rows",
        "a long column",
        "an arrow",
        "long rows that do not meet",
    ],
)
def test_few_seeds_are_enough(matrix: Any, seeds: int) -> None:
    """Known structures take as few seeds as is known to be possible."""
    found = compress(pattern_of(matrix))
    assert found is not None
    assert found.seeds == seeds


def test_an_arrow_takes_two_seeds() -> None:
    """A symmetric arrow, dense in its first row and column, needs one seed for the point and one for the rest."""
    found = compress(pattern_of(arrow(300)), symmetric=True)
    assert found is not None
    assert found.seeds == 2


def test_a_grid_takes_few_colours() -> None:
    """Five diagonals of a square grid of many points are coloured in few colours, all of them apart."""
    side = 300
    line = banded(side, -1, 0, 1)
    eye = sp.eye_array(side)
    pattern = pattern_of(sp.kron(eye, line) + sp.kron(line, eye))
    found = colour(pattern)
    assert found is not None
    assert found.count <= 9
    assert clashes(pattern, found.of) == 0


def test_a_wrong_colour_is_seen() -> None:
    """Two neighbours of one colour clash."""
    pattern = pattern_of(banded(50, -1, 0, 1))
    found = colour(pattern)
    assert found is not None
    planted = Colours(found.of.copy(), found.count)
    planted.of[7] = planted.of[8]
    assert clashes(pattern, planted.of) > 0


def test_long_rows_are_coloured_too() -> None:
    """Blocks with more columns than any mask has bits take exactly as many colours as a block has columns."""
    pattern = pattern_of(sp.kron(sp.eye_array(6), np.ones((3, 150))))
    found = colour(pattern)
    assert found is not None
    assert found.count == 150
    assert clashes(pattern, found.of) == 0
