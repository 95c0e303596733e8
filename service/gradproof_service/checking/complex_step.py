"""The complex step: a derivative without subtraction, for functions that are analytic on the whole path.

Whether that holds is the caller's business: `abs`, comparisons and conjugates make the answer wrong, and nothing here can see it.
Source: Squire and Trapp (SIAM Rev. 40:110, 1998); Martins, Sturdza and Alonso (ACM TOMS 29:245, 2003).
"""

from collections.abc import Callable

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


def complex_step(
    evaluate: Callable[[NDArray[np.complex128]], NDArray[np.complex128]],
    x: ArrayLike,
    directions: ArrayLike,
) -> Estimate:
    """Derivatives along `directions` (D, n) at `x` (n,) from complex points (P, n) to values (P, m), in one call of 4 D points.

    The bar is a few units in the last place of the value, plus sixteen times what rounding was seen to do: the disagreement of two
    steps, and the second difference of the derivative over neighbouring points, which shows cancellation in the real parts.
    """
    x = np.asarray(x, dtype=np.float64)
    rows = np.atleast_2d(np.asarray(directions, dtype=np.float64))
    size = np.abs(rows).max(axis=1, initial=0.0)[:, None]
    size = np.where(size > 0, np.exp2(np.ceil(np.log2(np.where(size > 0, size, 1.0)))), 1.0)
    unit = rows / size
    first, second = _STEPS
    shift = _SHIFT * x
    real = np.concatenate([np.tile(x + s, (len(rows), 1)) for s in (0 * x, 0 * x, shift, -shift)])
    steps = np.repeat((first, second, first, first), len(rows))[:, None]
    with np.errstate(all="ignore"):
        values = evaluate(real + 1j * (steps * np.tile(unit, (4, 1))))
        middle, again, above, below = np.split(np.imag(values) / steps, 4)
        seen = np.abs(middle - again) + np.abs((above - middle) + (below - middle))
        bar = (_SAFETY * seen + _FLOOR * np.abs(middle)) * size
        whole = np.isfinite(bar) & np.isfinite(values[: len(rows)])
    reason = np.where(
        whole,
        Reason.OK,
        np.where(np.isinf(np.real(values[: len(rows)])), Reason.OVERFLOW, Reason.DOMAIN),
    )
    return Estimate(
        middle * size, np.where(whole, bar, np.inf), reason.astype(np.int8), 4 * len(rows), rows
    )
