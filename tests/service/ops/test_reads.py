"""What an op's record says it reads holds for the kernel: nothing else moves the output."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.ops import OPS
from gradproof_service.ops.reads import reads_of
from gradproof_service.ops.record import Lands, Op, Site

from tests.service.ops.draws import SeededDraw

NUDGE = 2.0**-20
MOVED = 2.0**-36
SMOOTH = [
    name
    for name, op in OPS.items()
    if op.batching != "run"
    and (op.vjp_all is not None or any(op.vjp_rule(i) is not None for i in range(op.arity[0])))
]


def said(s: Site, i: int, xs: list[Array | None]) -> list[Array]:
    """For each output the record's answer as a 0-1 matrix (output elements, operand elements)."""
    size = s.ins[i].size
    found: list[Array] = []
    addresses = np.arange(size).reshape(s.ins[i].shape)
    for t, read in zip(s.outs, reads_of(s, i, addresses, xs), strict=True):
        table = np.zeros((t.size + 1, size + 1), dtype=bool)
        if read is None:
            table[:] = True
        elif isinstance(read, Lands):
            table[read.places, read.x] = True
        else:
            assert read.shape[:-1] == t.shape
            rows = np.arange(t.size).reshape(*t.shape, 1)
            table[np.broadcast_to(rows, read.shape), read] = True
        found.append(table[:-1, :-1])
    return found


def outputs(s: Site, xs: list[Array]) -> list[Array]:
    """The kernel's outputs, flat."""
    with np.errstate(all="ignore"):
        y = s.op.kernel(s, *xs)
    return [np.asarray(v).reshape(-1) for v in (y if isinstance(y, tuple) else (y,))]


def overlooked(op: Op, rng_seed: int, *, at_point: bool) -> int:
    """Number of output elements that an element moved although the record says it is not read."""
    drawn, attrs = op.sample(SeededDraw(rng_seed))
    xs = [np.asarray(x) for x in drawn]
    s = op.site(attrs, tuple(type_of_array(x) for x in xs))
    at = outputs(s, xs)
    count = 0
    for i, x in enumerate(xs):
        if x.dtype.kind != "f" or (op.vjp_all is None and op.vjp_rule(i) is None):
            continue
        known = [v if at_point or v.dtype.kind != "f" else None for v in xs]
        tables = said(s, i, known)
        for j in range(x.size):
            near = x.copy()
            near.reshape(-1)[j] += NUDGE
            after = outputs(s, [*xs[:i], near, *xs[i + 1 :]])
            for table, a, b in zip(tables, at, after, strict=True):
                count += int((~(np.abs(b - a) <= MOVED) & ~table[:, j]).sum())
    return count


@pytest.mark.parametrize("at_point", [False, True], ids=["global", "local"])
@pytest.mark.parametrize("name", SMOOTH)
def test_nothing_is_overlooked(name: str, at_point: bool) -> None:
    """An element that the record calls unread moves nothing."""
    op = OPS[name]
    for rng_seed in range(8):
        assert overlooked(op, rng_seed, at_point=at_point) == 0


@pytest.mark.parametrize("name", SMOOTH)
def test_the_structure_is_told(name: str) -> None:
    """Every op with a derivative tells its structure: none falls back on everything."""
    op = OPS[name]
    drawn, attrs = op.sample(SeededDraw(1))
    xs = [np.asarray(x) for x in drawn]
    s = op.site(attrs, tuple(type_of_array(x) for x in xs))
    for i, x in enumerate(xs):
        if x.dtype.kind == "f":
            addresses = np.arange(x.size).reshape(x.shape)
            assert all(read is not None for read in reads_of(s, i, addresses, xs))


def _less(s: Site, i: int, x: Array, xs: Any) -> Any:
    """What the true record says, without the operand's first element."""
    read = reads_of(Site(OPS[s.op.name], s.attrs, s.ins, s.outs), i, x, xs)[0]
    assert isinstance(read, np.ndarray)
    return np.where(read == 0, -1, read)


@pytest.mark.parametrize(
    "name", ["exp", "multiply", "sum", "matmul", "einsum", "slice", "pad", "solve"]
)
def test_a_wrong_structure_is_caught(name: str) -> None:
    """A record that leaves an element out does not pass."""
    op = replace(OPS[name], reads=_less)
    assert any(overlooked(op, rng_seed, at_point=False) for rng_seed in range(40))
