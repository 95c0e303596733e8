"""Edits of single nodes, for `Document.edit(changes=[...])`.

Values have numbers that last as long as the document: at first those of the program (inputs, constants, node outputs in
order), and each value that an edit adds takes the next free number, `document.free`. A node is named by the number of its
first output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gradproof_proto.tensors import to_tensor
from gradproof_proto.v1 import session_pb2 as ses
from gradproof_proto.writer import freeze_attrs

from gradproof._session.nodes import spelled


def add_constant(value: int, array: Any) -> ses.Edit:
    """A new constant with the number `value`, the next free one."""
    return ses.Edit(add_constant=ses.AddConstant(value=value, tensor=to_tensor(array)))


def add_node(
    value: int,
    op: str,
    operands: Sequence[int],
    attrs: Mapping[str, Any] | None = None,
    *,
    before: int | None = None,
    outputs: int = 1,
) -> ses.Edit:
    """A new node whose outputs take the numbers from `value` on; it comes last, or in front of the node `before`."""
    node = _node(op, operands, attrs, outputs)
    return ses.Edit(add_node=ses.AddNode(value=value, before=before, node=node))


def replace_node(
    value: int,
    op: str,
    operands: Sequence[int],
    attrs: Mapping[str, Any] | None = None,
    *,
    outputs: int = 1,
) -> ses.Edit:
    """Another node in the place of `value`; it has as many outputs, and they keep their numbers."""
    node = _node(op, operands, attrs, outputs)
    return ses.Edit(replace_node=ses.ReplaceNode(value=value, node=node))


def remove(value: int) -> ses.Edit:
    """A node or constant goes; nothing may read it when all changes are made."""
    return ses.Edit(remove_value=ses.RemoveValue(value=value))


def set_output(name: str, value: int) -> ses.Edit:
    """The function returns this value under a name that it has, or under a new one."""
    return ses.Edit(set_output=ses.SetOutput(name=name, value=value))


def remove_output(name: str) -> ses.Edit:
    """The function does not return this any more."""
    return ses.Edit(set_output=ses.SetOutput(name=name))


def _node(
    op: str, operands: Sequence[int], attrs: Mapping[str, Any] | None, outputs: int
) -> ses.EditedNode:
    full = op if "." in op else f"gp.{op}"
    return spelled(full, operands, freeze_attrs(attrs or {}), outputs)
