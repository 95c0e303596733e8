"""The edits that lead from one program to another, found from both ends: what is equal in front and behind stays."""

from __future__ import annotations

from typing import Any

from gradproof_proto.canonical import function_digests
from gradproof_proto.editable import Editable, NodeRow, editable
from gradproof_proto.tables import ConstantRow, TypeRow
from gradproof_proto.tensors import BY_WIRE
from gradproof_proto.v1 import check_pb2 as chk
from gradproof_proto.v1 import program_pb2 as pb
from gradproof_proto.v1 import session_pb2 as ses

from gradproof._session.nodes import spelled


def difference(old: Editable, program: pb.Program) -> list[ses.Edit] | None:
    """Edits after which `old` says what `program` says; None when more than the entry's nodes differ."""
    new = editable(program)
    if not _same_frame(old, new):
        return None
    return _Walk(old, new).edits()


def _same_frame(old: Editable, new: Editable) -> bool:
    """Whether everything but the entry's nodes, constants and outputs is equal."""
    a, b = old.base, new.base
    if a.entry != b.entry or len(a.functions) != len(b.functions) or a.metadata != b.metadata:
        return False
    if a.version != b.version or [_input(old, i) for i in _inputs(old)] != [
        _input(new, i) for i in _inputs(new)
    ]:
        return False
    if old.entry.name != new.entry.name or old.entry.rules or new.entry.rules:
        return False
    if any(row.out_types for row in new.nodes()) or list(old.outputs) != list(new.outputs):
        return False
    if len(a.functions) == 1:
        return True
    theirs = zip(function_digests(a), function_digests(b), strict=True)
    return all(x == y for index, (x, y) in enumerate(theirs) if index != a.entry)


def _inputs(document: Editable) -> range:
    return range(len(document.entry.input_names))


def _input(document: Editable, i: int) -> tuple[str, TypeRow]:
    return document.entry.input_names[i], document.base.types[document.entry.input_types[i]]


class _Walk:
    """Both programs side by side; `there` says which old or added value each new value is."""

    def __init__(self, old: Editable, new: Editable) -> None:
        self._old = old
        self._new = new
        self._edits: list[ses.Edit] = []
        self._free = len(old.rows)
        self._there: dict[int, int] = {i: i for i in _inputs(new)}

    def edits(self) -> list[ses.Edit]:
        """What leads from old to new."""
        old, new = self._old, self._new
        kept = self._constants()
        a, b = old.order, new.order
        front = 0
        while front < min(len(a), len(b)) and self._equal(a[front], b[front]):
            self._pair(a[front], b[front])
            front += 1
        back = 0
        most = min(len(a), len(b)) - front
        while back < most and self._alike(a[-1 - back], b[-1 - back]):
            back += 1
        for number, other in zip(a[len(a) - back :], b[len(b) - back :], strict=True):
            self._pair(number, other)
        olds, news = a[front : len(a) - back], b[front : len(b) - back]
        paired = 0
        for number, other in zip(olds, news, strict=False):
            if self._row(old, number).n_out != self._row(new, other).n_out:
                break
            self._renew(number, other)
            paired += 1
        before = a[len(a) - back] if back else None
        for other in news[paired:]:
            self._add(other, before)
        for number, other in zip(a[len(a) - back :], b[len(b) - back :], strict=True):
            self._renew(number, other)
        for name, value in new.outputs.items():
            if old.outputs[name] != self._there[value]:
                change = ses.SetOutput(name=name, value=self._there[value])
                self._edits.append(ses.Edit(set_output=change))
        gone = [*olds[paired:], *(v for v in self._old_constants() if v not in kept)]
        self._edits += [ses.Edit(remove_value=ses.RemoveValue(value=v)) for v in gone]
        return self._edits

    def _constants(self) -> set[int]:
        """Pair the constants by their bits; those of the old program that are kept."""
        known: dict[Any, list[int]] = {}
        for v in reversed(self._old_constants()):
            known.setdefault(self._bits(self._old, v), []).append(v)
        kept: set[int] = set()
        for v, row in enumerate(self._new.rows):
            if not isinstance(row, ConstantRow):
                continue
            same = known.get(self._bits(self._new, v))
            if same:
                self._there[v] = same.pop()
                kept.add(self._there[v])
                continue
            self._there[v] = self._free
            change = ses.AddConstant(value=self._free, tensor=_tensor(self._new, row))
            self._edits.append(ses.Edit(add_constant=change))
            self._free += 1
        return kept

    def _old_constants(self) -> list[int]:
        return [v for v, row in enumerate(self._old.rows) if isinstance(row, ConstantRow)]

    def _bits(self, document: Editable, v: int) -> Any:
        row = document.rows[v]
        assert isinstance(row, ConstantRow)
        return (document.places.types[row.type], *row[1:])

    def _row(self, document: Editable, number: int) -> NodeRow:
        row = document.rows[number]
        assert isinstance(row, NodeRow)
        return row

    def _pair(self, number: int, other: int) -> None:
        for j in range(self._row(self._new, other).n_out):
            self._there[other + j] = number + j

    def _alike(self, number: int, other: int) -> bool:
        """Whether two nodes say the same but for what they read."""
        a, b = self._row(self._old, number), self._row(self._new, other)
        return (
            (a.op, a.name, a.n_out, len(a.operands)) == (b.op, b.name, b.n_out, len(b.operands))
            and not a.out_types
            and repr(a.attrs) == repr(b.attrs)
            and _location(self._old, a.location) == _location(self._new, b.location)
        )

    def _equal(self, number: int, other: int) -> bool:
        a, b = self._row(self._old, number), self._row(self._new, other)
        return a.operands == tuple(self._there[v] for v in b.operands) and self._alike(
            number, other
        )

    def _renew(self, number: int, other: int) -> None:
        """The new node in the place of the old one, unless they are equal."""
        if not self._equal(number, other):
            change = ses.ReplaceNode(value=number, node=self._spelled(other))
            self._edits.append(ses.Edit(replace_node=change))
        self._pair(number, other)

    def _add(self, other: int, before: int | None) -> None:
        change = ses.AddNode(value=self._free, before=before, node=self._spelled(other))
        self._edits.append(ses.Edit(add_node=change))
        self._pair(self._free, other)
        self._free += self._row(self._new, other).n_out

    def _spelled(self, other: int) -> ses.EditedNode:
        row = self._row(self._new, other)
        operands = [self._there[v] for v in row.operands]
        node = spelled(row.op, operands, row.attrs, row.n_out, row.name)
        if row.location:
            node.location.CopyFrom(_location(self._new, row.location))
        return node


def _tensor(document: Editable, row: ConstantRow) -> pb.Tensor:
    kind = document.places.types[row.type]
    shape = [n for n in kind.shape or () if isinstance(n, int)]
    tensor: Any = pb.Tensor(shape=shape)
    tensor.dtype = kind.dtype
    if row.payload == "blob":
        tensor.blob.CopyFrom(
            pb.BlobRef(sha256=row.content, size_bytes=row.size_bytes, offset_bytes=row.offset_bytes)
        )
        return tensor
    size = BY_WIRE[kind.dtype].stored.itemsize
    for length in shape:
        size *= length
    copies = size // max(len(row.content), 1) if row.payload == "splat" else 1
    tensor.data = row.content * copies
    return tensor


def _location(document: Editable, row: int) -> chk.SourceLocation:
    """A place spelled out, with the calls that led there."""
    chain: list[chk.SourceLocation] = []
    while row:
        place = document.places.locations[row]
        chain.append(
            chk.SourceLocation(
                file=place.file, line=place.line, column=place.column, end_line=place.end_line,
                end_column=place.end_column, scope=place.scope, source_node=place.source_node,
            )
        )  # fmt: skip
        row = place.caller
    if not chain:
        return chk.SourceLocation()
    chain[0].callers.extend(chain[1:])
    return chain[0]
