"""From a NumPy call on traced arrays to its meaning in ops: one table, looked up by the function.

A function that has no row is refused by name; nothing is computed behind the recording's back.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradproof._tracing import composite, elementwise, linear, picking, reduction, shaping
from gradproof._tracing.array import Traced
from gradproof._tracing.operands import as_traced, holds_traced
from gradproof._tracing.tape import apply
from gradproof._tracing.unsupported import Unsupported, refuse

TABLE: Final[dict[Any, Any]] = {
    **elementwise.TABLE,
    **reduction.TABLE,
    **shaping.TABLE,
    **picking.TABLE,
    **linear.TABLE,
    **composite.TABLE,
    reduction.logsumexp: reduction.logsumexp,
}

REDUCED: Final[dict[Any, Any]] = {
    np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min,
    np.logical_and: np.all, np.logical_or: np.any, np.logaddexp: reduction.logsumexp,
}  # fmt: skip
ACCUMULATED: Final[dict[Any, Any]] = {np.add: np.cumsum, np.multiply: np.cumprod}
NOT_AN_OP: Final = {
    "sort": "sorting", "argsort": "sorting", "partition": "sorting", "median": "sorting",
    "quantile": "sorting", "percentile": "sorting", "svd": "a singular value decomposition",
    "svdvals": "a singular value decomposition", "eig": "eigenvalues", "eigh": "eigenvalues",
    "eigvals": "eigenvalues", "eigvalsh": "eigenvalues", "qr": "a QR decomposition",
    "pinv": "a singular value decomposition", "lstsq": "a QR decomposition", "fft": "a Fourier transform",
    "ifft": "a Fourier transform", "rfft": "a Fourier transform", "irfft": "a Fourier transform",
    "fft2": "a Fourier transform", "fftn": "a Fourier transform",
    "gamma": "a gamma function", "gammaln": "a gamma function", "loggamma": "a gamma function",
    "digamma": "a gamma function", "psi": "a gamma function", "beta": "a gamma function",
    "betaln": "a gamma function",
}  # fmt: skip
_LEFT_OUT: Final[Any] = getattr(np, "_NoValue", None)
"""What NumPy's own functions hand on for an option that was not given."""
IN_PLACE: Final = frozenset(
    {"put", "place", "putmask", "copyto", "fill_diagonal", "put_along_axis"}
)


def call_function(function: Any, args: Sequence[Any], options: Mapping[str, Any]) -> Any:
    """Record a NumPy function; `out=` rebinds a traced array."""
    lowering = TABLE.get(function)
    if lowering is None:
        if isinstance(function, np.ufunc):
            return call_ufunc(function, "__call__", args, options)
        if not holds_traced((*args, *options.values()), live=True):
            return function(
                *plain(args), **dict(zip(options, plain(options.values()), strict=True))
            )
        unknown(function)
    options = dict(options)
    out = options.pop("out", None)
    result = _lower(function, lowering, args, options)
    return result if out is None else write_out(out, result)


def call_ufunc(
    ufunc: np.ufunc, method: str, inputs: Sequence[Any], options: Mapping[str, Any]
) -> Any:
    """Record a ufunc or one of its methods (`reduce`, `accumulate`, `outer`)."""
    options = dict(options)
    out = options.pop("out", None)
    if isinstance(out, tuple):
        out = out[0]
    if method == "__call__":
        where = options.pop("where", True)
        dtype = options.pop("dtype", None)
        options.pop("casting", None)
        lowering = TABLE.get(ufunc)
        name = ufunc.__name__
        if lowering is None and getattr(np, name, None) is not ufunc:
            lowering = elementwise.SPECIAL.get(name)
        if lowering is None:
            unknown(ufunc)
        result = _lower(ufunc, lowering, inputs, options)
        if dtype is not None:
            result = result.astype(dtype)
        if where is not True:
            if out is None:
                refuse(
                    "unknown-option",
                    f"np.{ufunc.__name__}(where=...) leaves elements undefined",
                    "np.where",
                )
            result = apply("where", where, result, out)
    elif method == "reduce" and ufunc in REDUCED:
        options.setdefault("axis", 0)
        result = call_function(REDUCED[ufunc], inputs, options)
    elif method == "accumulate" and ufunc in ACCUMULATED:
        options.setdefault("axis", 0)
        result = call_function(ACCUMULATED[ufunc], inputs, options)
    elif method == "outer":
        a, b = map(as_traced, inputs)
        spread = a.reshape((*a.shape, *(1,) * b.ndim))
        result = call_ufunc(ufunc, "__call__", (spread, b), options)
    elif method == "at":
        refuse(
            "in-place-function", f"np.{ufunc.__name__}.at changes its argument and returns nothing"
        )
    else:
        refuse("no-rule", f"np.{ufunc.__name__}.{method} of a traced array has no recorded meaning")
    return result if out is None else write_out(out, result)


def write_out(out: Any, result: Any) -> Any:
    """What `out=` and in-place operators do: the traced array takes the result as its new value."""
    if not isinstance(out, Traced):
        refuse("out-into-array")
    result = as_traced(result)
    if not np.can_cast(result.dtype, out.dtype, "same_kind"):
        raise TypeError(f"cannot write {result.dtype} into {out.dtype}; use a new array")
    if result.shape != out.shape:
        raise ValueError(f"cannot write shape {result.shape} into {out.shape}; use a new array")
    out.assign(result.astype(out.dtype))
    return out


def plain(values: Any) -> list[Any]:
    """Arguments without traced arrays: those that depend on no input become plain arrays."""
    return [
        np.array(v.data) if isinstance(v, Traced)
        else type(v)(plain(v)) if type(v) in (list, tuple) else v
        for v in values
    ]  # fmt: skip


def unknown(function: Any) -> Any:
    """Refuse a function that has no row, by its name."""
    name = getattr(function, "__name__", str(function))
    module = str(getattr(function, "__module__", None) or "np").replace("numpy", "np")
    if isinstance(function, np.ufunc):
        module = "np" if getattr(np, name, None) is function else "scipy.special"
    if name in IN_PLACE:
        refuse("in-place-function", f"{module}.{name} changes its argument and returns nothing")
    if name in NOT_AN_OP:
        refuse(
            "no-op",
            f"{module}.{name} needs {NOT_AN_OP[name]}, which the op catalogue does not have",
        )
    refuse("no-rule", f"{module}.{name} of a traced array has no recorded meaning")


def _lower(function: Any, lowering: Any, args: Sequence[Any], options: dict[str, Any]) -> Any:
    options = {name: v for name, v in options.items() if v is not _LEFT_OUT}
    options.pop("order", None)
    options.pop("subok", None)
    try:
        return lowering(*args, **options)
    except Unsupported:
        raise
    except TypeError:
        try:
            inspect.signature(lowering).bind(*args, **options)
        except TypeError as mismatch:
            name = getattr(function, "__name__", str(function))
            refuse("unknown-option", f"np.{name}: {mismatch}, an option that is not recorded")
        raise
