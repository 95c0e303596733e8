"""What an op's output reads: the structure of each Jacobian, told without computing one.

A rule `reads(s, i, x, xs)` is given operand i as an array of addresses (or as anything whose elements name themselves) and
answers, in NumPy's own views wherever it can, with the elements that each output element reads. The answer covers every
element on which the output depends at any values of the float operands; more is allowed, less never. `xs` holds the values
of the operands that are known (indices, conditions), None for the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.ops.record import Lands, Reads, Site

Known = Sequence[Array | None]
Read = Array | Lands | None
TABLE = 1 << 26
"""Most elements of a table of what is read that a rule writes down."""


def reads_of(s: Site, i: int, x: Array, xs: Known) -> tuple[Read, ...]:
    """What each output reads of operand i, one answer for each output.

    An array `(*out.shape, K)` of elements of x with -1 for nothing, the same told from the operand's side (`Lands`), or None
    for everything.
    """
    rule = s.op.reads
    if rule is None:
        if s.op.batching != "elementwise":
            return (None,) * len(s.outs)
        rule = elementwise
    said = rule(s, i, x, xs)
    return said if isinstance(said, tuple) else (said,) * len(s.outs)


def elementwise(s: Site, i: int, x: Array, xs: Known) -> Array:
    """The elements that broadcasting puts together."""
    return np.broadcast_to(x, s.out.shape)[..., None]


def chosen(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`where`: the side that a known condition takes."""
    seen = elementwise(s, i, x, xs)
    if xs[0] is None or i == 0:
        return seen
    taken = np.broadcast_to(xs[0] if i == 1 else ~xs[0], s.out.shape)
    return np.where(taken[..., None], seen, -1)


def picked(s: Site, i: int, x: Array, xs: Known) -> Array:
    """An op that returns one of its operands: with all values known, those that it returns here."""
    seen = elementwise(s, i, x, xs)
    if any(v is None for v in xs):
        return seen
    y = s.op.kernel(s, *xs)
    taken = (y == xs[i]) | np.isnan(y)
    return np.where(np.broadcast_to(taken, s.out.shape)[..., None], seen, -1)


def moved(s: Site, i: int, x: Array, xs: Known) -> Any:
    """An op of one array that only rearranges or repeats its elements: the kernel itself."""
    y = s.op.kernel(s, x)
    return tuple(part[..., None] for part in y) if isinstance(y, tuple) else y[..., None]


def masked(s: Site, i: int, x: Array, xs: Known) -> Array:
    """An op that rearranges elements and puts zeros where nothing stands."""
    return s.op.kernel(s, x + 1)[..., None] - 1


def gathered(s: Site, i: int, x: Array, xs: Known) -> Read:
    """Reading by index: the kernel with -1 outside; everything while an index is unknown."""
    if any(v is None for v in xs[1:]):
        return None
    silent = Site(s.op, {**s.attrs, "fill": -1.0}, s.ins, s.outs)
    return s.op.kernel(silent, x, *xs[1:])[..., None]


def joined(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`concat`, `stack`: the operand in its place among others that are not read."""
    nothing = np.asarray(-1, x.dtype if x.dtype.kind == "i" else np.int64)
    parts = [x if k == i else np.broadcast_to(nothing, t.shape) for k, t in enumerate(s.ins)]
    return s.op.kernel(s, *parts)[..., None]


def over_axes(s: Site, i: int, x: Array, xs: Known) -> Array:
    """A reduction: every element along the reduced axes."""
    return _lined(x, s["axes"]).reshape(*s.out.shape, -1)


def along_axes(s: Site, i: int, x: Array, xs: Known) -> Array:
    """A normalisation: every element along the axes, for each place along them."""
    axes: tuple[int, ...] = s["axes"] if "axes" in s.attrs else (s["axis"],)
    kept = tuple(1 if a - x.ndim in axes else n for a, n in enumerate(x.shape))
    lines = _lined(x, axes)
    lines = lines.reshape(*kept, lines.shape[-1])
    return np.broadcast_to(lines, (*s.out.shape, lines.shape[-1]))


def running(s: Site, i: int, x: Array, xs: Known) -> Read:
    """`cumulative_sum`: the elements up to each place; everything where a table of them would be too large."""
    if s.out.size * x.shape[s["axis"]] > TABLE:
        return None
    lines = np.moveaxis(x, s["axis"], -1)[..., None, :]
    n, m = x.shape[s["axis"]], s.out.shape[s["axis"]]
    at, of = np.arange(m)[:, None], np.arange(n)[None, :]
    inside = of >= at if s["reverse"] else of <= at - (m - n)
    return np.moveaxis(np.where(inside, lines, -1), -2, s["axis"] - 1)


def product(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`matmul`: a row of the first operand, a column of the second."""
    vector = tuple(t.rank == 1 for t in s.ins)
    if i == 0:
        seen = x[None, None, :] if vector[0] else x[..., :, None, :]
    else:
        seen = x[None, None, :] if vector[1] else np.swapaxes(x, -1, -2)[..., None, :, :]
    if vector[0]:
        seen = seen[..., 0, :, :]
    if vector[1]:
        seen = seen[..., 0, :]
    return np.broadcast_to(seen, (*s.out.shape, x.shape[-1 if i == 0 else max(-2, -x.ndim)]))


def contracted(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`einsum`: every element whose letters agree with the result's."""
    left, _, result = s["equation"].partition("->")
    term = left.split(",")[i]
    letters = "".join(dict.fromkeys(term))
    if letters != term:
        x = np.einsum(f"{term}->{letters}", x)
    summed = [c for c in letters if c not in result]
    shown = [c for c in result if c in letters]
    x = x.transpose([letters.index(c) for c in (*shown, *summed)])
    sides = x.shape[len(shown) :]
    wide = iter(x.shape)
    x = x.reshape(*(next(wide) if c in letters else 1 for c in result), prod(sides))
    return np.broadcast_to(x, (*s.out.shape, x.shape[-1]))


def matrices(s: Site, i: int, x: Array, xs: Known) -> Any:
    """An op on stacks of matrices: the whole matrix, for every element that is made of it."""
    return tuple(_stacked(x, 2, t.shape, max(0, t.rank - _stacks(s))) for t in s.outs)


def systems(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`solve`: the whole matrix, the whole right-hand side."""
    inner = min(2, s.ins[1].rank)
    return _stacked(x, 2 if i == 0 else inner, s.out.shape, inner)


def normalised(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`layer_norm`: x along its last axes; scale and bias in their places."""
    return along_axes(s, i, x, xs) if i == 0 else elementwise(s, i, x, xs)


def channels(s: Site, i: int, x: Array, xs: Known) -> Array:
    """`batch_norm`: x in its place, the parameters by channel."""
    return elementwise(s, i, x if i == 0 else x.reshape(-1, *(1,) * (-1 - s["axis"])), xs)


def written(places: Any, updates: int = 1) -> Reads:
    """An op that writes into a copy: `places(s, xs)` are the addresses that the updates go to, None while unknown."""

    def rule(s: Site, i: int, x: Array, xs: Known) -> Read:
        filled = _filled(s, xs, (0, updates))
        at = None if filled is None else places(s, filled)
        if i == 0:
            if at is None or s.attrs.get("reduction", "set") != "set":
                return x[..., None]
            left = x.reshape(-1).copy()
            left[at[at >= 0]] = -1
            return left.reshape(*x.shape, 1)
        return None if at is None else Lands(at, np.broadcast_to(x, at.shape))

    return rule


def _filled(s: Site, xs: Known, free: Sequence[int]) -> tuple[Array, ...] | None:
    """All operands, those whose values do not matter as zeros that take no memory; None while another is unknown."""
    found: list[Array] = []
    for j, t in enumerate(s.ins):
        v = np.broadcast_to(np.int8(0), t.shape) if j in free else xs[j]
        if v is None:
            return None
        found.append(np.asarray(v))
    return tuple(found)


def _lined(x: Array, axes: Sequence[int]) -> Array:
    """(*kept, n): these axes together and last."""
    kept = [a for a in range(-x.ndim, 0) if a not in axes]
    turned = x.transpose([a + x.ndim for a in (*kept, *axes)])
    return turned.reshape(*(x.shape[a] for a in kept), prod(x.shape[a] for a in axes))


def _stacks(s: Site) -> int:
    """Number of axes in front of the operand's matrices."""
    return s.ins[0].rank - 2


def _stacked(x: Array, inner: int, out: Shape, made: int) -> Array:
    """The last `inner` axes of x as a whole, for each of the last `made` axes of the result."""
    lead = x.shape[: x.ndim - inner]
    whole = x.reshape(*lead, *(1,) * made, prod(x.shape[x.ndim - inner :]))
    return np.broadcast_to(whole, (*out, whole.shape[-1]))
