"""GP0xx: the program itself does not type. Made by `graph.typing`, node by node; explained here."""

from __future__ import annotations

from gradproof_service.diagnostic import Severity
from gradproof_service.findings.rule import Example, Rule

MADE_BY = "graph.typing"

UNKNOWN_OP = Rule(
    "GP001", "unknown-op", Severity.ERROR, "A node names an op that the op set does not have.",
    "What an op does, its shape and its derivative are known by its name alone.",
    "Use an op that `gradproof ops` lists, or send a function that is built from them.",
    Example("tanhh(x)", {"x": 0.5}), Example("tanh(x)", {"x": 0.5}), made_by=MADE_BY,
)  # fmt: skip

WRONG_ARITY = Rule(
    "GP002", "wrong-arity", Severity.ERROR, "An op or function is given too few or too many operands.",
    "The rules of an op are written operand by operand.",
    "Give the op the operands it takes; more than two terms are a chain of additions.",
    Example("add(x)", {"x": 0.5}), Example("add(x, x)", {"x": 0.5}), made_by=MADE_BY,
)  # fmt: skip

SHAPE_CLASH = Rule(
    "GP003", "shape-clash", Severity.ERROR, "Shapes that an op cannot bring together.",
    "No value is defined, so there is nothing to differentiate.",
    "Transpose, reshape or expand an operand so that the shapes fit.",
    Example("A @ x", {"A": [[1.0, 2.0], [3.0, 4.0]], "x": [1.0, 2.0, 3.0]}),
    Example("A @ x", {"A": [[1.0, 2.0], [3.0, 4.0]], "x": [1.0, 2.0]}), made_by=MADE_BY,
)  # fmt: skip

DTYPE_CLASH = Rule(
    "GP004", "dtype-clash", Severity.ERROR, "An op is given a dtype that it does not compute with.",
    "Truth values and storage formats have no arithmetic, and so no derivative.",
    "Cast with astype first.",
    Example("relu(x > 0.0)", {"x": [1.0, -1.0]}),
    Example("relu(astype(x > 0.0, dtype='float64')) * x", {"x": [1.0, -1.0]}), made_by=MADE_BY,
)  # fmt: skip

BAD_ATTRIBUTE = Rule(
    "GP005", "bad-attribute", Severity.ERROR, "An attribute that is missing, unknown or out of range.",
    "Attributes shape the result, so a guess would be another function.",
    "Correct the attribute; `gradproof explain` lists those of each op.",
    Example("sum(x, axis=0)", {"x": [1.0, 2.0]}), Example("sum(x, axes=(0,))", {"x": [1.0, 2.0]}),
    made_by=MADE_BY,
)  # fmt: skip

TOO_LARGE = Rule(
    "GP006", "too-large", Severity.ERROR, "A value with more elements than the service will make.",
    "The size is known before anything is allocated, and no derivative is smaller than its value.",
    "Make the array smaller, or raise the limit of the service.",
    Example("sum(broadcast_to(x, shape=(1000000, 1000000, 1000000)))", {"x": 0.5}),
    Example("sum(broadcast_to(x, shape=(10, 10)))", {"x": 0.5}), made_by=MADE_BY,
)  # fmt: skip

RULES = (UNKNOWN_OP, WRONG_ARITY, SHAPE_CLASH, DTYPE_CLASH, BAD_ATTRIBUTE, TOO_LARGE)
