"""The complex step: a derivative without subtraction, for functions that are analytic on the whole path.

Whether that holds is the caller's business: `abs`, comparisons and conjugates make the answer wrong, and nothing here can see it.
Source: Squire and Trapp (SIAM Rev. 40:110, 1998); Martins, Sturdza and Alonso (ACM TOMS 29:245, 2003).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gradproof_service.checking.estimate import Estimate, Reason
from gradproof_service.checking.stencil import UNIT_ROUNDOFF

_STEPS = (2.0**-100, 1.375 * 2.0**-108)
"""Two steps whose ratio is no power of two, so that the imaginary parts round differently; `h^2` is far below rounding."""

_SHIFT = 3 * 2.0**-52
"""How far the probes beside the point stand, relative to it: their second difference is rounding, not curvature."""

_SAFETY = 16.0
_FLOOR = 32 * UNIT_ROUNDOFF

Complex = NDArray[np.complex128]
Real = NDArray[np.float64]


class Probed(NamedTuple):
    """Slopes (D, m) with bars, the complex values (D, m) at the point, and what rounding did to their real parts."""

    slope: Real
    bar: Real
    value: Complex
    wobble: Real


def complex_step(
    evaluate: Callable[[Complex], Complex], x: ArrayLike, directions: ArrayLike
) -> Estimate:
    """Derivatives along `directions` (D, n) at `x` (n,) from complex points (P, n) to values (P, m), in one call of 4 D points.

    The bar is a few units in the last place of the value, plus sixteen times what rounding was seen to do: the disagreement of two
    steps, and the second difference of the derivative over neighbouring points, which shows cancellation in the real parts. Three
    roundings may cancel in it by chance; what the derivative itself changes over a few units in the last place of the point may not.
    """
    x = np.asarray(x, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    slope, bar, value, _ = probed(evaluate, x, rows)
    whole = np.isfinite(bar) & np.isfinite(value)
    reason = np.where(
        whole,
        Reason.OK,
        np.where(np.isinf(np.real(value)), Reason.OVERFLOW, Reason.DOMAIN),
    )
    return Estimate(
        slope, np.where(whole, bar, np.inf), reason.astype(np.int8), 4 * len(rows), rows
    )


def probed(
    evaluate: Callable[[Complex], Complex], x: Real, rows: Real, doubt: Real | None = None
) -> Probed:
    """Slopes along `rows` (D, n) at `x` (n,) as in `complex_step`.

    `doubt` (n,) says by how much `x` itself may be off, either way: the probes beside the point then
    stand as far away as that, and what the slope changes between them is in the bar.
    """
    size = np.abs(rows).max(axis=1, initial=0.0)[:, None]
    size = np.where(size > 0, np.exp2(np.ceil(np.log2(np.where(size > 0, size, 1.0)))), 1.0)
    first, second = _STEPS
    shift = _SHIFT * x if doubt is None else _SHIFT * x + doubt
    steps = np.array((first, second, first, first))[:, None, None]
    points = np.empty((4, *rows.shape), np.complex128)
    points.real = np.stack((x, x, x + shift, x - shift))[:, None]
    with np.errstate(all="ignore"):
        np.multiply(steps, rows / size, out=points.imag)
        values = evaluate(points.reshape(-1, len(x))).reshape(4, len(rows), -1)
        middle, again, above, below = values.imag / steps
        seen = np.abs(middle - again) + np.abs((above - middle) + (below - middle))
        bar = _SAFETY * seen + _FLOOR * np.abs(middle) + np.abs(above - below)
        real = values.real
        wobble = np.abs((real[2] - real[0]) + (real[3] - real[0]))
        wobble = _SAFETY * wobble + _FLOOR * np.abs(real[0])
        return Probed(middle * size, bar * size, values[0], wobble)
