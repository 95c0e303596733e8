"""Slips of the pen at one line of a claim: what its author may have meant to write there instead.

A slip changes one node and nothing else. Whether it is the one is found by running the claim with
it: at several points, and for every answer that the line has a part in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.transforms.evaluate import Step, call

OPERANDS = 4
"""Joined arrays in another order are tried up to this many."""


@dataclass(frozen=True, slots=True)
class Slip:
    """One other thing that a line could say: the class of mistake, what is wrong, and what it would make.

    Without a class where it takes a constant away: that says no more than the numbers do.
    """

    code: str
    says: str
    make: Callable[[], Any]


def slips_of(step: Step, xs: Sequence[Any], y: Array) -> Iterator[Slip]:
    """Every slip that this node can suffer; `xs` are its operands at all points, `y` what it makes."""
    family = _OF_OP.get(step.op.name)
    if family is not None:
        yield from family(step, list(xs), y)
    elif len(xs) == 1 and step.op.batching == "elementwise":
        yield from _unary(step, list(xs), y)


def _again(step: Step, xs: Sequence[Any]) -> Callable[[], Any]:
    return lambda: call(step, list(xs))


def _lift(x: Any, y: Array, step: Step, n: int) -> Any:
    """An operand with its core axes aligned to those of the result."""
    short = y.ndim - 1 - len(step.site.ins[n].shape)
    return x.reshape(x.shape[:1] + (1,) * short + x.shape[1:]) if step.batched[n] else x


def _if_varies(step: Step, n: int, code: str) -> str:
    return code if step.batched[n] else ""


def _unary(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    x, name = xs[0], step.op.name
    yield Slip("F11", f"{name} is applied where its operand itself is right", lambda: x)
    for c, code in ((-1.0, "F01"), (2.0, "F11"), (0.5, "F11")):
        yield Slip(
            code, f"{name}(x) is written where {name}({c:g} x) is right", _again(step, [c * x])
        )


def _square(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    x = xs[0]
    for text, make in (("x", lambda: x), ("x^3", lambda: x**3), ("1 / x^2", lambda: 1 / y)):
        yield Slip("F11", f"x^2 is written where {text} is right", make)


def _power(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    for e in (-3.0, -2.0, -1.0, -0.5, 0.5, 1.0, 2.0, 3.0, 4.0):
        yield Slip("F11", f"its exponent should be {e:g}", lambda e=e: xs[0] ** e)


def _absolute(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    yield Slip("F10", "|x| is written where x is right", lambda: xs[0])
    yield Slip("F10", "|x| is written where -|x| is right", lambda: -y)


def _negative(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    yield Slip("F01", "its sign is turned", lambda: xs[0])


def _sum_of_two(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    a, b = (_lift(x, y, step, n) for n, x in enumerate(xs))
    added = step.op.name == "add"
    turned, word = (a - b, "-") if added else (a + b, "+")
    yield Slip("F01", f"the sign of its second term is turned: {word} is right", lambda: turned)
    yield Slip("F01", "the sign of its first term is turned", lambda: b - a if added else -a - b)
    second, first = _if_varies(step, 1, "F06"), _if_varies(step, 0, "F06")
    yield Slip(second, "its second term is too much", lambda: a + 0 * y)
    yield Slip(first, "its first term is too much", lambda: (b if added else -b) + 0 * y)


def _product(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    a, b = (_lift(x, y, step, n) for n, x in enumerate(xs))
    if step.op.name == "multiply":
        yield Slip(
            "F11", "it multiplies where dividing by its second factor is right", lambda: a / b
        )
        yield Slip(
            "F11", "it multiplies where dividing by its first factor is right", lambda: b / a
        )
        yield Slip(_if_varies(step, 1, "F11"), "its second factor is too much", lambda: a + 0 * y)
        yield Slip(_if_varies(step, 0, "F11"), "its first factor is too much", lambda: b + 0 * y)
        yield Slip("F11", "its second factor should be squared", lambda: y * b)
        yield Slip("F11", "its first factor should be squared", lambda: y * a)
    else:
        yield Slip("F11", "it divides where multiplying is right", lambda: a * b)
        yield Slip("F11", "its fraction is upside down", lambda: b / a)
        yield Slip("F11", "its denominator should be squared", lambda: y / b)
        says = "it divides where nothing is to be divided"
        yield Slip(_if_varies(step, 1, "F11"), says, lambda: a + 0 * y)


def _reduction(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    x, own = xs[0], tuple(sorted(step.site["axes"]))
    rank = len(step.site.ins[0].shape)
    count = step.site.ins[0].size // max(1, step.site.outs[0].size)
    if count > 1 and step.op.name == "sum":
        yield Slip(
            "F01", f"a sum over {count} is written where the mean is right", lambda: y / count
        )
    if count > 1 and step.op.name == "mean":
        yield Slip(
            "F01", f"a mean over {count} is written where the sum is right", lambda: y * count
        )
    reduce = _REDUCE.get(step.op.name)
    if reduce is None or not step.batched[0]:
        return
    for size in range(1, rank + 1):
        for axes in combinations(range(-rank, 0), size):
            if axes != own:
                which = ", ".join(map(str, axes))
                says = f"it runs over axis {', '.join(map(str, own))} where {which} is right"
                for keep in (step.site["keepdims"], not step.site["keepdims"]):
                    yield Slip(
                        "F09",
                        says,
                        lambda axes=axes, keep=keep: reduce(x, axis=axes, keepdims=keep),
                    )


_REDUCE: Final[dict[str, Callable[..., Any]]] = {
    "sum": np.sum, "mean": np.mean, "max": np.max, "min": np.min, "prod": np.prod,
}  # fmt: skip


def _matrices(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    for n, t in enumerate(step.site.ins):
        shape = t.shape
        if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
            turned = [np.swapaxes(z, -1, -2) if k == n else z for k, z in enumerate(xs)]
            which = ("first", "second")[n] if len(xs) == 2 else "only"
            yield Slip("F03", f"its {which} operand should be transposed", _again(step, turned))
    if step.op.name == "matmul":
        if all(len(t.shape) >= 2 for t in step.site.ins):
            yield Slip("F03", "its operands are in the wrong order", _again(step, xs[::-1]))
            both = [np.swapaxes(z, -1, -2) for z in xs]
            yield Slip("F03", "both its operands should be transposed", _again(step, both))
        shape = step.site.outs[0].shape
        if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
            yield Slip("F03", "its product should be transposed", lambda: np.swapaxes(y, -1, -2))


def _layout(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    says = f"{step.op.name} is written where nothing is to be moved"
    yield Slip("F03", says, lambda: xs[0].reshape(y.shape))


def _joined(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    if 2 <= len(xs) <= OPERANDS:
        for order in permutations(range(len(xs))):
            if order != tuple(range(len(xs))):
                moved = [xs[k] for k in order]
                yield Slip(
                    "F03",
                    f"its parts are joined in the wrong order: {order} is right",
                    _again(step, moved),
                )


def _branches(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    c, a, b = xs
    one = np.ones_like
    for says, operands in (
        ("its branches are exchanged", [c, b, a]),
        ("its first branch should be 1", [c, one(a), b]),
        ("its second branch should be 1", [c, a, one(b)]),
        ("its first branch should be 0", [c, 0 * a, b]),
        ("its second branch should be 0", [c, a, 0 * b]),
        ("its first branch should be -1", [c, -one(a), b]),
        ("its second branch should be -1", [c, a, -one(b)]),
        ("only its first branch is right", [one(c), a, b]),
        ("only its second branch is right", [0 * c, a, b]),
    ):
        yield Slip("F13", says, _again(step, operands))


def _extremes(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    a, b = (_lift(x, y, step, n) for n, x in enumerate(xs))
    other = np.minimum if step.op.name == "maximum" else np.maximum
    yield Slip("F13", f"{step.op.name} is written where the other is right", lambda: other(a, b))


def _running(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    axis = step.site["axis"]
    if step.batched[0]:
        backward = lambda: np.flip(np.cumsum(np.flip(xs[0], axis), axis=axis), axis)
        yield Slip("F09", "it runs from the wrong end", backward)
        yield Slip("F05", "it adds up where nothing is to be added", lambda: xs[0])


def _triangle(step: Step, xs: list[Any], y: Array) -> Iterator[Slip]:
    yield Slip("F07", "it keeps one triangle where both belong", lambda: xs[0])
    other = np.triu if step.op.name == "tril" else np.tril
    if step.batched[0]:
        yield Slip("F07", "it keeps the wrong triangle", lambda: other(xs[0]))


_OF_OP: Final[dict[str, Callable[[Step, list[Any], Array], Iterator[Slip]]]] = {
    **dict.fromkeys(("sum", "mean", "max", "min", "prod"), _reduction),
    **dict.fromkeys(("add", "subtract"), _sum_of_two),
    **dict.fromkeys(("multiply", "divide"), _product),
    **dict.fromkeys(("matmul", "solve"), _matrices),
    **dict.fromkeys(("permute_dims", "matrix_transpose", "flip", "roll"), _layout),
    **dict.fromkeys(("concat", "stack"), _joined),
    **dict.fromkeys(("maximum", "minimum"), _extremes),
    **dict.fromkeys(("tril", "triu"), _triangle),
    "square": _square, "pow": _power, "abs": _absolute, "negative": _negative, "where": _branches,
    "cumulative_sum": _running, "positive": lambda step, xs, y: iter(()),
}  # fmt: skip
