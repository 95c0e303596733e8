"""What people write for the slope of an elementwise op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

UNARY: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
    ("1", lambda x, y: np.ones_like(y)), ("x", lambda x, y: x), ("y", lambda x, y: y),
    ("1 - y", lambda x, y: 1 - y), ("1 + y", lambda x, y: 1 + y), ("y^2", lambda x, y: y * y),
    ("1 - y^2", lambda x, y: 1 - y * y), ("1 + y^2", lambda x, y: 1 + y * y),
    ("y (1 - y)", lambda x, y: y * (1 - y)), ("1 - x", lambda x, y: 1 - x),
    ("x^2", lambda x, y: x * x), ("1 - x^2", lambda x, y: 1 - x * x),
    ("x (1 - x)", lambda x, y: x * (1 - x)), ("1/x", lambda x, y: 1 / x),
    ("1/x^2", lambda x, y: 1 / (x * x)), ("1/y", lambda x, y: 1 / y), ("1/y^2", lambda x, y: 1 / (y * y)),
    ("sqrt(x)", lambda x, y: np.sqrt(x)), ("e^x", lambda x, y: np.exp(x)),
    ("sin x", lambda x, y: np.sin(x)), ("cos x", lambda x, y: np.cos(x)),
    ("sin y", lambda x, y: np.sin(y)), ("cos y", lambda x, y: np.cos(y)),
    ("[x > 0]", lambda x, y: np.where(x > 0, 1.0, 0.0)), ("[x < 0]", lambda x, y: np.where(x < 0, 1.0, 0.0)),
    ("sign x", lambda x, y: np.sign(x)), ("x y", lambda x, y: x * y),
)  # fmt: skip
"""What is written for f'(x) of a unary y = f(x)."""

BINARY: tuple[tuple[str, Callable[[Any, Any, Any], Any]], ...] = (
    ("1", lambda a, b, y: np.ones_like(y)), ("itself", lambda a, b, y: a), ("the other operand", lambda a, b, y: b),
    ("y", lambda a, b, y: y), ("1/other", lambda a, b, y: 1 / b), ("1/itself", lambda a, b, y: 1 / a),
    ("1/other^2", lambda a, b, y: 1 / (b * b)), ("1/itself^2", lambda a, b, y: 1 / (a * a)),
    ("itself/other", lambda a, b, y: a / b), ("other/itself", lambda a, b, y: b / a),
    ("itself/other^2", lambda a, b, y: a / (b * b)), ("other/itself^2", lambda a, b, y: b / (a * a)),
    ("itself^2", lambda a, b, y: a * a), ("other^2", lambda a, b, y: b * b),
    ("y/itself", lambda a, b, y: y / a), ("y/other", lambda a, b, y: y / b), ("itself other", lambda a, b, y: a * b),
    ("y other", lambda a, b, y: y * b), ("y itself", lambda a, b, y: y * a),
    ("log(itself)", lambda a, b, y: np.log(a)), ("log(other)", lambda a, b, y: np.log(b)),
    ("[itself > other]", lambda a, b, y: np.where(a > b, 1.0, 0.0)), ("[itself < other]", lambda a, b, y: np.where(a < b, 1.0, 0.0)),
)  # fmt: skip
"""What is written for the slope of a binary y = f(a, b) by one of its operands."""
