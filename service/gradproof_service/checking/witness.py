"""The independent witness: the same derivatives from values alone, held against the reference.

It evaluates primal kernels only, so a wrong rule cannot hide. Every coordinate is looked at where
that is affordable, else seeded directions; entries that differences cannot decide are settled by
the complex step where every op on the path is analytic, then in extended precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.checking.compare import KAPPA, Held, compare, row_scale
from gradproof_service.checking.differences import (
    Estimate,
    Reason,
    directional,
    hidden,
    representable,
)
from gradproof_service.checking.groups import groups_of
from gradproof_service.checking.margins import Edge, reach
from gradproof_service.checking.reference import Reference, directions_for, push
from gradproof_service.checking.report import Source
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.seen import (
    Looked,
    Sides,
    Slopes,
    Witness,
    along_of,
    looks_at_each,
    units,
)
from gradproof_service.checking.settling import adopt, at_once, fill_in, settle
from gradproof_service.checking.structure import project, tangent_basis


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
    every = bool(reference.blocks) and looks_at_each(scene, i, budget)
    groups = None if every else groups_of(scene, i, budget)
    structure = scene.graph.types[i].structure
    basis = tangent_basis(structure, scene.inputs[i]) if every else None
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    if every:
        directions = (
            units(n) if basis is None else representable(x, basis, along_of(scene, i, basis))
        )
        expected, expected_bar = _of_input(scene, reference, i)
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
        directions = representable(x, rows, along_of(scene, i, rows))
        expected, expected_bar = push(scene, i, directions)
    each = every and basis is None
    along = scene.scale(i) if each else along_of(scene, i, directions)
    near = reach(scene, i, directions, found)
    if structure is Structure.POSITIVE:
        near = np.minimum(near, along_of(scene, i, directions, np.abs(x)))
    slopes = at_once(scene, i, directions, expected, expected_bar, near, tau, budget, said, each)
    source = Source.COMPLEX_STEP
    if slopes is None:
        estimate = _differences(scene, i, directions, along, expected, near, tau, budget, said)
        if each and estimate.left is not None and estimate.right is not None:
            said.sides[i] = _sides(estimate)
        slopes = Slopes(
            estimate.value.copy(), estimate.bar.copy(), estimate.reason.copy(), near == 0,
            hidden(estimate.value, tau),
        )  # fmt: skip
        source = settle(scene, i, directions, expected, expected_bar, slopes, tau, said)
    if each:
        adopt(scene, reference, i, slopes, said.exact.get(i), tau)
        expected, expected_bar = _of_input(scene, reference, i)
    bar = slopes.bar + expected_bar
    doubt = np.nan_to_num(slopes.doubt) if slopes.doubt.any() else None
    held: dict[int, Held] = {}
    said.looked[i] = Looked(
        each, directions, along, expected, slopes.value,
        slopes.bar, held,
    )  # fmt: skip
    at = 0
    for o in scene.outs:
        part = slice(at, at + scene.size_out(o))
        at = part.stop
        held[o] = compare(
            scene.pair(o, i, Source.REVERSE, source),
            expected[:, part].T, slopes.value[:, part].T, bar[:, part].T,
            doubt=0.0 if doubt is None else doubt[:, part].T,
            scale=scene.floor(o, i, expected[:, part].T, bar[:, part].T), tau=tau,
            shape=scene.block_shape(o, i) if each else None,
            entries_total=n * scene.size_out(o),
            directions=0 if every or groups is not None else len(directions),
            reason=lambda part=part: _reason(slopes.why[:, part], slopes.bar[:, part]),
        )  # fmt: skip
        if groups is not None:
            held[o] = replace(held[o], comparison=groups.told(scene, o, i, held[o].comparison))
        said.comparisons.append(held[o].comparison)
    if each:
        fill_in(scene, reference, i, slopes)


def _of_input(scene: Scene, reference: Reference, i: int) -> tuple[Array, Array]:
    """The reference's blocks by input i side by side, (n, m), and their error bars."""
    blocks = [reference.blocks[o, i] for o in scene.outs]
    if len(blocks) == 1:
        return blocks[0].value.T, blocks[0].bar.T
    return np.concatenate([b.value for b in blocks]).T, np.concatenate([b.bar for b in blocks]).T


def _differences(
    scene: Scene, i: int, directions: Array, along: Array, expected: Array, near: Array, tau: float,
    budget: int, said: Witness,
) -> Estimate:  # fmt: skip
    x = scene.inputs[i].reshape(-1).astype(np.float64)
    evaluator = scene.evaluator(i)
    floor = row_scale(expected.T).T
    estimate = directional(
        evaluator, x, directions, scale=along, reach=near,
        budget=budget or 1 << 40, tau=tau / (2 * KAPPA), floor=floor,
    )  # fmt: skip
    said.evaluations += evaluator.calls
    if Source.DIFFERENCES not in said.sources:
        said.sources.append(Source.DIFFERENCES)
    return estimate


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


def _reason(why: Array, bar: Array) -> str:
    """The reason of the widest bar, in the words of the report."""
    if not bar.size:
        return ""
    at = int(np.argmax(np.nan_to_num(bar, nan=np.inf)))
    reason = Reason(int(why.reshape(-1)[at]))
    return "noise" if reason is Reason.OK else reason.name.lower()
