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


def slipped(r: Reading, cone: Sequence[int], tick: Tick) -> tuple[Culprit | None, list[int]]:
    """The slips that mend the most of the claim's wrong answers, and values that a lesser slip would mend.

    A value that is exactly what some right quantity is, is only suspected where two answers come
    right at once; where it is one, it is among the lesser. The accusation has no class when slips
    of several classes mend alike, and is None when nothing does, or too many lines do.
    """
    found: list[tuple[int, int, str, str]] = []
    lesser: list[int] = []
    for v in cone:
        tick()
        exact = any(a.factor == 1.0 and not a.transposed for a in r.alike.get(v, ()))
        for code, says, value in _others(r, v):
            mends = r.settles(v, value)
            if mends > exact:
                found.append((mends, v, code, says))
            elif mends:
                lesser.append(v)
    most = max((mends for mends, *_ in found), default=0)
    best = [x for x in found if x[0] == most]
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
    if equal(-here, right):
        return replace(found, code="F01")
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
    return _exchanged(r, v, right, found) or _product(r, right - here, terms, found) or found


def _exchanged(r: Reading, v: int, right: Array, found: Culprit) -> Culprit | None:
    """The accusation of one operand when another of the claim's values in its place gives what is right."""
    if maker(r, v) < 0:
        return None
    step = r.steps[maker(r, v)]
    xs = [r.values[u] for u in step.operands]
    for n, u in enumerate(step.operands):
        if not step.batched[n] or not r.claim.types[u].is_float:
            continue
        for w, t in enumerate(r.claim.types):
            if w in (u, v) or t != r.claim.types[u] or r.values[w] is None or not r.varies(w):
                continue
            made = call(step, [r.values[w] if k == n else x for k, x in enumerate(xs)])
            if made.shape == right.shape and equal(made, right):
                says = f"it uses {_name(r, u)} where {_name(r, w)} is right"
                return replace(found, code="F10", text=f"{found.text}: {says}")
    return None


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


def _name(r: Reading, v: int) -> str:
    return label(r, v) if maker(r, v) >= 0 else r.claim.inputs[v]


def _fitting(r: Reading, v: int, here: Array) -> Iterator[tuple[int, Any]]:
    """The claim's other values, in a form that fits beside this one."""
    for u, t in enumerate(r.claim.types):
        if u == v or r.values[u] is None or not t.is_float or not r.varies(u):
            continue
        value, short = r.batch(u), here.ndim - 1 - t.rank
        if short >= 0:
            value = value.reshape(value.shape[:1] + (1,) * short + value.shape[1:])
            if all(n in (1, k) for n, k in zip(value.shape, here.shape, strict=True)):
                yield u, value
