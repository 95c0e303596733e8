"""Two arrays contracted as a stack of matrix products, where their indices allow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod

import numpy as np

from gradproof_service.arrays import Array, Shape


@dataclass(frozen=True, slots=True)
class Products:
    """How an equation of two terms is one `matmul`: axes of both operands and of the result.

    `left` orders the first operand's axes as (stack, rows, inner), `right` the second's as (stack,
    inner, columns), `out` the result's as (stack, rows, columns); each part may hold several axes.
    """

    left: tuple[int, ...]
    right: tuple[int, ...]
    out: tuple[int, ...]
    parts: tuple[int, int, int, int]
    """Number of letters in stack, rows, inner and columns."""


@lru_cache(maxsize=4096)
def as_products(terms: tuple[str, ...], result: str) -> Products | None:
    """The products that an equation is, None when it is none.

    There must be two terms without a letter twice, letters that both and the result have (the stack),
    letters to sum that both have, and none that only one operand has and the result lacks.
    """
    if len(terms) != 2 or any(len(set(t)) < len(t) for t in terms):
        return None
    a, b = terms
    stack = "".join([c for c in a if c in b and c in result])
    inner = "".join([c for c in a if c in b and c not in result])
    rows = "".join([c for c in result if c in a and c not in b])
    columns = "".join([c for c in result if c in b and c not in a])
    if (
        not stack
        or not inner
        or len(stack + inner + rows) < len(a)
        or len(stack + inner + columns) < len(b)
    ):
        return None
    return Products(
        tuple(map(a.index, stack + rows + inner)),
        tuple(map(b.index, stack + inner + columns)),
        tuple(map(result.index, stack + rows + columns)),
        (len(stack), len(rows), len(inner), len(columns)),
    )


def contracted(p: Products, a: Array, b: Array, shape: Shape) -> Array:
    """The result, in C order: the products are written where they belong."""
    n_stack, n_rows, n_inner, n_columns = p.parts
    left, right = a.transpose(p.left), b.transpose(p.right)
    stack = left.shape[:n_stack]
    rows = left.shape[n_stack : n_stack + n_rows]
    inner = left.shape[n_stack + n_rows :]
    columns = right.shape[n_stack + n_inner :]
    left = left.reshape(*stack, prod(rows), prod(inner))
    right = right.reshape(*stack, prod(inner), prod(columns))
    y = np.empty(shape, np.result_type(a, b))
    place = y.transpose(p.out)
    if n_rows == n_columns == 1:
        np.matmul(left, right, out=place)
    else:
        np.copyto(place, np.matmul(left, right).reshape(*stack, *rows, *columns))
    return y


def shape_of(terms: Sequence[str], result: str, xs: Sequence[Array]) -> Shape:
    """The result's shape; every letter has one side in all operands."""
    sides = {
        c: n for term, x in zip(terms, xs, strict=True) for c, n in zip(term, x.shape, strict=True)
    }
    return tuple(sides[c] for c in result)
