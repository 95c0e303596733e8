"""Points exactly on a kink, a jump or an edge, with slopes from inside and from outside.

Any slope between the one-sided ones is right there, so it must not be accused, and it must not pass
without a word either. A slope outside of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.suites.hard.case import Case, case


@dataclass(frozen=True, slots=True)
class Kink:
    """A case on a kink; `inside` tells whether its claim lies between the one-sided slopes."""

    case: Case
    inside: bool


def _kink(
    name: str,
    function: Callable[..., Any],
    inside: list[list[float]],
    outside: list[list[float]],
    x: Any,
) -> Iterator[Kink]:
    """One case for each claimed slope, of a function of one vector x."""
    for slopes, right in ((inside, True), (outside, False)):
        for slope in slopes:
            given = np.array(slope)
            label = "inside" if right else "outside"
            yield Kink(
                case(f"{name}, {label}: {slope}", function, lambda x, g=given: g, x=np.array(x)),
                right,
            )


def _cases() -> Iterator[Kink]:
    yield from _kink(
        "abs",
        lambda x: np.sum(np.abs(x)),
        [[0.0, 1], [1, 1], [-1, 1], [0.5, 1]],
        [[2.0, 1], [0, -1], [-1.5, 1]],
        [0.0, 0.7],
    )
    yield from _kink(
        "relu",
        lambda x: np.sum(np.maximum(x, 0)),
        [[0.0, 1], [1, 1], [0.5, 1]],
        [[-1.0, 1], [1, 0], [1.5, 1]],
        [0.0, 0.7],
    )
    yield from _kink(
        "leaky relu",
        lambda x: np.sum(np.where(x > 0, x, 0.1 * x)),
        [[0.1, 1], [1.0, 1]],
        [[0.0, 1], [1.2, 1]],
        [0.0, 0.7],
    )
    yield from _kink(
        "clip",
        lambda x: np.sum(np.clip(x, -1, 1)),
        [[0.0, 1], [1, 1], [0.5, 1]],
        [[-0.5, 1], [2, 1]],
        [1.0, 0.3],
    )
    yield from _kink(
        "tie in max",
        np.max,
        [[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]],
        [[0.0, 0, 1], [2, 0, 0]],
        [2.0, 2.0, 1.0],
    )
    yield from _kink(
        "tie in min",
        np.min,
        [[1.0, 0, 0], [0, 1, 0], [0.5, 0.5, 0]],
        [[0.0, 0, 1], [-1, 0, 0]],
        [1.0, 1.0, 2.0],
    )
    yield from _kink(
        "tie of maximum",
        lambda x: np.maximum(x[0], 3 * x[1]),
        [[1.0, 0], [0, 3], [0.5, 1.5]],
        [[1.0, 4], [2, 0]],
        [1.5, 0.5],
    )
    yield from _kink(
        "hinge",
        lambda x: np.sum(np.maximum(0, 1 - x)),
        [[0.0, -1], [-1, -1]],
        [[1.0, -1], [-2, -1]],
        [1.0, 0.2],
    )
    yield from _kink("length at zero", np.linalg.norm, [[0.0, 0]], [[1.5, 0]], [0.0, 0.0])
    yield from _kink(
        "fold",
        lambda x: np.sum(np.abs(x - 1) * x),
        [[1.0, 0.0], [-1, 0], [0, 0]],
        [[1.5, 0.0], [-3, 0]],
        [1.0, 0.5],
    )
    yield from _kink(
        "pinball",
        lambda x: np.sum(np.maximum(0.9 * x, -0.1 * x)),
        [[0.9, 0.9], [-0.1, 0.9]],
        [[1.0, 0.9], [-0.2, 0.9]],
        [0.0, 0.4],
    )
    yield from _kink(
        "relu of a sum",
        lambda x: np.maximum(x[0] - x[1], 0) ** 1,
        [[0.0, 0], [1, -1], [0.5, -0.5]],
        [[1.0, 1], [-1, 1]],
        [0.3, 0.3],
    )
    yield from _kink(
        "sharp corner",
        lambda x: np.exp(np.abs(x[0])) + x[1],
        [[0.0, 1], [1, 1], [-1, 1]],
        [[1.3, 1]],
        [0.0, 2.0],
    )


KINKS = tuple(_cases())

EDGES = (
    case("root at zero", lambda x: np.sum(np.sqrt(x)), lambda x: np.array([np.inf, 0.5]), x=[0.0, 1.0]),
    case("floor at an integer", lambda x: np.sum(np.floor(x) * x), np.floor, x=[2.0, 1.3]),
    case("sign at zero", lambda x: np.sum(np.sign(x) + x), np.ones_like, x=[0.0, 1.0]),
    case("jump of a branch", lambda x: np.sum(np.where(x > 0, x + 1, x)), np.ones_like, x=[0.0, 0.4]),
    case("power below one at zero", lambda x: np.sum(x**0.5), lambda x: np.array([np.inf, 0.5]), x=[0.0, 1.0]),
    case("round at a half", lambda x: np.sum(x * np.round(x)), np.round, x=[0.5, 1.2]),
    case("x log x at zero", lambda x: np.sum(np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)),
         lambda x: np.array([0.0, 1.0]), x=[0.0, 1.0]),
    case("step at its edge", lambda x: np.sum(np.heaviside(x, 0.5) * x), lambda x: np.array([0.5, 1.0]), x=[0.0, 1.0]),
)  # fmt: skip
"""Jumps and edges of domains, with the claim a user would make: neither passed in silence nor accused."""
