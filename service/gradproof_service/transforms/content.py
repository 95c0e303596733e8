"""What values are made of, as numbers of 64 bits: one expression has one number in every graph and every process.

A number rests on the op, its attributes, the types around it and the numbers of what is read, down to the names of the
inputs; never on where a node stands. So what is drawn at random for a node by its number stays when others come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np

from gradproof_service.arrays import Array, Frozen
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site


def contents(graph: Graph) -> list[int]:
    """The number of every value; remembered on the graph. Linear in its nodes."""
    found: list[int] | None = graph.plans.get("contents")
    if found is None:
        found = [input_number(name) for name in graph.inputs]
        for site, operands in zip(graph.sites, graph.operands, strict=True):
            found += output_numbers(site, [found[v] for v in operands])
        graph.plans["contents"] = found
    return found


def input_number(name: str) -> int:
    """The number of an input."""
    return _digest("input", name)


def output_numbers(site: Site, operands: Sequence[int]) -> list[int]:
    """The numbers of what a node makes of values with these numbers."""
    number = hash((_site_number(site), *operands))  # of integers: the same in every process
    if len(site.outs) == 1:
        return [number]
    return [hash((number, j)) for j in range(len(site.outs))]


def places(numbers: Array, seed: tuple[int, ...], below: int) -> list[int]:
    """For each number (int64) a place below `below` that looks drawn at random from the seed and the number."""
    salt = np.random.default_rng(seed).integers(0, 1 << 63, dtype=np.uint64)
    x = numbers.view(np.uint64) ^ salt
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x >> np.uint64(32)) % np.uint64(below)).tolist()


def _site_number(site: Site) -> int:
    found = site.pieces.get("content")
    if found is None:
        types = [(t.dtype.str, t.shape) for t in site.ins]
        attrs = [(name, _told(value)) for name, value in sorted(site.attrs.items())]
        found = site.pieces["content"] = _digest(site.op.name, types, attrs)
    return found


def _told(value: Any) -> Any:
    """An attribute as something whose text says all of it."""
    if isinstance(value, Frozen):
        return constant_key(value.array)
    if isinstance(value, Graph):
        numbers = contents(value)
        return [numbers[v] for v in value.outputs]
    return [_told(one) for one in value] if isinstance(value, tuple) else repr(value)


def constant_key(array: Array) -> tuple[str, tuple[int, ...], bytes]:
    """What tells a constant from all others: dtype, shape and a digest of its bits."""
    return array.dtype.str, array.shape, blake2b(array.tobytes(), digest_size=16).digest()


def _digest(*parts: Any) -> int:
    text = repr(parts).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)
