"""The numbers behind a verdict, for pictures: quotients at every step, and how the Taylor remainder falls.

Nothing here changes a verdict; it is evaluated only when evidence is asked for. A sweep shows the
entry in which the comparison sees least.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import Held
from gradproof_service.checking.differences import representable
from gradproof_service.checking.estimate import Evaluate
from gradproof_service.checking.ladder import LONG
from gradproof_service.checking.reference import Reference, push
from gradproof_service.checking.report import Evidence, Remainder, Source, Sweep
from gradproof_service.checking.scene import Scene
from gradproof_service.checking.seen import Looked, Witness
from gradproof_service.checking.stencil import UNIT_ROUNDOFF, place, sample
from gradproof_service.checking.taylor import TaylorRate, taylor_rate

CHUNK = 1024
"""Points evaluated at once."""


def evidence_of(
    scene: Scene, reference: Reference, said: Witness, limit_bytes: int
) -> list[Evidence]:
    """One `Evidence` for each pair of the scene; powers of entries only up to `limit_bytes` together."""
    found: list[Evidence] = []
    for i, looked in said.looked.items():
        x = scene.inputs[i].reshape(-1).astype(np.float64)
        evaluator = scene.evaluator(i)
        direction = signs(x, scene.scale(i), (scene.rng_seed, i, 11))
        falls = taylor_rate(
            evaluator, x, direction, _slopes(scene, reference, i, direction), scale=1.0
        )
        start = 0
        for o in scene.outs:
            part = slice(start, start + scene.size_out(o))
            start = part.stop
            held = looked.held[o]
            row, column = weakest(held, looked, part)
            entry = column, start - scene.size_out(o) + row
            pair = scene.pair(o, i, Source.REVERSE, Source.DIFFERENCES)
            shape = scene.block_shape(o, i)
            fits = looked.every and held.power.nbytes <= limit_bytes
            limit_bytes -= held.power.nbytes if fits else 0
            found.append(
                Evidence(
                    pair.output, pair.input,
                    index_of(shape, row, column, len(x)) if looked.every else (),
                    not looked.every, float(looked.expected[entry]),
                    sweep(
                        evaluator, x, looked.directions[column], entry[1],
                        float(looked.value[entry]), float(looked.bar[entry]),
                        scale=float(looked.scale[column]), outputs=looked.value.shape[1],
                    ),
                    slowest(falls, part), held.power.reshape(shape) if fits else None,
                    second_input=pair.second_input,
                )
            )  # fmt: skip
    return found


def weakest(held: Held, looked: Looked, part: slice) -> tuple[int, int]:
    """(row, direction) of the entry in which a comparison sees least, or of the worst one where it is wrong."""
    rows = part.stop - part.start
    power = np.where(np.isnan(held.power), np.inf, held.power).reshape(rows, -1)
    wrong = held.wrong.reshape(rows, -1)
    shown = np.where(wrong, power, -1.0) if wrong.any() else power
    row, column = np.unravel_index(int(np.argmax(shown)), shown.shape)
    return int(row), min(int(column), len(looked.directions) - 1)


def index_of(shape: tuple[int, ...], row: int, column: int, columns: int) -> tuple[int, ...]:
    """A matrix entry as an index into the derivative's own shape."""
    return tuple(int(k) for k in np.unravel_index(row * columns + column, shape)) if shape else ()


def signs(x: Array, scale: Array, seed: tuple[int, ...]) -> Array:
    """A seeded direction in which every element moves by about its own size, exact at every step."""
    unit = np.exp2(np.floor(np.log2(scale)))
    chosen = np.random.default_rng(seed).choice([-1.0, 1.0], len(x)) * unit
    return representable(x, chosen[None], np.ones(1))[0]


def sweep(
    evaluate: Evaluate, x: Array, direction: Array, output: int, estimate: float, bar: float, *,
    scale: float, outputs: int, resolution: float = 2.0**-52,
) -> Sweep:  # fmt: skip
    """Central quotients of one output along one direction at all 92 steps of the long ladder: 184 evaluations."""
    levels = np.sort(LONG.levels)[::-1]
    with np.errstate(all="ignore"):
        stencil = place(x, direction[None], np.array([scale / 4]), resolution)
        seen = sample(
            evaluate, x, stencil, levels, outputs=outputs, resolution=resolution, chunk=CHUNK
        )
        step = seen.step[:, 0]
        change = seen.plus[:, 0, output] - seen.minus[:, 0, output]
        quotient = change / (2 * step)
        bound = seen.plus_bound[:, 0, output] + seen.minus_bound[:, 0, output]
        bound = (bound + 4 * UNIT_ROUNDOFF * np.abs(change)) / (2 * step)
        there = np.isfinite(quotient) & np.isfinite(step)
        step, quotient = step[there], quotient[there]
        bound = np.nan_to_num(bound[there], nan=0.0)
        if not len(step) or not np.isfinite(estimate):
            return Sweep(step, quotient, bound, estimate, bar)
        off = np.abs(quotient - estimate)
        chosen = int(np.argmin(off + bound))
        inside = off <= bound + 4 * UNIT_ROUNDOFF * abs(estimate) + (
            bar if np.isfinite(bar) else 0.0
        )
    low = high = chosen
    while low + 1 < len(step) and inside[low + 1]:
        low += 1
    while high > 0 and inside[high - 1]:
        high -= 1
    return Sweep(
        step, quotient, bound, estimate, bar, float(step[chosen]),
        (float(step[low]), float(step[high])),
    )  # fmt: skip


def slowest(falls: TaylorRate, part: slice) -> Remainder:
    """The output element of a pair whose remainder falls slowest; one that stays in the rounding only when all do."""
    rate = falls.rate[part]
    which = int(np.argmin(np.where(np.isnan(rate), np.inf, rate)))
    remainder = falls.remainder[:, part][:, which]
    there = np.isfinite(remainder)
    return Remainder(
        float(rate[which]), float(falls.sight[part][which]), falls.step[there], remainder[there]
    )


def _slopes(scene: Scene, reference: Reference, i: int, direction: Array) -> Array:
    """The reference's slopes (m,) along a direction."""
    if (scene.outs[0], i) in reference.blocks:
        return np.concatenate([reference.blocks[o, i].value for o in scene.outs]) @ direction
    return push(scene, i, direction[None])[0][0]
