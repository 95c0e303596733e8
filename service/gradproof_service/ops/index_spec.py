"""Index expressions: the text of an indexing attribute, what it selects, and reading by it.

A spec is NumPy's `x[...]` written as words between commas, one for each part: a whole number `3`,
a slice `1:5:2`, `new` (a new axis of side 1), `array` (the next index operand) and `...` at most
once. `x[0, ::2, idx]` is `0,::2,array` with the operand `idx`. Where arrays stand apart from each
other their axes come first in the result, as NumPy has it; whole numbers count as arrays then.

Negative indices count from the end. An index outside [-n, n) never raises, since a kernel may not:
reading there gives the fill value and writing there does nothing, as in JAX's `mode="fill"` and
`mode="drop"`, and the ops say how far inside the indices are as a domain margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from gradproof_service.arrays import INTEGERS, Array, Shape, Type, broadcast_shapes
from gradproof_service.ops.record import ATTRIBUTE, DTYPE, SHAPE, IllTyped, Margin, Site

Part = int | slice | None | str
"""A whole number, a slice, None for a new axis, "array", or "..." where it stands for no axis."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed spec for one core shape: every axis has its part, slices lie inside the axis.

    `basic` is what NumPy's basic indexing takes (arrays stand as whole slices). `apart` are the
    axes of the array so cut that index operands select from, `sides` their lengths; `place` is
    where the axes of the indices stand in the result. `kept` are the sides of the other axes.
    """

    text: str
    basic: tuple[Any, ...]
    apart: tuple[int, ...]
    sides: Shape
    place: int
    kept: Shape

    def region(self, adv: Shape) -> Shape:
        """Shape of what is selected, with index operands that broadcast to `adv`."""
        if not self.apart:
            return self.kept
        return self.kept[: self.place] + adv + self.kept[self.place :]


@lru_cache(maxsize=4096)
def parse_spec(text: str, shape: Shape) -> Spec:
    """The spec for arrays of this core shape; raises `IllTyped` when it does not fit."""
    parts = _spelled(_words(text), shape, text)
    basic: list[Any] = []
    words: list[str] = []
    apart: list[int] = []
    sides: list[int] = []
    kept: list[int] = []
    advanced = "array" in parts
    runs = 0  # how often a run of neighbouring arrays begins
    place = 0
    among = False
    at = 0
    for part in parts:
        if part == "...":  # NumPy lets an ellipsis part its neighbours even when it is empty
            words.append("...")
            among = False
            continue
        if part is None:
            basic.append(None)
            words.append("new")
            kept.append(1)
            among = False
            continue
        n = shape[at]
        at += 1
        if isinstance(part, slice):
            cut, word, length = _resolved(part, n)
            basic.append(cut)
            words.append(word)
            kept.append(length)
            among = False
            continue
        if part == "array":
            apart.append(len(kept) + len(apart))
            sides.append(n)
            basic.append(slice(None))
            words.append("array")
        elif isinstance(part, int):
            if not -n <= part < n:
                raise IllTyped(ATTRIBUTE, f"index {part} is outside an axis of {n}; correct it")
            basic.append(part % n)
            words.append(str(part % n))
        if advanced and not among:
            runs += 1
            place = len(kept)
            among = True
    return Spec(
        ",".join(words),
        tuple(basic),
        tuple(apart),
        tuple(sides),
        place if runs == 1 else 0,
        tuple(kept),
    )


def _words(text: str) -> list[str]:
    return [w.strip() for w in text.split(",")] if text.strip() else []


def _spelled(words: list[str], shape: Shape, text: str) -> list[Part]:
    """The parts, the ellipsis and what is left out at the end written as whole slices."""
    used = sum(w not in ("new", "...") for w in words)
    if used > len(shape) or words.count("...") > 1:
        raise IllTyped(
            ATTRIBUTE,
            f"spec {text!r} names {used} axes, expected at most {len(shape)} and one '...'",
        )
    rest = [":"] * (len(shape) - used) or ["..."] * words.count("...")
    at = words.index("...") if "..." in words else len(words)
    return [_part(w, text) for w in (*words[:at], *rest, *words[at + 1 :])]


def _part(word: str, text: str) -> Part:
    if word == "array":
        return "array"
    if word == "...":
        return word
    if word == "new":
        return None
    try:
        if ":" not in word:
            return int(word)
        ends = [int(w) if w.strip() else None for w in word.split(":")]
        if len(ends) <= 3 and (len(ends) < 3 or ends[2] != 0):
            return slice(*ends)
    except ValueError:
        pass
    raise IllTyped(
        ATTRIBUTE, f"spec {text!r} has {word!r}, expected a whole number, start:stop:step with a step"
        " other than 0, new, array or ...",
    )  # fmt: skip


def _resolved(part: slice, n: int) -> tuple[slice, str, int]:
    """The slice inside [0, n), its one spelling, and how many elements it takes."""
    start, stop, step = part.indices(n)
    length = len(range(start, stop, step))
    if (start, length, step) == (0, n, 1):
        return slice(None), ":", n
    if not length:
        return slice(0, 0, 1), "0:0", 0
    end = None if stop < 0 else stop
    tail = "" if end is None else str(end)
    return slice(start, end, step), f"{start}:{tail}" + (f":{step}" if step != 1 else ""), length


def need_indices(ins: Sequence[Type]) -> Shape:
    """The common shape of index operands; raises `IllTyped` unless they are integers and broadcast."""
    for t in ins:
        if t.dtype not in INTEGERS:
            hint = (
                "take nonzero of the mask, or use where" if t.dtype.kind == "b" else "astype int64"
            )
            raise IllTyped(DTYPE, f"needs integer indices, got {t.dtype}; {hint}")
    adv = broadcast_shapes(*(t.shape for t in ins))
    if adv is None:
        listed = " and ".join(str(t.shape) for t in ins)
        raise IllTyped(SHAPE, f"index shapes {listed} do not broadcast; reshape one of them")
    return adv


def read_spec(spec: Spec, x: Array, indices: Sequence[Array], lead: Shape, fill: Any) -> Array:
    """x[spec] behind the batch axes `lead`; a view when there are no index operands."""
    view = x[(slice(None),) * len(lead) + spec.basic]
    if not spec.apart:
        return view
    b = len(lead)
    front = [b + a for a in spec.apart]
    others = [a for a in range(b, view.ndim) if a not in front]
    taken = read_front(view.transpose(*range(b), *front, *others), indices, b, fill)
    adv = taken.ndim - b - len(others)
    order = [
        *range(b),
        *range(b + adv, b + adv + spec.place),
        *range(b, b + adv),
        *range(b + adv + spec.place, taken.ndim),
    ]
    return taken.transpose(order)


def read_front(x: Array, indices: Sequence[Array], b: int, fill: Any) -> Array:
    """x[i_1, ..., i_k] on the first core axes, one batch element at a time.

    x is (*lead, n_1, ..., n_k, *rest) and the indices are (*lead, *adv_i) with `b` lead axes and
    adv_i broadcasting to adv; the result is (*lead, *adv, *rest), `fill` where an index is outside.
    """
    rank = max(i.ndim for i in indices) - b
    aligned = [i.reshape(i.shape[:b] + (1,) * (rank + b - i.ndim) + i.shape[b:]) for i in indices]
    sides = x.shape[b : b + len(indices)]
    places: list[Array] = []
    outside: Any = False
    for i, n in zip(aligned, sides, strict=True):
        place, beyond = inside(i, n)
        places.append(place)
        outside = outside | beyond
    if not all(sides):
        adv = np.broadcast_shapes(*(p.shape for p in places))
        return np.full(adv + x.shape[b + len(indices) :], fill, x.dtype)
    if b and all(i.strides[0] == 0 and len(i) for i in indices):
        taken = x[(slice(None), *(p[0] for p in places))]  # one and the same for the whole batch
    elif b:
        rows = np.arange(len(x)).reshape(-1, *(1,) * rank)
        taken = x[(rows, *places)]
    else:
        taken = x[tuple(places)]
    if np.any(outside):
        outside = outside.reshape(outside.shape + (1,) * (taken.ndim - outside.ndim))
        taken = np.where(outside, np.asarray(fill, x.dtype), taken)
    return taken


def inside(i: Array, n: int) -> tuple[Array, Array]:
    """Each index from the front (0 where it is outside), and whether it is outside [-n, n)."""
    i = i.astype(np.int64, copy=False)
    place = np.where(i < 0, i + n, i)
    outside = (place < 0) | (place >= n)
    return np.where(outside, 0, place), outside


def loud(dtype: np.dtype[Any], fill: float | None) -> Any:
    """What reading outside gives: `fill`, or by default NaN, the least integer, or True."""
    if fill is not None:
        return dtype.type(fill)
    if dtype.kind in "fc":
        return dtype.type(np.nan)
    return (
        np.bool_(True)
        if dtype.kind == "b"
        else np.iinfo(dtype).min
        if dtype.kind == "i"
        else (np.iinfo(dtype).max)
    )


def addresses(core: Shape, lead: Shape) -> Array:
    """The row-major place of every element of an array (*lead, *core), in that shape, int64."""
    return np.arange(prod(lead) * prod(core), dtype=np.int64).reshape(lead + core)


def index_margin(operand: int, side: Any) -> Margin:
    """How far the indices of one operand lie inside [-n, n), `side(s)` being n; >= 1/2 inside."""

    def distance(s: Site, xs: tuple[Array, ...], ys: tuple[Array, ...]) -> Array:
        i, n = xs[operand].astype(np.float64), side(s)
        return np.minimum(i + n, n - 1 - i) + 0.5

    return Margin("domain", "-n <= index < n", distance, operand)
