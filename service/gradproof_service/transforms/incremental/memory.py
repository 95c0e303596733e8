"""A version's graph and its derivatives, computed by what is kept of the versions before (`evaluate.Memory`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Flow, Tick, last_uses
from gradproof_service.transforms.incremental.family import Family

if TYPE_CHECKING:
    from gradproof_service.transforms.incremental.lineage import Lineage


class Recalled:
    """A derivative's values by what is kept of its family (`evaluate.Memory`)."""

    def __init__(self, family: Family, roots: Sequence[int]) -> None:
        self._family = family
        self._slots = family.slots(roots)

    def run(
        self, inputs: Sequence[Array], tick: Tick, *, keep: bool
    ) -> tuple[list[Array | None], list[Array]]:
        """The outputs."""
        values = self._family.run(inputs, None, tick).values
        return [], [np.asarray(values[s]) for s in self._slots]

    def disturbed(
        self, inputs: Sequence[Array], seed: tuple[int, ...], eps: float | None, tick: Tick
    ) -> list[Array]:
        """The outputs with every operation rounded at random."""
        values = self._family.run(inputs, (seed, eps), tick).values
        return [np.asarray(values[s]) for s in self._slots]

    def jvp(self, wrt: tuple[int, ...]) -> Graph | None:
        """Not remembered."""
        return None

    def vjp(self, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph | None:
        """Not remembered."""
        return None

    def cotangents(
        self, wrt: tuple[int, ...], outs: tuple[int, ...]
    ) -> tuple[Graph, list[int | None]] | None:
        """Not remembered."""
        return None

    def returning(self, view: Graph) -> Recalled | None:
        """Not remembered."""
        return None

    def flags(self, key: Any, seeds: Mapping[int, int], rule: Flow) -> bytearray | None:
        """Not remembered."""
        return None


class Remembered(Recalled):
    """A version's values and derivatives by what is kept of its lineage (`evaluate.Memory`)."""

    def __init__(self, lineage: Lineage, graph: Graph, image: list[int]) -> None:
        super().__init__(
            lineage.family("values", range(len(graph.inputs))), [image[v] for v in graph.outputs]
        )
        self._lineage = lineage
        self._graph = graph
        self._image = image

    def run(
        self, inputs: Sequence[Array], tick: Tick, *, keep: bool
    ) -> tuple[list[Array | None], list[Array]]:
        """The outputs, and on demand every value that they need."""
        values = self._family.run(inputs, None, tick).values
        outputs = [np.asarray(values[s]) for s in self._slots]
        if not keep:
            return [], outputs
        graph = self._graph
        found: list[Array | None] = [None] * len(graph.types)
        found[: len(inputs)] = inputs
        needed: list[int] = []
        for site, at, drop in zip(graph.sites, graph.first, last_uses(graph), strict=True):
            if drop is not None:
                needed += (at,) if len(site.outs) == 1 else range(at, at + len(site.outs))
        slots = self._family.slots([self._image[v] for v in needed])
        for v, slot in zip(needed, slots, strict=True):
            found[v] = values[slot]
        return found, outputs

    def flags(self, key: Any, seeds: Mapping[int, int], rule: Flow) -> bytearray | None:
        """A flag for each value."""
        return self._lineage.flags(key, seeds, rule, self._image)

    def jvp(self, wrt: tuple[int, ...]) -> Graph | None:
        """The graph of `forward.jvp`."""
        graph = self._graph
        found = self._lineage.forward(graph, self._image, wrt)
        if found is None:
            return None
        names = [
            f"{n}_dot"
            for n, t in zip(graph.output_names, graph.output_types, strict=True)
            if t.is_float
        ]
        return self._lineage.rooted(
            ("jvp", wrt), f"jvp_{graph.name}", *found, [*graph.output_names, *names]
        )

    def vjp(self, wrt: tuple[int, ...], outs: tuple[int, ...]) -> Graph | None:
        """The graph of `reverse.vjp`."""
        graph = self._graph
        found = self._lineage.backward(graph, self._image, wrt, outs)
        if found is None:
            return None
        leaves, adjoint = found
        roots = [self._image[v] for v in graph.outputs]
        for i in wrt:
            bar = adjoint.bar(self._image[i])
            roots.append(self._lineage.zeros(graph.types[i]) if bar is None else bar)
        names = [*graph.output_names, *(f"{graph.inputs[i]}_bar" for i in wrt)]
        return self._lineage.rooted(("vjp", wrt, outs), f"vjp_{graph.name}", leaves, roots, names)

    def cotangents(
        self, wrt: tuple[int, ...], outs: tuple[int, ...]
    ) -> tuple[Graph, list[int | None]] | None:
        """The graph of `reverse.cotangents_graph`."""
        found = self._lineage.backward(self._graph, self._image, wrt, outs)
        if found is None:
            return None
        leaves, adjoint = found
        where: list[int | None] = []
        roots: list[int] = []
        for v in self._image:
            bar = adjoint.bar(v)
            where.append(None if bar is None else len(roots))
            if bar is not None:
                roots.append(bar)
        name = f"vjp_{self._graph.name}"
        return self._lineage.rooted(("vjp", wrt, outs), name, leaves, roots, []), where

    def returning(self, view: Graph) -> Remembered:
        """The same for a graph of the same nodes that returns other values."""
        return Remembered(self._lineage, view, self._image)
