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
from gradproof_service.checking.causes.constants import Sizes
from gradproof_service.checking.causes.edits import Edit, Use, edits_of
from gradproof_service.checking.causes.flow import Flow, sweep
from gradproof_service.checking.causes.mismatch import Match, plural
from gradproof_service.diagnostic import Location

SWEEPS = 60
"""Most reverse sweeps that mistakes at every use of an op may cost."""
SWEEP_NODES = 12000
"""Most nodes that those sweeps may visit together."""
SHOWN = 6
"""Places named in a sentence; the class itself is given whole."""
TERMS = 40
"""Most distinct contributions that pairs are formed of."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One (place, mistake) whose prediction is the claim. Lower `cost` is the plainer story."""

    node: int
    code: str
    says: str
    cost: int


def localise(flow: Flow, sizes: Sizes) -> list[Match]:
    """The classes of places that explain the claim, the plainest first; empty when none does."""
    if not flow.uses or not np.isfinite(flow.claimed).all() or not np.isfinite(flow.reference).all():
        return []
    with np.errstate(all="ignore"):
        hits = [*_scaled(flow, sizes), *_edited(flow)]
        if hits:
            return _classes(flow, hits)
        return _op_wide(flow) or _pairs(flow, sizes) or _open_world(flow)


def _tolerance(flow: Flow, *terms: Array) -> Array:
    """What may be left over, entry by entry: the bars, and rounding of the terms themselves."""
    top = max(float(np.abs(t).max(initial=0.0)) for t in terms)
    gap = float(np.abs(flow.gap).max(initial=0.0))
    return 2 * flow.bar + 1e-9 * gap + 1e-13 * top


def _equations(flow: Flow, prediction: Array) -> int:
    """Entries that say something about a prediction."""
    tolerance = _tolerance(flow, prediction)
    return int(((np.abs(flow.gap) > tolerance) | (np.abs(prediction) > tolerance)).sum())


def _fit(target: Array, term: Array) -> float:
    """The factor by which `term` comes closest to `target`, 0 when there is no term."""
    size = float(np.vdot(term, term))
    return float(np.vdot(term, target)) / size if size > 0 and np.isfinite(size) else 0.0


def _scaled(flow: Flow, sizes: Sizes) -> Iterator[Hit]:
    """Contributions multiplied by a constant: of each use, and of each value used several times."""
    uses: dict[int, list[Use]] = {}
    for use in flow.uses:
        uses.setdefault(use.value, []).append(use)
        yield from _scale_of(flow, sizes, use, use.x_bar, several=False)
    for value, here in uses.items():
        if len(here) < 2:
            continue
        whole = here[0]
        total = flow.bars[value]
        yield from _scale_of(flow, sizes, whole, total, several=True)
        if len(here) > 2:
            for use in here:
                term = flow.pushed(value, use.x_bar - total)
                if _left(flow, term, 1.0):
                    says = f"only {label_of(flow, use)} of {len(here)} uses of {value_label(flow, value)} is counted"
                    yield Hit(use.node, "F05", says, 0)


def _scale_of(flow: Flow, sizes: Sizes, use: Use, cotangent: Array, *, several: bool) -> Iterator[Hit]:
    term = flow.pushed(use.value, cotangent)
    s = _fit(flow.gap, term)
    if not s or not _left(flow, term, s):
        return
    named = sizes.name(1.0 + s)
    if named is None or (_equations(flow, term) < 2 and named.value not in (0.0, 2.0, 0.5, -1.0)):
        return
    value = value_label(flow, use.value)
    what = f"the whole cotangent of {value}" if several else f"the contribution to {value}"
    through = "" if several else f" through {label_of(flow, use)}"
    if named.value == 0:
        yield Hit(use.node, "F05", f"{what}{through} is missing", 0)
        return
    natural = use.op in ("mean", "sum", "var", "std") and use.site.ins[0].size and (
        round(max(abs(named.value), 1 / abs(named.value)))
        == use.site.ins[0].size // max(1, use.site.out.size)
    )  # fmt: skip
    story = f": {named.story}" if named.story else ""
    yield Hit(use.node, "F01", f"{what}{through} is {named.text} times what it should be{story}", 0 if natural else 1)


def _edited(flow: Flow) -> Iterator[Hit]:
    for use in flow.uses:
        right = flow.pushed(use.value, use.x_bar)
        flow.mismatch.scene.tick()
        for edit in edits_of(use):
            hit = _priced(flow, use, edit, right)
            if hit is not None:
                yield hit


def _priced(flow: Flow, use: Use, edit: Edit, right: Array) -> Hit | None:
    made = edit.make()
    if made is None or made.shape != use.x_bar.shape or not np.isfinite(made).all():
        return None
    term = flow.pushed(use.value, made)
    target = flow.gap + right
    s = _fit(target, term)
    near = next((c for c in (1.0, -1.0, 2.0, 0.5) if abs(s - c) <= 1e-6), None)
    if near is None or np.abs(term * near - right).max(initial=0.0) <= _tolerance(flow, right).max(initial=0.0):
        return None
    if (near != 1.0 and _equations(flow, term) < 2) or not _same(flow, target, near * term, right):
        return None
    times = "" if near == 1.0 else f", times {near:g}"
    says = f"at {label_of(flow, use)}, operand {value_label(flow, use.value)}: {edit.says}{times}"
    return Hit(use.node, edit.code, says, 2 if near != 1.0 else 0 if edit.plain else 1)


def _left(flow: Flow, term: Array, s: float) -> bool:
    """Whether s times the term is the whole difference."""
    return _same(flow, flow.gap, s * term, flow.claimed)


def _same(flow: Flow, target: Array, made: Array, *terms: Array) -> bool:
    left = np.abs(target - made)
    return bool((left <= _tolerance(flow, target, made, *terms)).all())


def _classes(flow: Flow, hits: Sequence[Hit]) -> list[Match]:
    """The plainest story first, with the nodes of every story as plain: all of them fit alike."""
    cheapest = min(h.cost for h in hits)
    kept = sorted((h for h in hits if h.cost <= max(1, cheapest)), key=lambda h: (h.cost, h.node))
    nodes = list(dict.fromkeys(h.node for h in kept))
    stories: dict[str, Hit] = {}
    for hit in kept:
        stories.setdefault(hit.code, hit)
    matches: list[Match] = []
    for hit in stories.values():
        text = hit.says
        if len(nodes) > 1:
            text += f"; the numbers cannot tell it from a mistake at {_listed(flow, [n for n in nodes if n != hit.node])}"
        matches.append(_match(flow, hit.code, text, nodes))
    return matches


def _op_wide(flow: Flow) -> list[Match]:
    """The same mistake at every use of an op: one reverse sweep for each."""
    by_op: dict[str, list[Use]] = {}
    for use in flow.uses:
        by_op.setdefault(use.op, []).append(use)
    budget = min(SWEEPS, SWEEP_NODES // max(1, len(flow.mismatch.scene.graph)))
    found: list[Match] = []
    for op, uses in sorted(by_op.items(), key=lambda p: -len(p[1])):
        if len({u.node for u in uses}) < 2:
            continue
        names = [(n, says, code) for n, says, code in _names(uses)]
        for name, says, code in names:
            if budget <= 0:
                return found
            budget -= 1
            made = sweep(flow, wrong=lambda u, op=op, name=name: u.x_bar if u.op != op else _wrong(u, name))
            if not np.isfinite(made).all():
                continue
            seen = made if made.shape[1] == flow.claimed.shape[1] else made @ flow.directions.T
            if _same(flow, flow.claimed, seen, flow.reference):
                nodes = sorted({u.node for u in uses})
                found.append(_match(flow, code, f"at every {op} ({len(nodes)} of them): {says}", nodes))
    return found[:2]


_SCALES = {"twice": (2.0, "it is counted twice"), "half": (0.5, "a factor 2 is missing"),
           "turned": (-1.0, "the sign is turned"), "dropped": (0.0, "its contribution is missing")}  # fmt: skip


def _names(uses: Sequence[Use]) -> Iterator[tuple[str, str, str]]:
    for name, (c, says) in _SCALES.items():
        yield name, says, "F05" if c == 0 else "F01"
    slots: dict[int, Use] = {}
    for use in uses:
        slots.setdefault(use.operand, use)
    for slot, use in slots.items():
        for edit in edits_of(use):
            yield f"{slot}:{edit.name}", edit.says, edit.code


def _wrong(use: Use, name: str) -> Array:
    if name in _SCALES:
        return use.x_bar * _SCALES[name][0]
    slot, edit_name = name.split(":", 1)
    if int(slot) != use.operand:
        return use.x_bar
    made = next((e.make() for e in edits_of(use) if e.name == edit_name), None)
    return use.x_bar if made is None or made.shape != use.x_bar.shape else made


def _pairs(flow: Flow, sizes: Sizes) -> list[Match]:
    """Two contributions wrong by a simple factor each, or one subexpression's gradient added."""
    terms: list[tuple[str, int, Array]] = []
    for use in flow.uses:
        term = flow.pushed(use.value, use.x_bar)
        text = f"the contribution to {value_label(flow, use.value)} through {label_of(flow, use)}"
        terms.append((text, use.node, term))
    graph = flow.mismatch.scene.graph
    made = graph.producer()
    if len(flow.claimed) == 1:
        terms += [
            (f"the gradient of {value_label(flow, v)}", made[v], t.T)
            for v, t in flow.tangents.items()
            if graph.types[v].size == 1 and made[v] >= 0
        ]
    distinct: list[tuple[str, int, Array]] = []
    for text, node, term in terms:
        size = np.linalg.norm(term)
        if size <= np.linalg.norm(_tolerance(flow, term)):
            continue
        if all(abs(abs(np.vdot(term, d)) - size * np.linalg.norm(d)) > 1e-9 * size * np.linalg.norm(d) for _, _, d in distinct):
            distinct.append((text, node, term))
        if len(distinct) >= TERMS:
            break
    simple = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
    for text, node, term in distinct:
        s = _fit(flow.gap, term)
        near = next((c for c in simple if abs(s - c) < 1e-6), None)
        if near is not None and _left(flow, term, near):
            return [_match(flow, "F06", f"claimed = true {_signed(near)} {text}", [node])]
    if flow.gap.size < 5:
        return []
    for a, (text, node, first) in enumerate(distinct):
        for other_text, other_node, second in distinct[a + 1 :]:
            factors = _two(flow.gap, first, second)
            near = [next((c for c in simple if abs(f - c) < 1e-6), None) for f in factors]
            if near[0] is None or near[1] is None:
                continue
            if _same(flow, flow.gap, near[0] * first + near[1] * second, flow.claimed):
                says = f"claimed = true {_signed(near[0])} {text} {_signed(near[1])} {other_text}"
                return [_match(flow, "F06", says, sorted({node, other_node}))]
    return []


def _two(target: Array, a: Array, b: Array) -> tuple[float, float]:
    aa, bb, ab = float(np.vdot(a, a)), float(np.vdot(b, b)), float(np.vdot(a, b))
    det = aa * bb - ab * ab
    if det <= 1e-12 * aa * bb:
        return 0.0, 0.0
    ta, tb = float(np.vdot(a, target)), float(np.vdot(b, target))
    return (bb * ta - ab * tb) / det, (aa * tb - ab * ta) / det


def _signed(c: float) -> str:
    size = "" if abs(c) == 1 else f"{abs(c):g} times "
    return f"{'-' if c < 0 else '+'} {size}".rstrip() if not size else f"{'-' if c < 0 else '+'} {size.strip()}"


def _open_world(flow: Flow) -> list[Match]:
    """Values in whose tangents the whole difference lies: any wrong rule whatever behind them."""
    gap = flow.gap
    readers: dict[int, set[int]] = {}
    for use in flow.uses:
        readers.setdefault(use.value, set()).add(use.node)
    equations = gap.shape[1]
    found: list[tuple[int, int]] = []
    for v, tangent in flow.tangents.items():
        if v not in readers or v == flow.mismatch.i or min(tangent.shape) > 128:
            continue
        u, sizes, _ = np.linalg.svd(tangent, full_matrices=False)
        rank = int((sizes > 1e-10 * sizes.max(initial=0.0)).sum())
        if not rank or equations - rank < 3:
            continue
        u = u[:, :rank]
        left = gap - (gap @ u) @ u.T
        if (np.abs(left) <= _tolerance(flow, gap)).all():
            found.append((rank, v))
    if not found:
        return []
    nodes = sorted({n for _, v in found for n in readers[v]})
    values = [value_label(flow, v) for _, v in sorted(found)]
    if len(values) > SHOWN:
        return []
    some = "the cotangent of " + (values[0] if len(values) == 1 else f"one of {', '.join(values)}")
    text = f"the difference has the form of a mistake in {some}, by a rule that is none of the usual ones"
    return [_match(flow, "F16", text, nodes)]


def label_of(flow: Flow, use: Use) -> str:
    """How a person would name the node of a use."""
    return flow.mismatch.scene.graph.node_label(use.node)


def value_label(flow: Flow, v: int) -> str:
    """An input's name, or the label of the node that makes the value."""
    graph = flow.mismatch.scene.graph
    made = graph.producer()[v]
    return graph.inputs[v] if made < 0 else graph.node_label(made)


def _listed(flow: Flow, nodes: Sequence[int]) -> str:
    graph = flow.mismatch.scene.graph
    labels = list(dict.fromkeys(graph.node_label(n) for n in nodes))
    shown = ", ".join(labels[:SHOWN])
    more = len(labels) - SHOWN
    return f"{shown} and {plural(more, 'other node')}" if more > 0 else shown


def _match(flow: Flow, code: str, text: str, nodes: Sequence[int]) -> Match:
    graph = flow.mismatch.scene.graph
    labels = tuple(dict.fromkeys(graph.node_label(n) for n in nodes if n >= 0))
    places: dict[Location, None] = {graph.location(n): None for n in nodes if n >= 0}
    return Match(code, text, 1.0, True, labels, tuple(p for p in places if p))
