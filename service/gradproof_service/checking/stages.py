"""A function cut where everything flows through one value: each stage is looked at alone, by values only.

A stage that acts on each element apart has one slope an element, and one direction shows them all; a
linear stage is the matrix that its kernels make of unit vectors; only what is neither is looked at
element by element. The stages' Jacobians are then multiplied: that is the chain rule, and no rule of
any op. Whether the cuts are right is held against the whole function along a seeded direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from gradproof_service.arrays import Array
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import independent, reaches

Kind = Literal["apart", "linear", "whole"]
"""Each element by itself; linear in all of them together; neither."""
MATRIX = 1 << 21
"""Most entries of a linear stage's matrix, and of what its kernels make of all unit vectors."""


@dataclass(slots=True)
class Stage:
    """From the value `source` to the value `target`: a graph of its own.

    Its inputs are `source` and the `held` values, which do not depend on what is varied but do on the
    point. `matrix` is what a linear stage without such values was found to be, with error bars.
    """

    kind: Kind
    source: int
    target: int
    graph: Graph
    held: tuple[int, ...]
    matrix: list[tuple[Array, Array] | None] = field(
        default_factory=list["tuple[Array, Array] | None"]
    )

    @property
    def size(self) -> int:
        """Elements of the source."""
        return self.graph.types[0].size

    @property
    def elements(self) -> int:
        """Elements of all values in the stage."""
        return sum(t.size for t in self.graph.types)


def stages_of(graph: Graph, i: int, o: int, values: Sequence[Array | None]) -> list[Stage]:
    """The stages from input i to output o, in order; remembered on the graph. Empty where cutting gains nothing.

    `values` are those of the graph at some point, for what does not depend on any input.
    """
    key = ("stages", i, o)
    found: list[Stage] | None = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _staged(graph, i, o, values)
    return found


def _staged(graph: Graph, i: int, o: int, values: Sequence[Array | None]) -> list[Stage]:
    nodes = _between(graph, i, graph.outputs[o])
    fixed = independent(graph)
    parts: list[tuple[Kind, int, int, list[int]]] = []
    source = i
    for target, segment in _segments(graph, i, nodes):
        kind = _kind(graph, source, segment, nodes)
        if parts and parts[-1][0] == kind != "whole":
            parts[-1] = (kind, parts[-1][1], target, parts[-1][3] + segment)
        else:
            parts.append((kind, source, target, segment))
        source = target
    if not parts or source != graph.outputs[o]:
        return []
    found = [_stage(graph, *part, fixed, values) for part in parts]
    if any(s.kind == "linear" and s.size * s.elements > MATRIX for s in found):
        return []
    work = sum(4 * s.size * s.elements for s in found if s.kind == "whole")
    whole = 4 * graph.types[i].size * sum(t.size for t in graph.types)
    return found if 2 * work <= whole else []


def _between(graph: Graph, i: int, output: int) -> dict[int, set[int]]:
    """The nodes on paths from input i to the output, in order, each with the operands that are varied."""
    active = reaches(graph, (i,))
    wanted = {output}
    found: dict[int, set[int]] = {}
    for k in range(len(graph) - 1, -1, -1):
        first = graph.first[k]
        outs = range(first, first + len(graph.sites[k].outs))
        mine = {v for v in graph.operands[k] if active[v]}
        if mine and not wanted.isdisjoint(outs):
            found[k] = mine
            wanted |= mine
    return dict(sorted(found.items()))


def _segments(graph: Graph, i: int, nodes: dict[int, set[int]]) -> list[tuple[int, list[int]]]:
    """Where all paths meet in one value: that value, and the nodes since the one before."""
    last: dict[int, int] = {}
    for k, read in nodes.items():
        last.update(dict.fromkeys(read, k))
    found: list[tuple[int, list[int]]] = []
    segment: list[int] = []
    open_until = last.get(i, -1)
    for k in nodes:
        segment.append(k)
        first = graph.first[k]
        outs = range(first, first + len(graph.sites[k].outs))
        alive = [v for v in outs if last.get(v, -1) > k or v in graph.outputs]
        if open_until <= k and len(alive) == 1:
            found.append((alive[0], segment))
            segment = []
        open_until = max(open_until, *(last.get(v, -1) for v in outs))
    return found


def _kind(graph: Graph, source: int, segment: list[int], nodes: dict[int, set[int]]) -> Kind:
    if all(_apart(graph.sites[k], graph.operands[k], nodes[k]) for k in segment):
        return "apart"
    if len(segment) == 1:
        site, operands = graph.sites[segment[0]], graph.operands[segment[0]]
        at = [p for p, v in enumerate(operands) if v == source]
        if len(at) == 1 and at[0] in site.op.linear and len(site.outs) == 1:
            return "linear"
    return "whole"


def _apart(site: Site, operands: tuple[int, ...], varied: set[int]) -> bool:
    """Whether element k of the result depends on elements k of the varied operands alone."""
    mine = [t for v, t in zip(operands, site.ins, strict=True) if v in varied]
    if site.op.batching == "elementwise":
        return all(t.shape == site.out.shape for t in mine)
    return site.op.moves == "order" and len(operands) == 1 and mine[0].size == site.out.size


def _stage(
    graph: Graph, kind: Kind, source: int, target: int, segment: list[int], fixed: bytearray,
    values: Sequence[Array | None],
) -> Stage:  # fmt: skip
    made = {
        v for k in segment for v in range(graph.first[k], graph.first[k] + len(graph.sites[k].outs))
    }
    read = dict.fromkeys(v for k in segment for v in graph.operands[k] if v not in made)
    held = tuple(v for v in read if v != source and not fixed[v])
    xp = Builder(f"stage_{graph.name}")
    places = {v: xp.input(f"v{v}", graph.types[v]).id for v in (source, *held)}
    for v in read:
        if fixed[v]:
            places[v] = xp.constant(values[v]).id
    for k in segment:
        at = xp.add_once(graph.sites[k], tuple([places[v] for v in graph.operands[k]]))
        outs = range(graph.first[k], graph.first[k] + len(graph.sites[k].outs))
        places.update(zip(outs, range(at, at + len(outs)), strict=True))
    return Stage(kind, source, target, xp.finish([xp.value(places[target])]), held)
