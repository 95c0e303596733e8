"""The typed graph: one function, every value's type known, immutable once built.

Values are numbered: inputs first, then node outputs in order, so an operand always stands before
its user and every pass is one loop. Columns are plain lists of interned records: no node objects,
no recursion, a million nodes are ordinary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gradproof_service.arrays import Type
from gradproof_service.diagnostic import NOWHERE, Location
from gradproof_service.ops.record import Op, Site


class Graph:
    """One typed function.

    `operands[k]` are the value ids node k reads, `first[k]` the id of its first output,
    `types[v]` the type of value v, `outputs` the value ids returned. `function` is the index of the
    function of the program it was typed from, -1 for a graph that a transform made. `plans` is the executor's
    memory of what it prepared for this graph; it never changes what the graph means.
    `origins[k]` is the node of the sent function that node k stands for (-1: a constant), empty
    when the graph was not typed from one.
    """

    __slots__ = (
        "first", "function", "inputs", "locations", "name", "node_names", "operands", "origins",
        "output_names", "outputs", "plans", "sites", "types",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        inputs: Sequence[str],
        types: Sequence[Type],
        sites: Sequence[Site],
        operands: Sequence[tuple[int, ...]],
        first: Sequence[int],
        outputs: Sequence[int],
        output_names: Sequence[str],
        locations: Sequence[Location],
        node_names: dict[int, str],
        origins: Sequence[int] = (),
    ) -> None:
        self.name = name
        self.inputs = tuple(inputs)
        self.types = types
        self.sites = sites
        self.operands = operands
        self.first = first
        self.outputs = tuple(outputs)
        self.output_names = tuple(output_names)
        self.locations = locations
        self.node_names = node_names
        self.origins = origins
        self.function = -1
        self.plans: dict[Any, Any] = {}

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self.sites)

    def __repr__(self) -> str:
        ins = ", ".join(f"{n}: {t!r}" for n, t in zip(self.inputs, self.types, strict=False))
        return f"<graph {self.name}({ins}) of {len(self)} nodes>"

    @property
    def input_types(self) -> tuple[Type, ...]:
        """Types of the inputs, in order."""
        return tuple(self.types[: len(self.inputs)])

    @property
    def output_types(self) -> tuple[Type, ...]:
        """Types of the outputs, in order."""
        return tuple(self.types[v] for v in self.outputs)

    @property
    def elements(self) -> int:
        """Elements of all values; summed once."""
        found = self.plans.get("elements")
        if found is None:
            found = self.plans["elements"] = sum([t.size for t in self.types])
        return found

    def nodes(self) -> Iterator[tuple[int, Op, Site, tuple[int, ...], range]]:
        """Each node: its index, op, site, operand ids and output ids."""
        for k, (site, operands, first) in enumerate(
            zip(self.sites, self.operands, self.first, strict=True)
        ):
            yield k, site.op, site, operands, range(first, first + len(site.outs))

    def location(self, node: int) -> Location:
        """Where the node came from, `NOWHERE` when nobody said."""
        return self.locations[node] if node < len(self.locations) else NOWHERE

    def node_label(self, node: int) -> str:
        """How a person would name the node: its own name, else `op#index` as it was sent."""
        sent = self.origins[node] if node < len(self.origins) else node
        name = self.sites[node].op.name
        return self.node_names.get(node) or (name if sent < 0 else f"{name}#{sent}")

    def returning(self, values: Sequence[int]) -> Graph:
        """The same nodes, returning other values."""
        names = [f"v{v}" for v in values]
        return Graph(
            self.name, self.inputs, self.types, self.sites, self.operands, self.first, values, names,
            self.locations, self.node_names, self.origins,
        )  # fmt: skip

    def producer(self) -> list[int]:
        """For each value the index of the node that makes it, -1 for inputs."""
        made = [-1] * len(self.types)
        for k, _, _, _, outs in self.nodes():
            for v in outs:
                made[v] = k
        return made
