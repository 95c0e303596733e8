"""Directional derivatives from differences, with an error bar: the witness that shares no derivative rule with anyone.

`directional` climbs in tiers. A short ladder (18 evaluations for each direction) answers nearly everything in one batch; entries
whose bar is wider than asked climb the long one (184). Points on or beside a kink get one-sided slopes as well. The functions here
know nothing of graphs: they see a batched evaluator, a point, directions and distances.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradproof_service.checking.estimate import Estimate, Evaluate, Reason
from gradproof_service.checking.ladder import LONG, SHORT, Ladder
from gradproof_service.checking.noise import Noise, measure_noise
from gradproof_service.checking.quotients import Readings, read
from gradproof_service.checking.stencil import (
    BoolArray,
    FloatArray,
    Stencil,
    place,
    representable,
    sample,
)

__all__ = ["HIDDEN", "Estimate", "Evaluate", "Reason", "directional", "hidden", "representable"]

_ROOM = 2.0**-10
"""When a kink leaves less than this part of the natural step, the sides are also looked at separately."""

HIDDEN = 2.0**-20
"""A fast component smaller than the rounding bound is invisible at every step. Its slope, some 1e-10 of the whole, escapes the
bar of 4 in 10,000 random expressions: what differs from an estimate by less than this part of `tau * |value|` is in doubt, not wrong."""

_ELEMENTS = 1 << 21
"""Sampled values held at once, over levels, directions and outputs."""


@dataclass(slots=True)
class _Climb:
    """What every tier needs, and the count of evaluations so far."""

    evaluate: Evaluate
    x: FloatArray
    scale: FloatArray
    resolution: float
    tau: float
    chunk: int
    floor: FloatArray
    centre: FloatArray
    centre_bound: FloatArray
    noise: Noise | None
    left: int

    def affordable(self, ladder: Ladder, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """The first rows that the remaining budget pays for."""
        return rows[: max(0, self.left) // (2 * len(ladder.levels))]

    def tier(
        self,
        ladder: Ladder,
        stencil: Stencil,
        rows: NDArray[np.intp],
        edge: BoolArray,
        chosen: BoolArray | None = None,
    ) -> Readings:
        """Sample one ladder for some rows, in blocks, and judge the entries of them that are `chosen` (D, m).

        `edge` (D,) and `chosen` are indexed by those rows.
        """
        outputs = len(self.centre)
        out = Readings.empty(len(rows), outputs, Reason.BUDGET)
        for block in self._blocks(ladder, len(rows), outputs):
            at = rows[block]
            samples = sample(
                self.evaluate,
                self.x,
                stencil.rows(at),
                ladder.levels,
                outputs=outputs,
                resolution=self.resolution,
                chunk=self.chunk,
            )
            self.left -= samples.evaluations
            noise = self.noise and Noise(
                self.noise.low[at], self.noise.high[at], self.noise.steady[at], 0
            )
            found = read(
                samples,
                ladder,
                self.centre,
                self.centre_bound,
                noise,
                at_edge=edge[at],
                wanted=self.floor[at],
                tau=self.tau,
                chosen=None if chosen is None else chosen[at],
            )
            out.put(block, found)
        return out

    def wide(self, readings: Readings) -> BoolArray:
        """Entries (D, m) whose bar does not give the asked power."""
        size = np.maximum(np.abs(np.nan_to_num(readings.value)), self.floor)
        return ~(readings.bar <= self.tau * size)

    def _blocks(self, ladder: Ladder, rows: int, outputs: int) -> Iterator[NDArray[np.intp]]:
        points = 2 * len(ladder.levels)
        size = max(1, min(self.chunk // points, _ELEMENTS // (points * max(1, outputs))))
        for start in range(0, rows, size):
            yield np.arange(start, min(rows, start + size))


def directional(
    evaluate: Evaluate,
    x: ArrayLike,
    directions: ArrayLike,
    *,
    scale: ArrayLike,
    reach: ArrayLike = np.inf,
    budget: int = 1 << 40,
    tau: float = 1e-3,
    floor: ArrayLike = 0.0,
    resolution: float = 2.0**-52,
    chunk: int = 1024,
) -> Estimate:
    """Derivatives of all outputs at `x` (n,) along `directions` (D, n), each with an error bar.

    `scale` (D,) is the argument's typical size along each direction, in multiples of it, and `reach` (D,) the distance to the
    nearest kink or domain edge in the same unit: inf when free, 0 on it. `floor`, a scalar or (D, m), is the size below which
    an entry needs no relative power; an entry is done when its bar is at most `tau * max(|value|, floor)`. `budget` limits the
    evaluations, `chunk` the points in one call. `resolution` is the relative spacing of the input's dtype.
    The bars hold for the function that `evaluate` bounds: an error bound that is too small makes a bar that is too narrow.
    """
    x = np.asarray(x, dtype=np.float64)
    asked = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    rows = len(asked)
    span = np.broadcast_to(np.asarray(scale, dtype=np.float64), rows)
    free = np.broadcast_to(np.asarray(reach, dtype=np.float64), rows)
    edge = free <= 0
    with np.errstate(all="ignore"):
        centre, centre_bound = (np.asarray(a, dtype=np.float64)[0] for a in evaluate(x[None]))
        height = np.where(edge, span / 4, np.minimum(span / 4, free / 2))
        stencil = place(x, asked, height, resolution)
        wanted = np.broadcast_to(np.asarray(floor, dtype=np.float64), (rows, len(centre)))
        climb = _Climb(
            evaluate,
            x,
            span,
            resolution,
            tau,
            chunk,
            wanted,
            centre,
            centre_bound,
            None,
            budget - 1,
        )
        if (np.isnan(centre_bound) & np.isfinite(centre)).any():
            climb.noise = measure_noise(
                evaluate,
                x,
                stencil.directions,
                4 * height,
                outputs=len(centre),
                resolution=resolution,
                chunk=chunk,
            )
            climb.left -= climb.noise.evaluations
        readings = _ascend(climb, stencil, edge)
    met = np.isfinite(readings.left_bar) | np.isfinite(readings.right_bar)
    sides = (
        (readings.left, readings.right, readings.left_bar, readings.right_bar)
        if met.any()
        else (None,) * 4
    )
    reason = readings.reason.astype(np.int8)
    return Estimate(
        readings.value, readings.bar, reason, budget - climb.left, stencil.directions, *sides
    )


def hidden(value: FloatArray, tau: float) -> FloatArray:
    """The doubt (see `HIDDEN`) in which no one is accused by estimates of these values."""
    return HIDDEN * tau * np.abs(value)


def _ascend(climb: _Climb, stencil: Stencil, edge: BoolArray) -> Readings:
    """Short ladder for all rows, long ladder where that was not enough, both sides where a kink leaves no room."""
    readings = Readings.empty(len(edge), len(climb.centre), Reason.BUDGET)
    if not np.isfinite(climb.centre).any():
        readings.reason[:] = np.where(np.isinf(climb.centre), Reason.OVERFLOW, Reason.DOMAIN)
        return readings
    rows = climb.affordable(SHORT, np.arange(len(edge)))
    readings.put(rows, climb.tier(SHORT, stencil, rows, edge))
    wide = climb.wide(readings) & np.isfinite(climb.centre)
    wide[len(rows) :] = False
    wide[edge] = True
    needy = np.nonzero(wide.any(axis=1))[0]
    rows = climb.affordable(LONG, needy)
    readings.put(rows, climb.tier(LONG, stencil, rows, edge, wide), wide[rows])
    unpaid = needy[len(rows) :]
    readings.reason[unpaid] = np.where(wide[unpaid], Reason.BUDGET, readings.reason[unpaid])
    wide = climb.wide(readings) & np.isfinite(climb.centre)
    cramped = ~edge & (stencil.height < _ROOM * climb.scale) & wide.any(axis=1)
    rows = climb.affordable(LONG, np.nonzero(cramped)[0])
    if len(rows):
        _look_past(climb, stencil, rows, readings, wide)
    return readings


def _look_past(
    climb: _Climb, stencil: Stencil, rows: NDArray[np.intp], readings: Readings, wide: BoolArray
) -> None:
    """Beside a kink the derivative is the slope of one side: the bar that covers both sides may be narrower than a cramped one."""
    roomy = place(climb.x, stencil.directions, climb.scale / 4, climb.resolution)
    sides = climb.tier(LONG, roomy, rows, np.ones(len(stencil.height), dtype=bool), wide)
    both = (sides.left + sides.right) / 2
    cover = np.abs(sides.left - sides.right) / 2 + np.maximum(sides.left_bar, sides.right_bar)
    narrower = wide[rows] & (cover < readings.bar[rows])
    readings.value[rows] = np.where(narrower, both, readings.value[rows])
    readings.bar[rows] = np.where(narrower, cover, readings.bar[rows])
    for name in ("left", "right", "left_bar", "right_bar"):
        mine = getattr(readings, name)
        mine[rows] = np.where(wide[rows], getattr(sides, name), mine[rows])
    still = climb.wide(readings)[rows]
    readings.reason[rows] = np.where(
        wide[rows], np.where(still, Reason.KINK, Reason.OK), readings.reason[rows]
    )
