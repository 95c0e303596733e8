"""Between which numbers each value of a graph must lie, whatever the inputs: intervals by op name.

One interval for a whole array, in exact arithmetic (what underflows to zero is not zero here).
An op without an entry is unbounded, so a bound that is given holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isnan

import numpy as np

from gradproof_service.arrays import BOOL, Structure
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site


@dataclass(frozen=True, slots=True)
class Range:
    """Every entry lies in [low, high]; `zero` says whether one of them may be zero."""

    low: float = -inf
    high: float = inf
    zero: bool = True

    @property
    def positive(self) -> bool:
        """Whether every entry is greater than zero."""
        return self.low >= 0 and not self.zero

    @property
    def touches_zero(self) -> bool:
        """Whether zero is the end of the range, and may be reached: a square, a length, a relu."""
        return self.zero and (self.low == 0) != (self.high == 0)


UNKNOWN = Range()
Transfer = Callable[[Site, Sequence[Range], tuple[int, ...]], Range]
LARGEST_CONSTANT = 1 << 20
"""Elements of the largest constant that is looked into."""


def ranges_of(graph: Graph) -> list[Range]:
    """The range of every value by id; one pass."""
    found = [
        Range(0.0, inf, zero=t.structure is not Structure.POSITIVE)
        if t.structure in (Structure.POSITIVE, Structure.SIMPLEX)
        else UNKNOWN
        for t in graph.input_types
    ]
    for _, op, site, operands, outs in graph.nodes():
        transfer = TRANSFERS.get(op.name)
        if transfer is None or len(outs) != 1:
            found.extend([UNKNOWN] * len(outs))
        else:
            found.append(transfer(site, [found[v] for v in operands], operands))
    return found


def _constant(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    array = s["value"].array
    if array.dtype == BOOL or not 0 < array.size <= LARGEST_CONSTANT:
        return UNKNOWN
    low, high = float(np.min(array)), float(np.max(array))
    return UNKNOWN if isnan(low) else Range(low, high, bool((array == 0).any()))


def _full(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    value = float(s["value"])
    return Range(value, value, value == 0)


def _add(a: Range, b: Range) -> Range:
    low, high = a.low + b.low, a.high + b.high
    same_side = (a.low >= 0 and b.low >= 0) or (a.high <= 0 and b.high <= 0)
    zero = (a.zero and b.zero) if same_side else low <= 0 <= high
    return Range(low, high, zero)


def _negative(a: Range) -> Range:
    return Range(-a.high, -a.low, a.zero)


def _times(x: float, y: float) -> float:
    return 0.0 if x == 0 or y == 0 else x * y


def _multiply(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    a, b = rs
    if ids[0] == ids[1]:
        return _square(a)
    corners = [_times(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
    return Range(min(corners), max(corners), a.zero or b.zero)


def _square(a: Range) -> Range:
    far = max(abs(a.low), abs(a.high))
    near = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Range(_times(near, near), _times(far, far), a.zero)


def _abs(a: Range) -> Range:
    near = 0.0 if a.low <= 0 <= a.high else min(abs(a.low), abs(a.high))
    return Range(near, max(abs(a.low), abs(a.high)), a.zero)


def _divide(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    a, b = rs
    if b.positive or (b.high <= 0 and not b.zero):
        if b.high <= 0:
            a = _negative(a)
        low = 0.0 if a.low >= 0 else -inf
        high = 0.0 if a.high <= 0 else inf
        return Range(low, high, a.zero)
    return UNKNOWN


def _pow(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    base, exponent = rs
    p = exponent.low
    if p == exponent.high and p % 2 == 0 and p > 0:
        return Range(0.0, inf, base.zero)
    return Range(0.0, inf, base.zero and not base.positive) if base.low >= 0 else UNKNOWN


def _reduced(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    """A sum or mean keeps the sign; a whole of nothing is zero."""
    a = rs[0]
    low = 0.0 if a.low >= 0 else -inf
    high = 0.0 if a.high <= 0 else inf
    one_sided = a.low >= 0 or a.high <= 0
    return Range(low, high, a.zero or not one_sided or not s.ins[0].size)


def _larger(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    a, b = rs
    low = max(a.low, b.low)
    return Range(
        low, max(a.high, b.high), (a.zero or b.zero) and not (low > 0 or a.positive or b.positive)
    )


def _smaller(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    a, b = rs
    return Range(min(a.low, b.low), min(a.high, b.high), a.zero or b.zero)


def _clip(s: Site, rs: Sequence[Range], ids: tuple[int, ...]) -> Range:
    x, bottom, top = rs
    low, high = max(x.low, bottom.low), min(x.high, top.high)
    return Range(low, high, low <= 0 <= high and not (bottom.positive or x.positive))


def _union(a: Range, b: Range) -> Range:
    return Range(min(a.low, b.low), max(a.high, b.high), a.zero or b.zero)


def _of_one(change: Callable[[Range], Range]) -> Transfer:
    return lambda s, rs, ids: change(rs[0])


def _always(low: float, high: float, *, zero: bool) -> Transfer:
    return lambda s, rs, ids: Range(low, high, zero)


_same = _of_one(lambda a: a)
_root = _of_one(lambda a: Range(0.0, inf, a.zero))
_relu = _of_one(lambda a: Range(max(a.low, 0.0), max(a.high, 0.0), zero=not a.positive))
_sign_kept = _of_one(
    lambda a: Range(0.0 if a.low >= 0 else -inf, 0.0 if a.high <= 0 else inf, a.zero)
)

TRANSFERS: dict[str, Transfer] = {
    "constant": _constant, "full": _full,
    "add": lambda s, rs, ids: _add(rs[0], rs[1]),
    "subtract": lambda s, rs, ids: UNKNOWN if ids[0] == ids[1] else _add(rs[0], _negative(rs[1])),
    "negative": _of_one(_negative), "multiply": _multiply, "divide": _divide,
    "reciprocal": lambda s, rs, ids: _divide(s, (Range(1.0, 1.0, zero=False), rs[0]), ids),
    "square": _of_one(_square), "abs": _of_one(_abs), "pow": _pow, "sqrt": _root,
    "sum": _reduced, "mean": _reduced,
    "max": _of_one(lambda a: a), "min": _of_one(lambda a: a),
    "maximum": _larger, "minimum": _smaller, "clip": _clip,
    "where": lambda s, rs, ids: _union(rs[1], rs[2]),
    "relu": _relu, "exp": _always(0.0, inf, zero=False), "sigmoid": _always(0.0, 1.0, zero=False),
    "softplus": _always(0.0, inf, zero=False), "softmax": _always(0.0, 1.0, zero=False),
    "cos": _always(-1.0, 1.0, zero=True), "sin": _always(-1.0, 1.0, zero=True),
    "tanh": _sign_kept,
    "asin": _sign_kept, "atan": _sign_kept, "acos": _always(0.0, 3.2, zero=True), "expm1": _sign_kept, "erf": _sign_kept,
    "var": _always(0.0, inf, zero=True), "std": _always(0.0, inf, zero=True),
    "vector_norm": _root,
    "astype": _same, "positive": _same, "stop_gradient": _same, "reshape": _same, "squeeze": _same,
    "expand_dims": _same, "broadcast_to": _same, "permute_dims": _same, "flip": _same,
    "matrix_transpose": _same, "tile": _same,
}  # fmt: skip
"""What an op makes of the ranges of its operands."""
