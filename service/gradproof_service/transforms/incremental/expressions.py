"""Expressions, each once: a builder that only grows, and what it holds."""

from __future__ import annotations

from bisect import bisect_right

from gradproof_service.arrays import Type
from gradproof_service.graph.builder import Builder
from gradproof_service.ops.record import Site
from gradproof_service.transforms.derive import Derive
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.reverse import vjp


class Expressions:
    """Every expression of every version of a function, named by the id of its first value; equal ones are one."""

    def __init__(self) -> None:
        self.xp = Builder("document", Derive(jvp, vjp))
        self.inputs: list[str] = []
        """Names of the inputs, which have the first value ids."""
        self._view = self.xp.finish(())  # shares the builder's columns, so it grows along

    def __len__(self) -> int:
        """Number of nodes."""
        return len(self._view.sites)

    def input(self, name: str, type: Type) -> int:
        """Declare the next input; all of them come before the first node."""
        self.inputs.append(name)
        return self.xp.input(name, type).id

    def node_of(self, v: int) -> int:
        """The node that makes a value, negative for an input."""
        return bisect_right(self._view.first, v) - 1

    def first(self, k: int) -> int:
        """The first value of a node."""
        return self._view.first[k]

    def site(self, k: int) -> Site:
        """The site of a node."""
        return self._view.sites[k]

    def operands(self, k: int) -> tuple[int, ...]:
        """The values that a node reads."""
        return self._view.operands[k]

    def type(self, v: int) -> Type:
        """The type of a value."""
        return self._view.types[v]
