"""Seeds at which a vjp, jvp or hvp claim is asked: fixed by `rng_seed`, of both signs and several sizes."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]
FULL_BASIS: Final = 16
"""Up to this many elements every unit seed is asked, so no single entry of the derivative is left out."""

SIZES: Final = (1.0, 1e-3, 1e2, 1.0, 1.0)
"""Of the dense seeds."""


def make_seeds(shape: tuple[int, ...], dtype: np.dtype[Any], rng_seed: int) -> Array:
    """Seeds stacked on a batch axis in front, `(n, *shape)`: unit ones, dense ones of three sizes, sparse ones.

    Five dense ones show one wrong entry of a large Jacobian: only that moves the results in proportion to one component.
    """
    rng = np.random.default_rng(rng_seed)
    size = int(np.prod(shape))
    rows: list[Array] = []
    if size <= FULL_BASIS:
        rows.extend(np.eye(size))
    rows.extend(scale * rng.standard_normal(size) for scale in SIZES)
    for _ in range(2 if size > FULL_BASIS else 0):
        sparse = np.zeros(size)
        places = rng.choice(size, max(1, size // 64), replace=False)
        sparse[places] = np.where(rng.random(len(places)) < 0.5, -1.0, 1.0)
        rows.append(sparse)
    return np.stack(rows).reshape(-1, *shape).astype(dtype)
