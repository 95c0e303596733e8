"""Where one wrong rule sits: every (node, operand, mistake) is asked what it would have claimed.

Reverse mode is linear in the cotangent, so a wrong local rule at one use of one value changes
the claim by exactly J_child^T dx_bar, and one batch of tangents and cotangents prices every
candidate at one inner product. Uses in series carry the same flow and cannot be told apart: what
comes back is the whole class of places that explain the claim, never one picked from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.beyond import op_wide, open_world, pairs
from gradproof_service.checking.causes.constants import Sizes
from gradproof_service.checking.causes.edits import edits_of
from gradproof_service.checking.causes.flow import Flow
from gradproof_service.checking.causes.mismatch import Match
from gradproof_service.checking.causes.places import (
    equations,
    explains,
    fit,
    label_of,
    listed,
    place,
    same,
    tolerance,
    value_label,
)
from gradproof_service.checking.causes.use import Edit, Use

FACTORS = np.array([1.0, -1.0, 2.0, 0.5])
"""By which a mistaken rule may be off on top of its mistake."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One (place, mistake) whose prediction is the claim. Lower `cost` is the plainer story."""

    nodes: tuple[int, ...]
    code: str
    says: str
    cost: int


def localise(flow: Flow, sizes: Sizes) -> list[Match]:
    """The classes of places that explain the claim, the plainest first; empty when none does."""
    if (
        not flow.uses
        or not np.isfinite(flow.claimed).all()
        or not np.isfinite(flow.reference).all()
    ):
        return []
    with np.errstate(all="ignore"):
        hits = [*_scaled(flow, sizes), *_edited(flow)]
        if hits:
            return _classes(flow, hits)
        return op_wide(flow) or pairs(flow) or open_world(flow)


def _scaled(flow: Flow, sizes: Sizes) -> Iterator[Hit]:
    """Contributions multiplied by a constant: of each use, and of each value used several times."""
    uses: dict[int, list[Use]] = {}
    for use in flow.uses:
        uses.setdefault(use.value, []).append(use)
        yield from _scale_of(flow, sizes, use, use.x_bar, ())
    out = flow.mismatch.scene.graph.outputs[flow.mismatch.o]
    if flow.made[out] >= 0:
        last = [u for u in flow.uses if u.node == flow.made[out]]
        yield from _whole(flow, sizes, out, last)
    for value, here in uses.items():
        if len(here) < 2:
            continue
        whole = here[0]
        total = flow.bars[value]
        readers = tuple(dict.fromkeys(u.node for u in here))
        yield from _scale_of(flow, sizes, whole, total, readers)
        if len(here) > 2:
            for use in here:
                term = flow.pushed(value, use.x_bar - total)
                if explains(flow, term, 1.0):
                    says = f"only {label_of(flow, use)} of {len(here)} uses of {value_label(flow, value)} is counted"
                    yield Hit((use.node,), "F05", says, 0)


def _whole(flow: Flow, sizes: Sizes, out: int, last: Sequence[Use]) -> Iterator[Hit]:
    """Everything off by one constant: it may have come in with the output's own cotangent."""
    term = flow.pushed(out, flow.bars[out])
    s = fit(flow.gap, term)
    named = sizes.name(1.0 + s) if s and last and explains(flow, term, s) else None
    if named is not None and named.value != 0 and flow.gap.size > 1:
        story = f": {named.story}" if named.story else ""
        says = f"the cotangent of {value_label(flow, out)} is {named.text} times what it should be{story}"
        yield Hit((last[0].node,), "F01", says, 1)


def _scale_of(
    flow: Flow, sizes: Sizes, use: Use, cotangent: Array, readers: tuple[int, ...]
) -> Iterator[Hit]:
    """A use's cotangent off by a named constant; with `readers` the sum over all of them."""
    term = flow.pushed(use.value, cotangent)
    s = fit(flow.gap, term)
    if not s or not explains(flow, term, s):
        return
    named = sizes.name(1.0 + s)
    if named is None or (equations(flow, term) < 2 and named.value not in (0.0, 2.0, 0.5, -1.0)):
        return
    value = value_label(flow, use.value)
    what = f"the whole cotangent of {value}" if readers else f"the contribution to {value}"
    through = "" if readers else f" through {label_of(flow, use)}"
    nodes = readers or (use.node,)
    if named.value == 0:
        yield Hit(nodes, "F05", f"{what}{through} is missing", 0)
        return
    count = use.site.ins[0].size // max(1, use.site.out.size)
    natural = use.op in ("mean", "sum", "var", "std") and count > 1 and (
        round(max(abs(named.value), 1 / abs(named.value))) == count
    )  # fmt: skip
    story = f": {named.story}" if named.story else ""
    says = f"{what}{through} is {named.text} times what it should be{story}"
    yield Hit(nodes, "F01", says, 0 if natural else 1)


def _edited(flow: Flow) -> Iterator[Hit]:
    for use in flow.uses:
        flow.mismatch.scene.tick()
        yield from _edits_at(flow, use)


def _edits_at(flow: Flow, use: Use) -> Iterator[Hit]:
    """Every edit of one use, priced together: one product with the tangents for all of them."""
    edits: list[Edit] = []
    cotangents: list[Array] = []
    for edit in edits_of(use):
        made = edit.make()
        if made is not None and made.shape == use.x_bar.shape and np.isfinite(made).all():
            edits.append(edit)
            cotangents.append(made)
    if not edits:
        return
    tangent = flow.tangents[use.value]
    stack = np.concatenate([c.reshape(len(c), -1) for c in cotangents])
    terms = (stack @ tangent.T).reshape(len(edits), -1)
    right = flow.pushed(use.value, use.x_bar)
    target = flow.gap + right
    factors = (terms @ target.reshape(-1)) / np.einsum("ek,ek->e", terms, terms)
    nearest = FACTORS[np.abs(factors[:, None] - FACTORS).argmin(axis=1)]
    slack = tolerance(flow, right).max(initial=0.0)
    for k in np.flatnonzero(np.abs(factors - nearest) <= 1e-6):
        term, near, edit = terms[k].reshape(right.shape), float(nearest[k]), edits[k]
        if np.abs(term * near - right).max(initial=0.0) <= slack:
            continue
        if (near != 1.0 and equations(flow, term) < 2) or not same(
            flow, target, near * term, right
        ):
            continue
        times = "" if near == 1.0 else f", times {near:g}"
        says = (
            f"at {label_of(flow, use)}, operand {value_label(flow, use.value)}: {edit.says}{times}"
        )
        yield Hit((use.node,), edit.code, says, 2 if near != 1.0 else 0 if edit.plain else 1)


def _classes(flow: Flow, hits: Sequence[Hit]) -> list[Match]:
    """The plainest story first, with the nodes of every story as plain: all of them fit alike."""
    cheapest = min(h.cost for h in hits)
    kept = sorted((h for h in hits if h.cost <= max(1, cheapest)), key=lambda h: (h.cost, h.nodes))
    nodes = list(dict.fromkeys(n for h in kept for n in h.nodes))
    stories: dict[str, Hit] = {}
    for hit in kept:
        if hit.cost == cheapest:
            stories.setdefault(hit.code, hit)
    matches: list[Match] = []
    for hit in stories.values():
        text = hit.says
        others = [n for n in nodes if n not in hit.nodes]
        if others:
            text += f"; the numbers cannot tell it from a mistake at {listed(flow, others)}"
        matches.append(place(flow, hit.code, text, nodes))
    return matches
