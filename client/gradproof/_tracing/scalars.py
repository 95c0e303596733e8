"""The third road: an object array of traced scalars, for small points and code that the others cannot enter.

NumPy runs its own loops over the elements and asks each for `+`, `exp()` and the like; every one of
those adds a node.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof._tracing.array import Traced, call
from gradproof._tracing.unsupported import refuse_number, refuse_truth

MAX_ELEMENTS = 200


class Scalar:
    """One element of a traced array inside an object array."""

    __slots__ = ("traced",)

    def __init__(self, traced: Traced) -> None:
        self.traced = traced

    def __bool__(self) -> bool:
        return refuse_truth()

    def __float__(self) -> float:
        return refuse_number("float")

    def __int__(self) -> int:
        return refuse_number("int")

    def __index__(self) -> int:
        return refuse_number("index")

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<scalar of {self.traced!r}>"

    @property
    def real(self) -> Scalar:
        """The scalar itself."""
        return self

    def conjugate(self) -> Scalar:
        """The scalar itself."""
        return self


def spread(x: Traced) -> Any:
    """The array as an object array of scalars; a 0-d array as one scalar."""
    if not x.ndim:
        return Scalar(x)
    out = np.empty(x.shape, object)
    for index in np.ndindex(*x.shape):
        out[index] = Scalar(x[index])
    return out


def gather(value: Any) -> Any:
    """What a function made of scalars, as a traced array again (or as it is, when it holds none)."""
    if isinstance(value, Scalar):
        return value.traced
    array = np.asarray(value)
    if array.dtype != object:
        return value
    from gradproof._tracing.operands import as_traced

    flat = [v.traced if isinstance(v, Scalar) else v for v in array.ravel().tolist()]
    return as_traced(flat).reshape(array.shape)


def _binary(ufunc: np.ufunc, swapped: bool) -> Any:
    def method(self: Scalar, other: Any) -> Any:
        if isinstance(other, Scalar):
            other = other.traced
        elif not isinstance(other, int | float | np.generic):
            return NotImplemented
        return Scalar(
            call(ufunc, other, self.traced) if swapped else call(ufunc, self.traced, other)
        )

    return method


def _unary(ufunc: np.ufunc) -> Any:
    return lambda self: Scalar(call(ufunc, self.traced))


for _name, _ufunc in {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide, "pow": np.power,
    "floordiv": np.floor_divide, "mod": np.remainder,
}.items():  # fmt: skip
    setattr(Scalar, f"__{_name}__", _binary(_ufunc, swapped=False))
    setattr(Scalar, f"__r{_name}__", _binary(_ufunc, swapped=True))
for _name, _ufunc in {
    "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
    "eq": np.equal, "ne": np.not_equal,
}.items():  # fmt: skip
    setattr(Scalar, f"__{_name}__", _binary(_ufunc, swapped=False))
for _name in ["arctan2"]:
    setattr(Scalar, _name, _binary(getattr(np, _name), swapped=False))
for _name, _ufunc in {"neg": np.negative, "pos": np.positive, "abs": np.absolute}.items():
    setattr(Scalar, f"__{_name}__", _unary(_ufunc))
for _name in [
    "sin",
    "cos",
    "tan",
    "tanh",
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "arcsinh",
    "arccosh",
    "arctanh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sqrt",
    "square",
    "cbrt",
    "floor",
    "ceil",
    "trunc",
    "rint",
    "sign",
    "fabs",
    "deg2rad",
    "rad2deg",
    "reciprocal",
]:
    setattr(Scalar, _name, _unary(getattr(np, _name)))
