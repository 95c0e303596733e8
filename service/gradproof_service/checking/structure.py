"""Inputs that are not free: symmetric, triangular, positive, on a simplex, orthogonal.

Such an input is varied only along the tangent space of what it is, and a claim about it is held
against the reference only there: what a claim says across the tangent space means nothing.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array, Structure

SYMMETRIC = (Structure.SYMMETRIC, Structure.HERMITIAN, Structure.SPD)
FREE = (Structure.NONE, Structure.POSITIVE, Structure.INTEGER_VALUED)


def project(structure: Structure, x: Array, rows: Array) -> Array:
    """Rows (m, n) of a Jacobian by input `x` (n elements), orthogonally onto its tangent space."""
    if structure in FREE:
        return rows
    g = rows.reshape(len(rows), *x.shape)
    if structure in SYMMETRIC:
        out = 0.5 * (g + np.swapaxes(g, -1, -2))
    elif structure is Structure.LOWER:
        out = np.tril(g)
    elif structure is Structure.UPPER:
        out = np.triu(g)
    elif structure is Structure.SIMPLEX:
        out = g - g.mean(axis=-1, keepdims=True)
    else:  # orthogonal: G - X sym(X^T G), Edelman, Arias, Smith 1998
        inner = np.swapaxes(x, -1, -2) @ g
        out = g - x @ (0.5 * (inner + np.swapaxes(inner, -1, -2)))
    return np.asarray(out).reshape(rows.shape)


def tangent_basis(structure: Structure, x: Array) -> Array | None:
    """Directions (D, n) that span the tangent space at `x`; None where every coordinate is free."""
    if structure in FREE or x.ndim == 0:
        return None
    if structure is Structure.SIMPLEX:
        count = x.shape[-1]
        steps = np.eye(count)[:-1] - np.eye(count)[-1]
        return _repeated(steps, x.size // count if count else 0)
    side = x.shape[-1]
    if x.ndim < 2 or x.shape[-2] != side:
        return None
    low, high = np.triu_indices(side, 1)
    pairs = np.zeros((len(low), side, side))
    at = np.arange(len(low))
    diagonal = np.zeros((side, side, side))
    diagonal[np.arange(side), np.arange(side), np.arange(side)] = 1
    if structure is Structure.ORTHOGONAL:
        pairs[at, low, high], pairs[at, high, low] = 1, -1
        stack = x.reshape(-1, side, side)
        blocks = [(one @ pairs).reshape(len(pairs), -1) for one in stack]
        return _placed(blocks)
    pairs[at, low, high] = structure in SYMMETRIC or structure is Structure.UPPER
    pairs[at, high, low] = structure in SYMMETRIC or structure is Structure.LOWER
    steps = np.concatenate([diagonal, pairs]).reshape(-1, side * side)
    return _repeated(steps, x.size // (side * side))


def _repeated(steps: Array, count: int) -> Array:
    return _placed([steps] * count)


def _placed(blocks: list[Array]) -> Array:
    """Each block of directions on its own stretch of the flattened input."""
    width = sum(b.shape[1] for b in blocks)
    out = np.zeros((sum(len(b) for b in blocks), width))
    row = column = 0
    for b in blocks:
        out[row : row + len(b), column : column + b.shape[1]] = b
        row += len(b)
        column += b.shape[1]
    return out
