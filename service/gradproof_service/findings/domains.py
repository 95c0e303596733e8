"""GP1xx: places where an operation has no value or no slope, and what that does to a gradient."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

SINGULAR = {"sqrt": 0, "log": 0, "reciprocal": 0, "divide": 1, "pow": 0, "log1p": 0}
"""Ops whose slope is infinite at the edge of their domain, and the operand that gets there."""


def places(mask: Array) -> tuple[tuple[int, ...], ...]:
    """The first three places where the mask is true."""
    return tuple(tuple(int(n) for n in at) for at in np.argwhere(mask)[:3])


def entries(count: int) -> str:
    """`1 entry`, `5 entries`."""
    return f"{count} {'entry' if count == 1 else 'entries'}"


def _struck(view: View, k: int, operand: int, bad: Array) -> Array | None:
    """Entries of node k's output whose operand is bad and whose cotangent that spoils; None if none."""
    out = view.values[view.out(k)]
    if out is None or not view.look.smooth[view.out(k)]:
        return None
    hit = view.struck(k, np.broadcast_to(bad, out.shape))
    return hit if hit.any() else None


def _trap_possible(look: Look, k: int) -> Seen | None:
    graph = look.graph
    for node in look.behind(graph.operands[k][1:]):
        op = graph.sites[node].op.name
        if op not in SINGULAR:
            continue
        v = look.bare(graph.operands[node][SINGULAR[op]])
        if not look.smooth[v] or look.ranges[v].positive or look.op(v) == "where":
            continue
        if op == "pow" and _whole(look.number(graph.operands[node][1])):
            continue
        return Seen(
            f"lies in an arm of {graph.node_label(k)}: where that is not selected and its slope is infinite, "
            "the gradient becomes 0 times infinity", node,
        )  # fmt: skip
    return None


def _trap_seen(view: View) -> Iterator[Seen]:
    for k, birth in view.births.items():
        where = view.look.arms.get(k)
        if birth.silent and where is not None:
            yield Seen(
                f"lies in an arm that {view.graph.node_label(where)} does not select, yet its slope is "
                f"infinite at {list(birth.at)}: the gradient there is 0 times infinity, {birth.x_bar[birth.at]}",
                k, elements=(birth.at,),
            )  # fmt: skip


WHERE_NAN_TRAP = Rule(
    "GP101", "where-nan-trap", Severity.WARNING,
    "An operation without a slope stands in the arm that `where` does not select.",
    "The arm that is not selected still gets a cotangent, zero, and zero times an infinite slope is NaN.",
    "Guard the input of that operation as well: `where(c, f(where(c, x, 1)), 0)`.",
    Example("sum(where(x > 0.0, sqrt(x), 0.0))", {"x": [4.0, 0.0]}),
    Example("sum(where(x > 0.0, sqrt(where(x > 0.0, x, 1.0)), 0.0))", {"x": [4.0, 0.0]}),
    ops=("where",), look=_trap_possible, witness=_trap_seen,
    covers=("GP102", "GP103", "GP104", "GP105", "GP106", "GP109", "GP203"),
)  # fmt: skip


def _of_squares(look: Look, v: int) -> bool:
    """Whether the value is a sum of squares: the square of a length."""
    args = look.of(v, "sum", "mean", "add")
    if args is None:
        args = look.of(v, "einsum", "matmul")
        return (
            args is not None
            and len(args) == 2
            and look.bare(args[0]) == look.bare(args[1])
            and (look.graph.types[v].size == 1)
        )
    return all(look.square(a) is not None for a in args)


def _root_possible(look: Look, k: int) -> Seen | None:
    v = look.graph.operands[k][0]
    if not look.smooth[v] or not look.ranges[v].touches_zero or _of_squares(look, v):
        return None
    return Seen("takes a square root whose operand may be zero, where its slope is infinite", k)


def _root_seen(view: View, k: int) -> Seen | None:
    x = view.values[view.graph.operands[k][0]]
    if x is None or _of_squares(view.look, view.graph.operands[k][0]):
        return None
    hit = _struck(view, k, 0, np.asarray(np.abs(x) < np.finfo(np.float64).tiny))
    if hit is None:
        return None
    return Seen(
        f"takes the square root of 0 in {entries(int(hit.sum()))}: the slope there is infinite", k,
        elements=places(hit),
    )  # fmt: skip


SQRT_AT_ZERO = Rule(
    "GP102", "sqrt-at-zero", Severity.WARNING, "A square root of zero: its slope is infinite.",
    "The derivative 1/(2 sqrt(u)) has no finite value at u = 0.",
    "Use sqrt(u + eps**2), or keep u above zero.",
    Example("sqrt(abs(x))", {"x": 0.0}), Example("sqrt(abs(x) + 1e-12)", {"x": 0.5}),
    ops=("sqrt",), look=_root_possible, see=_root_seen, covers=("GP109", "GP203"),
)  # fmt: skip


def _norm_possible(look: Look, k: int) -> Seen | None:
    v = look.graph.operands[k][0]
    if not look.smooth[v] or not _of_squares(look, v):
        return None
    return Seen("is a length, whose slope does not exist at the zero vector", k)


def _norm_seen(view: View, k: int) -> Seen | None:
    v = view.graph.operands[k][0]
    x = view.values[v]
    if x is None or not _of_squares(view.look, v):
        return None
    hit = _struck(view, k, 0, np.asarray(x == 0))
    if hit is None:
        return None
    squared = any(
        view.look.square(view.graph.first[u]) == view.out(k) for u in view.look.users[view.out(k)]
    )
    hint = (
        "; it is squared again afterwards: the sum of squares alone has a slope" if squared else ""
    )
    return Seen(
        f"is the length of a zero vector in {entries(int(hit.sum()))}, where no slope exists{hint}", k,
        elements=places(hit),
    )  # fmt: skip


NORM_AT_ZERO = Rule(
    "GP103", "norm-at-zero", Severity.WARNING, "The length of a zero vector: no slope exists there.",
    "Left and right slopes of |x| differ at 0, and sqrt(sum(x*x)) gives 0/0 as its gradient.",
    "Use vector_norm, which gives the smallest subgradient 0, or the sum of squares itself.",
    Example("sqrt(sum(x * x))", {"x": [0.0, 0.0]}), Example("vector_norm(x)", {"x": [0.0, 0.0]}),
    ops=("sqrt",), look=_norm_possible, see=_norm_seen, covers=("GP102", "GP109", "GP203"),
)  # fmt: skip


def _divisor(look: Look, k: int) -> int:
    """The value that node k divides by."""
    return look.graph.operands[k][-1]


def _division_possible(look: Look, k: int) -> Seen | None:
    v = _divisor(look, k)
    if not look.smooth[v] or not look.ranges[v].touches_zero:
        return None
    return Seen("divides by a quantity that may be zero", k)


def _division_seen(view: View, k: int) -> Seen | None:
    b = view.values[_divisor(view.look, k)]
    if b is None or not view.look.moved[_divisor(view.look, k)]:
        return None
    hit = _struck(view, k, 1, b == 0)
    if hit is None:
        return None
    return Seen(f"divides by 0 in {entries(int(hit.sum()))}", k, elements=places(hit))


DIVISION_BY_ZERO = Rule(
    "GP104", "div-by-maybe-zero", Severity.WARNING, "A division by something that is or may be zero.",
    "Neither the quotient nor its slope exists there, and x / norm(x) is 0/0 at x = 0.",
    "Keep the divisor away from zero: norm(x) + eps, or maximum(norm(x), eps).",
    Example("sum(x / vector_norm(x))", {"x": [0.0, 0.0]}),
    Example("sum(x / maximum(vector_norm(x), 1e-6))", {"x": [0.0, 0.0]}),
    ops=("divide", "reciprocal"), look=_division_possible, see=_division_seen, covers=("GP109", "GP203"),
)  # fmt: skip


def _sigmoid_by_hand(look: Look, v: int) -> bool:
    """Whether the value is 1 / (1 + exp(x))."""
    divided = look.of(v, "divide", "reciprocal")
    if divided is None or (len(divided) == 2 and look.number(divided[0]) != 1):
        return False
    raised = look.matches(divided[-1], 1.0, 1)
    return raised is not None and look.op(raised) == "exp"


def _log_possible(look: Look, k: int) -> Seen | None:
    v = look.graph.operands[k][0]
    if not look.smooth[v]:
        return None
    made = "sigmoid" if _sigmoid_by_hand(look, v) else look.op(look.bare(v))
    if made in ("sigmoid", "softmax"):
        better = {"sigmoid": "-softplus(-x)", "softmax": "log_softmax(x)"}[made]
        return Seen(
            f"takes the logarithm of a {made}, which underflows to log(0): write {better}", k,
            severity=Severity.WARNING,
        )  # fmt: skip
    if look.ranges[v].touches_zero:
        return Seen("takes the logarithm of a quantity that may be zero", k)
    return None


def _log_seen(view: View, k: int) -> Seen | None:
    x = view.values[view.graph.operands[k][0]]
    if x is None:
        return None
    hit = _struck(view, k, 0, x <= 0)
    if hit is None:
        return None
    return Seen(
        f"takes the logarithm of {np.min(x):.3g}, outside its domain, in {entries(int(hit.sum()))}", k,
        numbers=(("smallest", float(np.min(x))),), elements=places(hit),
    )  # fmt: skip


LOG_DOMAIN = Rule(
    "GP105", "log-domain", Severity.WARNING, "A logarithm of something that is or may be zero or less.",
    "log and its slope 1/u do not exist at u <= 0, and a probability that underflows gets there.",
    "Use log_softmax, softplus or log1p, which never form the small number, or keep u above zero.",
    Example("-log(sigmoid(x))", {"x": -800.0}), Example("softplus(-x)", {"x": -800.0}),
    ops=("log",), look=_log_possible, see=_log_seen, covers=("GP109", "GP203"),
)  # fmt: skip


def _whole(number: float | None) -> bool:
    """Whether a constant exponent is 1, 2, 3, ...: a polynomial has no edge."""
    return number is not None and number >= 1 and number == int(number)


def _power_possible(look: Look, k: int) -> Seen | None:
    base, exponent = look.graph.operands[k]
    p = look.number(exponent)
    if look.smooth[exponent] and look.ranges[base].low < 0:
        return Seen(
            "raises a base that may be negative to a power that varies: no slope by the power exists",
            k,
        )
    if p is not None and p < 1 and look.smooth[base] and look.ranges[base].touches_zero:
        return Seen(
            f"raises a base that may be zero to the power {p:g}, whose slope is infinite there", k
        )
    return None


def _power_seen(view: View, k: int) -> Seen | None:
    xs = view.operands(k)
    if xs is None:
        return None
    base, p = np.broadcast_arrays(*xs)
    varies = bool(view.look.smooth[view.graph.operands[k][1]])
    bad = (base <= 0) if varies else (base == 0) & (p < 1) & (p != 0)
    hit = _struck(view, k, 0, bad)
    if hit is None:
        return None
    at = places(hit)[0]
    return Seen(
        f"raises {base[at]:g} to the power {p[at]:g} in {entries(int(hit.sum()))}, where it has no slope", k,
        elements=places(hit),
    )  # fmt: skip


POWER_EDGE = Rule(
    "GP106", "pow-edge", Severity.WARNING, "A power at the edge of where it has a slope.",
    "x**p has an infinite slope at 0 for p < 1, and log(x) in its slope by p exists for x > 0 only.",
    "Use exp(p * log(x)) for x > 0 only, or keep the base above zero.",
    Example("abs(x) ** 0.5", {"x": 0.0}), Example("(abs(x) + 0.5) ** 0.5", {"x": 0.25}),
    ops=("pow",), look=_power_possible, see=_power_seen, covers=("GP109", "GP203"),
)  # fmt: skip

OVERFLOW_CHAIN = Rule(
    "GP108", "overflow-chain", Severity.ERROR, "The first node whose value is infinite or NaN.",
    "Where the function is not finite no derivative exists; what follows the first such node only inherits it.",
    "Rewrite that node (a logarithm of a sum of exponentials, a product as a sum of logarithms), or move the point.",
    Example("log(exp(x) * exp(y))", {"x": 800.0, "y": 1.0}), Example("x + y", {"x": 800.0, "y": 1.0}),
    made_by="checking.check",
)  # fmt: skip


def _born(view: View) -> Iterator[Seen]:
    for k, birth in view.births.items():
        came = "0" if birth.silent else "finite"
        yield Seen(
            f"is the first node backwards whose cotangent is not finite: what arrives is {came}, what "
            f"leaves to operand {birth.operand} is {birth.x_bar[birth.at]} at {list(birth.at)}",
            k, elements=(birth.at,),
        )  # fmt: skip


NAN_BACKWARD = Rule(
    "GP109", "nan-origin-backward", Severity.WARNING,
    "The value is finite, the gradient is not: where it first turns infinite or NaN.",
    "One infinite slope on the way back spoils every input before it.",
    "Rewrite that node so that its slope is finite where its value is.",
    Example("exp(-reciprocal(x * x * x * x))", {"x": 1e-80}), Example("exp(-reciprocal(x * x))", {"x": 0.5}),
    witness=_born,
)  # fmt: skip

RULES = (
    WHERE_NAN_TRAP, SQRT_AT_ZERO, NORM_AT_ZERO, DIVISION_BY_ZERO, LOG_DOMAIN, POWER_EDGE, OVERFLOW_CHAIN,
    NAN_BACKWARD,
)  # fmt: skip
