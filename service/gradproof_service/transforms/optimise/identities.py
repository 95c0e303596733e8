"""Which nodes may be left out or replaced without changing a bit: one rule an op, at most.

A rule gets what is known of the new graph, the node's site and its operands, and returns the value
that stands for the node, or None. IEEE 754: x + 0 is not always x (x = -0), x - 0 is.
"""

from __future__ import annotations

from collections.abc import Callable
from math import copysign
from typing import TYPE_CHECKING, Final

from gradproof_service.graph.builder import Value
from gradproof_service.ops.record import Site

if TYPE_CHECKING:
    from gradproof_service.transforms.optimise.rewrite import Seen

Identity = Callable[["Seen", Site, "list[Value]"], "Value | None"]


def _multiply(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x 1 = x;  x x = x^2;  (-a) c = a (-c);  (-a) b = -(a b), where a later sum may take the sign in."""
    a, b = xs
    for x, other in ((a, b), (b, a)):
        if x.type is site.out and seen.number(other) == 1.0:
            return x
    if a.id == b.id and site.out.is_float:
        return seen.emit("square", a)
    for x, other in ((a, b), (b, a)):
        minus = seen.maker(x, "negative")
        if minus is None or not site.out.is_float:
            continue
        number = seen.number(other)
        if number is not None:
            return seen.emit("multiply", minus[0], seen.constant(-number, other.dtype))
        if x.type is site.out:
            return seen.emit("negative", seen.emit("multiply", minus[0], other))
    return None


def _divide(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x / 1 = x;  1 / x is a reciprocal;  (-a) / b = -(a / b)."""
    a, b = xs
    if a.type is site.out and seen.number(b) == 1.0:
        return a
    if b.type is site.out and seen.number(a) == 1.0:
        return seen.emit("reciprocal", b)
    minus = seen.maker(a, "negative")
    if minus and a.type is site.out:
        return seen.emit("negative", seen.emit("divide", minus[0], b))
    return None


def _add(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x + (-0) = x;  a + (-b) = a - b."""
    a, b = xs
    for x, other in ((a, b), (b, a)):
        if x.type is site.out and _is_zero(seen.number(other), -1.0):
            return x
    if not site.out.is_float:
        return None
    for x, other in ((a, b), (b, a)):
        minus = seen.maker(other, "negative")
        if minus:
            return seen.emit("subtract", x, minus[0])
    return None


def _subtract(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x - 0 = x;  a - (-b) = a + b."""
    a, b = xs
    if a.type is site.out and _is_zero(seen.number(b), 1.0):
        return a
    minus = seen.maker(b, "negative")
    if minus and site.out.is_float:
        return seen.emit("add", a, minus[0])
    return None


def _negative(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """-(-x) = x."""
    inner = seen.maker(xs[0], "negative")
    return inner[0] if inner else None


def _pow(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x^2 as a square and x^1 = x: NumPy's power does the same with one number as exponent."""
    x, exponent = xs
    if x.type is not site.out or exponent.type.size != 1:
        return None
    number = seen.number(exponent)
    if number == 2.0:
        return seen.emit("square", x)
    return x if number == 1.0 else None


def _itself(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """An op that changes nothing where the type stays."""
    return xs[0]


def _reshape(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """Nothing to do, or two reshapes in one."""
    if xs[0].type is site.out:
        return xs[0]
    for name in ("reshape", "expand_dims", "squeeze"):
        inner = seen.maker(xs[0], name)
        if inner:
            same = inner[0].type is site.out
            return inner[0] if same else seen.emit("reshape", inner[0], shape=site.out.shape)
    return None


def _index_get(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """x[:, new, :] is a reshape."""
    words = [word.strip() for word in site["spec"].split(",")]
    if len(xs) > 1 or not all(word in (":", "...", "new") for word in words):
        return None
    return seen.emit("reshape", xs[0], shape=site.out.shape)


def _mean(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """A mean of everything as its sum over a count: a long sum can run blockwise."""
    if not xs[0].type.is_float or len(site["axes"]) < xs[0].rank or not xs[0].type.size:
        return None
    total = seen.emit("sum", xs[0], axes=site["axes"], keepdims=site["keepdims"])
    return seen.emit("divide", total, seen.constant(float(xs[0].type.size), site.out.dtype))


def _where(seen: Seen, site: Site, xs: list[Value]) -> Value | None:
    """c ? a : a = a."""
    return xs[1] if xs[1].id == xs[2].id else None


def _is_zero(number: float | None, sign: float) -> bool:
    return number is not None and number == 0.0 and copysign(1.0, number) == sign


IDENTITIES: Final[dict[str, Identity]] = {
    "multiply": _multiply, "divide": _divide, "add": _add, "subtract": _subtract,
    "negative": _negative, "pow": _pow, "positive": _itself, "stop_gradient": _itself,
    "astype": _itself, "broadcast_to": _itself, "reshape": _reshape, "expand_dims": _reshape,
    "squeeze": _reshape, "mean": _mean, "where": _where,
    "index_get": _index_get,
}  # fmt: skip
