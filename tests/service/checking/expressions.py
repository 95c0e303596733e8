"""Random expressions with running-error bounds in float64 (or float32) and 45-digit derivatives, for calibrating the witness.

The two evaluations share nothing but the tree: NumPy with Linnainmaa's recursion (NUMERICS e8) on one side, mpmath dual numbers on
the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
from gradproof_service.checking.differences import Evaluate

mpmath.mp.dps = 45


@dataclass(frozen=True)
class Node:
    """One operation on earlier nodes; `constant` serves leaves and powers, `index` inputs."""

    op: str
    args: tuple[Node, ...] = ()
    constant: float = 0.0
    index: int = 0

    def __add__(self, other: Node) -> Node:
        return Node("add", (self, other))

    def __sub__(self, other: Node) -> Node:
        return Node("sub", (self, other))

    def __mul__(self, other: Node) -> Node:
        return Node("mul", (self, other))

    def __truediv__(self, other: Node) -> Node:
        return Node("div", (self, other))


def const(value: float) -> Node:
    """A constant; random ones are short dyadic numbers, exact in every dtype."""
    return Node("const", constant=float(value))


def var(index: int = 0) -> Node:
    """An input."""
    return Node("var", index=index)


def fn(op: str, *args: Node, constant: float = 0.0) -> Node:
    """Any other operation by name."""
    return Node(op, args, constant)


_SLOPES: dict[str, Any] = {
    "sin": np.cos,
    "cos": lambda v: -np.sin(v),
    "exp": np.exp,
    "log": lambda v: 1 / v,
    "sqrt": lambda v: 0.5 / np.sqrt(v),
    "tanh": lambda v: 1 - np.tanh(v) ** 2,
    "atan": lambda v: 1 / (1 + v * v),
}
_NUMPY: dict[str, Any] = {
    "sin": np.sin,
    "cos": np.cos,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
    "atan": np.arctan,
}


def evaluate_node(node: Node, points: np.ndarray, dtype: Any) -> tuple[np.ndarray, np.ndarray]:
    """Values (P,) and running-error bounds (P,); the bound of a function's slope is taken over the whole uncertain interval."""
    u = float(np.finfo(dtype).eps) / 2
    tiny = float(np.finfo(dtype).tiny)
    if node.op == "const":
        return np.full(len(points), node.constant, dtype), np.full(len(points), 0.0)
    if node.op == "var":
        return points[:, node.index].astype(dtype), np.zeros(len(points))
    args = [evaluate_node(a, points, dtype) for a in node.args]
    v, e = args[0]
    wide = v.astype(np.float64)
    if len(args) == 2:
        w, g = args[1]
        wide_w = w.astype(np.float64)
        if node.op == "add":
            out, spread = v + w, e + g
        elif node.op == "sub":
            out, spread = v - w, e + g
        elif node.op == "mul":
            out, spread = v * w, np.abs(wide) * g + np.abs(wide_w) * e + e * g
        else:
            out = v / w
            room = np.abs(wide_w) - g
            spread = np.where(
                room > 0, (e + np.abs(wide / wide_w) * g) / np.where(room > 0, room, 1), np.inf
            )
        return out, spread + u * np.abs(out.astype(np.float64)) + tiny
    if node.op == "pow":
        p = node.constant
        out = v ** dtype(p)
        outer = np.abs(wide) + e
        return out, abs(p) * outer ** (p - 1) * e + 4 * u * np.abs(out.astype(np.float64)) + tiny
    if node.op == "abs":
        return np.abs(v), e
    if node.op == "apow":
        p = node.constant
        out = np.abs(v) ** dtype(p)
        return out, abs(p) * (np.abs(wide) + e) ** (p - 1) * e + 4 * u * np.abs(
            out.astype(np.float64)
        ) + tiny
    out = _NUMPY[node.op](v)
    slope = np.maximum(np.abs(_SLOPES[node.op](wide - e)), np.abs(_SLOPES[node.op](wide + e)))
    if node.op in {"sin", "cos"}:
        slope = np.minimum(1.0, slope + e)
    return out, slope * e + 4 * u * np.abs(out.astype(np.float64)) + tiny


def evaluator(*nodes: Node, dtype: Any = np.float64, bounded: bool = True) -> Evaluate:
    """A batched evaluator of several outputs; unbounded, it plays the black box."""

    def call(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(all="ignore"):
            pairs = [evaluate_node(n, points, dtype) for n in nodes]
        values = np.stack([p[0] for p in pairs], axis=1).astype(np.float64)
        bounds = np.stack([p[1] for p in pairs], axis=1)
        return values, bounds if bounded else np.full_like(values, np.nan)

    return call


def exact(node: Node, x: np.ndarray, direction: np.ndarray) -> mpmath.mpf:
    """The derivative along a direction by dual numbers at 45 digits."""
    return _dual(
        node, [mpmath.mpf(float(a)) for a in x], [mpmath.mpf(float(a)) for a in direction]
    )[1]


_TRUTH: dict[str, Any] = {
    "sin": lambda v: (mpmath.sin(v), mpmath.cos(v)),
    "cos": lambda v: (mpmath.cos(v), -mpmath.sin(v)),
    "exp": lambda v: (mpmath.exp(v), mpmath.exp(v)),
    "log": lambda v: (mpmath.log(v), 1 / v),
    "sqrt": lambda v: (mpmath.sqrt(v), 1 / (2 * mpmath.sqrt(v))),
    "tanh": lambda v: (mpmath.tanh(v), mpmath.sech(v) ** 2),
    "atan": lambda v: (mpmath.atan(v), 1 / (1 + v * v)),
    "abs": lambda v: (abs(v), mpmath.sign(v)),
}


def _dual(node: Node, x: list[Any], d: list[Any]) -> tuple[Any, Any]:
    if node.op == "const":
        return mpmath.mpf(node.constant), mpmath.mpf(0)
    if node.op == "var":
        return x[node.index], d[node.index]
    a, a_dot = _dual(node.args[0], x, d)
    if node.op == "exp" and mpmath.re(a) > 700:
        raise OverflowError  # no float64 holds it, and reducing its sine would take 45 digits and a day
    if len(node.args) == 2:
        b, b_dot = _dual(node.args[1], x, d)
        if node.op in {"add", "sub"}:
            sign = 1 if node.op == "add" else -1
            return a + sign * b, a_dot + sign * b_dot
        return (
            (a * b, a_dot * b + a * b_dot)
            if node.op == "mul"
            else (a / b, (a_dot - a / b * b_dot) / b)
        )
    if node.op in {"pow", "apow"}:
        p = mpmath.mpf(node.constant)
        base, sign = (abs(a), mpmath.sign(a)) if node.op == "apow" else (a, 1)
        return base**p, p * base ** (p - 1) * a_dot * sign
    value, slope = _TRUTH[node.op](a)
    return value, slope * a_dot


def random_expression(rng: np.random.Generator, inputs: int, depth: int) -> Node:
    """A tree of the given depth at most; logarithms, roots and quotients are guarded half of the time only."""
    if depth == 0 or rng.random() < 0.08:
        return (
            var(int(rng.integers(inputs)))
            if rng.random() < 0.7
            else const(round(float(rng.normal(0, 3)) * 64) / 64)
        )
    child = lambda: random_expression(rng, inputs, depth - 1)
    pick = rng.random()
    if pick < 0.5:
        return Node(str(rng.choice(["add", "sub", "mul", "mul", "div"])), (child(), child()))
    op = str(rng.choice(["sin", "cos", "exp", "log", "sqrt", "tanh", "atan", "pow", "scale"]))
    inner = child()
    if op == "scale":
        return const(float(2.0 ** rng.integers(-10, 11))) * inner
    if op in {"log", "sqrt"} and rng.random() < 0.6:
        inner = inner * inner + const(0.5)
    if op == "exp" and rng.random() < 0.7:
        inner = fn("tanh", inner)
    return fn(op, inner, constant=float(rng.integers(2, 5)) if op == "pow" else 0.0)
