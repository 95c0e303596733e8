"""Index expressions as the text that `index_get` and `index_set` take: `x[0, ::2, idx]` is `0,::2,array`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Entry = tuple[str, Any]
"""("int", i), ("slice", slice), ("new", None), ("ellipsis", None) or ("array", operand): one part of an index."""


def encode(entries: Iterable[Entry]) -> str:
    """One word for each part, between commas; arrays are operands in the order of their words."""
    return ",".join(_word(kind, item) for kind, item in entries)


def _word(kind: str, item: Any) -> str:
    if kind == "int":
        return str(item)
    if kind == "slice":
        ends = [item.start, item.stop] + ([] if item.step is None else [item.step])
        return ":".join("" if n is None else str(n) for n in ends)
    return "..." if kind == "ellipsis" else kind
