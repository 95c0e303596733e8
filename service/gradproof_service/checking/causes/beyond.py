"""Mistakes in more than one place: an op wrong at every use, two terms at once, or any rule at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.edits import edits_of
from gradproof_service.checking.causes.flow import Flow, sweep
from gradproof_service.checking.causes.mismatch import Match
from gradproof_service.checking.causes.places import (
    SHOWN,
    explains,
    fit,
    label_of,
    place,
    same,
    tolerance,
    value_label,
)
from gradproof_service.checking.causes.use import Use

SWEEPS = 60
"""Most reverse sweeps that mistakes at every use of an op may cost."""
SWEEP_NODES = 12000
"""Most nodes that those sweeps may visit together."""
TERMS = 40
"""Most distinct contributions that pairs are formed of."""


def op_wide(flow: Flow) -> list[Match]:
    """The same mistake at every use of an op: one reverse sweep for each."""
    by_op: dict[str, list[Use]] = {}
    for use in flow.uses:
        by_op.setdefault(use.op, []).append(use)
    budget = min(SWEEPS, SWEEP_NODES // max(1, len(flow.mismatch.scene.graph)))
    # a rule with a slope of its own is misremembered more often than that of a sum
    for op, uses in sorted(by_op.items(), key=lambda p: (bool(p[1][0].site.op.linear), -len(p[1]))):
        if len({u.node for u in uses}) < 2:
            continue
        for name, says, code in _names(uses):
            if budget <= 0:
                return []
            budget -= 1
            made = sweep(
                flow, wrong=lambda u, op=op, name=name: u.x_bar if u.op != op else _wrong(u, name)
            )
            if not np.isfinite(made).all():
                continue
            seen = made if flow.whole else made @ flow.directions.T
            if same(flow, flow.claimed, seen, flow.reference):
                nodes = sorted({u.node for u in uses})
                return [place(flow, code, f"at every {op} ({len(nodes)} of them): {says}", nodes)]
    return []


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


def pairs(flow: Flow) -> list[Match]:
    """Two contributions wrong by a simple factor each, or one subexpression's gradient added."""
    terms: list[tuple[str, int, Array]] = []
    for use in flow.uses:
        term = flow.pushed(use.value, use.x_bar)
        text = f"the contribution to {value_label(flow, use.value)} through {label_of(flow, use)}"
        terms.append((text, use.node, term))
    graph = flow.mismatch.scene.graph
    made = flow.made
    if len(flow.claimed) == 1:
        terms += [
            (f"the gradient of {value_label(flow, v)}", made[v], t.T)
            for v, t in flow.tangents.items()
            if graph.types[v].size == 1 and made[v] >= 0
        ]
    distinct: list[tuple[str, int, Array]] = []
    for text, node, term in terms:
        size = np.linalg.norm(term)
        if size <= np.linalg.norm(tolerance(flow, term)):
            continue
        if all(
            abs(abs(np.vdot(term, d)) - size * np.linalg.norm(d)) > 1e-9 * size * np.linalg.norm(d)
            for _, _, d in distinct
        ):
            distinct.append((text, node, term))
        if len(distinct) >= TERMS:
            break
    simple = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
    for text, node, term in distinct:
        s = fit(flow.gap, term)
        near = next((c for c in simple if abs(s - c) < 1e-6), None)
        if near is not None and explains(flow, term, near):
            return [place(flow, "F06", f"claimed = true {_signed(near)} {text}", [node])]
    if flow.gap.size < 5:
        return []
    for a, (text, node, first) in enumerate(distinct):
        for other_text, other_node, second in distinct[a + 1 :]:
            factors = _two(flow.gap, first, second)
            near = [next((c for c in simple if abs(f - c) < 1e-6), None) for f in factors]
            if near[0] is None or near[1] is None:
                continue
            if same(flow, flow.gap, near[0] * first + near[1] * second, flow.claimed):
                says = f"claimed = true {_signed(near[0])} {text} {_signed(near[1])} {other_text}"
                return [place(flow, "F06", says, sorted({node, other_node}))]
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
    return (
        f"{'-' if c < 0 else '+'} {size}".rstrip()
        if not size
        else f"{'-' if c < 0 else '+'} {size.strip()}"
    )


def open_world(flow: Flow) -> list[Match]:
    """Values in whose tangents the whole difference lies: any wrong rule whatever behind them."""
    gap = flow.gap
    readers: dict[int, set[int]] = {}
    for use in flow.uses:
        readers.setdefault(use.value, set()).add(use.node)
    equations = gap.shape[1]
    found: list[tuple[int, int]] = []
    for v, tangent in flow.tangents.items():
        if v not in readers or v == flow.mismatch.i or not _narrow(tangent):
            continue
        u, sizes, _ = np.linalg.svd(tangent, full_matrices=False)
        rank = int((sizes > 1e-10 * sizes.max(initial=0.0)).sum())
        if not rank or equations - rank < 3:
            continue
        u = u[:, :rank]
        left = gap - (gap @ u) @ u.T
        if (np.abs(left) <= tolerance(flow, gap)).all():
            found.append((rank, v))
    if not found:
        return []
    nodes = sorted({n for _, v in found for n in readers[v]})
    values = [value_label(flow, v) for _, v in sorted(found)]
    if len(values) > SHOWN:
        return []
    some = "the cotangent of " + (values[0] if len(values) == 1 else f"one of {', '.join(values)}")
    text = f"the difference has the form of a mistake in {some}, by a rule that is none of the usual ones"
    return [replace(place(flow, "F16", text, nodes), weak=True)]


def _narrow(tangent: Array) -> bool:
    """Whether the tangents (K, size) may span fewer than K directions: cheap, errs to yes."""
    if tangent.shape[1] < tangent.shape[0]:
        return True
    spectrum = np.linalg.eigvalsh(tangent @ tangent.T)
    return bool(spectrum[0] <= 1e-11 * spectrum[-1])
