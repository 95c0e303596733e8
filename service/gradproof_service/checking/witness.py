"""The independent witness: the same derivatives from values alone, held against the reference.

It evaluates primal kernels only, so a wrong rule cannot hide. Every coordinate is looked at where
that is affordable, else seeded directions; entries that differences cannot decide are settled by
the complex step where every op on the path is analytic, then in extended precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.checking.compare import KAPPA, Held, compare, row_scale
from gradproof_service.checking.complex_step import complex_step
from gradproof_service.checking.differences import (
    Estimate,
    Reason,
    directional,
    hidden,
    representable,
)
from gradproof_service.checking.extended import extended_slopes
from gradproof_service.checking.groups import groups_of
from gradproof_service.checking.margins import Edge, reach
from gradproof_service.checking.reference import Reference, directions_for, push
from gradproof_service.checking.report import Comparison, Source
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.stencil import UNIT_ROUNDOFF
from gradproof_service.checking.structure import project, tangent_basis
from gradproof_service.checking.taylor import taylor_rate
from gradproof_service.transforms.derive import reaches

COORDINATES = 2048
"""Inputs larger than this are looked at along directions."""
WORK = 4e8
"""Element operations that looking at every coordinate may take."""
FEW = 64
"""So few entries are looked at by differences first: every reader can follow those, and they cost next to nothing."""
SAME = 1e-9
"""How closely the real parts of a complex evaluation must be the function's own values."""
SHORT = 16
"""Evaluations of a short ladder per direction, for the estimate of the work."""
ACQUITTED = 16
"""Directions whose undecided slopes the Taylor remainder is asked about, 41 evaluations each."""
FALLS = (1.75, 4.5)
"""Between which rates a remainder has lost its linear part."""


@dataclass(slots=True)
class Witness:
    """What the witness says of all (output, input) pairs."""

    comparisons: list[Comparison]
    sources: list[Source]
    evaluations: int = 0
    directions: int = 0
    exact: dict[int, tuple[Array, Array, Array]] = field(
        default_factory=dict[int, "tuple[Array, Array, Array]"]
    )
    """By input position the coordinates replayed in extended precision: rows, slopes, bars."""
    sides: dict[int, Sides] = field(default_factory=dict[int, "Sides"])
    """One-sided slopes by input position, where a kink was met and every coordinate looked at."""
    looked: dict[int, Looked] = field(default_factory=dict[int, "Looked"])
    """By input position what was looked at."""


@dataclass(frozen=True, slots=True)
class Sides:
    """Between which slopes (m, n) every element of the subdifferential lies; NaN off the kinks."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True)
class Looked:
    """Slopes (D, m) of one input along directions (D, n) of typical sizes `scale` (D,), and what was expected of them.

    `every` says that the directions are the elements of the input; `held` is the comparison of each
    output.
    """

    every: bool
    directions: Array
    scale: Array
    expected: Array
    value: Array
    bar: Array
    held: dict[int, Held]


@dataclass(slots=True)
class Slopes:
    """Slopes (D, m) along directions with bars; `why` (D, m) `Reason`s where there is no bar.

    `on_kink` (D,) says along which directions the point itself stands on a kink or edge, `doubt`
    (D, m) how far beyond the bar nobody is accused yet.
    """

    value: Array
    bar: Array
    why: Array
    on_kink: Array
    doubt: Array


def witness(
    scene: Scene, reference: Reference, found: Sequence[Edge], tau: float, budget: int
) -> Witness:
    """Compare the reference with the witness for every pair; `budget` 0 means as many as needed."""
    said = Witness([], [])
    for i in scene.wrt:
        _one_input(scene, reference, i, found, tau, budget, said)
    return said


def _one_input(
    scene: Scene, reference: Reference, i: int, found: Sequence[Edge], tau: float, budget: int,
    said: Witness,
) -> None:  # fmt: skip
    n = scene.size_in(i)
    m = sum(scene.size_out(o) for o in scene.outs)
    if not n or not m:
        return
    elements = sum(t.size for t in scene.graph.types)
    every = bool(reference.blocks) and n <= COORDINATES and SHORT * n * elements <= WORK
    every = every and (budget == 0 or SHORT * n <= budget)
    groups = None if every else groups_of(scene, i, budget)
    structure = scene.graph.types[i].structure
    basis = tangent_basis(structure, scene.inputs[i]) if every else None
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    if every:
        directions = (
            np.eye(n) if basis is None else representable(x, basis, _along(scene, i, basis))
        )
        expected = np.concatenate([reference.blocks[o, i].value for o in scene.outs]).T
        expected_bar = np.concatenate([reference.blocks[o, i].bar for o in scene.outs]).T
        if basis is not None:
            expected_bar = np.abs(directions) @ expected_bar + 2.0**-50 * np.abs(
                directions
            ) @ np.abs(expected)
            expected = directions @ expected
    else:
        rows = project(structure, scene.inputs[i], directions_for(scene, i))
        said.directions += len(rows)
        if groups is not None:
            rows = np.concatenate((groups.directions(), rows))
        directions = representable(x, rows, _along(scene, i, rows))
        expected, expected_bar = push(scene, i, directions)
    near = reach(scene, i, directions, found)
    if structure is Structure.POSITIVE:
        near = np.minimum(near, _along(scene, i, directions, np.abs(x)))
    slopes = _at_once(scene, i, directions, expected, expected_bar, near, tau, budget, said)
    source = Source.COMPLEX_STEP
    if slopes is None:
        estimate = _differences(scene, i, directions, expected, near, tau, budget, said)
        if every and basis is None and estimate.left is not None and estimate.right is not None:
            said.sides[i] = _sides(estimate)
        slopes = Slopes(
            estimate.value.copy(), estimate.bar.copy(), estimate.reason.copy(), near == 0,
            hidden(estimate.value, tau),
        )  # fmt: skip
        source = _settle(scene, i, directions, expected, expected_bar, slopes, tau, said)
    if every and basis is None:
        _adopt(scene, reference, i, slopes, said.exact.get(i), tau)
        expected = np.concatenate([reference.blocks[o, i].value for o in scene.outs]).T
        expected_bar = np.concatenate([reference.blocks[o, i].bar for o in scene.outs]).T
    held: dict[int, Held] = {}
    said.looked[i] = Looked(
        every and basis is None, directions, _along(scene, i, directions), expected, slopes.value,
        slopes.bar, held,
    )  # fmt: skip
    at = 0
    for o in scene.outs:
        part = slice(at, at + scene.size_out(o))
        at = part.stop
        scale = scene.floor(o, i, expected[:, part].T, (slopes.bar + expected_bar)[:, part].T).T
        held[o] = compare(
            scene.pair(o, i, Source.REVERSE, source),
            expected[:, part].T, slopes.value[:, part].T, (slopes.bar + expected_bar)[:, part].T,
            doubt=np.nan_to_num(slopes.doubt[:, part].T), scale=scale.T, tau=tau,
            shape=scene.block_shape(o, i) if every and basis is None else None,
            entries_total=n * scene.size_out(o),
            directions=0 if every or groups is not None else len(directions),
            reason=_reason(slopes.why[:, part], slopes.bar[:, part]),
        )  # fmt: skip
        if groups is not None:
            held[o] = replace(held[o], comparison=groups.told(scene, o, i, held[o].comparison))
        said.comparisons.append(held[o].comparison)
    if every and basis is None:
        _fill_in(scene, reference, i, slopes)


def _fill_in(scene: Scene, reference: Reference, i: int, slopes: Slopes) -> None:
    """Entries that are no number in both modes (0 times inf in a saturated unit) take the witness's slope.

    The modes stay undecided there, and are told so; a claim can be held against what values alone show.
    """
    at = 0
    for o in scene.outs:
        part = slice(at, at + scene.size_out(o))
        at = part.stop
        block = reference.blocks[o, i]
        value, bar = slopes.value[:, part].T, slopes.bar[:, part].T
        lost = ~np.isfinite(block.value) & np.isfinite(value) & np.isfinite(bar)
        if lost.any():
            known = reference.settled.get((o, i), np.zeros(block.value.shape))
            unit = UNIT_ROUNDOFF * scene.magnitude(o, i)
            reference.settled[o, i] = np.where(lost, unit, known)
            block.value = np.where(lost, value, block.value)
            block.bar = np.where(lost, bar, block.bar)


def _at_once(
    scene: Scene, i: int, directions: Array, expected: Array, expected_bar: Array, near: Array, tau: float,
    budget: int, said: Witness,
) -> Slopes | None:  # fmt: skip
    """The complex step along every direction, where that alone answers for every entry; else None.

    Only where every op is analytic, no kink or edge is met, and the real parts are the function's own values: then no
    difference of values could see more.
    """
    if expected.size <= FEW or (budget and 4 * len(directions) > budget):
        return None
    if not (near > 0).all() or not analytic(scene, i):
        return None
    step = _complex(scene, i, directions, said)
    if step is None:
        return None
    slopes = Slopes(step.value, step.bar, step.reason, near == 0, np.zeros(step.value.shape))
    if _open(expected, expected_bar, slopes, row_scale(expected.T).T, tau).any():
        return None
    if Source.COMPLEX_STEP not in said.sources:
        said.sources.append(Source.COMPLEX_STEP)
    return slopes


def _differences(
    scene: Scene, i: int, directions: Array, expected: Array, near: Array, tau: float,
    budget: int, said: Witness,
) -> Estimate:  # fmt: skip
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    evaluator = scene.evaluator(i)
    floor = row_scale(expected.T).T
    estimate = directional(
        evaluator, x, directions, scale=_along(scene, i, directions), reach=near,
        budget=budget or 1 << 40, tau=tau / (2 * KAPPA), floor=floor,
    )  # fmt: skip
    said.evaluations += evaluator.calls
    if Source.DIFFERENCES not in said.sources:
        said.sources.append(Source.DIFFERENCES)
    return estimate


def _along(scene: Scene, i: int, directions: Array, size: Array | None = None) -> Array:
    """How far along each direction (D, n) the input's own size (or `size`) reaches: (D,)."""
    moving = directions != 0
    steps = (scene.scale(i) if size is None else size) / np.where(moving, np.abs(directions), 1.0)
    return np.where(moving, steps, np.inf).min(axis=1)


def _sides(estimate: Estimate) -> Sides:
    left, right = estimate.left, estimate.right
    left_bar, right_bar = estimate.left_bar, estimate.right_bar
    assert left is not None
    assert right is not None
    assert left_bar is not None
    assert right_bar is not None
    low = np.minimum(left - left_bar, right - right_bar)
    high = np.maximum(left + left_bar, right + right_bar)
    return Sides(low.T, high.T)


def _settle(
    scene: Scene, i: int, directions: Array, expected: Array, expected_bar: Array, slopes: Slopes,
    tau: float, said: Witness,
) -> Source:  # fmt: skip
    """Let the complex step, then extended precision, answer what differences left open.

    Never where the point stands on a kink: there no single slope exists, and a symmetric
    difference would invent one. Returns the source that decided most of what was open.
    """
    scale = row_scale(expected.T).T
    open_ = _open(expected, expected_bar, slopes, scale, tau)
    source = Source.DIFFERENCES
    if open_.any() and analytic(scene, i):
        step = _complex(scene, i, directions, said)
        if step is not None:
            said.sources.append(Source.COMPLEX_STEP)
            every = np.arange(len(directions))
            source = (
                Source.COMPLEX_STEP
                if _replace(slopes, every, step.value, step.bar + expected_bar, open_)
                else source
            )
    open_ = _open(expected, expected_bar, slopes, scale, tau)
    if open_.any():
        rows = np.flatnonzero(open_.any(axis=1))[:64]
        exact = extended_slopes(scene, i, directions[rows])
        if exact is not None:
            said.sources.append(Source.EXTENDED)
            said.exact[i] = rows, exact.value, exact.bar
            source = (
                Source.EXTENDED
                if _replace(slopes, rows, exact.value, exact.bar, open_[rows])
                else source
            )
    open_ = _open(expected, expected_bar, slopes, scale, tau)
    if open_.any() and _acquit(scene, i, directions, expected, slopes, open_):
        said.sources.append(Source.TAYLOR)
    said.sources[:] = list(dict.fromkeys(said.sources))
    return source


def _acquit(
    scene: Scene, i: int, directions: Array, expected: Array, slopes: Slopes, open_: Array
) -> bool:
    """Let the Taylor remainder of the expected slopes answer what is still open; whether it could.

    It never accuses: where the remainder falls as the square of the step, or never leaves the
    rounding, the expected slope is right to within the smallest error that the steps could show.
    """
    rows = np.flatnonzero(open_.any(axis=1))[:ACQUITTED]
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    evaluator, along = scene.evaluator(i), _along(scene, i, directions)
    value, bar = expected[rows].copy(), np.full((len(rows), expected.shape[1]), np.inf)
    for k, row in enumerate(rows):
        seen = taylor_rate(evaluator, x, directions[row], expected[row], scale=float(along[row]))
        with np.errstate(all="ignore"):
            falls = np.isnan(seen.rate) | ((seen.rate > FALLS[0]) & (seen.rate < FALLS[1]))
            size = seen.sight * np.abs(expected[row])
        bar[k] = np.where(falls & np.isfinite(size), size, np.inf)
    before = slopes.bar.copy()
    _replace(slopes, rows, value, bar, open_[rows])
    return bool((slopes.bar < before).any())


def _adopt(
    scene: Scene, reference: Reference, i: int, slopes: Slopes,
    exact: tuple[Array, Array, Array] | None, tau: float,
) -> None:  # fmt: skip
    """Entries that float64 leaves in doubt take the value that extended precision gives them.

    The doubt itself is remembered: a claim that only float64 could tell from the truth is not
    wrong. An entry outside its own error bar is left alone, for it is a dispute and no doubt.
    """
    if exact is None:
        return
    rows, value, bar = exact
    at = 0
    for o in scene.outs:
        part = slice(at, at + scene.size_out(o))
        at = part.stop
        block = reference.blocks[o, i]
        mine, mine_bar = block.value[:, rows], block.bar[:, rows]
        with np.errstate(all="ignore"):
            blurred = (KAPPA + 1) * mine_bar > tau * np.maximum(
                np.abs(mine), row_scale(block.value)[:, rows]
            )
            near = np.abs(mine - value[:, part].T) <= KAPPA * mine_bar
        take = blurred & near & (mine_bar > bar[:, part].T)
        if take.any():
            unit = UNIT_ROUNDOFF * scene.magnitude(o, i)
            doubt = np.where(np.isfinite(block.bar), block.bar, unit)
            reference.settled[o, i] = doubt
            block.value[:, rows] = np.where(take, value[:, part].T, mine)
            block.bar[:, rows] = np.where(take, bar[:, part].T, mine_bar)


def _replace(slopes: Slopes, rows: Array, value: Array, bar: Array, open_: Array) -> bool:
    """Take the better answers for open entries of some rows; whether they are most of all entries."""
    better = open_ & (bar < slopes.bar[rows])
    slopes.value[rows] = np.where(better, value, slopes.value[rows])
    slopes.bar[rows] = np.where(better, bar, slopes.bar[rows])
    slopes.why[rows] = np.where(better, Reason.OK.value, slopes.why[rows])
    slopes.doubt[rows] = np.where(better, 0.0, slopes.doubt[rows])
    return 2 * int(better.sum()) > slopes.value.size


def _open(expected: Array, expected_bar: Array, slopes: Slopes, scale: Array, tau: float) -> Array:
    """Entries in dispute, or whose bar is too wide to see an error of `tau`; kinks stay closed."""
    with np.errstate(all="ignore"):
        allowed = KAPPA * (slopes.bar + expected_bar)
        size = np.maximum(np.abs(expected), scale)
        seen = allowed + slopes.bar + expected_bar  # what `compare` asks of a pass
        fine = (np.abs(expected - slopes.value) <= allowed) & (seen <= tau * size)
        return ~(fine | ((expected == slopes.value) & (allowed == 0)) | slopes.on_kink[:, None])


def analytic(scene: Scene, i: int) -> bool:
    """Whether every op between input i and the outputs accepts complex numbers smoothly."""
    active = reaches(scene.graph, (i,))
    return all(
        op.analytic or not any(active[v] for v in operands)
        for _, op, _, operands, _ in scene.graph.nodes()
    )


def _complex(scene: Scene, i: int, directions: Array, said: Witness) -> Estimate | None:
    evaluator = scene.evaluator(i, noise=False)
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    own = evaluator(x[None])[0][0]
    size = np.abs(own[np.isfinite(own)]).max(initial=0.0)

    def at(points: Array) -> Array:
        found = evaluator(points)[0]
        if not np.allclose(np.real(found[0]), own, rtol=SAME, atol=SAME * size, equal_nan=True):
            raise TypeError
        return found

    try:
        step = complex_step(at, x, directions)
    except TypeError:  # a kernel without a complex loop, or with another function behind it
        return None
    said.evaluations += evaluator.calls
    return step


def _reason(why: Array, bar: Array) -> str:
    """The reason of the widest bar, in the words of the report."""
    if not bar.size:
        return ""
    at = int(np.argmax(np.nan_to_num(bar, nan=np.inf)))
    reason = Reason(int(why.reshape(-1)[at]))
    return "noise" if reason is Reason.OK else reason.name.lower()
