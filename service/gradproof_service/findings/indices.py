"""GP110: indices outside their axis, where a read gives a fill value and a write is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.domains import entries, places
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View
from gradproof_service.ops.record import Site

READS = frozenset({"take", "take_along_axis", "gather_nd", "index_get"})
WRITES = frozenset({"scatter_elements", "scatter_nd", "index_set"})
FIRST = {"index_get": 1, "index_set": 2}
"""The first index operand of the ops whose indices are spelled in an attribute."""
BLOCKS = {"dynamic_slice": 1, "dynamic_update_slice": 2}
"""The first start operand of the ops that clamp where they begin."""


def spelled_sides(text: str, shape: Shape) -> Iterator[int]:
    """For each index operand of a spec such as `0,::2,array` the length of the axis it selects from."""
    words = [word.strip() for word in text.split(",")]
    taken = sum(word not in ("new", "...") for word in words)
    axis = 0
    for word in words:
        if word == "...":
            axis += len(shape) - taken
        elif word != "new":
            if word == "array":
                yield shape[axis]
            axis += 1


def _outside(site: Site, xs: Sequence[Array | None]) -> tuple[Array, Array] | None:
    """Where an index operand lies outside its axis, and the operand; the first that does."""
    for k, n in _sides(site):
        i = xs[k]
        if i is None or not i.size or i.dtype.kind not in "iu":
            continue
        bad = np.asarray((i < -n) | (i >= n))
        if bad.any():
            return bad, i
    return None


def _sides(site: Site) -> list[tuple[int, Any]]:
    """Each index operand with the length, or the lengths along its last axis, that its indices select from."""
    name, shape = site.op.name, site.ins[0].shape
    if name in FIRST:
        return list(enumerate(spelled_sides(site["spec"], shape), FIRST[name]))
    if name in ("gather_nd", "scatter_nd"):
        shared = site["batch_dims"]
        return [(1, np.array(shape[shared : shared + site.ins[1].shape[-1]]))]
    return [(1, shape[site["axis"]])]


def _said(site: Site, found: tuple[Array, Array], node: int) -> Seen:
    bad, i = found
    at = places(bad)
    what = (
        "reads outside its axis, where there is a fill value and no gradient"
        if site.op.name in READS
        else "writes outside its axis, where nothing is written"
    )
    return Seen(
        f"{what}: index {int(i[at[0]])} into shape {site.ins[0].shape}, in {entries(int(bad.sum()))}",
        node, numbers=(("index", float(i[at[0]])),), elements=at,
    )  # fmt: skip


def _clamped(site: Site, xs: Sequence[Array | None], node: int) -> Seen | None:
    lengths = site.out.shape if site.op.name == "dynamic_slice" else site.ins[1].shape
    for axis, (k, n, m) in enumerate(
        zip(range(BLOCKS[site.op.name], len(xs)), site.ins[0].shape, lengths, strict=False)
    ):
        start = xs[k]
        if start is not None and start.size == 1 and not 0 <= int(start.flat[0]) <= n - m:
            return Seen(
                f"begins at {int(start.flat[0])} along axis {axis}, where a block of {m} does not fit into {n}: it "
                "is moved inside", node, numbers=(("start", float(start.flat[0])),),
            )  # fmt: skip
    return None


def _found(site: Site, xs: Sequence[Array | None], node: int) -> Seen | None:
    if site.op.name in BLOCKS:
        return _clamped(site, xs, node)
    found = _outside(site, xs)
    return None if found is None else _said(site, found, node)


def _fixed(look: Look, k: int) -> Seen | None:
    """What indices that are written into the program show without a point."""
    return _found(look.graph.sites[k], [_constant(look, v) for v in look.graph.operands[k]], k)


def _constant(look: Look, v: int) -> Array | None:
    node = look.made[look.bare(v)]
    if node < 0 or look.graph.sites[node].op.name != "constant":
        return None
    array: Array = look.graph.sites[node]["value"].array
    return array if array.shape == look.graph.types[v].shape else None


def _seen(view: View, k: int) -> Seen | None:
    return _found(view.graph.sites[k], [view.values[v] for v in view.graph.operands[k]], k)


OUT_OF_RANGE = Rule(
    "GP110", "index-out-of-range", Severity.WARNING, "An index lies outside the axis that it selects from.",
    "Nothing raises inside a program: a read gives NaN or the fill value, a write is lost, a block is moved inside.",
    "Correct the index, or clip it on purpose.",
    Example("sum(take(x, i))", {"x": [1.0, 2.0, 3.0], "i": [0, 3]}),
    Example("sum(take(x, i))", {"x": [1.0, 2.0, 3.0], "i": [0, 2]}),
    also=Example("sum(take(x, 3))", {"x": [1.0, 2.0, 3.0]}),
    ops=(*sorted(READS), *sorted(WRITES), *sorted(BLOCKS)), look=_fixed, see=_seen, possible=Severity.WARNING,
)  # fmt: skip

RULES = (OUT_OF_RANGE,)
