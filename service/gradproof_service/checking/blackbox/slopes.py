"""Slopes of a black box along the elements of an input, its tangent space, dense signs, or given tangents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.blackbox.probe import Probe
from gradproof_service.checking.compare import KAPPA
from gradproof_service.checking.differences import Estimate, Reason, directional, representable
from gradproof_service.checking.noise import measure_noise
from gradproof_service.checking.report import Options
from gradproof_service.checking.seen import COORDINATES
from gradproof_service.checking.settling import ACQUITTED, FALLS
from gradproof_service.checking.structure import FREE, project, tangent_basis
from gradproof_service.checking.taylor import TaylorRate, taylor_rate

SIGNS = 8
"""Dense directions where elements are too many: each moves by the whole error of every entry."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Slopes of all outputs (D, m) along directions (D, n) of sizes `scale` (D,) of one input.

    `every` says that the directions are the elements themselves.
    """

    directions: Array
    scale: Array
    estimate: Estimate
    every: bool


class Slopes:
    """What has been asked about slopes, each thing once."""

    def __init__(self, probe: Probe, options: Options) -> None:
        self.probe = probe
        self.options = options
        self.seen: dict[int, Seen] = {}
        self._noise: dict[int, Array] = {}

    def of(self, i: int) -> Seen:
        """Along the elements of input i, its tangent space, or dense signs where elements are too many."""
        if i not in self.seen:
            x, scale = self.probe.flat(i), self.probe.scale(i)
            structure = self.probe.box.structures[i]
            few = len(x) <= COORDINATES
            basis = tangent_basis(structure, self.probe.point[i]) if few else None
            if few and basis is None:
                rows, along = np.eye(len(x)), scale
            else:
                rows = basis if basis is not None else project(
                    structure, self.probe.point[i], self._signs(i, scale)
                )  # fmt: skip
                along = along_of(rows, scale)
                rows = representable(x, rows, along, resolution=self.probe.resolution(i))
            every = few and basis is None
            self.seen[i] = Seen(rows, along, self.along(i, rows, along), every)
        return self.seen[i]

    def along(self, i: int, rows: Array, along: Array) -> Estimate:
        """Slopes along any directions (D, n) of input i."""
        return directional(
            self.probe.evaluator(i), self.probe.flat(i), rows, scale=along,
            tau=self.options.tau / (2 * KAPPA), resolution=self.probe.resolution(i),
            budget=self.options.witness_evaluations or 1 << 40, chunk=4 * self.probe.batch,
        )  # fmt: skip

    def noise(self, i: int, direction: Array) -> Array:
        """The measured noise (m,) of every output, asked once for each input."""
        if i not in self._noise:
            found = measure_noise(
                self.probe.evaluator(i), self.probe.flat(i), direction[None],
                along_of(direction[None], self.probe.scale(i)), outputs=self.probe.size,
                resolution=self.probe.resolution(i), chunk=4 * self.probe.batch,
            )  # fmt: skip
            self._noise[i] = found.high[0]
        return self._noise[i]

    def falls(self, i: int, direction: Array, slope: Array) -> TaylorRate:
        """How the Taylor remainder of claimed slopes (m,) along a direction falls."""
        evaluate = self.probe.evaluator(i, self.noise(i, direction))
        scale = float(along_of(direction[None], self.probe.scale(i))[0])
        return taylor_rate(
            evaluate, self.probe.flat(i), direction, slope, scale=scale,
            resolution=self.probe.resolution(i),
        )  # fmt: skip

    def acquit(self, seen: Seen, i: int, part: slice, claimed: Array, open_: Array) -> Array | None:
        """Bars (D, m) for open entries of claimed slopes (D, m) whose remainder falls as that of a right slope.

        None where nothing is open; inf where the remainder says nothing. It never accuses.
        """
        rows = np.flatnonzero(open_.any(axis=1))[:ACQUITTED]
        if not len(rows) or self.options.witness_evaluations:
            return None
        bars = np.full(claimed.shape, np.inf)
        slopes = np.nan_to_num(seen.estimate.value)
        for row in rows:
            wanted = slopes[row].copy()
            wanted[part] = claimed[row]
            found = self.falls(i, seen.directions[row], wanted)
            rate, sight = found.rate[part], found.sight[part]
            with np.errstate(all="ignore"):
                right = np.isnan(rate) | ((rate > FALLS[0]) & (rate < FALLS[1]))
                bars[row] = np.where(right & open_[row], sight * np.abs(claimed[row]), np.inf)
        return np.nan_to_num(bars, nan=np.inf)

    def _signs(self, i: int, scale: Array) -> Array:
        rng = np.random.default_rng((self.options.rng_seed, i, 6))
        signs = rng.integers(0, 2, (SIGNS, len(scale))) * 2.0 - 1.0
        free = self.probe.box.structures[i] in FREE
        return signs * np.exp2(np.floor(np.log2(scale))) if free else signs


def along_of(rows: Array, scale: Array) -> Array:
    """How far along each direction (D, n) the input's own size reaches: (D,)."""
    moving = rows != 0
    return np.where(moving, scale / np.where(moving, np.abs(rows), 1.0), np.inf).min(axis=1)


def reason_of(estimate: Estimate, part: slice) -> str:
    """Why the widest bar of some outputs is as wide as it is, in the words of a report."""
    bar = np.nan_to_num(estimate.bar[:, part], nan=np.inf)
    if not bar.size:
        return "noise"
    why = Reason(int(estimate.reason[:, part].reshape(-1)[int(np.argmax(bar))]))
    return "noise" if why is Reason.OK else why.name.lower()
