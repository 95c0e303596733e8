"""Slopes of a function stage by stage (see `stages`): each by the complex step or from unit vectors, then multiplied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import KAPPA
from gradproof_service.checking.complex_step import probed
from gradproof_service.checking.estimate import Estimate, Reason
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.stages import Stage, stages_of
from gradproof_service.checking.stencil import UNIT_ROUNDOFF
from gradproof_service.transforms.evaluate import batch_of, evaluate
from gradproof_service.transforms.rounding import rounding_bounds

SAME = 1e-9
"""How closely the real parts of a complex evaluation must be the function's own values."""
_SAMPLES = 3
"""Random-rounding runs for the matrix of a linear stage."""


class Unlike(Exception):
    """A stage that is not what its op records say, or values that complex numbers change."""


@dataclass(slots=True)
class Factor:
    """A Jacobian with error bars: (m, n), or (n,) where it is diagonal."""

    value: Array
    bar: Array


def staged_slopes(scene: Scene, i: int, values: Sequence[Array | None]) -> Estimate | None:
    """Slopes of every looked-at output by each element of input i, (n, m), with error bars.

    `values` are all values of the scene's graph at its point. Every op between must be analytic and
    no kink be met. None where the function has no stages, or where the product of their Jacobians is
    not what the whole function does along a seeded direction.
    """
    n = scene.size_in(i)
    courses = [stages_of(scene.graph, i, o, values) for o in scene.outs]
    if not all(courses):
        return None
    blocks: list[Factor] = []
    calls = 0
    try:
        for course in courses:
            factors, points = _factors(scene, course, values)
            blocks.append(_multiplied(factors))
            calls += points
        value = np.concatenate([_full(b.value) for b in blocks])
        bar = np.concatenate([_full(b.bar) for b in blocks])
        if not np.isfinite(bar).all() or not _holds(scene, i, value, bar):
            return None
    except (TypeError, Unlike):
        return None
    reason = np.full((n, len(value)), Reason.OK.value, np.int8)
    return Estimate(value.T, bar.T, reason, calls + 4, np.empty((0, n)))


def _factors(
    scene: Scene, course: list[Stage], values: Sequence[Array | None]
) -> tuple[list[Factor], int]:
    """Each stage's Jacobian, and how many points it took.

    The value that a stage starts from was itself rounded; by how much is carried along the stages,
    and what that changes in a slope is in its bar.
    """
    doubt: Array | None = None
    found: list[Factor] = []
    calls = 0
    for stage in course:
        x = _flat(values[stage.source])
        held = [values[v] for v in stage.held]
        if stage.kind == "linear":
            matrix, bar = _matrix(scene, stage, held)
            size = np.abs(matrix)
            local = (bar + len(x) * UNIT_ROUNDOFF * size) @ np.abs(x)
            doubt = local if doubt is None else local + size @ doubt
            found.append(Factor(matrix, bar))
            continue
        rows = np.ones((1, len(x))) if stage.kind == "apart" else np.eye(len(x))
        slope, bar, value, wobble = probed(
            lambda points, stage=stage, held=held: _run(scene, stage, points, held),
            x, rows, _either_way(scene, stage, doubt),
        )  # fmt: skip
        calls += 4 * len(rows)
        own = _flat(values[stage.target])
        near = SAME * (np.abs(own) + np.abs(own).max(initial=0.0))
        if not (np.abs(value[0].real - own) <= near).all():
            raise Unlike
        moved = np.zeros(len(x)) if doubt is None else doubt
        if stage.kind == "apart":
            found.append(Factor(slope[0], bar[0]))
            doubt = wobble[0] + np.abs(slope[0]) * moved
        else:
            found.append(Factor(slope.T, bar.T))
            doubt = wobble.max(axis=0) + np.abs(slope.T) @ moved
    return found, calls


def _either_way(scene: Scene, stage: Stage, doubt: Array | None) -> Array | None:
    """The doubt in a stage's source as a move of it: elements that meet must not all go one way."""
    if doubt is None or stage.kind == "apart":
        return doubt
    rng = np.random.default_rng((scene.rng_seed, stage.source, 12))
    return doubt * (rng.integers(0, 2, len(doubt)) * 2.0 - 1.0)


def _run(scene: Scene, stage: Stage, points: Array, held: Sequence[Array | None]) -> Array:
    types = stage.graph.types
    inputs = [points.reshape(len(points), *types[0].shape), *(x for x in held if x is not None)]
    found = evaluate(stage.graph, inputs, tick=scene.tick)[0]
    out = types[stage.graph.outputs[0]]
    return batch_of(found, out.rank, len(points)).reshape(len(points), -1)


def _matrix(scene: Scene, stage: Stage, held: Sequence[Array | None]) -> tuple[Array, Array]:
    """The matrix of a linear stage and its error bars, remembered where it is the same at every point."""
    if stage.matrix:
        kept = stage.matrix[0]
        if kept is None:
            raise Unlike
        return kept
    found = _unit_vectors(scene, stage, held)
    if not stage.held:
        stage.matrix.append(found)
    if found is None:
        raise Unlike
    return found


def _unit_vectors(
    scene: Scene, stage: Stage, held: Sequence[Array | None]
) -> tuple[Array, Array] | None:
    """What the stage makes of unit vectors; None where it does not make nothing of nothing."""
    shape = stage.graph.types[0].shape
    units = np.concatenate((np.zeros((1, stage.size)), np.eye(stage.size)))
    inputs = [units.reshape(len(units), *shape), *(x for x in held if x is not None)]
    made = evaluate(stage.graph, inputs, tick=scene.tick)
    bound = rounding_bounds(
        stage.graph, inputs, made, rng_seed=scene.rng_seed, samples=_SAMPLES, tick=scene.tick
    )[0]
    rank = stage.graph.types[stage.graph.outputs[0]].rank
    rows = batch_of(made[0], rank, len(units)).reshape(len(units), -1)
    bars = batch_of(bound, rank, len(units)).reshape(len(units), -1)
    if rows[0].any() or not np.isfinite(bars).all():
        return None
    return np.ascontiguousarray(rows[1:].T), np.ascontiguousarray(bars[1:].T)


def _multiplied(factors: list[Factor]) -> Factor:
    """The product of the stages' Jacobians, begun at the narrower end."""
    first, last = factors[0], factors[-1]
    if len(last.value) <= first.value.shape[-1]:
        found = last
        for factor in reversed(factors[:-1]):
            found = _product(found, factor)
        return found
    found = first
    for factor in factors[1:]:
        found = _product(factor, found)
    return found


def _product(a: Factor, b: Factor) -> Factor:
    """a @ b; each bar counts what the other side multiplies it by, and the sums' own rounding."""
    a_size, b_size = np.abs(a.value), np.abs(b.value)
    if a.value.ndim == b.value.ndim == 2:
        b_bar = b.bar + len(b_size) * UNIT_ROUNDOFF * b_size
        return Factor(a.value @ b.value, a_size @ b_bar + a.bar @ b_size)
    if a.value.ndim < b.value.ndim:
        a = Factor(a.value[:, None], a.bar[:, None])
        a_size = a_size[:, None]
    value = a.value * b.value
    return Factor(value, a_size * b.bar + a.bar * b_size + UNIT_ROUNDOFF * np.abs(value))


def _holds(scene: Scene, i: int, value: Array, bar: Array) -> bool:
    """Whether the product is what the whole function does along one seeded direction."""
    n = scene.size_in(i)
    rng = np.random.default_rng((scene.rng_seed, i, 13))
    signs = np.where(rng.integers(0, 2, (1, n)) > 0, 1.0, -1.0)
    seen = probed(
        lambda points: scene.flat_outputs(
            evaluate(scene.graph, scene.at(i, points), tick=scene.tick), len(points)
        ),
        _flat(scene.inputs[i]), signs,
    )  # fmt: skip
    told = value @ signs[0]
    allowed = KAPPA * (seen.bar[0] + bar.sum(axis=1))
    allowed = allowed + n * UNIT_ROUNDOFF * np.abs(value).sum(axis=1)
    return bool((np.abs(told - seen.slope[0]) <= allowed).all())


def _full(factor: Array) -> Array:
    return np.diag(factor) if factor.ndim == 1 else factor


def _flat(value: Array | None) -> Array:
    assert value is not None
    return np.asarray(value, dtype=np.float64).reshape(-1)
