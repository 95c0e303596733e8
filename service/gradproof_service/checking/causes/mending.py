"""Mending a claim at one line: the slip that, undone, makes every answer right, and the step that is missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.known import CLOSE
from gradproof_service.checking.causes.reading import Reading, equal, maker
from gradproof_service.checking.causes.slips import slips_of
from gradproof_service.checking.causes.telling import LINES, Culprit, label, said
from gradproof_service.transforms.evaluate import Tick, call

PAIRED = 30
"""Values of which the products of two are tried as a missing term."""
SCALED = 3
"""Elements that a value must have for a number before it to be told from chance."""


def slipped(r: Reading, cone: Sequence[int], tick: Tick) -> tuple[Culprit | None, list[int]]:
    """The slips that mend the most of the claim's wrong answers, and values that a lesser slip would mend.

    A value that is exactly what some right quantity is, is only suspected where two answers come
    right at once; where it is one, it is among the lesser. The accusation has no class when slips
    of several classes mend alike, and is None when nothing does, or too many lines do.
    """
    found: list[tuple[int, int, str, str]] = []
    lesser: list[int] = []
    exactly = {
        v for v in cone
        if any(a.factor == 1.0 and not a.transposed for a in r.alike.get(v, ()))
    }  # fmt: skip
    for v in sorted(cone, key=lambda v: v in exactly):
        tick()
        exact = v in exactly
        for code, says, value in _others(r, v):
            mends = r.settles(v, value)
            if mends > exact:
                found.append((mends, v, code, says))
            elif mends:
                lesser.append(v)
    most = max((mends for mends, *_ in found), default=0)
    best = sorted((x for x in found if x[0] == most), key=lambda x: x[1])
    lines = list(dict.fromkeys(v for _, v, _, _ in best))
    if not 1 <= len(lines) <= LINES:
        return None, lesser
    codes = {code for _, _, code, _ in best}
    text = f"{label(r, lines[0])}: {best[0][3]}; with that the claim comes out right"
    code = codes.pop() if len(codes) == 1 else ""
    return replace(said(r, lines, text), code=code, mends=most), lesser


def _others(r: Reading, v: int) -> Iterator[tuple[str, str, Array]]:
    """What the line that makes a value might have made instead: (class, what is wrong, the value)."""
    at = maker(r, v)
    step, here = r.steps[at], r.batch(v)
    if not step.any_batched or len(step.site.outs) > 1:
        return
    xs = [r.values[u] for u in step.operands]
    for slip in slips_of(step, xs, here):
        try:
            value = np.asarray(slip.make())
        except (ValueError, TypeError, IndexError, np.linalg.LinAlgError):
            continue
        if np.isfinite(value).all() and not (value.shape == here.shape and equal(value, here)):
            yield slip.code, slip.says, value


def with_step(r: Reading, v: int, right: Array, found: Culprit) -> Culprit:
    """The accusation with the class of the step between what a value is and what it should be."""
    here = r.batch(v)
    c = float(np.vdot(here, right)) / float(np.vdot(here, here)) if here.any() else 0.0
    if c and equal(c * here, right):
        named = r.words.sizes.name(1 / c)
        story = f" ({named.story})" if named and named.story else ""
        times = named.text if named else f"{1 / c:.7g}"
        return replace(found, code="F01", step=f"it is {times} times what it should be{story}")
    if np.allclose(np.sort(here, axis=None), np.sort(right, axis=None), rtol=CLOSE, atol=0):
        return replace(found, code="F03")
    terms = list(_fitting(r, v, here))
    for u, value in terms:
        name = _name(r, u)
        for code, made, says in (
            ("F11", here * value, f"the factor {name} is missing"),
            ("F11", here / value, f"the divisor {name} is missing"),
            ("F05", here + value, f"the term {name} is missing"),
            ("F05", here - value, f"the term -{name} is missing"),
        ):
            if equal(made, right):
                return replace(found, code=code, text=f"{found.text}: {says}")
    return (
        _exchanged(r, v, right, found)
        or _product(r, right - here, terms, found)
        or _scalar(r, here, right, terms, found)
        or found
    )


def _exchanged(r: Reading, v: int, right: Array, found: Culprit) -> Culprit | None:
    """The accusation of one operand when another of the claim's values in its place gives what is right."""
    if maker(r, v) < 0:
        return None
    step, rank = r.steps[maker(r, v)], right.ndim - 1
    broadcasts = step.op.batching == "elementwise"
    xs = [_aligned(r, u, rank) if broadcasts else r.values[u] for u in step.operands]
    for n, u in enumerate(step.operands):
        if not step.batched[n] or not r.claim.types[u].is_float:
            continue
        for w, t in enumerate(r.claim.types):
            fits = t.rank <= rank if broadcasts else t == r.claim.types[u]
            if w in (u, v) or not fits or not t.is_float or r.values[w] is None or not r.varies(w):
                continue
            other = _aligned(r, w, rank) if broadcasts else r.values[w]
            given = [other if k == n else x for k, x in enumerate(xs)]
            try:
                made = step.op.kernel(step.site, *given) if broadcasts else call(step, given)
            except ValueError:  # shapes that do not broadcast
                continue
            if made.shape == right.shape and equal(made, right):
                says = f"it uses {_name(r, u)} where {_name(r, w)} is right"
                return replace(found, code="F10", text=f"{found.text}: {says}")
    return None


def _aligned(r: Reading, v: int, rank: int) -> Array:
    """A value at every point with its core axes aligned to those of arrays of this rank."""
    value = r.batch(v)
    short = rank + 1 - value.ndim
    return value.reshape(value.shape[:1] + (1,) * short + value.shape[1:]) if short > 0 else value


def _product(
    r: Reading, missing: Array, terms: Sequence[tuple[int, Any]], found: Culprit
) -> Culprit | None:
    """The accusation of a missing term that is the product of two of the claim's values."""
    chosen = terms[-PAIRED:]
    for k, (u, a) in enumerate(chosen):
        for w, b in chosen[k:]:
            for sign, minus in ((1.0, ""), (-1.0, "-")):
                made = sign * a * b
                if made.shape == missing.shape and equal(made, missing):
                    says = f"the term {minus}{_name(r, u)} * {_name(r, w)} is missing"
                    return replace(found, code="F05", text=f"{found.text}: {says}")
    return None


def _scalar(
    r: Reading, here: Array, right: Array, terms: Sequence[tuple[int, Any]], found: Culprit
) -> Culprit | None:
    """The accusation of a missing number that is another at every point: as a factor, or before a term."""
    if here[0].size < SCALED:
        return None
    if _parallel(here, right):
        return replace(
            found, code="F11", text=f"{found.text}: a factor that is one number is missing"
        )
    for u, term in terms:
        if term.shape == here.shape and _parallel(term, right - here):
            text = f"{found.text}: a multiple of {_name(r, u)} is missing"
            return replace(found, code="F05", text=text, faint=True)
    return None


def _parallel(a: Array, b: Array) -> bool:
    """Whether at each point b is a number times a."""
    a, b = a.reshape(len(a), -1), b.reshape(len(b), -1)
    size = np.einsum("pk,pk->p", a, a)
    if not size.all() or not b.any(axis=1).all():
        return False
    factors = np.einsum("pk,pk->p", a, b) / size
    return equal(factors[:, None] * a, b)


def _name(r: Reading, v: int) -> str:
    return r.claim.inputs[v] if v < len(r.claim.inputs) else label(r, v)


def _fitting(r: Reading, v: int, here: Array) -> Iterator[tuple[int, Any]]:
    """The claim's other values, in a form that fits beside this one."""
    for u, t in enumerate(r.claim.types):
        if u == v or r.values[u] is None or not t.is_float or not r.varies(u):
            continue
        if t.rank < here.ndim:
            value = _aligned(r, u, here.ndim - 1)
            if all(n in (1, k) for n, k in zip(value.shape, here.shape, strict=True)):
                yield u, value
