"""Nodes spelled out for edits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gradproof_proto.tables import AttrRow
from gradproof_proto.v1 import session_pb2 as ses


def spelled(
    op: str, operands: Sequence[int], attrs: AttrRow, outputs: int, name: str = ""
) -> ses.EditedNode:
    """A node as an edit names it."""
    node = ses.EditedNode(op=op, operands=operands, n_out=outputs, name=name)
    for key, kind, value in attrs:
        attr: Any = node.attrs.add(name=key)
        if isinstance(value, tuple):
            values = getattr(attr, kind)
            values.SetInParent()
            values.values.extend(value)
        else:
            setattr(attr, kind, value)
    return node
