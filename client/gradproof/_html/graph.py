"""The checked function as a drawing: a box for each node, coloured by what was measured there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite, log10, nan
from typing import Final

from gradproof_proto.v1 import check_pb2 as pb
from markupsafe import Markup

from gradproof._html.colours import css, ink, level_of
from gradproof._html.layout import layers

SHOWN: Final = 240
"""Most nodes drawn; of a larger graph the ones that matter most are shown with what they read."""
_BOX_WIDTH, _BOX_HEIGHT, _GAP_X, _GAP_Y = 118, 40, 14, 34
_MODES: Final = (
    ("cotangent", "adjoint size"), ("lost", "lost digits"), ("suspicion", "suspicion"),
)  # fmt: skip


def graph_figure(
    nodes: Sequence[pb.NodeEvidence], suspects: Mapping[str, float], name: str
) -> Markup | None:
    """The drawing, its colours switched by the page's script; `suspects` gives node labels a suspicion from 0 to 1.

    None for a graph without nodes.
    """
    if not nodes:
        return None
    kept = _kept(nodes, suspects)
    seat = {v: i for i, v in enumerate(kept)}
    operands = [[seat[v] for v in nodes[k].operands if v in seat] for k in kept]
    rows = layers(operands)
    wide = max(len(row) for row in rows)
    width = wide * (_BOX_WIDTH + _GAP_X) + _GAP_X
    height = len(rows) * (_BOX_HEIGHT + _GAP_Y) + _GAP_Y
    at: dict[int, tuple[float, float]] = {}
    for depth, row in enumerate(rows):
        start = (width - len(row) * (_BOX_WIDTH + _GAP_X) + _GAP_X) / 2
        for i, k in enumerate(row):
            at[k] = (start + i * (_BOX_WIDTH + _GAP_X), _GAP_Y / 2 + depth * (_BOX_HEIGHT + _GAP_Y))
    levels = _levels([nodes[k] for k in kept], suspects)
    edges = Markup("").join(
        _edge(at[v], at[k], seat_from=v, seat_to=k) for k, mine in enumerate(operands) for v in mine
    )
    boxes = Markup("").join(
        _box(nodes[kept[k]], k, at[k], levels, suspects) for k in range(len(kept))
    )
    buttons = Markup("").join(
        Markup('<label><input type="radio" name="{}" value="{}"{}> {}</label>').format(
            f"colour-{name}", mode, Markup(" checked") if mode == "cotangent" else "", label
        )
        for mode, label in _MODES
    )
    left_out = len(nodes) - len(kept)
    note = (
        f"{left_out} of {len(nodes)} nodes are left out: those shown matter most. "
        if left_out
        else ""
    )
    return Markup(
        '<div class="graph" data-figure="graph"><div class="modes" hidden role="radiogroup" aria-label="colour nodes by">{}</div>'
        '<div class="scroll"><svg viewBox="0 0 {} {}" width="{}" height="{}" role="img" aria-label="{}">{}{}</svg></div>'
        '<p class="readout" aria-live="polite">{}<span class="hint" hidden>Click a node to see its numbers and its line.</span></p></div>'
    ).format(buttons, width, height, width, height, f"Graph of {name}", edges, boxes, note)


def _kept(nodes: Sequence[pb.NodeEvidence], suspects: Mapping[str, float]) -> list[int]:
    if len(nodes) <= SHOWN:
        return list(range(len(nodes)))
    order = sorted(
        range(len(nodes)),
        key=lambda k: (-suspects.get(nodes[k].label, 0.0), -nodes[k].lost_digits, bool(nodes[k].op), -k),
    )  # fmt: skip
    return sorted(order[:SHOWN])


def _levels(
    nodes: Sequence[pb.NodeEvidence], suspects: Mapping[str, float]
) -> dict[str, list[tuple[float, str]]]:
    """For each mode and node a level in [0, 1] and the number as it is written in the box."""
    sizes = [log10(n.cotangent_norm) if 0 < n.cotangent_norm < float("inf") else nan for n in nodes]
    known = [s for s in sizes if isfinite(s)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    return {
        "cotangent": [
            (level_of(s, low, high) if isfinite(s) else nan, f"|adj| {n.cotangent_norm:.2g}")
            for n, s in zip(nodes, sizes, strict=True)
        ],
        "lost": [(level_of(n.lost_digits, 0, 16), f"{n.lost_digits:.1f} digits") for n in nodes],
        "suspicion": [
            (suspects.get(n.label, 0.0), f"{100 * suspects.get(n.label, 0.0):.0f} %") for n in nodes
        ],
    }


def _edge(start: tuple[float, float], end: tuple[float, float], *, seat_from: int, seat_to: int) -> Markup:  # fmt: skip
    x1, y1 = start[0] + _BOX_WIDTH / 2, start[1] + _BOX_HEIGHT
    x2, y2 = end[0] + _BOX_WIDTH / 2, end[1]
    bend = max(12.0, (y2 - y1) / 2)
    return Markup(
        '<path class="edge" data-from="{}" data-to="{}" d="M{:.1f} {:.1f} C{:.1f} {:.1f} {:.1f} {:.1f} {:.1f} {:.1f}"/>'
    ).format(seat_from, seat_to, x1, y1, x1, y1 + bend, x2, y2 - bend, x2, y2)


def _box(
    node: pb.NodeEvidence, seat: int, at: tuple[float, float],
    levels: Mapping[str, list[tuple[float, str]]], suspects: Mapping[str, float],
) -> Markup:  # fmt: skip
    shades = {
        mode: {
            "fill": css(entries[seat][0]),
            "ink": ink(entries[seat][0]),
            "text": entries[seat][1],
        }
        for mode, entries in levels.items()
    }
    shape = "x".join(map(str, node.shape)) or "one number"
    place = node.location
    told = (
        f"{node.label}: {node.op or 'input'}, {shape}, |value| {node.value_norm:.4g}, "
        f"|adjoint| {node.cotangent_norm:.4g}, {node.lost_digits:.1f} digits lost"
        + (f", {place.file}:{place.line}" if place.line else "")
    )
    first = shades["cotangent"]
    suspected = suspects.get(node.label, 0.0) > 0
    return Markup(
        '<g class="node{}" tabindex="0" role="button" data-seat="{}" data-label="{}" data-told="{}" data-shades="{}" '
        'transform="translate({:.1f} {:.1f})"><title>{}</title><rect class="{}" width="{}" height="{}" rx="{}" fill="{}"/>'
        '<text x="{}" y="17" fill="{}">{}</text><text class="small" x="{}" y="32" fill="{}">{}</text></g>'
    ).format(
        " suspect" if suspected else "", seat, node.label, told, json.dumps(shades), at[0], at[1], told,
        "box" if node.op else "box input", _BOX_WIDTH, _BOX_HEIGHT, 6 if node.op else 20, first["fill"],
        _BOX_WIDTH / 2, first["ink"], node.label[:16], _BOX_WIDTH / 2, first["ink"], first["text"],
    )  # fmt: skip
