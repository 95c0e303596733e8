"""Draw random derivatives, witness them, and hold the bars against 45-digit truth."""

from __future__ import annotations

from dataclasses import dataclass

import mpmath
import numpy as np
from gradproof_service.checking.differences import Reason, directional

from tests.service.checking.expressions import evaluator, exact, random_expression


@dataclass(frozen=True)
class Draws:
    """Per witnessed entry: |value - true| / bar, relative bar, bar over true error (inf where that is zero), which tier answered."""

    ratio: np.ndarray
    power: np.ndarray
    looseness: np.ndarray
    short: np.ndarray
    unsettled: int
    total: int
    accused: int
    missed: dict[float, int]

    def summary(self) -> str:
        """The figures that a release is judged by."""
        ratio = np.quantile(self.ratio, [0.5, 0.9, 0.99, 0.999, 1.0])
        loose = np.quantile(self.looseness, [0.5, 0.75, 0.9], method="lower")
        return (
            f"{self.total} draws, {self.unsettled} without a bar at power 1e-3, short tier answered {self.short.mean():.3f}; "
            f"error/bar quantiles 50/90/99/99.9/100 %: {', '.join(f'{r:.3g}' for r in ratio)}; outside {np.sum(self.ratio > 1)}; "
            f"bar/error 50/75/90 %: {', '.join(f'{r:.3g}' for r in loose)}; "
            f"accused {self.accused}; missed {self.missed}"
        )


def draw(
    rng_seed: int, count: int, *, tau: float = 1e-3, dtype: type = np.float64, bounded: bool = True
) -> Draws:
    """Witness `count` random expressions of one to four inputs at points of all sizes, along a coordinate or a signed probe."""
    rng = np.random.default_rng(rng_seed)
    ratio, power, loose, short = [], [], [], []
    unsettled = total = accused = 0
    missed = dict.fromkeys((1.001, 1.01, 1.1, 2.0, -1.0, 0.0), 0)
    resolution = float(np.finfo(dtype).eps)
    while total < count:
        inputs = int(rng.integers(1, 5))
        node = random_expression(rng, inputs, int(rng.integers(1, 6)))
        size = 10.0 ** rng.uniform(-4, 4, inputs)
        x = (rng.choice([-1.0, 1.0], inputs) * size).astype(dtype).astype(np.float64)
        one_hot = rng.random() < 0.6
        unit = np.exp2(np.floor(np.log2(np.abs(x))))
        direction = (
            np.eye(inputs)[rng.integers(inputs)]
            if one_hot
            else rng.choice([-1.0, 1.0], inputs) * unit
        )
        scale = np.abs(x)[np.argmax(direction)] if one_hot else 1.0
        call = evaluator(node, dtype=dtype, bounded=bounded)
        f, f_bound = (a[0, 0] for a in evaluator(node, dtype=dtype)(x[None]))
        if not (np.isfinite(f) and np.isfinite(f_bound)):
            continue
        try:
            true = exact(node, x, direction)
            if (
                not mpmath.isfinite(true)
                or isinstance(true, mpmath.mpc)
                or not 1e-30 < abs(true) < 1e30
            ):
                continue
        except (ZeroDivisionError, ValueError, OverflowError):
            continue
        total += 1
        e = directional(call, x, direction, scale=scale, tau=tau, resolution=resolution)
        bar, value = float(e.bar[0, 0]), float(e.value[0, 0])
        if e.reason[0, 0] != Reason.OK:
            unsettled += 1
        if not np.isfinite(bar):
            continue
        error = float(abs(mpmath.mpf(value) - true))
        accused += error > 2 * bar
        ratio.append(error / bar if bar else 0.0)
        power.append(bar / abs(value) if value else np.inf)
        loose.append(bar / error if error else np.inf)
        short.append(e.evaluations <= 19)
        for factor in missed:
            claim = float(true) * factor
            # A claim wrong by tau is sure to be seen only when the estimate's own error (one bar) and
            # the two bars of the verdict fit into tau: e12 with 2 B <= tau passed 3 of 30,000 claims
            # that were wrong by exactly 1e-3 (seed 20261123).
            sharp = 3 * bar <= tau * min(abs(claim), abs(value))
            missed[factor] += bool(sharp and abs(claim - value) <= 2 * bar)
    return Draws(
        *(np.array(a) for a in (ratio, power, loose, short)), unsettled, total, accused, missed
    )
