"""The derivative of a product along axes, on trees of pairs: never a quotient, so factors of 0 are right."""

from __future__ import annotations

from typing import Any

from gradproof_service.ops.axes import count
from gradproof_service.ops.record import Site


def _gathered(xp: Any, s: Site, v: Any) -> Any:
    """An operand-shaped value as (*kept, n): the reduced axes together and last."""
    axes: tuple[int, ...] = s["axes"]
    kept = tuple(a for a in range(-v.rank, 0) if a not in axes)
    if axes != tuple(range(-len(axes), 0)):
        v = xp.permute_dims(v, axes=kept + axes)
    return xp.reshape(v, shape=(*v.shape[: len(kept)], count(s)))


def _scattered(xp: Any, s: Site, v: Any) -> Any:
    """Undo `_gathered`."""
    axes: tuple[int, ...] = s["axes"]
    shape = s.ins[0].shape
    order = (*(a for a in range(-len(shape), 0) if a not in axes), *axes)
    v = xp.reshape(v, shape=tuple(shape[a] for a in order))
    if order != tuple(range(-len(shape), 0)):
        v = xp.permute_dims(v, axes=tuple(order.index(a) for a in range(-len(shape), 0)))
    return v


def _padded(xp: Any, v: Any, value: float) -> Any:
    """The last axis continued with a constant up to a power of two."""
    n = v.shape[-1]
    more = (1 << (n - 1).bit_length()) - n
    return xp.pad(v, pad_width=(0, 0) * (v.rank - 1) + (0, more), value=value) if more else v


def _pairs(xp: Any, v: Any) -> Any:
    return xp.reshape(v, shape=(*v.shape[:-1], v.shape[-1] // 2, 2))


def product_tangent(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
    """Leibniz on a tree of pairs, from the leaves up: (a b)' = b a' + a b', never a quotient."""
    if not count(s):
        return xp.zeros(s.out)
    p = _padded(xp, _gathered(xp, s, xs[0]), 1.0)
    t = _padded(xp, _gathered(xp, s, t), 0.0)
    while t.shape[-1] > 1:
        p, t = _pairs(xp, p), _pairs(xp, t)
        t = xp.sum(xp.flip(p, axes=(-1,)) * t, axes=(-1,))
        if t.shape[-1] > 1:
            p = xp.prod(p, axes=(-1,))
    return xp.reshape(t, shape=s.out.shape)


def product_cotangent(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
    """c times the product of the others: down a tree of pairs, each pair's outside times the partner."""
    n = count(s)
    if not n:
        return xp.zeros(s.ins[0])
    levels = [_padded(xp, _gathered(xp, s, xs[0]), 1.0)]
    while levels[-1].shape[-1] > 2:
        levels.append(xp.prod(_pairs(xp, levels[-1]), axes=(-1,)))
    outside = xp.reshape(c, shape=(*levels[0].shape[:-1], 1))
    for level in reversed(levels) if n > 1 else ():
        partner = xp.flip(_pairs(xp, level), axes=(-1,))
        outside = xp.reshape(xp.expand_dims(outside, axes=(-1,)) * partner, shape=level.shape)
    if outside.shape[-1] > n:
        outside = xp.split(outside, sizes=(n, outside.shape[-1] - n), axis=-1)[0]
    return _scattered(xp, s, outside)
