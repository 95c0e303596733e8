"""Fingerprints of layout: the right numbers in wrong places, missing slices, wrong axes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import permutations
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.mismatch import Match, Mismatch, blocks, plural

_AXES = ("first", "second", "third", "fourth", "fifth", "sixth")


FORGIVEN = 1e-7
"""An entry that is right to this relative difference is not called wrong beside others that are."""


def permuted(m: Mismatch) -> Iterable[Match]:
    """claimed is the reference transposed, reshaped, reversed, rolled or shuffled."""
    for text, made in _layouts(m):
        if made.shape != m.reference.shape or np.array_equal(made, m.reference):
            continue
        for sign, turned in ((1.0, ""), (-1.0, ", with the sign turned")):
            found = list(
                m.matched("F03", f"claimed is the true derivative {text}{turned}", sign * made)
            )
            if found:
                yield from found
                return
    if m.reference.size >= 4 and np.abs(m.gap).max() > 1e-4 * np.abs(m.reference).max():
        for whole in (True, False) if len(m.claimed) > 1 else (True,):
            shuffled = _shuffled(m, whole)
            if shuffled is None:
                continue
            moved = int(m.wrong.sum())
            each = "" if whole else f" in each of {len(m.claimed)} rows"
            text = f"claimed holds the true entries in another order{each}, {plural(moved, 'entry')} moved: indices are mixed up"
            found = list(m.matched("F03", text, shuffled, least=0.999))
            if found:
                yield from found
                return


def _shuffled(m: Mismatch, whole: bool) -> Array | None:
    """The true entries in the order of the claimed ones, over everything or row by row.

    None where too few of them differ from each other for their order to tell anything.
    """
    r = m.reference.reshape(1, -1) if whole else m.reference
    distinct = [len(np.unique(row[row != 0])) for row in r]
    if max(distinct) < 3 or sum(distinct) < np.count_nonzero(r) // 2:
        return None
    made = np.empty(r.shape)
    order = np.argsort(m.claimed.reshape(r.shape), axis=1)
    np.put_along_axis(made, order, np.sort(r, axis=1), axis=1)
    return made.reshape(m.reference.shape)


def _layouts(m: Mismatch) -> Iterator[tuple[str, Array]]:
    r = m.reference
    rows = len(r)
    block = blocks(m, r)
    rank = block.ndim - 1
    if m.own_rows and r.shape[0] == r.shape[1] > 1:
        yield "transposed: the axes of output and input are exchanged", r.T
    if m.own_rows and min(r.shape) > 1 and r.shape[0] != r.shape[1]:
        yield "transposed and read in the wrong shape", r.T.reshape(r.shape)
    if 2 <= rank <= 4:
        for order in permutations(range(rank)):
            if order != tuple(range(rank)):
                turned = block.transpose((0, *(a + 1 for a in order)))
                same = turned.shape == block.shape
                how = "transposed" if rank == 2 else f"with axes permuted to {order}"
                tail = "" if same else " and read in the wrong shape"
                yield f"of {m.input_name} {how}{tail}", turned.reshape(rows, -1)
        yield (
            f"of {m.input_name} read in column order",
            np.stack([b.reshape(-1).reshape(m.in_shape, order="F") for b in block]).reshape(
                r.shape
            ),
        )
    for axis in range(1, rank + 1):
        if block.shape[axis] > 1:
            which = _AXES[axis - 1] if axis <= len(_AXES) else f"{axis}th"
            yield f"reversed along the {which} axis", np.flip(block, axis).reshape(r.shape)
            for step in (1, -1):
                yield (
                    f"shifted by {step} along the {which} axis",
                    np.roll(block, step, axis).reshape(r.shape),
                )
    if m.own_rows and rows > 1:
        yield "with the outputs in reverse order", r[::-1]


def symmetric(m: Mismatch) -> Iterable[Match]:
    """A symmetric argument: off-diagonal entries by the other convention, or one triangle only."""
    shape = m.in_shape
    if len(shape) >= 2 and shape[-1] == shape[-2] > 1:
        r, name = blocks(m, m.reference), m.input_name
    elif m.own_rows and len(m.reference) == m.reference.shape[1] > 1:
        r, name = m.reference[None], "the matrix"
    else:
        return
    t = np.swapaxes(r, -1, -2)
    eye = np.eye(r.shape[-1])
    for text, made in (
        (f"off-diagonal entries of {name} are twice the true ones: each pair is counted as one variable", 2 * r - r * eye),
        (f"off-diagonal entries of {name} are half the true ones: each pair is shared between two", (r + r * eye) / 2),
        (f"claimed is G + G^T - diag(G) of the true G: both triangles of {name} are moved together", r + t - r * eye),
        (f"claimed is G + G^T of the true G: both triangles of {name} are moved together, the diagonal twice", r + t),
        (f"claimed is (G + G^T)/2 of the true G: only its symmetric part, as if {name} were symmetric", (r + t) / 2),
        (f"only the lower triangle of {name} is filled", np.tril(r)),
        (f"only the upper triangle of {name} is filled", np.triu(r)),
        (f"only the lower triangle of {name} is filled, with both triangles added", np.tril(r + t) - r * eye),
        (f"only the upper triangle of {name} is filled, with both triangles added", np.triu(r + t) - r * eye),
        (f"only the diagonal of {name} is filled", r * eye),
    ):  # fmt: skip
        if np.allclose(made, r, rtol=1e-9, atol=0):
            continue
        found = list(m.matched("F07", text, made.reshape(m.reference.shape), least=0.999))
        if found:
            yield from found
            return


def missing_slice(m: Mismatch) -> Iterable[Match]:
    """Exactly zero on some entries where the reference is not."""
    zero = (m.claimed == 0) & m.wrong
    if not zero.any() or not m.claimed.any():
        return
    explained, exact = m.score(np.where(zero, 0.0, m.reference))
    if explained < 0.5:
        return
    where = _where(m, zero)
    count = f"{int(zero.sum())} of {plural(zero.size, 'entry')}"
    top = np.abs(m.reference[zero]).max()
    text = f"claimed is 0 {where or f'in {count}'}, where true reaches {top:.4g}: that part receives no derivative"
    yield Match("F04", text, explained, exact)


def confined(m: Mismatch) -> Iterable[Match]:
    """Wrong in few entries or one slice; of a rule, in few entries whatever the seed."""
    size = np.maximum(np.abs(m.claimed), np.abs(m.reference))
    wrong = m.wrong & ~(np.abs(m.gap) <= FORGIVEN * size)
    wrong = wrong if m.own_rows else np.asarray(wrong.any(axis=0, keepdims=True))
    if not wrong.any() or wrong.size < 2:
        return
    shape = (*m.lead_shape, *m.in_shape) if m.own_rows else m.in_shape
    if wrong.sum() == 1:
        row, column = (int(k) for k in np.argwhere(wrong)[0])
        row = row if m.own_rows else int(np.argmax(np.abs(m.gap[:, column])))
        index = [int(k) for k in np.argwhere(wrong.reshape(shape))[0]]
        c, r = float(m.claimed[row, column]), float(m.reference[row, column])
        ratio = f", {c / r:.7g} times as much" if r and c else ""
        seed = "" if m.own_rows else f" for seed {row}"
        text = f"only the entry at {index} is wrong: claimed {c:.8g}, true {r:.8g}{ratio}{seed}"
        yield Match("F15", text, 1.0, True, weak=True)
        return
    if wrong.all():
        return
    where = _where(m, wrong)
    if not where and wrong.mean() <= 0.5:
        places = np.argwhere(wrong.reshape(shape))[:3]
        where = f"in {int(wrong.sum())} entries, the first at {', '.join(str([int(k) for k in at]) for at in places)},"
    if where:
        text = f"wrong {where} and right in the other {plural(int((~wrong).sum()), 'entry')}"
        yield Match("F15", text, 1.0, True, weak=True)
        return
    right = _where(m, ~wrong)
    if right:
        text = f"right {right} only, wrong in {plural(int(wrong.sum()), 'entry')} elsewhere{_factor(m)}"
        yield Match("F15", text, 1.0, True, weak=True)


def _factor(m: Mismatch) -> str:
    """By what constant the wrong entries are off, when there is one."""
    wrong = m.wrong & m.significant(m.reference)
    if not wrong.any() or (m.wrong & ~wrong).any():
        return ""
    ratio = m.claimed[wrong] / m.reference[wrong]
    c = float(np.median(ratio))
    return f" by the factor {c:.6g}" if np.allclose(ratio, c, rtol=1e-6, atol=0) else ""


def _where(m: Mismatch, mask: Array) -> str:
    """The smallest slices of one axis that hold the whole mask, in words; "" when they hold all."""
    if not m.own_rows and len(mask) > 1:
        mask = np.asarray(mask.any(axis=0, keepdims=True))
    lead = len(m.lead_shape) if m.own_rows else 0
    array = mask.reshape(*m.lead_shape[:lead], *m.in_shape)
    out = m.scene.graph.output_names[m.o]
    best: tuple[float, str] = (0.75, "")
    for axis, n in enumerate(array.shape):
        others = tuple(a for a in range(array.ndim) if a != axis)
        hit = np.flatnonzero(array.any(axis=others))
        if n > 1 and len(hit) / n < best[0]:
            name = out if axis < lead else m.input_name
            at = axis if axis < lead else axis - lead
            which = _AXES[at] if at < len(_AXES) else f"{at + 1}th"
            rank = lead if axis < lead else array.ndim - lead
            along = f" along the {which} axis of {name}" if rank > 1 else f" of {name}"
            indices = ", ".join(str(int(k)) for k in hit[:5]) + (", ..." if len(hit) > 5 else "")
            word = "index" if len(hit) == 1 else "indices"
            best = (len(hit) / n, f"at {word} {indices}{along}")
    return best[1]


def wrong_axis(m: Mismatch) -> Iterable[Match]:
    """claimed is constant or summed along an axis along which the reference is not."""
    r = blocks(m, m.reference)
    ways: tuple[tuple[str, Callable[[Any, int], Any]], ...] = (
        ("its mean", lambda a, k: a.mean(axis=k, keepdims=True)),
        ("its sum", lambda a, k: a.sum(axis=k, keepdims=True)),
        ("its first slice", lambda a, k: a.take([0], axis=k)),
        ("its last slice", lambda a, k: a.take([-1], axis=k)),
        ("its running sum", lambda a, k: np.cumsum(a, axis=k)),
        ("its running sum from the end", lambda a, k: np.flip(np.cumsum(np.flip(a, k), axis=k), k)),
        ("its differences", lambda a, k: np.diff(a, axis=k, prepend=0.0)),
        ("its value less the mean", lambda a, k: a - a.mean(axis=k, keepdims=True)),
    )
    for axis in range(1, r.ndim):
        if r.shape[axis] < 2:
            continue
        which = _AXES[axis - 1] if axis <= len(_AXES) else f"{axis}th"
        along = (
            f"along the {which} axis of {m.input_name}" if r.ndim > 2 else f"along {m.input_name}"
        )
        for text, way in ways:
            made = np.broadcast_to(way(r, axis), r.shape).reshape(m.reference.shape)
            if np.allclose(made, m.reference, rtol=1e-9, atol=0):
                continue
            found = list(
                m.matched(
                    "F09",
                    f"claimed is the true derivative replaced by {text} {along}",
                    made,
                    least=0.999,
                )
            )
            if found:
                yield from found
                return
