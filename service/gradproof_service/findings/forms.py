"""GP3xx: forms that lose digits, or overflow, where an equal form does not."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.domains import places
from gradproof_service.findings.look import Look
from gradproof_service.findings.rule import Example, Rule, Seen
from gradproof_service.findings.view import View

DIGITS = 3.0
"""Digits that a form must lose at the point before it is more than a remark."""


def _lost(view: View, k: int, small: Array, words: str) -> Seen | None:
    """Digits lost when `small` is what remains of numbers of size one at node k."""
    if not view.matters(k):
        return None
    with np.errstate(all="ignore"):
        size = np.abs(small[np.isfinite(small) & (small != 0)])
    if not size.size:
        return None
    digits = float(-np.log10(np.min(size)))
    if digits < DIGITS:
        return None
    return Seen(
        f"{words}, and loses {min(digits, 16.0):.0f} digits here", k, numbers=(("digits", digits),)
    )


def _exponentials(look: Look, k: int) -> int | None:
    """a of log(sum(exp(a))), unless its maximum has been taken off."""
    total = look.of(look.graph.operands[k][0], "sum", "add")
    if total is None:
        return None
    inner = [look.of(v, "exp") for v in total]
    if any(args is None for args in inner):
        return None
    for args in inner:
        shifted = look.of(args[0], "subtract") if args else None
        if shifted is not None and look.of(shifted[1], "max", "maximum") is not None:
            return None
    return inner[0][0] if inner[0] else None


def _log_sum_exp(look: Look, k: int) -> Seen | None:
    if not look.smooth[look.graph.operands[k][0]] or _exponentials(look, k) is None:
        return None
    return Seen(
        "takes the logarithm of a sum of exponentials, which overflows beyond 709 and vanishes below -745",
        k,
    )


def _log_sum_exp_at(view: View, k: int) -> Seen | None:
    a = _exponentials(view.look, k)
    x = None if a is None else view.values[a]
    if x is None or not x.size:
        return None
    top = float(np.max(x))
    if -700 < top < 700:
        return None
    return Seen(
        f"takes the logarithm of a sum of exponentials whose largest exponent is {top:.4g}", k,
        numbers=(("largest", top),),
    )  # fmt: skip


LOG_SUM_EXP = Rule(
    "GP301", "log-sum-exp", Severity.WARNING, "log(sum(exp(x))) without taking off the maximum.",
    "exp overflows to infinity or vanishes to log(0) long before the result is large.",
    "Use logsumexp(x).",
    Example("log(sum(exp(x)))", {"x": [1.0, 2.0]}), Example("logsumexp(x)", {"x": [1.0, 2.0]}),
    ops=("log",), look=_log_sum_exp, see=_log_sum_exp_at, possible=Severity.WARNING,
)  # fmt: skip


def _one_plus(look: Look, k: int) -> int | None:
    """x of log(1 + x) or log(1 - x), when x is no exponential."""
    v = look.graph.operands[k][0]
    for sign in (1, -1):
        x = look.matches(v, 1.0, sign)
        if x is not None and look.smooth[x] and look.op(x) != "exp":
            return x
    return None


def _log_one_plus(look: Look, k: int) -> Seen | None:
    return (
        None
        if _one_plus(look, k) is None
        else Seen("takes log(1 + x), which loses the digits of a small x", k)
    )


def _log_one_plus_at(view: View, k: int) -> Seen | None:
    x = _one_plus(view.look, k)
    value = None if x is None else view.values[x]
    return None if value is None else _lost(view, k, value, "takes log(1 + x) of a small x")


LOG_ONE_PLUS = Rule(
    "GP302", "log-one-plus", Severity.WARNING, "log(1 + x), in any order of the operands.",
    "1 + x rounds a small x to the spacing of 1, and the logarithm shows what is left.",
    "Use log1p(x).",
    Example("log(x + 1.0)", {"x": 1e-6}), Example("log1p(x)", {"x": 1e-6}),
    ops=("log",), look=_log_one_plus, see=_log_one_plus_at,
)  # fmt: skip


def _minus_one(look: Look, k: int) -> int | None:
    """x of exp(x) - 1 or 1 - exp(x)."""
    v = look.graph.first[k]
    for number, sign in ((-1.0, 1), (1.0, -1)):
        y = look.matches(v, number, sign)
        args = None if y is None else look.of(y, "exp")
        if args is not None and look.smooth[args[0]]:
            return args[0]
    return None


def _exp_minus_one(look: Look, k: int) -> Seen | None:
    return (
        None
        if _minus_one(look, k) is None
        else Seen("takes exp(x) - 1, which loses the digits of a small x", k)
    )


def _exp_minus_one_at(view: View, k: int) -> Seen | None:
    x = _minus_one(view.look, k)
    value = None if x is None else view.values[x]
    return None if value is None else _lost(view, k, value, "takes exp(x) - 1 of a small x")


EXP_MINUS_ONE = Rule(
    "GP303", "exp-minus-one", Severity.WARNING, "exp(x) - 1, in any order of the operands.",
    "Near x = 0 the exponential is rounded at the spacing of 1, and the difference is what is left.",
    "Use expm1(x).",
    Example("exp(x) - 1.0", {"x": 1e-6}), Example("expm1(x)", {"x": 1e-6}),
    ops=("add", "subtract"), look=_exp_minus_one, see=_exp_minus_one_at, covers=("GP305",),
)  # fmt: skip

_COMPLEMENTS = {
    "cos": ("1 - cos(x)", "2 * sin(x / 2)**2"),
    "tanh": ("1 - tanh(x)**2", "4 * sigmoid(2 * x) * sigmoid(-2 * x)"),
    "sigmoid": ("1 - sigmoid(x)", "sigmoid(-x)"),
}


def _complement(look: Look, k: int) -> tuple[str, int] | None:
    """(op, value subtracted) of 1 - cos(x), 1 - tanh(x)**2 or 1 - sigmoid(x)."""
    y = look.matches(look.graph.first[k], 1.0, -1)
    if y is None or not look.smooth[y]:
        return None
    op = look.op(y)
    if op in ("cos", "sigmoid"):
        return op, y
    root = look.square(y)
    return ("tanh", y) if root is not None and look.op(root) == "tanh" else None


def _one_minus(look: Look, k: int) -> Seen | None:
    found = _complement(look, k)
    if found is None:
        return None
    form, better = _COMPLEMENTS[found[0]]
    return Seen(
        f"takes {form}, which loses digits where the second term is near 1: write {better}", k
    )


def _one_minus_at(view: View, k: int) -> Seen | None:
    found = _complement(view.look, k)
    y = None if found is None else view.values[view.out(k)]
    return (
        None
        if found is None or y is None
        else _lost(view, k, y, f"takes {_COMPLEMENTS[found[0]][0]} near its zero")
    )


ONE_MINUS_COS = Rule(
    "GP304", "one-minus-cos", Severity.WARNING, "1 - cos(x), 1 - tanh(x)**2 or 1 - sigmoid(x).",
    "Where the second term is near 1 the difference has few digits, and each of them has a form without it.",
    "Use 2 sin(x/2)**2, or sigmoid(-x).",
    Example("1.0 - cos(x)", {"x": 1e-4}), Example("2.0 * square(sin(0.5 * x))", {"x": 1e-4}),
    ops=("subtract", "add"), look=_one_minus, see=_one_minus_at, covers=("GP305",),
)  # fmt: skip


def _two_means(look: Look, k: int) -> tuple[int, int] | None:
    """(mean of squares, mean) of mean(x**2) - mean(x)**2."""
    a, b = look.graph.operands[k]
    left, root = look.of(a, "mean"), look.square(b)
    right = None if root is None else look.of(root, "mean")
    if left is None or right is None or root is None or not look.smooth[a]:
        return None
    return (look.bare(a), root) if look.square(left[0]) == look.bare(right[0]) else None


def _variance(look: Look, k: int) -> Seen | None:
    if _two_means(look, k) is None:
        return None
    return Seen(
        "takes mean(x**2) - mean(x)**2, which loses twice the digits that mean and deviation differ by",
        k,
    )


def _variance_at(view: View, k: int) -> Seen | None:
    found = _two_means(view.look, k)
    big, y = (None, None) if found is None else (view.values[found[0]], view.values[view.out(k)])
    if big is None or y is None:
        return None
    with np.errstate(all="ignore"):
        return _lost(view, k, np.asarray(y / big), "takes mean(x**2) - mean(x)**2")


VARIANCE_TWO_PASS = Rule(
    "GP306", "variance-two-pass", Severity.WARNING, "The variance as mean(x**2) - mean(x)**2.",
    "With a mean far from zero the two terms agree in nearly all digits, and the result may be negative.",
    "Use var(x), or mean((x - mean(x))**2).",
    Example("mean(x * x) - mean(x) ** 2.0", {"x": [1.0, 2.0, 4.0]}), Example("var(x)", {"x": [1.0, 2.0, 4.0]}),
    ops=("subtract",), look=_variance, see=_variance_at, possible=Severity.WARNING, covers=("GP305",),
)  # fmt: skip


def _softplus(look: Look, k: int) -> int | None:
    """x of log(1 + exp(x)) or log1p(exp(x))."""
    v = look.graph.operands[k][0]
    y: Any = look.matches(v, 1.0, 1) if look.graph.sites[k].op.name == "log" else look.bare(v)
    args = None if y is None else look.of(y, "exp")
    if args is None or not look.smooth[args[0]]:
        return None
    # exp of what is never positive does not overflow: log1p(exp(-|x|)) is the stable form
    return None if look.ranges[args[0]].high <= 0 else args[0]


def _unstable(look: Look, k: int) -> Seen | None:
    if _softplus(look, k) is not None:
        return Seen("takes log(1 + exp(x)), which overflows beyond 709", k)
    y = (
        look.matches(look.graph.operands[k][0], 1.0, -1)
        if look.graph.sites[k].op.name == "log"
        else None
    )
    if y is not None and look.op(y) == "sigmoid":
        return Seen("takes log(1 - sigmoid(x)), which is log(0) beyond 37: work on x instead", k)
    return None


def _unstable_at(view: View, k: int) -> Seen | None:
    x = _softplus(view.look, k)
    value = None if x is None else view.values[x]
    if value is None or not value.size or not float(np.max(value)) > 700:
        return None
    return Seen(
        f"takes log(1 + exp(x)) at x = {float(np.max(value)):.4g}, where exp overflows", k,
        numbers=(("largest", float(np.max(value))),), elements=places(np.asarray(value > 700)),
    )  # fmt: skip


UNSTABLE_SOFTPLUS = Rule(
    "GP308", "unstable-softplus", Severity.WARNING, "log(1 + exp(x)), or a cross entropy of a sigmoid.",
    "The exponential overflows, or the probability rounds to 1, long before the result is large.",
    "Use softplus(x): -log(1 - sigmoid(x)) is softplus(x), -log(sigmoid(x)) is softplus(-x).",
    Example("log(1.0 + exp(x))", {"x": 2.0}), Example("softplus(x)", {"x": 2.0}),
    ops=("log", "log1p"), look=_unstable, see=_unstable_at, possible=Severity.WARNING, covers=("GP302",),
)  # fmt: skip

RULES = (
    LOG_SUM_EXP,
    LOG_ONE_PLUS,
    EXP_MINUS_ONE,
    ONE_MINUS_COS,
    VARIANCE_TWO_PASS,
    UNSTABLE_SOFTPLUS,
)
