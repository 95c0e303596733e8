"""Einstein summation: any product of arrays, summed over the indices that the result lacks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from string import ascii_letters
from typing import Any, Literal

import numpy as np

from gradproof_service.arrays import Array, Shape, Type, promote, type_of
from gradproof_service.ops.contraction import as_products, shape_of
from gradproof_service.ops.contraction import contracted as matrix_products
from gradproof_service.ops.linalg import refuse_bool
from gradproof_service.ops.reads import contracted
from gradproof_service.ops.record import (
    ATTRIBUTE,
    SHAPE,
    Attr,
    Draw,
    IllTyped,
    Op,
    Rule,
    Sample,
    Site,
)

Inferred = tuple[dict[str, Any], tuple[Type, ...]]

_SMALL = 4096
"""Products below which planning a contraction costs more than doing it."""


def _infer_einsum(attrs: dict[str, Any], ins: tuple[Type, ...]) -> Inferred:
    refuse_bool(ins)
    terms, result = _explicit(attrs["equation"], ins)
    sides = _sides(terms, tuple(t.shape for t in ins))
    for term, t in zip(terms, ins, strict=True):
        for i, letter in enumerate(term):
            twice = t.shape[term.index(letter)]
            if t.shape[i] != twice or t.shape[i] not in (1, sides[letter]):
                raise IllTyped(
                    SHAPE, f"index {letter!r} has side {t.shape[i]} in shape {t.shape} and "
                    f"{max(twice, sides[letter])} elsewhere; make them equal",
                )  # fmt: skip
    equation = f"{','.join(terms)}->{result}"
    return {"equation": equation}, (type_of(promote(*ins), tuple(sides[c] for c in result)),)


def _explicit(equation: str, ins: tuple[Type, ...]) -> tuple[list[str], str]:
    """The operands' and the result's letters, with every ellipsis written out."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ins):
        raise IllTyped(
            ATTRIBUTE,
            f"equation {equation!r} has {len(terms)} terms, expected {len(ins)}: one each",
        )
    free = [c for c in ascii_letters if c not in equation]
    deepest = 0
    for i, (term, t) in enumerate(zip(terms, ins, strict=True)):
        named = term.replace("...", "", 1)
        hidden = t.rank - len(named)
        if hidden < 0 or (hidden and named == term) or hidden > len(free):
            raise IllTyped(
                ATTRIBUTE, f"term {term!r} of equation {equation!r} does not fit shape {t.shape}; "
                "name every axis once or use an ellipsis",
            )  # fmt: skip
        deepest = max(deepest, hidden)
        terms[i] = term.replace("...", "".join(free[:hidden][::-1]), 1)
    dots = "".join(free[:deepest][::-1])  # aligned at the last hidden axis, as broadcasting is
    if arrow:
        result = right.replace("...", dots, 1)
    else:
        written = left.replace("...", "")
        result = dots + "".join(
            sorted(c for c in set(written) if written.count(c) == 1 and c != ",")
        )
    known = set("".join(terms))
    if (
        not known <= set(ascii_letters)
        or not set(result) <= known
        or len(set(result)) < len(result)
    ):
        raise IllTyped(
            ATTRIBUTE, f"equation {equation!r} is no Einstein summation; write it as 'ij,jk->ik', with "
            "letters only and each letter of the result once",
        )  # fmt: skip
    return terms, result


def _sides(terms: Sequence[str], shapes: Sequence[Shape]) -> dict[str, int]:
    """The side of each letter; a side of 1 gives way to another (broadcasting)."""
    sides: dict[str, int] = {}
    for term, shape in zip(terms, shapes, strict=True):
        for letter, n in zip(term, shape, strict=True):
            if sides.get(letter, 1) == 1:
                sides[letter] = n
    return sides


@lru_cache(maxsize=4096)
def _terms(equation: str) -> tuple[tuple[str, ...], str]:
    left, _, result = equation.partition("->")
    return tuple(left.split(",")), result


def _fresh(used: str, count: int) -> str:
    """Letters that do not occur in `used`."""
    return "".join([c for c in ascii_letters if c not in used][:count])


@lru_cache(maxsize=4096)
def _ready(equation: str, shapes: tuple[Shape, ...]) -> tuple[tuple[str, ...], str, int, bool]:
    """Terms without broadcast sides of 1, a letter for the batch, products, and whether any went."""
    terms, _ = _terms(equation)
    sides = _sides(terms, shapes)
    kept = tuple(
        "".join(c for c, n in zip(term, shape, strict=True) if n == sides[c])
        for term, shape in zip(terms, shapes, strict=True)
    )
    return kept, _fresh(equation, 1), prod(sides.values()), kept != terms


def _einsum(s: Site, *xs: Array) -> Array:
    """The batch axis is one more letter, given only to operands that vary along it."""
    equation = s["equation"]
    terms, result = _terms(equation)
    kept, batch, work, thinner = _ready(equation, tuple([t.shape for t in s.ins]))
    lead = s.lead(xs[0])
    if not lead and not thinner:
        return _summed(terms, result, xs, work)
    held: list[Array] = []
    letters: list[str] = []
    for i, x in enumerate(xs):
        varying = bool(lead and x.strides[0] and len(x) != 1)
        row = x[0] if lead and not varying and len(x) else x
        name = kept[i] if row.ndim == s.ins[i].rank else batch + kept[i]
        held.append(_thin(row, terms[i], kept[i]) if thinner else row)
        letters.append(name)
    varies = any(batch in term for term in letters)
    out = batch + result if varies else result
    y = _summed(tuple(letters), out, held, work * prod(lead))
    return np.broadcast_to(y, lead + s.out.shape) if lead and not varies else y


def _summed(terms: tuple[str, ...], result: str, xs: Sequence[Array], work: int) -> Array:
    """The sum itself: a stack of matrix products where it is one and large, else NumPy's einsum."""
    products = as_products(terms, result) if work > _SMALL else None
    if products is not None and xs[0].dtype.kind in "fc" and xs[0].dtype == xs[1].dtype:
        return matrix_products(products, xs[0], xs[1], shape_of(terms, result, xs))
    equation = f"{','.join(terms)}->{result}"
    return np.asarray(np.einsum(equation, *xs, optimize=_path(len(xs), work)))


def _in_order(s: Site) -> bool:
    """Whether the result is written in C order: a large stack of products is."""
    terms, result = _terms(s["equation"])
    _, _, work, thinner = _ready(s["equation"], tuple([t.shape for t in s.ins]))
    same = len({t.dtype for t in s.ins}) == 1 and s.ins[0].is_float
    return not thinner and same and work > _SMALL and as_products(terms, result) is not None


def _path(operands: int, work: int) -> Literal["greedy", False]:
    return "greedy" if operands > 1 and work > _SMALL else False


def _thin(x: Array, term: str, kept: str) -> Array:
    """The operand without its sides of 1 that broadcast."""
    return x.squeeze(tuple(k - len(term) for k, c in enumerate(term) if c not in kept))


def _tangent(i: int) -> Rule:
    """Linear in each operand: the tangent takes the operand's place."""

    def rule(xp: Any, s: Site, xs: Any, ys: Any, t: Any) -> Any:
        return xp.einsum(*xs[:i], t, *xs[i + 1 :], equation=s["equation"])

    return rule


def _cotangent(i: int) -> Rule:
    """The cotangent times all other operands, summed over the letters that operand i lacks.

    A letter that i has twice is a diagonal: the second one is renamed and tied to the first by a
    unit matrix. A letter that only i has was summed away: it comes back as a vector of ones.
    """

    def rule(xp: Any, s: Site, xs: Any, ys: Any, c: Any) -> Any:
        terms, result = _terms(s["equation"])
        mine = terms[i]
        factors = [c, *xs[:i], *xs[i + 1 :]]
        letters = [result, *terms[:i], *terms[i + 1 :]]
        spare = iter(_fresh(s["equation"], len(mine)))
        target = ""
        for letter, n in zip(mine, s.ins[i].shape, strict=True):
            if letter in target:
                new = next(spare)
                factors.append(xp.diag_embed(_ones(xp, s, n)))
                letters.append(letter + new)
                target += new
            else:
                target += letter
        for letter, n in zip(mine, s.ins[i].shape, strict=True):
            if not any(letter in term for term in letters):
                factors.append(_ones(xp, s, n))
                letters.append(letter)
        return xp.einsum(*factors, equation=f"{','.join(letters)}->{target}")

    return rule


def _ones(xp: Any, s: Site, n: int) -> Any:
    return xp.full(value=1.0, shape=(n,), dtype=s.out.dtype)


def _cost(s: Site) -> float:
    """Operands contracted from the left to the right, each letter summed when it is last used."""
    terms, result = _terms(s["equation"])
    sides = _sides(terms, tuple(t.shape for t in s.ins))
    total, current = 0.0, set(terms[0])
    for k in range(1, len(terms)):
        current |= set(terms[k])
        total += 2.0 * prod(sides[c] for c in current)
        current &= set(result).union(*terms[k + 1 :])
    return total or float(s.ins[0].size)


def _sample_einsum(d: Draw) -> Sample:
    equation = d.choice((
        "ij,jk->ik", "bij,bjk->bik", "ij,j", "ii->i", "ii", "iij,j->ij", "ij->", "ij,kj->", "i,i",
        "i,j->ij", "...i,ij->...j", "...ij,...jk->...ik", "ij,jk,kl->il", "bhqd,bhkd->bhqk",
        "ij,ik,il->jkl", "ji", "ijk->kj", "i,ij,j->", ",i->i",
    ))  # fmt: skip
    sides = {c: d.integer(1, 3) for c in ascii_letters}
    shapes: list[Shape] = []
    for k, term in enumerate(equation.partition("->")[0].split(",")):
        hidden = (2, 3)[k:] if "..." in term else ()
        shapes.append((*hidden, *(sides[c] for c in term.replace("...", ""))))
    return tuple(d.real(shape) for shape in shapes), {"equation": equation}


EINSUM = Op(
    "einsum", "product of arrays, summed over the indices that the result lacks",
    "y[r] = sum a[..] b[..] ...;  dy = sum da[..] b[..] ... + sum a[..] db[..] ... + ...",
    _infer_einsum, _einsum, _sample_einsum, (1, None),
    jvp=_tangent, vjp=_cotangent,
    attrs=(Attr("equation", "str", "indices, as in 'ij,jk->ik'; '...' for leading axes", required=True),),
    linear=(0,), analytic=True, accumulates=True, cost=_cost, source="NumPy einsum", ordered=_in_order,
    reads=contracted,
)  # fmt: skip

RECORDS = (EINSUM,)
