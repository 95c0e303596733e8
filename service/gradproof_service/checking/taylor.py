"""The Taylor remainder: with the right slope it falls as the square of the step, with a wrong one only linearly.

A tie-breaker and a picture, not a verdict: it needs curvature to see, and says how small an error it could have seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from gradproof_service.checking.estimate import Evaluate
from gradproof_service.checking.stencil import UNIT_ROUNDOFF, BoolArray, FloatArray, round_to

_HALVINGS = 40
_ABOVE_NOISE = 10.0
_FITTED = 6


@dataclass(frozen=True, slots=True)
class TaylorRate:
    """Per output (m,): `rate`, the remainder's exponent (NaN where it never left the rounding), and `sight`.

    `sight` is the smallest relative error of the slope that these steps could have shown. `step` (S,) and `remainder` (S, m)
    are the points of the picture.
    """

    rate: FloatArray
    sight: FloatArray
    step: FloatArray
    remainder: FloatArray


def taylor_rate(
    evaluate: Evaluate,
    x: ArrayLike,
    direction: ArrayLike,
    slope: ArrayLike,
    *,
    scale: float,
    resolution: float = 2.0**-52,
) -> TaylorRate:
    """Fit the exponent of `|f(x + h d) - f(x) - h slope|` over the smallest steps where it exceeds ten rounding bounds.

    `x`, `direction` (n,), `slope` (m,), `scale` the argument's typical size along the direction; 41 evaluations in one call.
    """
    x, d, claimed = (np.asarray(a, dtype=np.float64) for a in (x, direction, slope))
    step = 2.0 ** np.floor(np.log2(scale / 2)) * 2.0 ** -np.arange(_HALVINGS)
    points = round_to(x + step[:, None] * d, resolution)
    with np.errstate(all="ignore"):
        values, bounds = (
            np.asarray(a, dtype=np.float64) for a in evaluate(np.concatenate([x[None], points]))
        )
        along = step[:, None] * claimed
        displaced = np.max(np.abs((points - x) - step[:, None] * d), axis=1) / (
            step * np.max(np.abs(d))
        )
        rounding = (
            bounds[1:]
            + bounds[0]
            + 4 * UNIT_ROUNDOFF * np.abs(values[1:])
            + displaced[:, None] * np.abs(along)
        )
        remainder = np.abs((values[1:] - values[0]) - along)
        clear = (remainder > _ABOVE_NOISE * rounding) & np.isfinite(remainder)
        seen = np.where(
            np.isfinite(remainder), np.maximum(remainder, _ABOVE_NOISE * rounding), np.inf
        )
        # a remainder may cross zero at a large step: only the steps of the fit, and below them, count
        trusted = ~clear.any(axis=0) | (np.cumsum(clear[::-1], axis=0)[::-1] <= _FITTED)
        sight = np.min(np.where(trusted, seen / np.abs(along), np.inf), axis=0)
        return TaylorRate(_slope(step, remainder, clear), sight, step, remainder)


def _slope(step: FloatArray, remainder: FloatArray, clear: BoolArray) -> FloatArray:
    """Least-squares exponent over the smallest clear steps (at most six of them) of each output."""
    from_small = np.cumsum(clear[::-1], axis=0)[::-1]
    weight = (clear & (from_small <= _FITTED)).astype(np.float64)
    count = weight.sum(axis=0)
    u = np.log(step)[:, None]
    v = np.where(clear, np.log(np.where(clear, remainder, 1.0)), 0.0)
    u_mean, v_mean = (weight * u).sum(axis=0) / count, (weight * v).sum(axis=0) / count
    rate = (weight * (u - u_mean) * (v - v_mean)).sum(axis=0) / (weight * (u - u_mean) ** 2).sum(
        axis=0
    )
    return np.where(count >= 2, rate, np.nan)
