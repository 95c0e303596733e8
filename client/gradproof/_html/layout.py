"""Where the nodes of a graph stand in a drawing: layers by depth, neighbours near each other.

Layers by longest path, order by a few sweeps of barycentres (Sugiyama, Tagawa, Toda, "Methods for visual understanding of
hierarchical system structures", 1981).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

SWEEPS: Final = 6


def layers(operands: Sequence[Sequence[int]]) -> list[list[int]]:
    """The nodes of each layer from left to right; operands stand before their users in the list and in higher layers."""
    depth: list[int] = []
    for mine in operands:
        depth.append(1 + max((depth[v] for v in mine), default=-1))
    users: list[list[int]] = [[] for _ in operands]
    for k, mine in enumerate(operands):
        for v in mine:
            users[v].append(k)
    for k, mine in enumerate(operands):
        if not mine and users[k]:  # an input stands just above its first user
            depth[k] = max(0, min(depth[u] for u in users[k]) - 1)
    rows: list[list[int]] = [[] for _ in range(max(depth, default=-1) + 1)]
    for k, d in enumerate(depth):
        rows[d].append(k)
    place = [0.0] * len(operands)
    for row in rows:
        _settle(row, place)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else reversed(rows):
            wish = {k: _mean(place, operands[k] if down else users[k], place[k]) for k in row}
            row.sort(key=wish.__getitem__)
            _settle(row, place)
    return rows


def _settle(row: list[int], place: list[float]) -> None:
    for i, k in enumerate(row):
        place[k] = i - (len(row) - 1) / 2


def _mean(place: list[float], nodes: Sequence[int], otherwise: float) -> float:
    return sum(place[v] for v in nodes) / len(nodes) if nodes else otherwise
