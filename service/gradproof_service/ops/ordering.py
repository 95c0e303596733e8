"""`after`: a value that is read only once another is known. No part of the catalogue: transforms alone write it.

A value computed a second time is worth its work only when it is computed late. Behind an `after` it is
another node than the first, which nothing merges, and no order of running can bring it forward; so it is with its tangent. XLA has
the same in its optimization barrier, by which `jax.checkpoint` keeps its recomputations apart.
"""

from __future__ import annotations

from typing import Any, Final

from gradproof_service.arrays import Type
from gradproof_service.ops.calling import no_sample
from gradproof_service.ops.record import Op


def _infer_after(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Any:
    return attrs, (ins[0],)


AFTER: Final = Op(
    "after", "x itself, not before z is known", "y = x;  dy = dx",
    _infer_after, lambda s, x, z: x, lambda d: no_sample(), (2, 2),
    jvp=(lambda xp, s, xs, ys, t: xp.apply_op(AFTER, (t, xs[1]), {}), None), vjp=(lambda xp, s, xs, ys, c: c, None),
    linear=(0,), analytic=True, batching="first", ulps=0.0, moves="order",
)  # fmt: skip
