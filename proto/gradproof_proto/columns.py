"""What a program is once it was read: tables of plain Python, columns of NumPy, and the error for what is no program."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.tables import AttrRow, ConstantRow, Location, TypeRow
from gradproof_proto.v1 import program_pb2 as pb

Column = NDArray[np.int64]


class ProgramError(ValueError):
    """A message that is no program: `where` names the table row or the function and node, `message` says the rest."""

    def __init__(self, where: str, message: str) -> None:
        super().__init__(f"{where}: {message}")
        self.where = where
        self.message = message


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A derivative that the user wrote, its fields as on the wire."""

    kind: int
    function: int
    forward_function: int
    nondiff_inputs: tuple[int, ...]
    claimed_only: bool
    surrogate: bool
    location: int


@dataclass(frozen=True, slots=True)
class FunctionColumns:
    """One function. Values are numbered: inputs, constants, node outputs. Node columns have length `n_nodes`.

    `operands` holds value numbers; those of node k are `operands[operand_start[k]:operand_start[k + 1]]`, and its outputs
    are the values from `value_start[k]` up to `value_start[k + 1]`. `out_types` has one entry per node output, or none at all
    when nothing is stated.
    """

    index: int
    name: str
    input_names: tuple[str, ...]
    input_types: tuple[int, ...]
    constants: tuple[int, ...]
    op: Column
    operands: Column
    operand_start: Column
    value_start: Column
    attr: Column
    loc: Column
    node_name: Column
    out_types: Column
    outputs: tuple[int, ...]
    output_names: tuple[str, ...]
    rules: tuple[RuleRow, ...]

    @property
    def n_nodes(self) -> int:
        """How many nodes the function has."""
        return len(self.op)

    @property
    def n_values(self) -> int:
        """How many values the function has."""
        return int(self.value_start[-1])


@dataclass(frozen=True, slots=True)
class ProgramColumns:
    """A program that was read; the tables are indexed as on the wire. `calls` lists whom each function calls."""

    version: pb.Version
    strings: tuple[str, ...]
    ops: tuple[str, ...]
    types: tuple[TypeRow, ...]
    attrs: tuple[AttrRow, ...]
    locations: tuple[Location, ...]
    constants: tuple[ConstantRow, ...]
    functions: tuple[FunctionColumns, ...]
    calls: tuple[tuple[int, ...], ...]
    entry: int
    metadata: tuple[tuple[str, str], ...]


def in_table(where: str, indices: Iterable[int], length: int, table: str) -> Column:
    """Indices as a column; raises ProgramError when one lies outside a table of `length` rows."""
    column = np.array(indices, np.int64)
    if column.size and int(column.max()) >= length:
        at = int(np.argmax(column >= length))
        raise ProgramError(
            f"{where}[{at}]",
            f"expected a row of {table} below {length}, {column[at]} came; add the row.",
        )
    return column


def string_at(where: str, strings: tuple[str, ...], row: int) -> str:
    """The string of a row; raises ProgramError when there is none."""
    if row >= len(strings):
        raise ProgramError(
            where, f"expected a row of strings below {len(strings)}, {row} came; add the row."
        )
    return strings[row]


def sum_exact(column: Column) -> int:
    """The sum of a column of 32-bit numbers; exact, because at most 2^31 of them fit into a message."""
    return int(column.sum(dtype=np.int64))


def starts(lengths: Column) -> Column:
    """Where each run begins when runs of these lengths follow each other, and where the last one ends."""
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)))
