"""The untyped program: what a client sent, structurally sound, before any type is known.

`wire/` makes it from messages and messages from it; `typing` turns one of its functions into a
typed graph at given input types.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from gradproof_service.arrays import Array, Structure
from gradproof_service.diagnostic import NOWHERE, Location


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A function named by an attribute: its index in the program."""

    index: int


@dataclass(frozen=True, slots=True)
class Input:
    """A declared input; dtype or shape None: whatever the point brings.

    A dimension that is a string is a symbol, bound by the first input that shows its size.
    """

    name: str
    dtype: np.dtype[Any] | None = None
    shape: tuple[int | str, ...] | None = None
    structure: Structure = Structure.NONE


@dataclass(frozen=True, slots=True)
class RuleRef:
    """A derivative rule that the program states for a function.

    Rules are proved and never differentiated by. `claimed_only`: the author wants no more than that.
    `surrogate`: declared not to be the derivative (a straight-through rule), so a difference is told
    and not held against it.
    """

    kind: Literal["jvp", "vjp", "vjp_fwd_bwd"]
    function: int
    forward: int = -1
    nondiff_inputs: tuple[int, ...] = ()
    claimed_only: bool = False
    surrogate: bool = False
    location: Location = NOWHERE


@dataclass(frozen=True, slots=True)
class Stated:
    """What a program says of a value's type; None: nothing. A length that is None may be any."""

    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True, slots=True)
class Function:
    """One function in columns; value ids are inputs, constants, then node outputs in order."""

    name: str
    inputs: tuple[Input, ...]
    constants: tuple[Array, ...]
    ops: list[str]
    """Qualified op name of each node, `gp.matmul`."""
    operands: list[tuple[int, ...]]
    attrs: list[dict[str, Any]]
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]
    counts: list[int] | None = None
    """Number of outputs of each node; None: one each."""
    locations: list[Location] = field(default_factory=list[Location])
    names: dict[int, str] = field(default_factory=dict[int, str])
    rules: tuple[RuleRef, ...] = ()
    stated: dict[int, Stated] = field(default_factory=dict[int, "Stated"])
    """Types that the sender states of node outputs, by value id; typing holds them against its own."""

    def location(self, node: int) -> Location:
        """Where a node came from."""
        return self.locations[node] if node < len(self.locations) else NOWHERE


@dataclass(frozen=True, slots=True)
class Program:
    """A list of functions; `entry` is the one that is asked about."""

    functions: tuple[Function, ...]
    entry: int = 0
    digest: bytes = b""
    """SHA-256 of the canonical form, empty when nobody computed it."""

    @property
    def main(self) -> Function:
        """The entry function."""
        return self.functions[self.entry]
