"""What people write in place of the reverse rule of one op: a row for each op of a rule of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.checking.causes.use import Edit, Use, fitted, loose


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
        yield loose(
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


OP_EDITS: Final[dict[str, Callable[[Use], Iterator[Edit]]]] = {
    **dict.fromkeys(
        ("sum", "mean", "prod", "max", "min", "var", "std", "logsumexp", "vector_norm"), _reduction
    ),
    "matmul": _matmul, "softmax": _softmax, "log_softmax": _softmax, "cumulative_sum": _cumulative,
    "solve": _solve, "inv": _inv, "permute_dims": _permuted, "reshape": _permuted,
    "matrix_transpose": _permuted, "layer_norm": _layer_norm, "take": _take,
}  # fmt: skip
"""For each op of the dictionary `(use) -> its edits`."""
