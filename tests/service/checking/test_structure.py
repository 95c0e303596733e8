"""Laws of structured inputs: projections, tangent directions, and claims judged along them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Structure, type_of_array
from gradproof_service.checking.check import check
from gradproof_service.checking.report import Claim, Kind, Options, Report, Verdict
from gradproof_service.checking.structure import FREE, project, tangent_basis
from gradproof_service.graph.builder import Builder

RNG = np.random.default_rng(8)
SQUARE = RNG.standard_normal((3, 3))
POINTS: dict[Structure, np.ndarray] = {
    Structure.SYMMETRIC: SQUARE + SQUARE.T,
    Structure.SPD: SQUARE @ SQUARE.T + 3 * np.eye(3),
    Structure.LOWER: np.tril(SQUARE) + 2 * np.eye(3),
    Structure.UPPER: np.triu(SQUARE) + 2 * np.eye(3),
    Structure.SIMPLEX: np.array([0.2, 0.3, 0.5]),
    Structure.ORTHOGONAL: np.linalg.qr(SQUARE)[0],
    Structure.POSITIVE: np.array([0.5, 2.0, 3.0]),
}
FREEDOM = {
    Structure.SYMMETRIC: 6, Structure.SPD: 6, Structure.LOWER: 6, Structure.UPPER: 6,
    Structure.SIMPLEX: 2, Structure.ORTHOGONAL: 3,
}  # fmt: skip
WEIGHTS = RNG.standard_normal(9)


def stays(structure: Structure, x: np.ndarray, moved: np.ndarray) -> bool:
    """Whether a point moved by a small tangent is still on the set, to first order."""
    match structure:
        case Structure.SIMPLEX:
            return bool(np.isclose(moved.sum(), 1.0))
        case Structure.LOWER:
            return np.array_equal(moved, np.tril(moved))
        case Structure.UPPER:
            return np.array_equal(moved, np.triu(moved))
        case Structure.ORTHOGONAL:
            return bool(np.abs(moved.T @ moved - np.eye(3)).max() < 1e-10)
        case _:
            return np.allclose(moved, moved.T)


@pytest.mark.parametrize("structure", FREEDOM)
def test_tangent_directions_span_the_projection_and_stay_on_the_set(structure: Structure) -> None:
    """As many as there are degrees of freedom; projecting twice changes nothing, and leaves an orthogonal rest."""
    x = POINTS[structure]
    basis = tangent_basis(structure, x)
    assert basis is not None
    assert np.linalg.matrix_rank(basis) == len(basis) == FREEDOM[structure]
    for step in basis:
        assert stays(structure, x, x + 1e-6 * step.reshape(x.shape))
    rows = RNG.standard_normal((4, x.size))
    once = project(structure, x, rows)
    np.testing.assert_allclose(project(structure, x, once), once, atol=1e-14)
    np.testing.assert_allclose((rows - once) @ basis.T, 0.0, atol=1e-13)
    np.testing.assert_allclose(project(structure, x, basis), basis, atol=1e-14)


@pytest.mark.parametrize("structure", [Structure.POSITIVE, Structure.NONE])
def test_free_inputs_are_left_alone(structure: Structure) -> None:
    """Every coordinate is a direction of its own."""
    x = POINTS[Structure.POSITIVE]
    rows = RNG.standard_normal((2, 3))
    assert structure in FREE
    assert tangent_basis(structure, x) is None
    assert project(structure, x, rows) is rows


def test_stacks_have_a_tangent_space_each() -> None:
    """Two symmetric matrices of two by two: three directions each, on their own elements."""
    stack = np.stack([np.eye(2), 2 * np.eye(2)])
    basis = tangent_basis(Structure.SYMMETRIC, stack)
    assert basis is not None
    assert basis.shape == (6, 8)
    assert not basis[:3, 4:].any()
    assert not basis[3:, :4].any()


def structured(
    structure: Structure, value: np.ndarray, kind: Kind = Kind.GRADIENT, **given: Any
) -> Report:
    """The report on a claim about sum(w * x**2) of a structured input."""
    x = POINTS[structure]
    xp = Builder("f")
    t = type_of_array(x)
    v = xp.input("x", type(t)(t.dtype, t.shape, structure))
    graph = xp.finish([xp.sum(xp.constant(WEIGHTS[: x.size].reshape(x.shape)) * xp.square(v))])
    return check(None, graph, [x], [Claim(kind, value=value, **given)], Options())


def right(structure: Structure) -> np.ndarray:
    """The gradient by all coordinates."""
    x = POINTS[structure]
    return 2 * WEIGHTS[: x.size].reshape(x.shape) * x


@pytest.mark.parametrize("structure", POINTS)
def test_a_claim_is_judged_along_the_tangent_space_only(structure: Structure) -> None:
    """Right along it agrees, whatever it says across; an error along one tangent disagrees."""
    x = POINTS[structure]
    basis = tangent_basis(structure, x)
    across = np.zeros(x.size)
    along = np.eye(x.size)[0] if basis is None else basis[-1]
    if basis is not None:
        noise = RNG.standard_normal(x.size)
        across = noise - project(structure, x, noise[None])[0]
        assert np.abs(across).max() > 0.01
    g = right(structure)
    assert structured(structure, g).verdict is Verdict.AGREES
    assert structured(structure, g + across.reshape(x.shape)).verdict is Verdict.AGREES
    wrong = g + 1e-4 * along.reshape(x.shape)
    assert structured(structure, wrong).verdict is Verdict.DISAGREES


@pytest.mark.parametrize("structure", POINTS)
def test_a_reverse_rule_is_judged_the_same_way(structure: Structure) -> None:
    """A vjp of the structured input, along seeds of both signs."""
    seeds = np.array([1.0, -2.0, 1e-3, 50.0])
    value = np.stack([s * right(structure) for s in seeds])
    assert structured(structure, value, Kind.VJP, seeds=seeds).verdict is Verdict.AGREES
    assert structured(structure, 1.01 * value, Kind.VJP, seeds=seeds).verdict is Verdict.DISAGREES
