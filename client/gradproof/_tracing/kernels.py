"""What each op makes of plain arrays: how a trace knows its concrete values.

These are NumPy's own functions and nothing about derivatives; the trace's result is compared with
a plain call of the user's function, and the service computes with kernels of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Kernel = Callable[..., Any]


def _axes(axes: Any, rank: int) -> Any:
    return tuple(range(rank)) if axes is None else tuple(axes)


def _reduction(function: Kernel) -> Kernel:
    return lambda x, axes=None, keepdims=False: function(
        x, axis=_axes(axes, x.ndim), keepdims=keepdims
    )


def _sigmoid(x: Any) -> Any:
    z = np.exp(-np.abs(x))
    return np.where(x < 0, z, 1.0) / (1 + z)


def _special(name: str) -> Kernel:
    def run(*xs: Any) -> Any:
        import scipy.special  # scipy costs 0.1 s and more at import: only when used

        return getattr(scipy.special, name)(*xs)

    return run


def _logsumexp(x: Any, axes: Any = None, keepdims: bool = False) -> Any:
    over = _axes(axes, x.ndim)
    top = np.max(x, axis=over, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    out = np.log(np.sum(np.exp(x - top), axis=over, keepdims=True)) + top
    return out if keepdims else np.squeeze(out, axis=over)


def _vector_norm(x: Any, axes: Any = None, keepdims: bool = False, ord: float = 2.0) -> Any:
    return np.linalg.vector_norm(x, axis=_axes(axes, x.ndim), keepdims=keepdims, ord=ord)


def _moment(function: Kernel) -> Kernel:
    return lambda x, axes=None, correction=0.0, keepdims=False: function(
        x, axis=_axes(axes, x.ndim), ddof=correction, keepdims=keepdims
    )


def _softmax(x: Any, axis: int = -1) -> Any:
    z = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return z / np.sum(z, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: int = -1) -> Any:
    z = x - np.max(x, axis=axis, keepdims=True)
    return z - np.log(np.sum(np.exp(z), axis=axis, keepdims=True))


def _diag_embed(x: Any, offset: int = 0) -> Any:
    n = x.shape[-1] + abs(offset)
    out = np.zeros((*x.shape[:-1], n, n), x.dtype)
    at = np.arange(x.shape[-1])
    out[..., at + max(-offset, 0), at + max(offset, 0)] = x
    return out


def _split(x: Any, sizes: Any, axis: int) -> Any:
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis=axis))


def _pad(x: Any, pad_width: Any, mode: str = "constant", value: float = 0.0) -> Any:
    pairs = list(zip(pad_width[::2], pad_width[1::2], strict=True))
    if mode == "constant":
        return np.pad(x, pairs, constant_values=value)
    return np.pad(x, pairs, mode=mode)  # pyright: ignore[reportCallIssue, reportArgumentType]


def _slogdet(x: Any) -> Any:
    return tuple(np.linalg.slogdet(x))


KERNELS: Final[dict[str, Kernel]] = {
    **{
        name: getattr(np, name)
        for name in [
            "add",
            "subtract",
            "multiply",
            "negative",
            "positive",
            "abs",
            "sign",
            "square",
            "sqrt",
            "exp",
            "expm1",
            "log",
            "log1p",
            "sin",
            "cos",
            "tan",
            "tanh",
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "logical_and",
            "logical_or",
            "logical_not",
            "isfinite",
            "isnan",
            "isinf",
            "floor",
            "ceil",
            "round",
            "trunc",
            "matmul",
            "where",
            "matrix_transpose",
            "tril",
            "triu",
        ]
    },
    "divide": np.true_divide,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "atan2": np.arctan2,
    "pow": np.power,
    "reciprocal": lambda x: np.true_divide(1.0, x),
    "stop_gradient": lambda x: x,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "astype": lambda x, dtype: x.astype(dtype),
    "sigmoid": _sigmoid,
    "erf": _special("erf"),
    "relu": lambda x: np.maximum(x, 0),
    **{
        name: _reduction(getattr(np, name))
        for name in ["sum", "mean", "prod", "max", "min", "any", "all"]
    },
    "argmax": lambda x, axis=None, keepdims=False: np.argmax(x, axis=axis, keepdims=keepdims),
    "argmin": lambda x, axis=None, keepdims=False: np.argmin(x, axis=axis, keepdims=keepdims),
    "var": _moment(np.var),
    "std": _moment(np.std),
    "vector_norm": _vector_norm,
    "logsumexp": _logsumexp,
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "cumulative_sum": lambda x, axis: np.cumsum(x, axis=axis),
    "einsum": lambda *xs, equation: np.einsum(equation, *xs),
    "cholesky": np.linalg.cholesky,
    "solve": np.linalg.solve,
    "inv": np.linalg.inv,
    "det": np.linalg.det,
    "slogdet": _slogdet,
    "reshape": np.reshape,
    "permute_dims": np.transpose,
    "expand_dims": lambda x, axes: np.expand_dims(x, tuple(axes)),
    "squeeze": lambda x, axes: np.squeeze(x, tuple(axes)),
    "broadcast_to": np.broadcast_to,
    "flip": lambda x, axes: np.flip(x, tuple(axes)),
    "concat": lambda *xs, axis: np.concatenate(xs, axis=axis),
    "stack": lambda *xs, axis: np.stack(xs, axis=axis),
    "split": _split,
    "tile": lambda x, repeats: np.tile(x, reps=repeats),
    "pad": _pad,
    "diagonal": lambda x, offset=0: np.diagonal(x, offset, -2, -1),
    "diag_embed": _diag_embed,
    "take_along_axis": np.take_along_axis,
}

DIRECT: Final = {
    KERNELS[name]: f"gp.{name}"
    for name in (
        "add", "subtract", "multiply", "divide", "negative", "square", "sqrt", "exp", "expm1", "log",
        "log1p", "sin", "cos", "tan", "tanh", "asin", "acos", "atan", "atan2", "maximum", "minimum",
        "pow", "abs", "sign", "floor", "ceil", "trunc", "equal", "not_equal", "less", "less_equal", "greater",
        "greater_equal",
    )
}  # fmt: skip
"""NumPy functions that on floats are one op, as they stand."""
