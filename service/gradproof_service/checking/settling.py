"""What settles slopes: complex steps, extended precision and the Taylor remainder, where differences leave them open.

What is settled better than float64 can is taken over by the reference, with the doubt that float64 had.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import KAPPA, row_scale
from gradproof_service.checking.complex_step import complex_step
from gradproof_service.checking.estimate import Estimate, Reason
from gradproof_service.checking.extended import extended_slopes
from gradproof_service.checking.reference import Reference
from gradproof_service.checking.report import Source
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.seen import Slopes, Witness, along_of
from gradproof_service.checking.staged import staged_slopes
from gradproof_service.checking.stencil import UNIT_ROUNDOFF
from gradproof_service.checking.taylor import taylor_rate
from gradproof_service.transforms.derive import reaches

FEW = 64
"""So few entries are looked at by differences first: every reader can follow those, and they cost next to nothing."""
SAME = 1e-9
"""How closely the real parts of a complex evaluation must be the function's own values."""
ACQUITTED = 16
"""Directions whose undecided slopes the Taylor remainder is asked about, 41 evaluations each."""
FALLS = (1.75, 4.5)
"""Between which rates a remainder has lost its linear part."""


def at_once(
    scene: Scene, i: int, directions: Array, expected: Array, expected_bar: Array, near: Array, tau: float,
    budget: int, said: Witness, each: bool,
) -> Slopes | None:  # fmt: skip
    """The complex step along every direction, where that alone answers for every entry; else None.

    `each` says that the directions are the elements of the input: then stage by stage first.

    Only where every op is analytic, no kink or edge is met, and the real parts are the function's own values: then no
    difference of values could see more.
    """
    if expected.size <= FEW or (budget and 4 * len(directions) > budget):
        return None
    if not (near > 0).all() or not analytic(scene, i):
        return None
    floor = row_scale(expected.T).T
    for step in _steps(scene, i, directions, said, each):
        slopes = Slopes(step.value, step.bar, step.reason, near == 0, np.zeros(step.value.shape))
        if not _open(expected, expected_bar, slopes, floor, tau).any():
            if Source.COMPLEX_STEP not in said.sources:
                said.sources.append(Source.COMPLEX_STEP)
            return slopes
    return None


def _steps(
    scene: Scene, i: int, directions: Array, said: Witness, each: bool
) -> Iterator[Estimate]:
    """The complex step by stages, which costs less, then of the whole function."""
    if each:
        step = staged_slopes(scene, i, scene.known())
        if step is not None:
            said.evaluations += step.evaluations
            yield step
    step = _complex(scene, i, directions, said)
    if step is not None:
        yield step


def settle(
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
    if not open_.any():
        return source
    if analytic(scene, i):
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
    evaluator, along = scene.evaluator(i), along_of(scene, i, directions)
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


def adopt(
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


def fill_in(scene: Scene, reference: Reference, i: int, slopes: Slopes) -> None:
    """Entries that are no number in both modes (0 times inf in a saturated unit) take the witness's slope.

    The modes stay undecided there, and are told so; a claim can be held against what values alone show.
    """
    at = 0
    for o in scene.outs:
        part = slice(at, at + scene.size_out(o))
        at = part.stop
        block = reference.blocks[o, i]
        lost = ~np.isfinite(block.value)
        if not lost.any():
            continue
        value, bar = slopes.value[:, part].T, slopes.bar[:, part].T
        lost &= np.isfinite(value) & np.isfinite(bar)
        if lost.any():
            known = reference.settled.get((o, i), np.zeros(block.value.shape))
            unit = UNIT_ROUNDOFF * scene.magnitude(o, i)
            reference.settled[o, i] = np.where(lost, unit, known)
            block.value = np.where(lost, value, block.value)
            block.bar = np.where(lost, bar, block.bar)
