"""A derivative graph at identity seeds, cut where the seeds stop being diagonal.

A derivative at all unit seeds at once starts with a diagonal batch: row b holds one number, at place
b. Sign, products and quotients with what does not depend on the seed keep it diagonal, so one vector
stands for it; the first product with a matrix then scales that matrix, where a batch of unit vectors
would have been multiplied by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradproof_service.arrays import Type
from gradproof_service.graph.builder import Builder, Value
from gradproof_service.graph.graph import Graph


@dataclass(frozen=True, slots=True)
class Split:
    """`before` runs once, `after` on the batch.

    `before` takes the inputs without the seed and returns what of the whole graph's outputs does not
    depend on the seed (`plain` says which), then the inputs of `after`. Of those the ones that `rows`
    marks carry the batch axis: one row a unit seed. `after` returns the outputs that do depend on the seed.
    """

    before: Graph
    after: Graph
    plain: tuple[int, ...]
    rows: tuple[bool, ...]


@dataclass(slots=True)
class _Cut:
    """The walk over the whole graph."""

    xp: Builder
    graph: Graph
    ids: dict[int, int] = field(default_factory=dict[int, int])
    """Values that do not depend on the seed, in `before`."""
    diagonals: dict[int, Value | None] = field(default_factory=dict[int, "Value | None"])
    """Diagonal values by their diagonal; None: all ones."""
    rows: dict[int, Value] = field(default_factory=dict[int, Value])
    """Values whose whole batch `before` holds, as arrays with the batch in front."""


def split_at_identity(graph: Graph, seed: int) -> Split:
    """Cut a derivative graph at the identity of its input number `seed`, the last one."""
    types = graph.types
    cut = _Cut(Builder(f"before_{graph.name}"), graph)
    for i, name in enumerate(graph.inputs):
        if i != seed:
            cut.ids[i] = cut.xp.input(name, types[i]).id
    cut.diagonals[seed] = None
    batched: list[int] = []
    for k, op, site, operands, outs in graph.nodes():
        cut.xp.location = graph.location(k)
        if all(v in cut.ids for v in operands):
            first = cut.xp.add_once(site, tuple([cut.ids[v] for v in operands]))
            cut.ids.update(zip(outs, range(first, first + len(outs)), strict=True))
        elif not (len(outs) == 1 and _stays_apart(cut, op.name, operands, outs[0])):
            batched.append(k)
    return _joined(cut, batched)


def _stays_apart(cut: _Cut, op: str, operands: Sequence[int], out: int) -> bool:
    """Whether `before` can hold a seed-dependent value: as a diagonal, or as all its rows."""
    types, xp = cut.graph.types, cut.xp
    at = [i for i, v in enumerate(operands) if v in cut.diagonals]
    if len(at) != 1 or len(operands) > 2:
        return False
    v = operands[at[0]]
    diagonal = cut.diagonals[v]
    if len(operands) == 1:
        if op != "negative":
            return False
        ones = xp.constant(np.ones(types[v].shape, types[v].dtype))
        cut.diagonals[out] = xp.apply("negative", ones if diagonal is None else diagonal)
        return True
    other = operands[1 - at[0]]
    if other not in cut.ids:
        return False
    w = xp.value(cut.ids[other])
    if op == "multiply" and w.type is types[v] is types[out]:
        cut.diagonals[out] = w if diagonal is None else diagonal * w
        return True
    if op == "divide" and at[0] == 0 and w.type is types[v] is types[out]:
        cut.diagonals[out] = xp.apply("reciprocal", w) if diagonal is None else diagonal / w
        return True
    if op == "matmul" and types[v].rank == 1 and w.rank == 2 and w.dtype == types[v].dtype:
        matrix = xp.matrix_transpose(w) if at[0] == 1 else w
        column = None if diagonal is None else xp.expand_dims(diagonal, axes=(-1,))
        cut.rows[out] = matrix if column is None else column * matrix
        return True
    return False


def _joined(cut: _Cut, batched: list[int]) -> Split:
    """The two graphs, and what the second takes from the first."""
    graph, xp = cut.graph, cut.xp
    after = Builder(f"after_{graph.name}")
    dependent = [v for v in graph.outputs if v not in cut.ids]
    made = {v for k in batched for v in _outs(graph, k)}
    read = dict.fromkeys(v for k in batched for v in graph.operands[k] if v not in made)
    read.update(dict.fromkeys(v for v in dependent if v not in made))
    constant = _constants(graph, read)
    places: dict[int, int] = {}
    handed: list[Value] = []
    rows: list[bool] = []
    for v in read:
        if v in constant:
            continue
        whole = v not in cut.ids
        handed.append(_all_rows(cut, v) if whole else xp.value(cut.ids[v]))
        rows.append(whole)
        places[v] = after.input(f"v{v}", graph.types[v]).id
    for k in (*dict.fromkeys(constant.values()), *batched):
        first = after.add_once(graph.sites[k], tuple([places[v] for v in graph.operands[k]]))
        outs = _outs(graph, k)
        places.update(zip(outs, range(first, first + len(outs)), strict=True))
    plain = tuple(o for o, v in enumerate(graph.outputs) if v in cut.ids)
    kept = [xp.value(cut.ids[graph.outputs[o]]) for o in plain]
    return Split(
        xp.finish([*kept, *handed]),
        after.finish([after.value(places[v]) for v in dependent]),
        plain,
        tuple(rows),
    )


def _constants(graph: Graph, read: Iterable[int]) -> dict[int, int]:
    """Values that no input reaches and that `read` needs, with the nodes that make them, in order."""
    makers: dict[int, int] = {}
    for k, _, _, operands, outs in graph.nodes():
        if all(v in makers for v in operands):
            makers.update(dict.fromkeys(outs, k))
    needed = {v for v in read if v in makers}
    for k in range(len(graph) - 1, -1, -1):
        if any(v in needed for v in _outs(graph, k)):
            needed.update(graph.operands[k])
    return {v: k for v, k in makers.items() if v in needed}


def _outs(graph: Graph, k: int) -> range:
    return range(graph.first[k], graph.first[k] + len(graph.sites[k].outs))


def _all_rows(cut: _Cut, v: int) -> Value:
    """The whole batch of a value that `before` holds, of shape (seeds, *core)."""
    found = cut.rows.get(v)
    if found is not None:
        return found
    xp, t = cut.xp, cut.graph.types[v]
    diagonal = cut.diagonals[v]
    if diagonal is None:
        return _whole(xp, xp.constant(np.eye(t.size, dtype=t.dtype)), t)
    square = xp.apply("diag_embed", xp.reshape(diagonal, shape=(t.size,)))
    return _whole(xp, square, t)


def _whole(xp: Any, square: Value, t: Type) -> Value:
    return xp.reshape(square, shape=(t.size, *t.shape))
