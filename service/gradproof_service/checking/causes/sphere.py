"""The fingerprint of directions: vectors whose length does not count, quaternions, rotation axes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np

from gradproof_service.checking.causes.mismatch import Match, Mismatch

LONGEST: Final = 16
"""Longer vectors are rarely directions, and a difference along them says less."""


def ambient(m: Mismatch) -> Iterable[Match]:
    """claimed - true lies along x itself, vector by vector: one of the two is projected, the other is not."""
    x = np.asarray(m.scene.inputs[m.i], dtype=np.float64)
    if not x.ndim or not 2 <= x.shape[-1] <= LONGEST or m.wrong.sum() < 2:
        return
    size = np.sum(x * x, axis=-1, keepdims=True)
    if not (size > 0).all() or not (np.count_nonzero(x, axis=-1) > 1).all():
        return
    gap = m.gap.reshape(-1, *x.shape)
    along = np.sum(gap * x, axis=-1, keepdims=True) / size * x
    text = (
        f"claimed and true differ only along {m.input_name} itself, vector by vector of {x.shape[-1]}: one is the "
        "derivative at constant length (a direction, a quaternion), the other that of every coordinate"
    )
    yield from m.matched("F18", text, m.reference + along.reshape(m.reference.shape), least=0.999)
