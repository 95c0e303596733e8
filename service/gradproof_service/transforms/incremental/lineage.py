"""A function from version to version: what was computed for one serves the next, wherever the next computes the same.

Every version's graph is put into one store of expressions; a derivative is emitted there too, as `forward.jvp` and
`reverse.vjp` would emit it, for the nodes that came alone. Runs are kept by family (`family.py`). A graph that was adopted
computes by them (`evaluate.Memory`), with the bits of a graph that was not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Frozen, Type
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.content import constant_key
from gradproof_service.transforms.evaluate import MEMORY, Flow, no_tick
from gradproof_service.transforms.incremental.adjoint import Adjoint
from gradproof_service.transforms.incremental.expressions import Expressions
from gradproof_service.transforms.incremental.family import Family
from gradproof_service.transforms.incremental.flags import Flags
from gradproof_service.transforms.incremental.memory import Recalled, Remembered
from gradproof_service.transforms.incremental.rooted import Rooted
from gradproof_service.transforms.incremental.standing import Standing
from gradproof_service.transforms.incremental.tangents import Tangents
from gradproof_service.transforms.jacobian import at_once

SPARE: Final = 20_000
"""Nodes that may be held beyond twice those of the first version; then everything begins anew."""
NODE_BYTES: Final = 400
"""Memory of one node without its values."""


class Lineage:
    """The versions of one function. One thread uses it at a time; what was stopped by a tick is taken up again."""

    def __init__(self, graph: Graph) -> None:
        self._signature = _signature(graph)
        self._store = Expressions()
        store, types = self._store, graph.types
        self._inputs = [store.input(n, types[i]) for i, n in enumerate(graph.inputs)]
        self._bars = {
            o: store.input(f"{name}_bar", types[v])
            for o, (name, v) in enumerate(zip(graph.output_names, graph.outputs, strict=True))
            if types[v].is_float
        }
        self._dots = {
            i: store.input(f"{name}_dot", types[i])
            for i, name in enumerate(graph.inputs)
            if types[i].is_float
        }
        self._families: dict[Any, Family] = {}
        self._adjoints: dict[Any, Adjoint] = {}
        self._tangents: dict[Any, Tangents] = {}
        self._flags: dict[Any, Flags] = {}
        self._large: dict[Any, int] = {}
        self.standing = Standing([], 0)
        self._base = 0

    def adopt(self, graph: Graph) -> Graph | None:
        """The graph, computing by what is kept; None when it is no version of this function, or when too much is kept."""
        grown = self._base and len(self._store) > 2 * self._base + SPARE
        if grown or self._signature != _signature(graph):
            return None
        image = self._placed(graph)
        firsts = [image[v] for v in graph.first]
        if len(set(firsts)) != len(firsts):
            return None  # equal nodes that are two: the sums of a reverse sweep count them apart
        self._follow(Standing(firsts, len(self._store.xp.types)))
        made = Graph(
            graph.name, graph.inputs, graph.types, graph.sites, graph.operands, graph.first, graph.outputs,
            graph.output_names, graph.locations, graph.node_names, graph.origins,
        )  # fmt: skip
        made.function = graph.function
        made.plans[MEMORY] = Remembered(self, made, image)
        return made

    def rest(self) -> int:
        """Forget the runs that the last version did not ask for; bytes of what is kept."""
        self._base = self._base or len(self._store)
        runs = sum(family.sweep() for family in self._families.values())
        return runs + NODE_BYTES * len(self._store)

    def _placed(self, graph: Graph) -> list[int]:
        """The expression of every value of the graph."""
        add = self._store.xp.add_once
        ids = list(range(len(graph.inputs)))
        for site, operands in zip(graph.sites, graph.operands, strict=True):
            first = add(site, tuple([ids[v] for v in operands])) if operands else self._leaf(site)
            if len(site.outs) == 1:
                ids.append(first)
            else:
                ids.extend(range(first, first + len(site.outs)))
        return ids

    def _leaf(self, site: Site) -> int:
        """A node without operands; a constant of any size is the same wherever its bits are."""
        value = site.attrs.get("value")
        if not isinstance(value, Frozen) or value.array.size <= Frozen.SMALL:
            return self._store.xp.add_once(site, ())
        key = constant_key(value.array)
        if key not in self._large:
            self._large[key] = self._store.xp.add_once(site, ())
        return self._large[key]

    def _follow(self, now: Standing) -> None:
        before, self.standing = self.standing, now
        stayed = now.place[before.firsts]
        stayed = stayed[stayed >= 0]
        if (np.diff(stayed) < 0).any():
            self._adjoints.clear()  # sums may have another order
            return
        gone = [f for f in before.firsts.tolist() if not now.stands(f)]
        came = [f for f in now.firsts.tolist() if not before.stands(f)]
        for adjoint in self._adjoints.values():
            adjoint.order = now
            for first in gone:
                adjoint.removed(first)
            for first in came:
                adjoint.added(first)

    def family(self, key: Any, leaves: Sequence[int]) -> Family:
        """The family of a form."""
        found = self._families.get(key)
        if found is None:
            found = self._families[key] = Family(self._store, leaves)
        return found

    def forward(
        self, graph: Graph, image: Sequence[int], wrt: tuple[int, ...]
    ) -> tuple[Sequence[int], list[int]] | None:
        """The leaves and roots of `forward.jvp`; None where its seeds may need several runs."""
        if not at_once(graph, sum(graph.types[i].size for i in wrt)):
            return None
        seeds = {self._inputs[i]: self._dots[i] for i in wrt}
        tangents = self._tangents.setdefault(wrt, Tangents(self._store, seeds))
        tangents.settle(self.standing.firsts)
        roots = [image[v] for v in graph.outputs]
        for v in graph.outputs:
            if graph.types[v].is_float:
                dot = tangents.dots.get(image[v])
                roots.append(self._store.xp.zeros(graph.types[v]).id if dot is None else dot)
        return [*self._inputs, *seeds.values()], roots

    def backward(
        self, graph: Graph, image: Sequence[int], wrt: tuple[int, ...], outs: tuple[int, ...]
    ) -> tuple[Sequence[int], Adjoint] | None:
        """The leaves of `reverse.vjp` and all cotangents; None where its seeds may need several runs."""
        if not at_once(graph, sum(graph.types[graph.outputs[o]].size for o in outs)):
            return None
        adjoint = self._adjoints.get((wrt, outs))
        if adjoint is None:
            adjoint = Adjoint(self._store, self.standing)
            for i in wrt:
                adjoint.activate(self._inputs[i])
            for first in self.standing.firsts.tolist():
                adjoint.added(first)
            self._adjoints[wrt, outs] = adjoint
        adjoint.settle([(image[graph.outputs[o]], self._bars[o]) for o in outs], (), no_tick)
        return [*self._inputs, *(self._bars[o] for o in outs)], adjoint

    def flags(
        self, key: Any, seeds: Mapping[int, int], rule: Flow, image: Sequence[int]
    ) -> bytearray:
        """A flag for each value of a version (see `evaluate.Memory`)."""
        found = self._flags.setdefault(key, Flags(self._store, seeds))
        return found.settle(self.standing.firsts, rule, image)

    def zeros(self, type: Type) -> int:
        """A constant zero."""
        return self._store.xp.zeros(type).id

    def rooted(
        self, key: Any, name: str, leaves: Sequence[int], roots: Sequence[int], names: Sequence[str]
    ) -> Graph:
        """A graph of expressions that computes by what is kept."""
        graph = Rooted(name, self._store, leaves, roots, names)
        graph.plans[MEMORY] = Recalled(self.family(key, leaves), roots)
        return graph


def _signature(graph: Graph) -> Any:
    """What all versions have in common."""
    outputs = [t for t in graph.output_types if t.is_float]
    return graph.inputs, graph.input_types, graph.output_names, len(graph.outputs), tuple(outputs)
