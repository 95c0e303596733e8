"""What every search for a place shares: the yardstick, and how places are named."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.flow import Flow
from gradproof_service.checking.causes.mismatch import Match, plural
from gradproof_service.checking.causes.use import Use
from gradproof_service.diagnostic import Location

SHOWN = 6
"""Places named in a sentence; the class itself is given whole."""


def tolerance(flow: Flow, *terms: Array) -> Array:
    """What may be left over, entry by entry: the bars, and rounding of the terms themselves."""
    top = max(float(np.abs(t).max(initial=0.0)) for t in terms)
    gap = float(np.abs(flow.gap).max(initial=0.0))
    return 2 * flow.bar + 1e-9 * gap + 1e-13 * top


def equations(flow: Flow, prediction: Array) -> int:
    """Entries that say something about a prediction."""
    least = tolerance(flow, prediction)
    return int(((np.abs(flow.gap) > least) | (np.abs(prediction) > least)).sum())


def fit(target: Array, term: Array) -> float:
    """The factor by which `term` comes closest to `target`, 0 when there is no term."""
    size = float(np.vdot(term, term))
    return float(np.vdot(term, target)) / size if size > 0 and np.isfinite(size) else 0.0


def explains(flow: Flow, term: Array, s: float) -> bool:
    """Whether s times the term is the whole difference."""
    return same(flow, flow.gap, s * term, flow.claimed)


def same(flow: Flow, target: Array, made: Array, *terms: Array) -> bool:
    """Whether target and made agree within what bars and rounding of the terms allow."""
    left = np.abs(target - made)
    return bool((left <= tolerance(flow, target, made, *terms)).all())


def label_of(flow: Flow, use: Use) -> str:
    """How a person would name the node of a use."""
    return flow.mismatch.scene.graph.node_label(use.node)


def value_label(flow: Flow, v: int) -> str:
    """An input's name, or the label of the node that makes the value."""
    graph = flow.mismatch.scene.graph
    made = flow.made[v]
    return graph.inputs[v] if made < 0 else graph.node_label(made)


def listed(flow: Flow, nodes: Sequence[int]) -> str:
    """Labels in a row, the rest counted."""
    graph = flow.mismatch.scene.graph
    labels = list(dict.fromkeys(graph.node_label(n) for n in nodes))
    shown = ", ".join(labels[:SHOWN])
    more = len(labels) - SHOWN
    return f"{shown} and {plural(more, 'other node')}" if more > 0 else shown


def place(flow: Flow, code: str, text: str, nodes: Sequence[int]) -> Match:
    """The match that names these nodes; what explains within the bars explains everything."""
    graph = flow.mismatch.scene.graph
    labels = tuple(dict.fromkeys(graph.node_label(n) for n in nodes if n >= 0))
    places: dict[Location, None] = {graph.location(n): None for n in nodes if n >= 0}
    return Match(code, text, 1.0, True, labels, tuple(p for p in places if p))
