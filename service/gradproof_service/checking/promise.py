"""Whether a value is what its input is declared to be: symmetric, positive, on a simplex, and so on.

A check varies such an input along its tangent space only. At a point that does not lie on the set
there is no such space, so the point is refused in one sentence before anything is computed.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.diagnostic import Fault, FaultKind

SLACK = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}
"""Part of the largest entry by which rounding may move a value off its set."""
SQUARE = frozenset(
    {
        Structure.SYMMETRIC,
        Structure.HERMITIAN,
        Structure.LOWER,
        Structure.UPPER,
        Structure.SPD,
        Structure.ORTHOGONAL,
    }
)
"""Structures of square matrices; they speak of the last two axes."""


def require_kept(named: Iterable[tuple[str, Structure, Array]]) -> None:
    """Raise `Fault` for the first value that is not what its name is declared to be."""
    for name, structure, x in named:
        wrong = "" if structure is Structure.NONE else _broken(structure, np.asarray(x))
        if wrong:
            raise Fault(
                FaultKind.INVALID,
                f"point: input {name!r} is declared {structure.name.lower()}, but {wrong}; "
                "give a point that is, or leave the declaration out",
                field_path=f'point["{name}"]',
            )


def _broken(structure: Structure, x: Array) -> str:
    """What is wrong with a value, empty when nothing is; a value that is not finite is told elsewhere."""
    if structure in SQUARE and (x.ndim < 2 or x.shape[-1] != x.shape[-2]):
        return f"its shape {x.shape} is not that of square matrices"
    if structure is Structure.SIMPLEX and (x.ndim < 1 or not x.shape[-1]):
        return f"its shape {x.shape} has no axis of parts"
    if not x.size or (x.dtype.kind == "f" and not np.isfinite(x).all()):
        return ""
    if structure is Structure.INTEGER_VALUED:
        return _where(x, x == np.floor(x), "not a whole number")
    if structure is Structure.POSITIVE:
        return _where(x, x > 0, "not above zero")
    wide = x.astype(np.float64)
    slack = SLACK.get(x.dtype, 1e-9) * float(np.max(np.abs(wide)))
    if structure is Structure.LOWER:
        return _where(x, wide == np.tril(wide), "above the diagonal and not zero")
    if structure is Structure.UPPER:
        return _where(x, wide == np.triu(wide), "below the diagonal and not zero")
    if structure is Structure.SIMPLEX:
        return _off_simplex(x, wide, slack)
    if structure is Structure.ORTHOGONAL:
        return _not_orthogonal(wide, SLACK.get(x.dtype, 1e-9))
    return _not_symmetric(wide, slack) or _not_definite(structure, wide)


def _where(x: Array, good: Array, words: str) -> str:
    """The first place that is not good, with its number."""
    bad = np.argwhere(~np.asarray(good))
    if not len(bad):
        return ""
    at = tuple(int(n) for n in bad[0])
    return f"{f'entry {list(at)}' if at else 'it'} is {x[at]:.6g}, {words}"


def _off_simplex(x: Array, wide: Array, slack: float) -> str:
    sums = wide.sum(axis=-1)
    off = np.abs(sums - 1.0) > max(slack, SLACK.get(x.dtype, 1e-9))
    if off.any():
        return f"its parts add up to {np.asarray(sums)[off].flat[0]:.6g}, not to 1"
    return _where(x, wide >= 0, "below zero")


def _not_orthogonal(wide: Array, slack: float) -> str:
    gap = float(np.max(np.abs(np.swapaxes(wide, -1, -2) @ wide - np.eye(wide.shape[-1]))))
    return f"X^T X differs from the identity by {gap:.3g}" if gap > slack else ""


def _not_symmetric(wide: Array, slack: float) -> str:
    gap = np.abs(wide - np.swapaxes(wide, -1, -2))
    if float(np.max(gap)) <= slack:
        return ""
    at = tuple(int(n) for n in np.unravel_index(int(np.argmax(gap)), gap.shape))
    mirrored = (*at[:-2], at[-1], at[-2])
    return f"entry {list(at)} is {wide[at]:.6g} and entry {list(mirrored)} is {wide[mirrored]:.6g}"


def _not_definite(structure: Structure, wide: Array) -> str:
    if structure is not Structure.SPD:
        return ""
    least = float(np.min(np.linalg.eigvalsh(0.5 * (wide + np.swapaxes(wide, -1, -2)))))
    return "" if least > 0 else f"its least eigenvalue is {least:.3g}, not above zero"
