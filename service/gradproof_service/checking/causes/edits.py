"""The dictionary of mistakes: what people write in place of one op's reverse rule.

An edit takes one use of one value (a node, an operand, the cotangent that arrives and the right
one that leaves) and gives the cotangent that the mistake would make. Edits that only scale are
not listed: whoever matches fits the scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.checking.causes.slopes import BINARY, UNARY
from gradproof_service.ops.record import Site


@dataclass(frozen=True, slots=True)
class Use:
    """Operand `operand` of `node` reads value `value`.

    `y_bar` (R, *out) arrives at the node's first output, the right rule makes `x_bar` (R, *in) of it.
    """

    node: int
    operand: int
    value: int
    op: str
    site: Site
    xs: tuple[Any, ...]
    ys: tuple[Any, ...]
    y_bar: Array
    x_bar: Array

    @property
    def shape(self) -> Shape:
        """Shape of the operand."""
        return self.site.ins[self.operand].shape

    @property
    def out_shape(self) -> Shape:
        """Shape of the node's first output."""
        return self.site.outs[0].shape


@dataclass(frozen=True, slots=True)
class Edit:
    """One wrong rule: `make()` gives its cotangent (R, *in), None where it does not apply."""

    name: str
    code: str
    says: str
    make: Callable[[], Array | None]
    plain: bool = True
    """A mistake in the op's own rule, and not one that any array can suffer."""


def edits_of(use: Use) -> Iterator[Edit]:
    """Every edit of the dictionary that this use can suffer."""
    if not use.x_bar.size or not use.y_bar.size:
        return
    if use.site.op.batching == "elementwise":
        yield from _elementwise(use)
    elif use.op in _OF_OP:
        yield from _OF_OP[use.op](use)
    yield from _structural(use)


def fitted(array: Array | None, shape: Shape) -> Array | None:
    """(R, *any) summed and broadcast to (R, *shape), as a cotangent is; None when it cannot be."""
    if array is None:
        return None
    made: Array = array
    extra = made.ndim - 1 - len(shape)
    if extra < 0:
        made = made.reshape(len(made), *(1,) * -extra, *made.shape[1:])
    elif extra:
        made = made.sum(axis=tuple(range(1, 1 + extra)))
    axes = tuple(a + 1 for a, n in enumerate(shape) if n == 1 != made.shape[a + 1])
    if axes:
        made = made.sum(axis=axes, keepdims=True)
    if any(n not in (1, k) for n, k in zip(made.shape[1:], shape, strict=True)):
        return None
    return np.broadcast_to(made, (len(made), *shape))


def _elementwise(use: Use) -> Iterator[Edit]:
    y = np.asarray(use.ys[0], dtype=np.float64)
    if len(use.xs) == 1:
        x = np.asarray(use.xs[0], dtype=np.float64)
        for text, factor in UNARY:
            says = f"its slope is written {text}" if text != "1" else "its own slope is left out"
            yield Edit(
                f"slope {text}",
                "F11",
                says,
                lambda f=factor: fitted(use.y_bar * f(x, y), use.shape),
            )
    elif len(use.xs) == 2:
        a = np.asarray(use.xs[use.operand], dtype=np.float64)
        b = np.asarray(use.xs[1 - use.operand], dtype=np.float64)
        for text, pair in BINARY:
            says = f"its slope is written {text}" if text != "1" else "its own slope is left out"
            yield Edit(
                f"slope {text}",
                "F11",
                says,
                lambda f=pair: fitted(use.y_bar * f(a, b, y), use.shape),
            )
    elif use.op == "where":
        taken = np.asarray(use.xs[0], dtype=np.float64)
        for text, mask in (
            ("for both branches", np.ones_like(taken)),
            ("for the other branch", 1 - taken),
        ):
            for opposite in (mask, 1 - mask) if text.endswith("other branch") else (mask,):
                yield Edit(
                    f"mask {text}", "F13", f"its cotangent is passed {text}",
                    lambda k=opposite: fitted(use.y_bar * k, use.shape),
                )  # fmt: skip
    if use.shape != use.out_shape:
        yield from _broadcast(use)


def _broadcast(use: Use) -> Iterator[Edit]:
    """The operand was broadcast: its cotangent is a sum over the axes it was repeated along."""
    y_bar = use.y_bar
    total = fitted(y_bar, use.shape)
    if total is None:
        return
    with np.errstate(all="ignore"):
        # the slope itself, where it does not vary along the repeated axes
        slope = np.where(total != 0, use.x_bar / total, 0.0)
    rank = len(use.out_shape)
    extra = rank - len(use.shape)
    axes = [
        a for a in range(rank)
        if (a < extra or use.shape[a - extra] == 1) and use.out_shape[a] > 1
    ]  # fmt: skip
    for which, at in (("first", 0), ("last", -1)):
        picked = y_bar
        for a in axes:
            picked = picked.take([at], axis=a + 1)
        yield Edit(
            f"broadcast {which}", "F09",
            f"only the {which} slice of the axes it was broadcast along is counted, not their sum",
            lambda p=picked: _times(fitted(p, use.shape), slope),
        )  # fmt: skip


def _times(a: Array | None, b: Array) -> Array | None:
    return None if a is None else a * b


def _reduction(use: Use) -> Iterator[Edit]:
    axes = tuple(use.site.attrs.get("axes") or ())
    keep = use.site.attrs.get("keepdims", False)

    def spread(array: Array) -> Array:
        return array if keep or not axes else np.expand_dims(array, tuple(sorted(axes)))

    x = np.asarray(use.xs[0], dtype=np.float64)
    y = spread(np.asarray(use.ys[0], dtype=np.float64))
    bar = spread(use.y_bar)
    factors: list[tuple[str, Any]] = [
        ("1", np.ones_like(x)),
        ("x", x),
        ("y", y + 0 * x),
        ("x - y", x - y),
    ]
    if axes:
        factors.append(("x - mean(x)", x - x.mean(axis=axes, keepdims=True)))
    with np.errstate(all="ignore"):
        factors += [("e^x", np.exp(x)), ("x/y", x / y), ("y/x", y / x), ("1/x", 1 / x + 0 * y)]
    for text, f in factors:
        yield Edit(
            f"slope {text}",
            "F11",
            f"its slope is written {text}",
            lambda f=f: fitted(bar * f, use.shape),
        )
    for which, at in (("first", 0), ("last", -1)):
        mask = np.zeros(use.shape)
        where: list[Any] = [slice(None)] * len(use.shape)
        for a in axes:
            where[a] = at
        mask[tuple(where)] = 1.0
        yield _loose(
            f"only {which}", "F04", f"only the {which} element of the reduced axes receives a cotangent",
            lambda k=mask: use.x_bar * k,
        )  # fmt: skip


def _matmul(use: Use) -> Iterator[Edit]:
    other, own = (np.asarray(use.xs[n], dtype=np.float64) for n in (1 - use.operand, use.operand))
    if other.ndim == 2 and other.shape[0] == other.shape[1] and len(use.shape) == 1:
        turned = other if use.operand == 1 else other.T
        made = use.y_bar @ turned.T
        yield Edit("no transpose", "F03", "its matrix is not transposed", lambda: made)
    if len(use.shape) < 2 or len(use.out_shape) < 2 or other.ndim < 2:
        return
    t = lambda a: np.swapaxes(a, -1, -2)
    bar = use.y_bar
    for name, factor in (("the other operand", other), ("its own operand", own)):
        for turned, f in (("", factor), (" transposed", t(factor))):
            for bar_turned, g in (("", bar), (" transposed", t(bar))):
                text = f"cotangent{bar_turned} @ {name}{turned}"
                yield Edit(
                    text,
                    "F03",
                    f"its rule is written {text}",
                    lambda g=g, f=f: _product(g, f, use.shape),
                )
                text = f"{name}{turned} @ cotangent{bar_turned}"
                yield Edit(
                    text,
                    "F03",
                    f"its rule is written {text}",
                    lambda g=g, f=f: _product(f, g, use.shape),
                )


def _product(a: Array, b: Array, shape: Shape) -> Array | None:
    if a.shape[-1] != b.shape[-2]:
        return None
    made = np.matmul(a, b)
    return fitted(made, shape) if made.shape[-2:] == shape[-2:] else None


def _softmax(use: Use) -> Iterator[Edit]:
    axis = use.site["axis"]
    p = np.asarray(use.ys[0], dtype=np.float64)
    p = np.exp(p) if use.op == "log_softmax" else p
    g = use.y_bar
    total = np.sum(g, axis=axis, keepdims=True)
    inner = np.sum(g * p, axis=axis, keepdims=True)
    for text, says, made in (
        ("diagonal", "only the diagonal p (1 - p) of its Jacobian is used", g * p * (1 - p)),
        ("p only", "the subtraction of the weighted sum is left out", g * p),
        ("pass", "its own Jacobian is left out", g),
        ("sum", "the sum is not weighted with p", p * (g - total)),
        ("inner", "the factor p is left out", g - inner),
        ("log", "the rule of log-softmax is used", g - p * total),
        ("plain", "the rule of softmax is used", p * (g - inner)),
    ):
        yield Edit(text, "F11", says, lambda made=made: made)


def _cumulative(use: Use) -> Iterator[Edit]:
    g = use.y_bar
    if g.shape[1:] == use.shape:
        axis = use.site["axis"]
        yield Edit(
            "forward",
            "F09",
            "its cotangent is summed from the wrong end",
            lambda: np.cumsum(g, axis=axis),
        )
        turned = lambda: np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)
        yield Edit("backward", "F09", "its cotangent is summed from the wrong end", turned)
        yield Edit("pass", "F05", "its cotangent is passed on without the sum", lambda: g)


def _solve(use: Use) -> Iterator[Edit]:
    a, b = (np.asarray(x, dtype=np.float64) for x in use.xs)
    if use.operand == 1 and a.ndim == 2 and b.ndim >= 1:

        def columns(matrix: Array) -> Array:
            g = use.y_bar if b.ndim > 1 else use.y_bar[..., None]
            made = np.matmul(matrix, g)
            return made if b.ndim > 1 else made[..., 0]

        yield Edit(
            "no transpose",
            "F03",
            "it solves with A where A^T is right",
            lambda: columns(np.linalg.inv(a)),
        )
        yield Edit(
            "product", "F11", "it multiplies with A^T where it should solve", lambda: columns(a.T)
        )
        yield Edit("pass", "F11", "its own solve is left out", lambda: use.y_bar)


def _inv(use: Use) -> Iterator[Edit]:
    y, g = np.asarray(use.ys[0], dtype=np.float64), use.y_bar
    t = lambda a: np.swapaxes(a, -1, -2)
    yield Edit(
        "no transpose", "F03", "the transposes of its rule are left out", lambda: -(y @ g @ y)
    )
    yield Edit(
        "one side", "F11", "only one of the two inverses of its rule is used", lambda: -(t(y) @ g)
    )
    yield Edit(
        "other side", "F11", "only one of the two inverses of its rule is used", lambda: -(g @ t(y))
    )


def _permuted(use: Use) -> Iterator[Edit]:
    axes = use.site.attrs.get("axes")
    again = (0, *(len(use.shape) + a + 1 for a in axes)) if axes else ()
    if again and use.y_bar.transpose(again).shape[1:] == use.shape:
        yield Edit(
            "again",
            "F03",
            "its axes are permuted again instead of back",
            lambda: use.y_bar.transpose(again),
        )
    if use.y_bar[0].size == int(np.prod(use.shape)):
        flat = lambda order: np.stack([g.reshape(use.shape, order=order) for g in use.y_bar])
        yield Edit(
            "reshaped", "F03", "its cotangent is reshaped where its axes move", lambda: flat("C")
        )
        yield Edit("F order", "F03", "its cotangent is read in column order", lambda: flat("F"))


def _layer_norm(use: Use) -> Iterator[Edit]:
    if use.operand != 0:
        return
    axes, eps = use.site["axes"], use.site["epsilon"]
    x = np.asarray(use.xs[0], dtype=np.float64)
    rstd = 1 / np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    hat = (x - x.mean(axis=axes, keepdims=True)) * rstd
    h = use.y_bar * np.asarray(use.xs[1], dtype=np.float64)
    mean = lambda a: a.mean(axis=axes, keepdims=True)
    yield Edit("both held", "F05", "mean and variance are held constant", lambda: h * rstd)
    yield Edit(
        "variance held", "F05", "the variance is held constant", lambda: (h - mean(h)) * rstd
    )
    yield Edit(
        "mean held", "F05", "the mean is held constant", lambda: (h - hat * mean(h * hat)) * rstd
    )


def _take(use: Use) -> Iterator[Edit]:
    if use.operand != 0 or len(use.site.ins[1].shape) > 1:
        return
    axis = use.site["axis"]
    index = np.atleast_1d(np.asarray(use.xs[1]))
    if len(np.unique(index)) == len(index) or axis is None:
        return

    def overwritten() -> Array:
        z = np.zeros(use.x_bar.shape)
        np.moveaxis(z, axis, 0)[index] = np.moveaxis(use.y_bar, axis, 0)
        return z

    yield Edit(
        "overwritten", "F02", "repeated indices overwrite where they should accumulate", overwritten
    )


def _structural(use: Use) -> Iterator[Edit]:
    """Mistakes in the layout of what the right rule gives."""
    x_bar, shape = use.x_bar, use.shape
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        t = np.swapaxes(x_bar, -1, -2)
        yield _loose("transposed", "F03", "its cotangent is transposed", lambda: t)
        diagonal = np.eye(shape[-1])
        yield _loose(
            "diagonal only",
            "F04",
            "only the diagonal of its cotangent is kept",
            lambda: x_bar * diagonal,
        )
        yield _loose(
            "lower only",
            "F07",
            "only the lower triangle of its cotangent is kept",
            lambda: np.tril(x_bar),
        )
        yield _loose(
            "upper only",
            "F07",
            "only the upper triangle of its cotangent is kept",
            lambda: np.triu(x_bar),
        )
        yield _loose(
            "symmetrised", "F07", "its cotangent is made symmetric", lambda: (x_bar + t) / 2
        )
        yield _loose(
            "doubled",
            "F07",
            "off-diagonal entries are counted twice",
            lambda: x_bar + t - x_bar * diagonal,
        )
    if shape and shape[0] > 1:
        for which, at in (("first", 0), ("last", -1)):
            mask = np.zeros((shape[0],) + (1,) * (len(shape) - 1))
            mask[at] = 1
            yield _loose(
                f"{which} only",
                "F04",
                f"only the {which} row of its cotangent is kept",
                lambda k=mask: x_bar * k,
            )
            yield _loose(
                f"{which} missing",
                "F04",
                f"the {which} row of its cotangent is zero",
                lambda k=mask: x_bar * (1 - k),
            )
        yield _loose(
            "flipped", "F03", "its cotangent is in reverse order", lambda: np.flip(x_bar, 1)
        )


def _loose(name: str, code: str, says: str, make: Callable[[], Array | None]) -> Edit:
    return Edit(name, code, says, make, plain=False)


_OF_OP: dict[str, Callable[[Use], Iterator[Edit]]] = {
    **dict.fromkeys(
        ("sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "vector_norm"), _reduction
    ),
    "matmul": _matmul, "softmax": _softmax, "log_softmax": _softmax, "cumulative_sum": _cumulative,
    "solve": _solve, "inv": _inv, "permute_dims": _permuted, "reshape": _permuted,
    "matrix_transpose": _permuted, "layer_norm": _layer_norm, "take": _take,
}  # fmt: skip
