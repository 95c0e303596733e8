"""What every scatter shares: the kernel, the rules of each reduction, and where ties are.

A rule sees a scatter as two functions: `write`, the op itself on another array with other updates,
and `read`, the gather of what stands at the updates' places.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Shape, Type
from gradproof_service.ops.record import (
    ATTRIBUTE,
    DTYPE,
    SHAPE,
    Attr,
    IllTyped,
    Margin,
    Rule,
    Site,
)

Inferred = tuple[dict[str, Any], tuple[Type, ...]]
Read = Callable[[Any, Site, tuple[Any, ...], Any], Any]
"""`(xp, s, xs, v)`: the gather of v, shaped as x, at the updates' places; 0 outside."""
Write = Callable[[Any, Site, Any, Any, tuple[Any, ...], str], Any]
"""`(xp, s, base, updates, xs, reduction)`: the op itself on another array and other updates."""
Places = Callable[[Site, tuple[Array, ...]], Array]
"""`(s, xs)`: the flat place of each update in x, -1 for nowhere; shape (*lead, *region)."""

UFUNCS: Final = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
REDUCTIONS: Final = ("set", *UFUNCS)
REDUCTION = Attr("reduction", "str", "set, add, mul, min or max", "set")
KINK: Final = (
    "min, max: those that tie share the slope equally, as in `max`; set: the last update of several"
    " at one place has all of it"
)


def need_writable(x: Type, updates: Type, reduction: str, known: tuple[str, ...]) -> None:
    """Raise `IllTyped` for an unknown reduction, or updates whose dtype x cannot hold."""
    if reduction not in known:
        raise IllTyped(ATTRIBUTE, f"reduction is {reduction!r}, expected one of {', '.join(known)}")
    if not np.can_cast(updates.dtype, x.dtype, "same_kind"):
        raise IllTyped(
            DTYPE, f"cannot write {updates.dtype} into {x.dtype} without loss; astype one of them"
        )


def need_shape(updates: Type, shape: Shape) -> None:
    """Raise `IllTyped` unless the updates have exactly this shape."""
    if updates.shape != shape:
        raise IllTyped(
            SHAPE,
            f"updates have shape {updates.shape}, expected {shape}; broadcast_to or reshape them",
        )


def scatter(s: Site, x: Array, updates: Array, at: Array) -> Array:
    """The copy of x with the updates, which broadcast to the addresses, put in place."""
    dtype = x.dtype if updates.dtype.kind != "c" else np.result_type(x, updates)
    y = np.array(x, dtype, order="C")  # row-major, so that an address is a place in the flat view
    flat = y.reshape(-1)
    values = np.broadcast_to(updates, at.shape).reshape(-1)
    where = at.reshape(-1)
    if where.size and where.min() < 0:
        values, where = values[where >= 0], where[where >= 0]
    if s["reduction"] == "set":
        flat[where] = values
    else:
        UFUNCS[s["reduction"]].at(flat, where, values.astype(dtype, copy=False))
    return y


def _last(xp: Any, s: Site, xs: tuple[Any, ...], write: Write, read: Read, region: Shape) -> Any:
    """Whether each update is the one that stays: number them, write the numbers, read them back."""
    numbers = xp.reshape(xp.arange(start=1, stop=prod(region) + 1), shape=region)
    board = xp.full(value=0.0, shape=s.ins[0].shape, dtype=np.int64)
    return xp.equal(read(xp, s, xs, write(xp, s, board, numbers, xs, "set")), numbers)


def _others(xp: Any, s: Site, xs: tuple[Any, ...], u: Any, write: Write, read: Read) -> Any:
    """For each update the product of the others at its place, without dividing by zero.

    Right to first order where an update is zero too: one other zero leaves the product of the
    rest times that zero, so the derivative by it survives.
    """
    zero = xp.equal(u, 0.0)
    filled, only = xp.where(zero, 1.0, u), xp.where(zero, u, 0.0)
    none, one = xp.zeros(s.out), xp.full(value=1.0, shape=s.out.shape, dtype=s.out.dtype)
    count = read(xp, s, xs, write(xp, s, none, xp.astype(zero, dtype=u.dtype), xs, "add"))
    rest = read(xp, s, xs, write(xp, s, one, filled, xs, "mul")) / filled
    left = count - xp.astype(zero, dtype=u.dtype)
    single = read(xp, s, xs, write(xp, s, none, only, xs, "add")) - only
    return rest * xp.where(xp.equal(left, 0.0), 1.0, xp.where(xp.equal(left, 1.0), single, 0.0))


def _shares(xp: Any, s: Site, xs: tuple[Any, ...], u: Any, y: Any, write: Write, read: Read) -> Any:
    """What part x and each update have in the extreme: 1 / number tied for those that reach it."""
    mine = xp.astype(xp.equal(xs[0], y), dtype=y.dtype)
    theirs = xp.astype(xp.equal(u, read(xp, s, xs, y)), dtype=y.dtype)
    tied = write(xp, s, mine, theirs, xs, "add")
    return mine / tied, theirs / read(xp, s, xs, tied)


def scatter_rules(
    write: Write, read: Read, updates_at: int, region: Callable[[Site], Shape],
    distinct: Callable[[Site], bool] = lambda s: False,
) -> tuple[tuple[Rule, Rule], tuple[Rule, Rule]]:  # fmt: skip
    """(jvp, vjp), each for x and the updates; `distinct` says that no place is written twice."""

    def jvp_x(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
        match s["reduction"]:
            case "set":
                return write(xp, s, t, xp.zeros(s.ins[updates_at]), xs, "set")
            case "add":
                return t
            case "mul":
                return write(xp, s, t, xs[updates_at], xs, "mul")
            case _:
                return _shares(xp, s, xs, xs[updates_at], ys[0], write, read)[0] * t

    def jvp_u(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
        none = xp.zeros(s.out)
        match s["reduction"]:
            case "set":
                return write(xp, s, none, t, xs, "set")
            case "add":
                return write(xp, s, none, t, xs, "add")
            case "mul":
                others = _others(xp, s, xs, xs[updates_at], write, read)
                return xs[0] * write(xp, s, none, t * others, xs, "add")
            case _:
                share = _shares(xp, s, xs, xs[updates_at], ys[0], write, read)[1]
                return write(xp, s, none, share * t, xs, "add")

    def vjp_x(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
        one = xp.full(value=1.0, shape=s.out.shape, dtype=s.out.dtype)
        match s["reduction"]:
            case "set":
                kept = write(xp, s, one, xp.zeros(s.ins[updates_at]), xs, "set")
                return xp.where(xp.equal(kept, 0.0), 0.0, c)
            case "add":
                return c
            case "mul":
                return c * write(xp, s, one, xs[updates_at], xs, "mul")
            case _:
                return c * _shares(xp, s, xs, xs[updates_at], ys[0], write, read)[0]

    def vjp_u(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
        u = xs[updates_at]
        match s["reduction"]:
            case "set" if not distinct(s):
                stays = _last(xp, s, xs, write, read, region(s))
                return xp.where(stays, read(xp, s, xs, c), 0.0)
            case "set" | "add":
                return read(xp, s, xs, c)
            case "mul":
                return read(xp, s, xs, c * xs[0]) * _others(xp, s, xs, u, write, read)
            case _:
                return _shares(xp, s, xs, u, ys[0], write, read)[1] * read(xp, s, xs, c)

    return (jvp_x, jvp_u), (vjp_x, vjp_u)


def tie_margins(places: Places) -> tuple[Margin, Margin]:
    """Distance from x and from each update to what it would tie with; inf unless min or max."""

    def gaps(s: Site, xs: tuple[Array, ...]) -> tuple[Array, Array]:
        x, u = (v.astype(np.float64) for v in (xs[0], xs[2]))
        if s["reduction"] not in ("min", "max"):
            return np.full(x.shape, np.inf), np.full(u.shape, np.inf)
        sign = 1.0 if s["reduction"] == "max" else -1.0
        mine, theirs = sign * x.reshape(-1), sign * u.reshape(-1)
        at = places(s, xs).reshape(-1)  # -1 is one place more, behind the others
        top, second = np.full((2, x.size + 1), -np.inf)
        np.maximum.at(top, at, theirs)
        reach = np.flatnonzero(theirs == top[at])
        holder = np.full(x.size + 1, -1)
        holder[at[reach]] = reach
        first = holder[at] == np.arange(at.size)
        np.maximum.at(second, at, np.where(first, -np.inf, theirs))
        rival = np.maximum(np.where(first, second[at], top[at]), np.append(mine, np.inf)[at])
        return np.abs(mine - top[:-1]).reshape(x.shape), np.abs(theirs - rival).reshape(u.shape)

    return (
        Margin("kink", "x ties with an update", lambda s, xs, ys: gaps(s, xs)[0]),
        Margin("kink", "an update ties with x or another", lambda s, xs, ys: gaps(s, xs)[1], 2),
    )
