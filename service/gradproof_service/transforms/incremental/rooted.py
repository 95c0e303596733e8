"""Some expressions of a lineage as a graph: its columns are made when somebody reads them, which running it does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradproof_service.arrays import Type
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.incremental.expressions import Expressions

COLUMNS: Final = (
    "first", "locations", "node_names", "operands", "origins", "outputs", "sites", "types",
)  # fmt: skip
"""What is not known before the nodes are in order."""


class Rooted(Graph):
    """The graph of the values `roots` and what they are made of, as a function of the inputs `leaves` (value ids)."""

    def __init__(
        self, name: str, store: Expressions, leaves: Sequence[int], roots: Sequence[int],
        output_names: Sequence[str],
    ) -> None:  # fmt: skip
        self.name = name
        self.inputs = tuple([store.inputs[v] for v in leaves])
        self.output_names = tuple(output_names)
        self.function = -1
        self.plans: dict[Any, Any] = {}
        self._store = store
        self._leaves = tuple(leaves)
        self._roots = tuple(roots)

    def __len__(self) -> int:
        """At least the number of nodes: that of all expressions there are."""
        return len(self._store)

    @property
    def input_types(self) -> tuple[Type, ...]:
        """Types of the inputs, in order."""
        return tuple([self._store.type(v) for v in self._leaves])

    @property
    def output_types(self) -> tuple[Type, ...]:
        """Types of the outputs, in order."""
        return tuple([self._store.type(v) for v in self._roots])

    @property
    def _made(self) -> Graph:
        store = self._store
        xp = Builder(self.name)
        ids = {
            v: xp.input(name, store.type(v)).id
            for v, name in zip(self._leaves, self.inputs, strict=True)
        }
        waiting = [v for v in self._roots if v not in ids]
        found = set[int]()
        while waiting:
            v = waiting.pop()
            if v not in ids:
                k = store.node_of(v)
                if k not in found:
                    found.add(k)
                    waiting.extend(store.operands(k))
        for k in sorted(found):
            site = store.site(k)
            first = xp.append(site, tuple([ids[v] for v in store.operands(k)]))
            ids.update((store.first(k) + j, first + j) for j in range(len(site.outs)))
        return xp.finish([xp.value(ids[v]) for v in self._roots], self.output_names)

    def __getattr__(self, column: str) -> Any:
        """A column of the graph: it is made when it is read for the first time."""
        if column not in COLUMNS:
            raise AttributeError(column)
        made = self._made
        for name in COLUMNS:
            setattr(self, name, getattr(made, name))
        return getattr(made, column)
