"""One wrong entry of a Jacobian, or one wrong result, seen in what a rule makes of its seeds.

A rule returns sums over many entries, and what is forgiven in a sum (a float32 temporary) is more
than one entry wrong by a millionth of itself. But such an entry moves the result along every seed
in proportion to one component of the seed, and a result that is wrong as a whole in proportion to
itself; rounding does neither: that is what is looked for.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array

SEEDS = 4
"""Fewest seeds that move a component, for a proportion to mean something."""
FACTORS = 3
"""Fewest seeds along which a result is off by one factor; along the others it may be right."""
RESIDUAL = 1e-3
"""Part of an error that one component of the seeds may leave unexplained."""
LOOKED_AT = 64
"""Entries of the result that are looked at, the most striking ones."""


def single_faults(
    error: Array, value: Array, bar: Array, seeds: Array, matrix: Array, matrix_bar: Array, rtol: float
) -> Array:  # fmt: skip
    """Entries (n,) of a rule's result that one wrong entry of the matrix (m, n), or one factor, explains.

    `error` and `bar` (S, n) are what the results are off by and may be off by rounding, `value`
    what they should be, `seeds` (S, m). What is found must be wrong by more than `rtol` and its bar.
    """
    found = np.zeros(error.shape[1], dtype=bool)
    size = np.sqrt(np.sum(seeds * seeds, axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        clear = (np.abs(error) > bar) & np.isfinite(error) & np.isfinite(bar)
        weighed, units, whole = error / size, seeds / size, value / size
    striking = np.flatnonzero(clear.sum(axis=0) >= FACTORS)
    if not len(striking) or not np.isfinite(units).all():
        return found
    order = np.argsort(-np.abs(weighed[:, striking]).max(axis=0), kind="stable")
    moved = (units != 0).sum(axis=0) >= SEEDS
    norms = np.where(moved, np.sum(units * units, axis=0), np.inf)
    for j in striking[order[:LOOKED_AT]]:
        e, off = weighed[:, j], clear[:, j]
        with np.errstate(all="ignore"):
            factor = e[off] / whole[off, j]
        if np.ptp(factor) <= RESIDUAL * np.abs(factor).max():
            found[j] = np.abs(factor).max() > rtol
            continue
        along = units.T @ e
        rest = np.sum(e * e) - along * along / norms
        i = int(np.argmin(rest))
        if off.sum() >= SEEDS and moved[i] and rest[i] <= RESIDUAL**2 * np.sum(e * e):
            found[j] = abs(along[i] / norms[i]) > rtol * abs(matrix[i, j]) + 2 * matrix_bar[i, j]
    return found
