"""Edits applied to an editable program: all of them or none, each refused with one sentence that names it.

Client and service apply edits with this one function, so both sides hold the same program at the same version.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gradproof_proto.editable import Editable, Further, InputRow, NodeRow
from gradproof_proto.reader import MAX_VALUES, called_functions
from gradproof_proto.tables import AttrRow, ConstantRow, Location, TypeRow, constant_row
from gradproof_proto.tensors import BY_WIRE, Fetch, checked_size
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

STRUCTURAL: Final = frozenset(
    {"add_constant", "add_node", "replace_node", "remove_value", "set_output"}
)
"""Edits that change the entry function; the others are not applied here."""


class EditError(ValueError):
    """An edit that does not fit the document; `field_path` names it, such as `edits[3]`."""

    def __init__(self, field_path: str, message: str) -> None:
        super().__init__(f"{field_path}: {message}")
        self.field_path = field_path


class Renumber(EditError):
    """So many values were added and removed that their numbers are used up: the program has to be set again."""


def apply_edits(
    document: Editable, edits: Sequence[ses.Edit], fetch: Fetch | None = None, first: int = 0
) -> tuple[Editable, set[int]]:
    """The document after the structural edits among `edits`, and the numbers of what was added, replaced or removed.

    `fetch` gives the bytes of blobs that constants lie in; `first` is the number of the first edit, for messages. Raises
    EditError for the first edit that does not fit.
    """
    if not any(edit.WhichOneof("change") in STRUCTURAL for edit in edits):
        return document, set()
    course = _Course(document, fetch)
    for index, edit in enumerate(edits, first):
        kind = edit.WhichOneof("change")
        if kind in STRUCTURAL:
            course.where = f"edits[{index}]"
            course.apply(kind, getattr(edit, kind))
    return course.finish(), course.changed


class _Course:
    """One version on its way to the next."""

    def __init__(self, document: Editable, fetch: Fetch | None) -> None:
        self.where = ""
        self.changed: set[int] = set()
        self._old = document
        self._fetch = fetch
        self._rows = list(document.rows)
        self._order = document.order
        self._rank = list(document.rank)
        self._uses = list(document.uses)
        self._outputs = dict(document.outputs)
        self._removed: dict[int, str] = {}

    def apply(self, kind: str, change: Any) -> None:
        """Apply one edit."""
        match kind:
            case "add_constant":
                self._take(change.value, 1)
                self._rows.append(self._constant(change.tensor))
                self._rank.append(-1.0)
            case "add_node":
                self._add(change)
            case "replace_node":
                self._replace(change)
            case "remove_value":
                self._remove(change.value)
            case _:
                self._output(change)

    def finish(self) -> Editable:
        """The next version; raises EditError when something removed is still read."""
        for value, where in self._removed.items():
            if self._uses[value]:
                raise EditError(
                    where,
                    f"value {value} is still read {self._uses[value]} times; remove its readers too.",
                )
        gone = {v for v in self._removed if self._rank[v] >= 0}
        if gone:
            self._order = [n for n in self._order if n not in gone]
        for value in self._removed:
            self._rows[value] = None
        old = self._old
        return Editable(
            old.base, old.places, self._rows, self._order, self._rank, self._uses, self._outputs
        )

    def _add(self, change: ses.AddNode) -> None:
        row = self._node(change.node)
        self._take(change.value, row.n_out)
        order = self._own_order()
        if change.HasField("before"):
            at = order.index(self._existing(change.before))
            rank = self._rank_between(at)
        else:
            at = len(order)
            rank = (self._rank[order[-1]] if order else float(len(self._rows))) + 1.0
        self._check_operands(row, rank)
        order.insert(at, change.value)
        self._rows.append(row)
        self._rows.extend([Further(change.value)] * (row.n_out - 1))
        self._rank.extend([rank] * row.n_out)

    def _replace(self, change: ses.ReplaceNode) -> None:
        number = self._existing(change.value)
        old, row = self._rows[number], self._node(change.node)
        assert isinstance(old, NodeRow)
        if row.n_out != old.n_out:
            raise EditError(
                self.where,
                f"node {number} has {old.n_out} outputs, the new one {row.n_out}; remove the node and add another.",
            )
        self._count(old.operands, -1)
        self._check_operands(row, self._rank[number])
        self._rows[number] = row
        self.changed.add(number)

    def _remove(self, value: int) -> None:
        row = self._rows[value] if value < len(self._rows) else None
        if row is None or value in self._removed or isinstance(row, InputRow | Further):
            raise EditError(
                self.where, f"expected the number of a node or a constant, {value} came; name one."
            )
        if isinstance(row, NodeRow):
            self._count(row.operands, -1)
            for further in range(value + 1, value + row.n_out):
                self._removed[further] = self.where
        self._removed[value] = self.where
        self.changed.add(value)

    def _output(self, change: ses.SetOutput) -> None:
        if not change.name:
            raise EditError(self.where, "expected the name of an output, none came; name one.")
        before = self._outputs.get(change.name)
        if before is not None:
            self._uses[before] -= 1
        if not change.HasField("value"):
            if before is None:
                raise EditError(
                    self.where, f"there is no output {change.name!r}; there are {', '.join(self._outputs)}."
                )  # fmt: skip
            del self._outputs[change.name]
            return
        self._readable(change.value)
        self._uses[change.value] += 1
        self._outputs[change.name] = change.value

    def _take(self, value: int, count: int) -> None:
        if value != len(self._rows):
            raise EditError(
                self.where, f"expected the next free number, {len(self._rows)}, {value} came; count on."
            )  # fmt: skip
        if value + count > MAX_VALUES:
            raise Renumber(self.where, "the numbers are used up; set the program again.")
        self._uses.extend([0] * count)
        self.changed.add(value)

    def _existing(self, number: int) -> int:
        """The number of a node that stands."""
        row = self._rows[number] if number < len(self._rows) else None
        if not isinstance(row, NodeRow) or number in self._removed:
            raise EditError(
                self.where,
                f"expected the number of a node's first output, {number} came; name a node that stands.",
            )
        return number

    def _readable(self, value: int) -> None:
        if value >= len(self._rows) or self._rows[value] is None or value in self._removed:
            raise EditError(self.where, f"there is no value {value}; read one that exists.")

    def _check_operands(self, row: NodeRow, rank: float) -> None:
        for value in row.operands:
            self._readable(value)
            made = self._rows[value]
            if isinstance(made, NodeRow | Further) and self._rank[value] >= rank:
                raise EditError(
                    self.where, f"value {value} does not stand in front of the node; move one of them."
                )  # fmt: skip
        self._count(row.operands, 1)

    def _count(self, operands: Sequence[int], by: int) -> None:
        for value in operands:
            self._uses[value] += by

    def _own_order(self) -> list[int]:
        if self._order is self._old.order:
            self._order = list(self._order)
        return self._order

    def _rank_between(self, at: int) -> float:
        """A rank in front of the node at this place; when there is none left, all ranks are given anew."""
        order, rank = self._order, self._rank
        after = rank[order[at]]
        before = rank[order[at - 1]] if at else after - 2.0
        middle = (before + after) / 2
        if before < middle < after and middle >= 0:
            return middle
        for place, number in enumerate(order):
            row = self._rows[number]
            for value in range(number, number + (row.n_out if isinstance(row, NodeRow) else 1)):
                rank[value] = 2.0 * (place + 1)
        return 2.0 * at + 1.0

    def _node(self, node: ses.EditedNode) -> NodeRow:
        if not node.op:
            raise EditError(self.where, "expected the name of an op, none came; name one.")
        n_out = node.n_out or 1
        if n_out > MAX_VALUES:
            raise EditError(self.where, f"a node with {n_out} outputs is too large; split it.")
        attrs = self._attrs(node.attrs)
        for callee in called_functions(attrs):
            self._check_callee(callee)
        place = self._location(node.location) if node.HasField("location") else 0
        return NodeRow(node.op, tuple(node.operands), attrs, place, node.name, n_out)

    def _attrs(self, messages: Sequence[ses.NamedAttr]) -> AttrRow:
        rows: AttrRow = tuple(
            sorted((self._attr(message) for message in messages), key=lambda row: row[0])
        )
        names = [name for name, _, _ in rows]
        if len(set(names)) != len(names) or "" in names:
            raise EditError(self.where, "expected each attribute once, by name; merge them.")
        return rows

    def _attr(self, message: ses.NamedAttr) -> tuple[str, str, Any]:
        kind = message.WhichOneof("value")
        if kind is None:
            raise EditError(
                self.where, f"attribute {message.name!r}: expected a value, none came; leave it out."
            )  # fmt: skip
        value: Any = getattr(message, kind)
        if kind in ("ints", "doubles", "functions"):
            value = tuple(value.values)
        if kind == "dtype" and int(value) not in BY_WIRE:
            raise EditError(
                self.where,
                f"attribute {message.name!r}: expected a known dtype, {int(value)} came; mend it.",
            )
        return message.name, kind, value

    def _check_callee(self, callee: int) -> None:
        base = self._old.base
        if callee >= len(base.functions):
            raise EditError(
                self.where, f"the program has {len(base.functions)} functions, {callee} came; count from 0."
            )  # fmt: skip
        waiting, seen = [callee], set[int]()
        while waiting:
            index = waiting.pop()
            if index == base.entry:
                raise EditError(self.where, "the function would reach itself; use a loop.")
            if index not in seen:
                seen.add(index)
                waiting.extend(base.calls[index])

    def _constant(self, tensor: pb.Tensor) -> ConstantRow:
        row = BY_WIRE.get(int(tensor.dtype))
        if row is None:
            raise EditError(
                self.where, f"expected a known dtype, {int(tensor.dtype)} came; send one of the contract."
            )  # fmt: skip
        shape = tuple(tensor.shape)
        try:
            size = checked_size(shape, row.stored.itemsize, self.where)
        except ValueError as error:
            raise EditError(self.where, str(error).removeprefix(f"{self.where}: ")) from None
        data = tensor.data
        if tensor.WhichOneof("payload") == "blob":
            if self._fetch is None:
                raise EditError(self.where, "expected inline bytes, a blob came; send the bytes.")
            start = tensor.blob.offset_bytes
            data = bytes(self._fetch(tensor.blob)[start : start + size])
        if len(data) != size:
            raise EditError(
                self.where, f"expected {size} bytes of elements, {len(data)} came; mend the tensor."
            )
        kind = self._old.places.type(TypeRow(int(tensor.dtype), shape))
        return constant_row(kind, data, row.stored.itemsize)

    def _location(self, message: chk.SourceLocation) -> int:
        places, caller = self._old.places, 0
        for place in (*reversed(message.callers), message):
            caller = places.location(
                Location(
                    place.file, place.line, place.column, place.end_line, place.end_column,
                    place.scope, caller, place.source_node,
                )
            )  # fmt: skip
        return caller
