"""One use of one value, and a wrong rule for it: what the dictionary of mistakes is written in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
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


def loose(name: str, code: str, says: str, make: Callable[[], Array | None]) -> Edit:
    """An edit that any array can suffer, whatever made it."""
    return Edit(name, code, says, make, plain=False)


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
