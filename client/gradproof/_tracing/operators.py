"""The operators and methods of an array, each the NumPy function of that name.

A class that has them acts like an array wherever NumPy's own do; what a function of them means is
looked up in `dispatch`.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def _binary(ufunc: np.ufunc) -> tuple[Any, Any, Any]:
    def forward(self: NumPyLike, other: Any) -> Any:
        found = self.direct(ufunc, (self, other))
        if found is not None:
            return found
        return call(ufunc, self, other) if _known(other) else NotImplemented

    def reverse(self: NumPyLike, other: Any) -> Any:
        found = self.direct(ufunc, (other, self))
        if found is not None:
            return found
        return call(ufunc, other, self) if _known(other) else NotImplemented

    def in_place(self: NumPyLike, other: Any) -> Any:
        return call(ufunc, self, other, out=(self,)) if _known(other) else NotImplemented

    return forward, reverse, in_place


def _unary(ufunc: np.ufunc) -> Any:
    def method(self: NumPyLike) -> Any:
        found = self.direct(ufunc, (self,))
        return call(ufunc, self) if found is None else found

    return method


def _known(other: Any) -> bool:
    return isinstance(other, NumPyLike | np.ndarray | np.generic | int | float | list | tuple)


def _method(function: Any) -> Any:
    def method(self: NumPyLike, *args: Any, **options: Any) -> Any:
        return call(function, self, *args, **options)

    return method


def _shaping(function: Any) -> Any:
    """Methods that take a shape or axes either as one tuple or spread out."""

    def method(self: NumPyLike, *args: Any, **options: Any) -> Any:
        if not args:
            return call(function, self, **options)
        first: Any = args[0] if len(args) == 1 else args
        return call(function, self, first, **options)

    return method


class NumPyLike:
    """Arithmetic, comparisons and array methods by NumPy's functions; it holds nothing itself."""

    __slots__ = ()

    def direct(self, ufunc: Any, inputs: tuple[Any, ...]) -> Any:
        """What a quick way gives for these inputs, None where there is none."""
        return None

    __add__, __radd__, __iadd__ = _binary(np.add)
    __sub__, __rsub__, __isub__ = _binary(np.subtract)
    __mul__, __rmul__, __imul__ = _binary(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _binary(np.true_divide)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _binary(np.floor_divide)
    __mod__, __rmod__, __imod__ = _binary(np.remainder)
    __pow__, __rpow__, __ipow__ = _binary(np.power)
    __matmul__, __rmatmul__, __imatmul__ = _binary(np.matmul)
    __and__, __rand__, __iand__ = _binary(np.bitwise_and)
    __or__, __ror__, __ior__ = _binary(np.bitwise_or)
    __xor__, __rxor__, __ixor__ = _binary(np.bitwise_xor)
    __lt__ = _binary(np.less)[0]
    __le__ = _binary(np.less_equal)[0]
    __gt__ = _binary(np.greater)[0]
    __ge__ = _binary(np.greater_equal)[0]
    __eq__ = _binary(np.equal)[0]
    __ne__ = _binary(np.not_equal)[0]
    __neg__ = _unary(np.negative)
    __pos__ = _method(np.positive)
    __abs__ = _unary(np.absolute)
    __invert__ = _method(np.invert)
    __round__ = _method(np.round)
    __divmod__ = _method(np.divmod)
    reshape = _shaping(np.reshape)
    transpose = _shaping(np.transpose)
    sum = _method(np.sum)
    mean = _method(np.mean)
    prod = _method(np.prod)
    max = _method(np.max)
    min = _method(np.min)
    var = _method(np.var)
    std = _method(np.std)
    any = _method(np.any)
    all = _method(np.all)
    argmax = _method(np.argmax)
    argmin = _method(np.argmin)
    cumsum = _method(np.cumsum)
    cumprod = _method(np.cumprod)
    dot = _method(np.dot)
    clip = _method(np.clip)
    round = _method(np.round)
    take = _method(np.take)
    repeat = _method(np.repeat)
    trace = _method(np.trace)
    diagonal = _method(np.diagonal)
    ravel = _method(np.ravel)
    squeeze = _method(np.squeeze)
    swapaxes = _method(np.swapaxes)
    argsort = _method(np.argsort)
    compress = _method(np.compress)
    searchsorted = _method(np.searchsorted)
    nonzero = _method(np.nonzero)
    choose = _method(np.choose)
    put = _method(np.put)
    partition = _method(np.partition)

    def __hash__(self) -> int:
        return id(self)


def call(function: Any, *args: Any, **options: Any) -> Any:
    """Call a NumPy function on traced values."""
    from gradproof._tracing.dispatch import call_function, call_ufunc

    if isinstance(function, np.ufunc):
        return call_ufunc(function, "__call__", args, options)
    return call_function(function, args, options)
