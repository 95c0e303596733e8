"""A handle on one value of a graph that is being built: what rules calculate with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from gradproof_service.arrays import F64, Shape, Type, type_of
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Attrs

if TYPE_CHECKING:
    from gradproof_service.graph.builder import Builder

_PLAIN: Final[Attrs] = {}
_NUMBER: Final = type_of(F64)


def _binary(op_name: str) -> tuple[Any, Any]:
    """An operator with a value on its left, and with one on its right."""
    op = OPS[op_name]

    def forward(self: Value, other: Any) -> Value:
        xp, mine = self.builder, self.type
        kind = type(other)
        if kind is Value:
            its, v = other.type, other.id
        elif kind is float and mine.dtype is F64:
            its, v = _NUMBER, xp.number(other, F64)
        else:
            return xp.apply_op(op, (self, other), _PLAIN)
        plain = xp.plain.get((op, mine, its))
        if plain is None:
            return xp.apply_op(op, (self, other), _PLAIN)
        return Value(xp, xp.added(plain, (self.id, v)), plain[2])

    def reverse(self: Value, other: Any) -> Value:
        return self.builder.apply_op(op, (other, self), _PLAIN)

    return forward, reverse


class Value:
    """A handle on one value of the graph being built; arithmetic on it adds nodes."""

    __slots__ = ("builder", "id", "type")
    __array_ufunc__ = None  # numpy arrays on the left must defer to us

    def __init__(self, builder: Builder, id: int, type: Type) -> None:
        self.builder = builder
        self.id = id
        self.type = type

    @property
    def shape(self) -> Shape:
        """Core shape: without any batch axis."""
        return self.type.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """The declared dtype."""
        return self.type.dtype

    @property
    def rank(self) -> int:
        """Number of core axes."""
        return len(self.type.shape)

    def __repr__(self) -> str:
        return f"%{self.id}: {self.type!r}"

    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")

    def __pow__(self, other: Any) -> Value:
        return self.builder.apply("pow", self, other)

    def __matmul__(self, other: Any) -> Value:
        return self.builder.apply("matmul", self, other)

    def __neg__(self) -> Value:
        return self.builder.apply("negative", self)
