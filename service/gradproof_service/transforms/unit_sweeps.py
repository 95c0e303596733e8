"""Jacobians as matrices, run as the caller says: plainly, as plans, or with their rounding disturbed.

Derivative graphs of many seeds are cut at their unit seeds (see `seeding`): what does not depend on the seeds
runs once, and no identity is multiplied. Which road is taken depends on the graph alone, never on what was
asked before, so that the same question has the same bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import batch_of
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import Mode, Run, jacobian
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.seeding import Split, split_at_identity

FEW: Final = 32
"""Seeds of fewer make no identity worth cutting away."""
PARTS: Final = 4
"""Most derivative graphs: each input (forward) or output (reverse) has one of its own."""
NODES: Final = 2000
"""Longer graphs are not written anew for this."""
BATCH_BYTES: Final = 64 << 20
"""Memory that a whole batch may take, every value of it counted; larger ones run in chunks of seeds."""

Runs = Callable[[int], Run]
"""How the graphs of one Jacobian are run, by their number."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Rows of derivatives at the unit seeds of one input (forward mode) or one output (reverse mode)."""

    split: Split
    seeds: int
    ranks: tuple[int, ...]
    """Axes of each result without the seeds' axis."""

    def rows(self, inputs: Sequence[Array], before: Run, after: Run) -> list[Array]:
        """For each result its rows (seeds, *shape), perhaps a view to be read only."""
        plain = self.split.plain
        handed = before(self.split.before, inputs)
        constant = iter(handed[: len(plain)])
        # a plan reads what lies in order: what was asked before must not decide how an array lies
        given = [np.asarray(x, order="C") for x in handed[len(plain) :]]
        rest = iter(after(self.split.after, given))
        return [
            batch_of(next(constant if o in plain else rest), rank, self.seeds)
            for o, rank in enumerate(self.ranks)
        ]


def sweep(graph: Graph, mode: Mode, at: int, others: Sequence[int]) -> Sweep:
    """Forward mode from input `at` to the outputs `others`, or reverse mode from output `at` to the inputs `others`."""
    if mode == "reverse":
        whole = vjp(graph, tuple(others), (at,))
        wanted = whole.outputs[len(graph.outputs) :]
        seeds = graph.types[graph.outputs[at]].size
    else:
        whole = jvp(graph, (at,))
        floats = [o for o, t in enumerate(graph.output_types) if t.is_float]
        wanted = [whole.outputs[len(graph.outputs) + floats.index(o)] for o in others]
        seeds = graph.types[at].size
    ranks = tuple(whole.types[v].rank for v in wanted)
    return Sweep(
        split_at_identity(optimise(whole.returning(wanted)), len(graph.inputs)), seeds, ranks
    )


def matrices(
    graph: Graph, inputs: Sequence[Array], wrt: Sequence[int], outs: Sequence[int], mode: Mode,
    runs: Runs,
) -> list[Array]:  # fmt: skip
    """The Jacobian of each of `outs` by each of `wrt` as a matrix (output size, input size), outputs first.

    Only for graphs whose floats are of one dtype.
    """
    wrt, outs = tuple(wrt), tuple(outs)
    sizes = [graph.types[graph.outputs[o]].size for o in outs], [graph.types[i].size for i in wrt]
    sweeps = _sweeps(graph, wrt, outs, mode)
    if not sweeps:
        found = jacobian(graph, inputs, wrt, outs, mode, run=runs(0)).blocks
        return [
            b.reshape(m, n)
            for row, m in zip(found, sizes[0], strict=True)
            for b, n in zip(row, sizes[1], strict=True)
        ]
    rows = [
        [r.reshape(one.seeds, -1) for r in one.rows(inputs, runs(2 * n + 1), runs(2 * n + 2))]
        for n, one in enumerate(sweeps)
    ]
    if mode == "reverse":
        return [b if b.flags.writeable else b.copy() for of_output in rows for b in of_output]
    return [np.ascontiguousarray(rows[i][o].T) for o in range(len(outs)) for i in range(len(wrt))]


def _sweeps(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], mode: Mode) -> list[Sweep]:
    """One for each output (reverse) or input (forward), remembered on the graph; none where it does not pay."""
    key = ("sweeps", wrt, outs, mode)
    found: list[Sweep] | None = graph.plans.get(key)
    if found is None:
        found = graph.plans[key] = _made(graph, wrt, outs, mode)
    return found


def _made(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], mode: Mode) -> list[Sweep]:
    starts, others = (outs, wrt) if mode == "reverse" else (wrt, outs)
    sizes = [graph.types[graph.outputs[s] if mode == "reverse" else s].size for s in starts]
    if not 0 < len(starts) <= PARTS or min(sizes) < FEW or len(graph) > NODES:
        return []
    found = [sweep(graph, mode, at, others) for at in starts]
    heavy = any(8 * s.seeds * sum(t.size for t in s.split.after.types) > BATCH_BYTES for s in found)
    return [] if heavy else found
