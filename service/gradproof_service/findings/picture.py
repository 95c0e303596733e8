"""What a drawing of the checked function shows at each node: sizes of values and cotangents, digits lost."""

from __future__ import annotations

from typing import Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.report import NodeSeen
from gradproof_service.diagnostic import NOWHERE
from gradproof_service.findings.view import View

MOST: Final = 2000
"""A drawing of more nodes helps no one."""


def nodes_seen(view: View) -> tuple[NodeSeen, ...]:
    """The inputs, then the nodes; empty for more than `MOST` of them.

    `lost_digits` is log10 of |value| |cotangent| / |outputs|, summed over entries: how much of its own rounding a node passes
    on, relative to the outputs; 0 where it is damped.
    """
    graph = view.graph
    inputs = len(graph.inputs)
    if inputs + len(graph) > MOST:
        return ()
    outs = [view.values[graph.outputs[o]] for o in view.scene.outs]
    size = sum(_norm(y) for y in outs if y is not None)
    seat = list(range(inputs)) + [0] * (len(graph.types) - inputs)
    for k, _, _, _, made in graph.nodes():
        for v in made:
            seat[v] = inputs + k
    seen = [_seen(view, i, name, "", (), i, size) for i, name in enumerate(graph.inputs)]
    for k, op, _, operands, made in graph.nodes():
        read = tuple(dict.fromkeys(seat[v] for v in operands))
        seen.append(_seen(view, k, graph.node_label(k), op.name, read, made[0], size))
    return tuple(seen)


def _seen(
    view: View, node: int, label: str, op: str, operands: tuple[int, ...], v: int, size: float
) -> NodeSeen:
    value, bar = view.values[v], view.bars[v]
    lost = 0.0
    if value is not None and bar is not None and size > 0:
        with np.errstate(all="ignore"):
            passed = float(np.sum(np.abs(value * bar)))
        if passed > size and np.isfinite(passed):
            lost = float(np.log10(passed / size))
    return NodeSeen(
        node, label, op, operands, view.graph.types[v].shape, _norm(value), _norm(bar), lost,
        view.graph.location(node) if op else NOWHERE,
    )  # fmt: skip


def _norm(x: Array | None) -> float:
    with np.errstate(all="ignore"):
        return 0.0 if x is None else float(np.sqrt(np.sum(np.square(x, dtype=np.float64))))
