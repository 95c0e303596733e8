"""Writes one function of a program node by node; values are numbered as they are made, and renumbered for the wire at the end.

Each node costs constant time. The writer checks only what would make the program unreadable: types and meanings are the
reader's and the service's affair.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import NDArray

from gradproof_proto.tables import (
    AttrRow,
    AttrValue,
    ConstantRow,
    Dimension,
    Location,
    Tables,
    TypeRow,
    constant_row,
)
from gradproof_proto.tensors import dtype_row, to_tensor
from gradproof_proto.v1 import program_pb2 as pb


class FunctionWriter:
    """One function under construction. Its methods return value ids, valid in this function only."""

    def __init__(self, tables: Tables, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self._tables = tables
        self._input_names: dict[str, int] = {}
        self._input_types: list[int] = []
        self._constants: list[int] = []
        self._is_constant = bytearray()
        self._op = array("q")
        self._arity = array("q")
        self._operand = array("q")
        self._loc = array("q")
        self._n_out: dict[int, int] = {}
        """For the nodes with several outputs, how many; what most nodes do not have is held by node in dicts."""
        self._attr: dict[int, int] = {}
        self._node_name: dict[int, int] = {}
        self._out_type: dict[int, int] = {}
        """Stated types by value id."""
        self._outputs: dict[str, int] = {}
        self._rules: list[pb.Rule] = []
        tables.string(name)

    def input(
        self,
        name: str,
        dtype: int | None = None,
        shape: Sequence[Dimension] | None = None,
        structure: int = 0,
    ) -> int:
        """Adds an input. `dtype` is a wire Dtype; `shape` holds lengths, names of symbols, or None for unknown axes."""
        if len(self._is_constant) != len(self._input_names):
            raise ValueError(
                f"@{self.name}, input {name!r}: inputs come before constants and nodes; declare it first."
            )
        if not name or name in self._input_names:
            raise ValueError(
                f"@{self.name}, input {name!r}: expected a new name that is not empty; rename it."
            )
        self._input_names[name] = self._tables.string(name)
        row = TypeRow(int(dtype or 0), None if shape is None else tuple(shape), int(structure))
        self._input_types.append(self._tables.type(row))
        return self._new_value(False)

    def constant(self, value: object) -> int:
        """Adds a fixed value: an array, or a Python number (float -> f64, int -> i64, bool -> bool)."""
        tensor = to_tensor(value)
        type_index = self._tables.type(TypeRow(int(tensor.dtype), tuple(tensor.shape)))
        itemsize = dtype_row(np.asarray(value).dtype).stored.itemsize
        return self.constant_row(constant_row(type_index, tensor.data, itemsize))

    def constant_blob(self, blob: pb.BlobRef, dtype: int, shape: Sequence[int]) -> int:
        """Adds a fixed value whose elements were put as a blob."""
        type_index = self._tables.type(TypeRow(int(dtype), tuple(shape)))
        return self.constant_row(
            ConstantRow(type_index, "blob", blob.sha256, blob.size_bytes, blob.offset_bytes)
        )

    def constant_row(self, row: ConstantRow) -> int:
        """Adds a fixed value that is a row already."""
        self._constants.append(self._tables.constant(row))
        return self._new_value(True)

    @overload
    def node(
        self,
        op: str,
        operands: Sequence[int],
        attrs: Mapping[str, AttrInput] | None = None,
        loc: Location | int | None = None,
        n_out: Literal[1] = 1,
        *,
        name: str = "",
        types: Sequence[TypeRow | None] = (),
    ) -> int: ...
    @overload
    def node(
        self,
        op: str,
        operands: Sequence[int],
        attrs: Mapping[str, AttrInput] | None = None,
        loc: Location | int | None = None,
        n_out: int = 1,
        *,
        name: str = "",
        types: Sequence[TypeRow | None] = (),
    ) -> int | tuple[int, ...]: ...
    def node(
        self,
        op: str,
        operands: Sequence[int],
        attrs: Mapping[str, AttrInput] | None = None,
        loc: Location | int | None = None,
        n_out: int = 1,
        *,
        name: str = "",
        types: Sequence[TypeRow | None] = (),
    ) -> int | tuple[int, ...]:
        """Adds a node and returns its value id, or a tuple of ids when `n_out` is above 1.

        Attributes that are None are left out. `types` states the outputs' types, to be checked against what is inferred.
        """
        row = freeze_attrs(attrs) if attrs else ()
        return self.node_row(op, operands, row, loc, n_out, name=name, types=types)

    def node_row(
        self,
        op: str,
        operands: Sequence[int],
        attrs: AttrRow = (),
        loc: Location | int | None = None,
        n_out: int = 1,
        *,
        name: str = "",
        types: Sequence[TypeRow | None] = (),
    ) -> int | tuple[int, ...]:
        """`node` with attributes that are a row already."""
        first = len(self._is_constant)
        if operands and not 0 <= min(operands) <= max(operands) < first:
            raise ValueError(
                f"@{self.name}, {op}: expected value ids below {first}, {list(operands)[:8]} came."
            )
        if n_out < 1 or len(types) not in (0, n_out):
            raise ValueError(
                f"@{self.name}, {op}: expected one or more outputs, each with a type or none, {n_out} came."
            )
        tables, node = self._tables, len(self._op)
        self.plain_node(op, operands)
        if attrs:
            self._attr[node] = tables.attrs(attrs)
        if loc is not None:
            self._loc[node] = loc if isinstance(loc, int) else tables.location(loc)
        if name:
            self._node_name[node] = tables.string(name)
        for value, row in enumerate(types, first):
            if row is not None:
                self._out_type[value] = tables.type(row)
        if n_out == 1:
            return first
        self._n_out[node] = n_out
        self._is_constant.extend(bytes(n_out - 1))
        return tuple(range(first, first + n_out))

    def plain_node(self, op: str, operands: Sequence[int], loc: int = 0) -> int:
        """Adds a node with one output and nothing but a place; its operands are ids that this writer returned, unchecked."""
        self._op.append(self._tables.op(op))
        self._arity.append(len(operands))
        self._operand.extend(operands)
        self._loc.append(loc)
        self._is_constant.append(0)
        return len(self._is_constant) - 1

    def output(self, value: int, name: str) -> None:
        """Returns a value under a name."""
        if not 0 <= value < len(self._is_constant):
            raise ValueError(f"@{self.name}, output {name!r}: expected a value id, {value} came.")
        if not name or name in self._outputs:
            raise ValueError(
                f"@{self.name}, output {name!r}: expected a new name that is not empty; rename it."
            )
        self._tables.string(name)
        self._outputs[name] = value

    def rule(
        self,
        kind: int,
        function: FunctionWriter,
        forward_function: FunctionWriter | None = None,
        nondiff_inputs: Sequence[int] = (),
        *,
        claimed_only: bool = False,
        surrogate: bool = False,
        loc: Location | int | None = None,
    ) -> None:
        """Adds a derivative that the user wrote for this function; `kind` is a wire RuleKind."""
        message = pb.Rule(
            function=function.index,
            forward_function=0 if forward_function is None else forward_function.index,
            nondiff_inputs=sorted(nondiff_inputs),
            claimed_only=claimed_only,
            surrogate=surrogate,
            location=loc
            if isinstance(loc, int)
            else 0
            if loc is None
            else self._tables.location(loc),
        )
        message.kind = kind  # pyright: ignore[reportAttributeAccessIssue]
        self._rules.append(message)

    def write(self, message: pb.Function) -> None:
        """Writes the function's columns into an empty message, its values renumbered for the wire."""
        tables = self._tables
        is_constant = np.frombuffer(bytes(self._is_constant), np.bool_)
        final = wire_numbers(is_constant, len(self._input_names))
        nodes = len(self._op)
        n_out = _column(self._n_out, nodes, 1)
        arity = np.array(self._arity, np.int64)
        base = len(self._input_names) + len(self._constants)
        first = base + np.cumsum(n_out) - n_out
        operand = np.repeat(first, arity) - final[np.array(self._operand, np.int64)]

        message.name = tables.string(self.name)
        message.input_types.extend(self._input_types)
        message.input_names.extend(self._input_names.values())
        message.constants.extend(self._constants)
        message.op.extend(self._op)
        message.arity.extend(self._arity)
        message.operand.extend(operand.tolist())
        if (n_out != 1).any():
            message.n_out.extend(n_out.tolist())
        if any(self._loc):
            message.loc.extend(self._loc)
        made = {int(final[value]) - base: row for value, row in self._out_type.items()}
        for column, rows, length in (
            (message.attr, self._attr, nodes),
            (message.node_name, self._node_name, nodes),
            (message.out_type, made, int(n_out.sum())),
        ):
            if any(rows.values()):
                column.extend(_column(rows, length).tolist())
        message.outputs.extend(int(final[value]) for value in self._outputs.values())
        message.output_names.extend(tables.string(name) for name in self._outputs)
        message.rules.extend(self._rules)

    def _new_value(self, is_constant: bool) -> int:
        self._is_constant.append(is_constant)
        return len(self._is_constant) - 1


AttrInput = (
    AttrValue
    | np.dtype[Any]
    | type[Any]
    | np.generic
    | FunctionWriter
    | Sequence[FunctionWriter]
    | Sequence[float]
    | None
)


def wire_numbers(is_constant: NDArray[np.bool_], n_inputs: int) -> NDArray[np.int64]:
    """For values in the order they were made, inputs first, their numbers on the wire: constants move before node outputs."""
    is_node = ~is_constant
    is_node[:n_inputs] = False
    final = np.arange(len(is_constant), dtype=np.int64)
    final[is_constant] = n_inputs + np.arange(np.count_nonzero(is_constant))
    final[is_node] = n_inputs + np.count_nonzero(is_constant) + np.arange(np.count_nonzero(is_node))
    return final


def _column(rows: Mapping[int, int], length: int, otherwise: int = 0) -> NDArray[np.int64]:
    """The rows as a column, the same number wherever none is given."""
    column = np.full(length, otherwise, np.int64)
    column[list(rows)] = list(rows.values())
    return column


def freeze_attrs(attrs: Mapping[str, AttrInput]) -> AttrRow:
    """Attributes as a table row; None is left out. Raises ValueError for a value that has no wire form."""
    return tuple(
        (name, *_freeze(name, value)) for name, value in attrs.items() if value is not None
    )


def _freeze(name: str, value: Any) -> tuple[str, AttrValue]:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "bool_value", value
    if isinstance(value, int):
        return "int_value", value
    if isinstance(value, float):
        return "double_value", value
    if isinstance(value, str):
        return "string_value", value
    if isinstance(value, np.dtype | type):
        return "dtype", int(dtype_row(np.dtype(value)).wire)
    if isinstance(value, FunctionWriter):
        return "function", value.index
    if isinstance(value, tuple | list):
        items: tuple[Any, ...] = tuple(
            item.item() if isinstance(item, np.generic) else item for item in value
        )
        if items and all(isinstance(item, FunctionWriter) for item in items):
            return "functions", tuple(item.index for item in items)
        if all(isinstance(item, int) for item in items):
            return "ints", tuple(map(int, items))
        if all(isinstance(item, int | float) for item in items):
            return "doubles", tuple(map(float, items))
    raise ValueError(
        f"attribute {name!r}: expected a bool, number, str, dtype, function or a tuple of them, {type(value).__name__} came."
    )
