"""A few smooth points of every op, the same in every run, for tests that plant faults."""

from __future__ import annotations

from functools import cache

from gradproof_service.ops import OPS

from tests.service.ops import laws
from tests.service.ops.draws import SeededDraw, sample
from tests.service.ops.laws import Case

POINTS = 4
"""How many points are looked at to find one where a fault shows."""


@cache
def cases(name: str) -> list[Case]:
    """A few smooth points of the op."""
    found: list[Case] = []
    for k in range(40):
        case = Case(OPS[name], *sample(OPS[name], SeededDraw(k)), k)
        if case.differentiable and case.reach > laws.ON_THE_EDGE:
            found.append(case)
        if len(found) == POINTS:
            break
    return found


def operands(name: str) -> list[int]:
    """The float operands that have a rule, at the first point."""
    op, first = OPS[name], cases(name)
    if not first:
        return []
    flow = op.jvp_all is not None
    return [i for i in first[0].wrt if flow or op.vjp_rule(i) is not None]


NAMES = [n for n in OPS if operands(n)]
"""Ops with a rule to spoil."""
