"""One wrong entry of a Jacobian, seen in what a rule makes of its seeds.

A rule returns sums over many entries, and what is forgiven in a sum (a float32 temporary) is more
than one entry wrong by a millionth of itself. But such an entry moves the result along every seed
in proportion to one component of the seed, and rounding does not: that is what is looked for.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array

SEEDS = 4
"""Fewest seeds that move a component, for a proportion to mean something."""
RESIDUAL = 1e-3
"""Part of an error that one component of the seeds may leave unexplained."""
LOOKED_AT = 64
"""Entries of the result that are looked at, the most striking ones."""


def single_faults(
    error: Array, bar: Array, seeds: Array, matrix: Array, matrix_bar: Array, rtol: float
) -> Array:
    """Entries (n,) of a rule's result that one wrong entry of the matrix (m, n) explains.

    `error` and `bar` (S, n) are what the results are off by and may be off by rounding, `seeds`
    (S, m). The entry found must itself be wrong by more than `rtol` of its value and its bar.
    """
    found = np.zeros(error.shape[1], dtype=bool)
    size = np.sqrt(np.sum(seeds * seeds, axis=1, keepdims=True))
    with np.errstate(all="ignore"):
        clear = np.where(
            np.isfinite(error / bar), np.abs(error) / bar, np.where(error != 0, np.inf, 0)
        )
        weighed, units = error / size, seeds / size
    striking = np.flatnonzero((clear > 1).sum(axis=0) >= SEEDS)
    if not len(striking) or not np.isfinite(units).all():
        return found
    order = np.argsort(-np.abs(weighed[:, striking]).max(axis=0), kind="stable")
    moved = (units != 0).sum(axis=0) >= SEEDS
    norms = np.where(moved, np.sum(units * units, axis=0), np.inf)
    for j in striking[order[:LOOKED_AT]]:
        e = weighed[:, j]
        along = units.T @ e
        rest = np.sum(e * e) - along * along / norms
        i = int(np.argmin(rest))
        if moved[i] and rest[i] <= RESIDUAL**2 * np.sum(e * e):
            off = abs(along[i] / norms[i])
            found[j] = off > rtol * abs(matrix[i, j]) + 2 * matrix_bar[i, j]
    return found
