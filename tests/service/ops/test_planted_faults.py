"""A wrong rule planted into a copy of any record makes a law fail: the laws are able to fail.

Whether a fault is one is decided by numbers: the copy's derivative is compared with the record's at
a few points, and only where they differ is a law asked to notice. Forward faults must be noticed by
difference quotients, without the reverse rule; reverse faults by the adjoint identity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.ops import OPS
from gradproof_service.ops.record import IllTyped, Op

from tests.service.ops import laws
from tests.service.ops.laws import Case
from tests.service.ops.points import NAMES, cases, operands

Fault = Callable[..., Any]
"""`(rule, xp, s, xs, ys, d, like) -> what the faulty rule returns`; `like` is the type it is for."""


def _sign(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    return -rule(xp, s, xs, ys, d)


def _factor(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    return 1.01 * rule(xp, s, xs, ys, d)


def _axis(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    """The first axis is run through backwards."""
    right = rule(xp, s, xs, ys, d)
    return xp.flip(right, axes=(0,)) if right.rank else right


def _transpose(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    right = rule(xp, s, xs, ys, d)
    square = right.rank > 1 and right.shape[-1] == right.shape[-2]
    return xp.matrix_transpose(right) if square else right


def _no_sum(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    """Where the operand was broadcast the first part stands for the sum of all."""
    right = rule(xp, s, xs, ys, d)
    stops = [right.rank > k and n for k, n in enumerate(right.shape)]
    for axis in range(-right.rank, 0):
        if axis < -like.rank or like.shape[axis] == 1:
            stops[axis] = 1
    if tuple(stops) == right.shape:
        return right
    first = xp.slice(right, starts=(0,) * right.rank, stops=tuple(stops))
    return xp.reshape(first, shape=like.shape)


def _identity(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    """What comes in goes out."""
    seed = next(v for v in d if v is not None) if isinstance(d, tuple) else d
    right = rule(xp, s, xs, ys, d)
    return seed if seed.shape == right.shape else right


def _nothing(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    return None


def _frozen(rule: Any, xp: Any, s: Any, xs: Any, ys: Any, d: Any, like: Any) -> Any:
    """The operands are taken for constants: the first order is right, the second is not."""
    return rule(xp, s, tuple(map(xp.stop_gradient, xs)), tuple(map(xp.stop_gradient, ys)), d)


FAULTS: dict[str, Fault] = {
    "sign": _sign, "factor": _factor, "axis": _axis, "transpose": _transpose,
    "no sum": _no_sum, "identity": _identity, "nothing": _nothing, "frozen": _frozen,
}  # fmt: skip


def planted(op: Op, fault: str, side: str, operand: int) -> Op:
    """A copy of the record whose rule of one operand on one side has the fault."""
    make = FAULTS[fault]
    wrong_all = {}
    if op.jvp_all is not None and side == "jvp":
        wrong_all["jvp_all"] = _flow(op.jvp_all, make, side, operand)
    elif op.vjp_all is not None and side == "vjp":
        wrong_all["vjp_all"] = _flow(op.vjp_all, make, side, operand)
    if wrong_all:
        return replace(op, **wrong_all)
    find = op.jvp_rule if side == "jvp" else op.vjp_rule

    def pick(i: int) -> Any:
        rule = find(i)
        return _single(rule, make, side, i) if i == operand and rule is not None else rule

    return replace(op, **{side: pick})


def _single(rule: Any, make: Fault, side: str, operand: int) -> Any:
    def wrong(xp: Any, s: Any, xs: Any, ys: Any, d: Any) -> Any:
        if side == "vjp":
            return make(rule, xp, s, xs, ys, d, s.ins[operand])
        if len(s.outs) == 1:
            return make(rule, xp, s, xs, ys, d, s.out)
        right = rule(xp, s, xs, ys, d)
        return tuple(
            r if r is None else make(lambda *_, r=r: r, xp, s, xs, ys, d, t)
            for r, t in zip(right, s.outs, strict=True)
        )

    return wrong


def _flow(rule: Any, make: Fault, side: str, operand: int) -> Any:
    """Control flow's one rule for all operands: the fault sits in the first float it returns."""

    def wrong(xp: Any, s: Any, xs: Any, ys: Any, d: Any, *wanted: Any) -> Any:
        right = list(rule(xp, s, xs, ys, d, *wanted))
        likes = s.outs if side == "jvp" else s.ins
        at = operand if side == "vjp" else next(i for i, r in enumerate(right) if r is not None)
        if right[at] is not None:
            kept = right[at]
            right[at] = make(lambda *_: kept, xp, s, xs, ys, d, likes[at])
        return tuple(right)

    return wrong


def shown(name: str, fault: str, side: str, operand: int) -> Iterator[Case]:
    """Points with the fault planted, where it changes the first order, or for `frozen` the second."""
    for right in cases(name):
        wrong = replace(right, op=planted(right.op, fault, side, operand))
        try:
            if fault == "frozen":
                if _differs(_second(right), _second(wrong)):
                    yield wrong
                continue
            tangents, cotangents = right.seeds()
            if side == "jvp" and _differs(right.pushed(tangents), wrong.pushed(tangents)):
                yield wrong
            if side == "vjp" and _differs(right.pulled(cotangents), wrong.pulled(cotangents)):
                yield wrong
        except (IllTyped, KeyError):  # the fault does not even fit the types here
            continue


def _second(case: Case) -> list[Any]:
    tangents, cotangents = case.seeds()
    reverse = laws.vjp(case.graph, case.wrt, case.outs)
    return laws.evaluate(laws.jvp(reverse, case.wrt), [*case.xs, *cotangents, *tangents])


def _differs(a: list[Any], b: list[Any]) -> bool:
    """Whether an entry moved by more than a thousandth of the largest in its array."""
    return any(
        np.max(np.abs(x - y), initial=0.0) > 1e-3 * np.max(np.abs(x), initial=1e-5)
        for x, y in zip(a, b, strict=True)
    )


SIDES = ("jvp", "vjp")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", [n for n in NAMES if OPS[n].source != "declared"])
def test_a_planted_fault_is_found(name: str, fault: str) -> None:
    """Wherever the fault changes a derivative, the law in charge of that side fails."""
    for side in SIDES:
        for operand in operands(name):
            for case in shown(name, fault, side, operand):
                law = laws.adjoint
                if fault == "frozen":
                    law = laws.second_order_is_a_difference
                elif side == "jvp":
                    law = laws.forward_is_a_difference
                with pytest.raises(AssertionError):
                    law(case)
                break


def test_the_right_rules_pass_at_the_same_points() -> None:
    """The points at which faults are looked for accuse no right rule."""
    for name in NAMES:
        for case in cases(name):
            laws.adjoint(case)
            if OPS[name].source != "declared":
                laws.forward_is_a_difference(case)
                laws.second_order_is_a_difference(case)


@pytest.mark.parametrize("name", NAMES)
def test_every_rule_can_be_planted(name: str) -> None:
    """A sign or a factor shows in every rule, so no op passes for want of a fault that bites."""
    for side in SIDES:
        for operand in operands(name):
            assert next(shown(name, "factor", side, operand), None) is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_shows_somewhere(fault: str) -> None:
    """No fault is harmless in every op, so none is looked for in vain."""
    assert any(
        next(shown(name, fault, side, operand), None)
        for name in NAMES
        for side in SIDES
        for operand in operands(name)
    )
