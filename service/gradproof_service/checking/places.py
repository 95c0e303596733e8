"""Where the wrong entries of a derivative are: the first of them by index, and the pattern they make."""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array

NAMED = 8
"""Wrong entries that are named one by one."""
FEW = 4
"""Rows or columns that are counted off; more make no pattern worth telling."""


def named(wrong: Array, worst: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """The first wrong entries of a mask, the worst in front, then in C order."""
    first = [tuple(int(k) for k in at) for at in np.argwhere(wrong)[: NAMED + 1]]
    return (worst, *(at for at in first if at != worst))[:NAMED]


def pattern(wrong: Array) -> str:
    """What the wrong entries of a mask have in common, such as "row 2" or "all below the diagonal"; "" when nothing.

    Only where there are too many of them to be named one by one, or they are all there are.
    """
    if wrong.ndim != 2 or min(wrong.shape) < 2 or np.count_nonzero(wrong) < 2 or wrong.all():
        return ""
    for word, axis in (("row", 1), ("column", 0)):
        hit = np.flatnonzero(wrong.any(axis=axis))
        if len(hit) <= FEW and np.take(wrong, hit, axis=1 - axis).all():
            listed = ", ".join(map(str, hit))
            return f"{word} {listed}" if len(hit) == 1 else f"{word}s {listed}"
    if wrong.shape[0] != wrong.shape[1]:
        return ""
    diagonal = np.eye(len(wrong), dtype=bool)
    for words, mask in (
        ("the diagonal", diagonal),
        ("all off the diagonal", ~diagonal),
        ("all above the diagonal", np.triu(~diagonal)),
        ("all below the diagonal", np.tril(~diagonal)),
    ):
        if (wrong == mask).all():
            return words
    return ""
