"""What both modes share: which values matter, and the tools lent to rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from gradproof_service.arrays import Type
from gradproof_service.graph.graph import Graph
from gradproof_service.ops.record import Site
from gradproof_service.transforms.evaluate import MEMORY, Memory


@dataclass(frozen=True, slots=True)
class Derive:
    """The transforms, lent to the rules of ops that call functions (`xp.derive`).

    `jvp(graph, wrt)` and `vjp(graph, wrt, outs)` have the signatures and caches of the transforms
    themselves; lending them keeps the ops floor below the transforms floor.
    """

    jvp: Callable[[Graph, tuple[int, ...]], Graph]
    vjp: Callable[[Graph, tuple[int, ...], tuple[int, ...]], Graph]
    carry_bytes: float = inf
    """What the reverse rule of a loop may keep of its carries at once."""

    def carries_kept(self, carry: Sequence[Type], steps: int) -> int:
        """How many carries of these types the reverse rule of a loop of so many steps keeps at once, one at least."""
        each = sum(t.nbytes for t in carry)
        return steps if each * steps <= self.carry_bytes else max(1, int(self.carry_bytes // each))


def independent(graph: Graph) -> bytearray:
    """For each value whether it depends on no input: it is the same at every point."""
    found = bytearray(len(graph.types))
    for _, _, _, operands, outs in graph.nodes():
        if all(found[v] for v in operands):
            for v in outs:
                found[v] = 1
    return found


def reaches(graph: Graph, wrt: Sequence[int]) -> bytearray:
    """For each value whether it is a float that depends on one of the inputs `wrt` smoothly.

    A path counts only through operands that have a rule: integers, comparisons and
    `stop_gradient` cut it.
    """
    memory: Memory | None = graph.plans.get(MEMORY)
    seeds = {i: int(graph.types[i].is_float) for i in wrt}
    found = None if memory is None else memory.flags(("reaches", tuple(wrt)), seeds, _reached)
    if found is not None:
        return found
    active = bytearray(len(graph.types))
    for i, flag in seeds.items():
        active[i] = flag
    for site, operands, first in zip(graph.sites, graph.operands, graph.first, strict=True):
        flags = [active[v] for v in operands]
        if 1 in flags and passes(site, flags):
            for out, t in enumerate(site.outs, first):
                active[out] = t.is_float
    return active


def _reached(site: Site, active: list[int]) -> list[int]:
    through = 1 in active and passes(site, active)
    return [through and t.is_float for t in site.outs]


def passes(site: Site, active: Sequence[int]) -> bool:
    """Whether an active operand of the node makes its float outputs active."""
    op = site.op
    for i, a in enumerate(active):
        if a and (
            op.jvp_all is not None
            or op.vjp_all is not None
            or op.vjp_rule(i) is not None
            or op.jvp_rule(i) is not None
        ):
            return True
    return False
