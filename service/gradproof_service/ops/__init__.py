"""The op catalogue: `OPS` maps every op name to its record.

Adding an op is adding one record to one family file; nothing else in the house names ops one by
one.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Final

from gradproof_service.ops.record import Op

FAMILIES: Final = (
    "arithmetic", "transcendental", "logic", "reduction", "statistics", "linalg", "einsum",
    "decompositions", "systems", "determinants", "shape", "joining", "padding",
    "indexing", "scatter", "dynamic", "creation", "nn", "normalisation", "pooling", "convolution", "control", "loops", "scanning",
)  # fmt: skip
"""Family files, in the order in which the catalogue lists them."""


def _load() -> dict[str, Op]:
    ops: dict[str, Op] = {}
    for family in FAMILIES:
        for record in import_module(f"{__name__}.{family}").RECORDS:
            if record.name in ops:
                raise ValueError(f"two records are called {record.name!r}")
            ops[record.name] = replace(record, family=family)
    return ops


OPS: Final[dict[str, Op]] = _load()
"""Every op by name (without the `gp.` of the wire)."""

OP_SET: Final = 1
"""Version of the op set; an op's meaning never changes under its name."""
