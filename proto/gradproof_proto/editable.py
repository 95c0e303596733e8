"""A program whose entry function can be edited: values keep their numbers from version to version.

A version is never changed; an edit makes another one (see `edits.py`) that shares what is equal. Values are numbered as
`session.proto` says: when the program is read they have the numbers of the entry function, and every value that an edit
adds takes the next free number. A node is named by the number of its first output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from gradproof_proto.canonical import canonical_of
from gradproof_proto.columns import FunctionColumns, ProgramColumns, ProgramError, starts
from gradproof_proto.reader import MAX_VALUES, calls_of, read
from gradproof_proto.tables import AttrRow, ConstantRow, Location, TypeRow
from gradproof_proto.v1 import program_pb2 as pb

Kind = TypeVar("Kind")


class NodeRow(NamedTuple):
    """One node; `operands` are value numbers, `location` a row of the places, `out_types` rows of the types or none."""

    op: str
    operands: tuple[int, ...]
    attrs: AttrRow
    location: int
    name: str
    n_out: int
    out_types: tuple[int, ...] = ()


class InputRow(NamedTuple):
    """An input, by its position."""

    position: int


class Further(NamedTuple):
    """A further output of the node with this number."""

    node: int


Row = NodeRow | ConstantRow | InputRow | Further | None
"""What makes a value; None: it was removed."""


class Places:
    """Types and places in the source, shared by all versions of a document: rows are added and never change."""

    def __init__(self, types: Sequence[TypeRow], locations: Sequence[Location]) -> None:
        self.types = list(types)
        self.locations = list(locations)
        self._types = {row: index for index, row in enumerate(types)}
        self._locations = {row: index for index, row in enumerate(locations)}

    def type(self, row: TypeRow) -> int:
        """The row of a type."""
        return _added(row, self.types, self._types)

    def location(self, row: Location) -> int:
        """The row of a place; its caller is a row already."""
        return _added(row, self.locations, self._locations)


def _added(row: Kind, rows: list[Kind], known: dict[Kind, int]) -> int:
    found = known.get(row)
    if found is None:
        found = known[row] = len(rows)
        rows.append(row)
    return found


@dataclass(frozen=True, eq=False)
class Editable:
    """One version of a program whose entry function can be edited.

    `rows` say what makes each value, `order` holds the nodes as they stand, `rank` grows along that order (only the order
    of ranks means anything; the outputs of a node share one), `uses` counts the operands and outputs that read a value.
    """

    base: ProgramColumns
    places: Places
    rows: list[Row]
    order: list[int]
    rank: list[float]
    uses: list[int]
    outputs: dict[str, int]

    @property
    def entry(self) -> FunctionColumns:
        """The entry function as it was read; its name, inputs and rules hold for every version."""
        return self.base.functions[self.base.entry]

    @cached_property
    def program(self) -> pb.Program:
        """The program of this version in canonical form."""
        return canonical_of(self.columns())

    def columns(self) -> ProgramColumns:
        """The program of this version as if it had been read."""
        base = self.base
        strings, ops, attrs = _Interned(base.strings), _Interned[str](()), _Attrs()
        nodes = self.nodes()
        constants = [(v, row) for v, row in enumerate(self.rows) if isinstance(row, ConstantRow)]
        leaves = len(self.entry.input_names) + len(constants)
        n_out = np.array([row.n_out for row in nodes], np.int64)
        value_start = leaves + starts(n_out)
        final = np.zeros(len(self.rows), np.int64)
        final[: len(self.entry.input_names)] = np.arange(len(self.entry.input_names))
        final[[v for v, _ in constants]] = np.arange(leaves - len(constants), leaves)
        firsts = np.array(self.order, np.int64)
        for j in range(int(n_out.max(initial=0))):
            final[firsts[n_out > j] + j] = value_start[:-1][n_out > j] + j
        arity = np.array([len(row.operands) for row in nodes], np.int64)
        read_values = np.array([v for row in nodes for v in row.operands], np.int64)
        stated = any(row.out_types for row in nodes)
        kept = len(base.constants)
        function = replace(
            self.entry,
            constants=tuple(range(kept, kept + len(constants))),
            op=np.array([ops.row(row.op) for row in nodes], np.int64),
            operands=final[read_values],
            operand_start=starts(arity),
            value_start=value_start,
            attr=np.array([attrs.row(row.attrs) for row in nodes], np.int64),
            loc=np.array([row.location for row in nodes], np.int64),
            node_name=np.array([strings.row(row.name) for row in nodes], np.int64),
            out_types=np.array(
                [t for row in nodes for t in row.out_types or (0,) * row.n_out] if stated else (),
                np.int64,
            ),
            outputs=tuple(final[list(self.outputs.values())].tolist()),
            output_names=tuple(self.outputs),
        )
        others = [f for f in base.functions if f.index != base.entry]
        shift = [ops.row(name) for name in base.ops]
        offset = len(attrs.rows)
        whole = [
            replace(f, op=np.array(shift, np.int64)[f.op], attr=f.attr + offset) for f in others
        ]
        whole.insert(base.entry, function)
        rows = (*attrs.rows, *base.attrs)
        return replace(
            base,
            strings=tuple(strings.rows),
            ops=tuple(ops.rows),
            types=tuple(self.places.types),
            attrs=rows,
            locations=tuple(self.places.locations),
            constants=(*base.constants, *(row for _, row in constants)),
            functions=tuple(whole),
            calls=calls_of(tuple(whole), rows),
        )

    def numbers(self) -> list[int]:
        """The number of each value of `program`, in its order: inputs, constants, node outputs."""
        rows = self.rows
        constants = [v for v, row in enumerate(rows) if isinstance(row, ConstantRow)]
        made = [
            v for n in self.order if isinstance(row := rows[n], NodeRow) for v in range(n, n + row.n_out)
        ]  # fmt: skip
        return [*range(len(self.entry.input_names)), *constants, *made]

    def nodes(self) -> list[NodeRow]:
        """The nodes in their order."""
        rows = self.rows
        return [row for n in self.order if isinstance(row := rows[n], NodeRow)]


def editable(program: pb.Program, numbers: Sequence[int] = (), next_number: int = 0) -> Editable:
    """A program made ready for edits; raises ProgramError when it is none.

    `numbers` are those that the values of its entry have had, `next_number` is the next free one; both are left out for a
    program whose values are numbered as they stand.
    """
    base = read(program)
    entry = base.functions[base.entry]
    if len(numbers):
        _check_numbers(entry, numbers, next_number)
    made = _as_it_stands(base, entry)
    return made if not len(numbers) else _renumbered(made, list(numbers), next_number)


def _check_numbers(entry: FunctionColumns, numbers: Sequence[int], next_number: int) -> None:
    """Raises ProgramError for numbers that no document can have had."""
    given = np.array(numbers, np.uint64)
    inputs, starts_at = len(entry.input_names), entry.value_start
    good = len(given) == entry.n_values and next_number <= MAX_VALUES
    if good and len(given):
        whole = given.astype(np.int64)
        distinct = np.zeros(next_number, bool)
        good = bool((given < next_number).all() and (whole[:inputs] == np.arange(inputs)).all())
        if good:
            distinct[whole] = True
            first = np.repeat(starts_at[:-1], np.diff(starts_at))
            offset = np.arange(int(starts_at[0]), entry.n_values) - first
            good = int(distinct.sum()) == len(whole)
            good = good and bool((whole[starts_at[0] :] == whole[first] + offset).all())
    if not good:
        raise ProgramError(
            "numbers",
            f"expected {entry.n_values} distinct numbers below the next free one, inputs first and the outputs of a node "
            "one after the other; leave them out or count as the document does.",
        )


def _renumbered(document: Editable, numbers: list[int], next_number: int) -> Editable:
    """The same program with other numbers; those in between were removed."""
    rows: list[Row] = [None] * next_number
    rank, uses = [0.0] * next_number, [0] * next_number
    for v, number in enumerate(numbers):
        row = document.rows[v]
        if isinstance(row, NodeRow):
            row = row._replace(operands=tuple([numbers[o] for o in row.operands]))
        elif isinstance(row, Further):
            row = Further(numbers[row.node])
        rows[number], rank[number], uses[number] = row, document.rank[v], document.uses[v]
    order = [numbers[n] for n in document.order]
    outputs = {name: numbers[v] for name, v in document.outputs.items()}
    return Editable(document.base, document.places, rows, order, rank, uses, outputs)


def _as_it_stands(base: ProgramColumns, entry: FunctionColumns) -> Editable:
    inputs = len(entry.input_names)
    rows: list[Row] = [InputRow(i) for i in range(inputs)]
    rows.extend(base.constants[row] for row in entry.constants)
    first = entry.value_start.tolist()
    bounds = entry.operand_start.tolist()
    operands = entry.operands.tolist()
    out_types = entry.out_types.tolist()
    order = first[:-1]
    for k, (op, attr, loc, name) in enumerate(
        zip(
            entry.op.tolist(), entry.attr.tolist(), entry.loc.tolist(), entry.node_name.tolist(),
            strict=True,
        )
    ):  # fmt: skip
        n, n_out = first[k], first[k + 1] - first[k]
        stated = tuple(out_types[n - first[0] : n - first[0] + n_out])
        rows.append(
            NodeRow(
                base.ops[op], tuple(operands[bounds[k] : bounds[k + 1]]), base.attrs[attr], loc,
                base.strings[name], n_out, stated if any(stated) else (),
            )
        )  # fmt: skip
        rows.extend([Further(n)] * (n_out - 1))
    outputs = dict(zip(entry.output_names, entry.outputs, strict=True))
    uses = np.bincount([*operands, *entry.outputs], minlength=len(rows)).tolist()
    rank = [float(row.node if isinstance(row, Further) else v) for v, row in enumerate(rows)]
    return Editable(base, Places(base.types, base.locations), rows, order, rank, uses, outputs)


class _Interned(Generic[Kind]):
    """Rows by equality, each once."""

    def __init__(self, rows: Sequence[Kind]) -> None:
        self.rows = list(rows)
        self._known = {row: index for index, row in reversed(list(enumerate(rows)))}

    def row(self, row: Kind) -> int:
        """The index of a row."""
        return _added(row, self.rows, self._known)


class _Attrs:
    """Rows of attributes by identity: what is equal but another object may differ in its bits."""

    def __init__(self) -> None:
        self.rows: list[AttrRow] = [()]
        self._known: dict[int, int] = {id(()): 0}

    def row(self, row: AttrRow) -> int:
        """The index of a row."""
        if not row:
            return 0
        found = self._known.get(id(row))
        if found is None:
            found = self._known[id(row)] = len(self.rows)
            self.rows.append(row)
        return found
