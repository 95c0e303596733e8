"""Axis attributes in their one spelling: negative, so that a batch axis in front changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from gradproof_service.arrays import Type
from gradproof_service.ops.record import ATTRIBUTE, SHAPE, IllTyped, Site


def normal_axis(axis: int, rank: int, name: str = "axis") -> int:
    """The axis counted from the end, in [-rank, -1]; raises `IllTyped` outside [-rank, rank)."""
    if not -rank <= axis < rank:
        wanted = f"in [{-rank}, {rank})" if rank else "none, as the array has no axes"
        raise IllTyped(ATTRIBUTE, f"{name} is {axis}, expected {wanted}; correct it")
    return axis - rank if axis >= 0 else axis


def normal_axes(axes: Sequence[int] | None, rank: int, name: str = "axes") -> tuple[int, ...]:
    """Distinct axes counted from the end, ascending; None means all of them."""
    if axes is None:
        return tuple(range(-rank, 0))
    negative = [normal_axis(axis, rank, name) for axis in axes]
    if len(set(negative)) < len(negative):
        raise IllTyped(
            ATTRIBUTE, f"{name} is {tuple(axes)}, expected distinct axes; drop the repeated"
        )
    return tuple(sorted(negative))


def need_matrix(t: Type, what: str = "operand") -> None:
    """Raise `IllTyped` unless the type has two axes or more."""
    if t.rank < 2:
        raise IllTyped(
            SHAPE, f"{what} has shape {t.shape}, expected a matrix (*, n, m); reshape it first"
        )


def batch_first(lead: int, axes: Sequence[int]) -> tuple[Any, ...]:
    """A permutation of negative core axes behind `lead` batch axes, for np.transpose."""
    return (*range(lead), *axes)


def count(s: Site) -> int:
    """How many elements of the first operand make one element of the result."""
    return prod(s.ins[0].shape[a] for a in s["axes"])
