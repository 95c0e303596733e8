"""What the planted-fault suite is made of: a function, its hand-written derivative, and edits that spoil it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Claim = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """One slip of the pen: `old` stands once in the derivative's source and becomes `new`.

    `fault` is the class of mistake, a word of the suite, a key of `causes.CODES`.
    """

    fault: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A function with a correct hand-written derivative at a point, and the edits that make it wrong.

    `kind` tells how `claim` is called: gradient and jacobian take the function's arguments, vjp the
    cotangent after them, jvp a tangent of the only argument, hessian and hvp as in the SDK. It
    returns one array per float argument (alone, not in a tuple, when there is only one).
    """

    function: Callable[..., Any]
    claim: Claim
    kind: str
    at: Mapping[str, Any]
    edits: tuple[Edit, ...]

    @property
    def name(self) -> str:
        """The function's name."""
        return self.function.__name__

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the arguments that a derivative is claimed by: those of floats."""
        return tuple(n for n, v in self.at.items() if np.asarray(v).dtype.kind == "f")


def subject(
    function: Callable[..., Any], claim: Claim, kind: str, at: Mapping[str, Any], *edits: Edit
) -> Subject:
    """A `Subject`; the edits come last, one a line."""
    return Subject(function, claim, kind, dict(at), edits)


class Draw:
    """Reproducible numbers for points: two decimals, so that a failure can be read and typed."""

    def __init__(self, rng_seed: int) -> None:
        self._rng = np.random.default_rng(rng_seed)

    def normal(self, *shape: int) -> Any:
        """Normal numbers, none nearer to zero than 0.05."""
        x = np.round(self._rng.standard_normal(shape), 2)
        return np.where(np.abs(x) < 0.05, x + 0.13, x)

    def positive(self, *shape: int) -> Any:
        """Numbers between 0.5 and 2."""
        return np.round(self._rng.uniform(0.5, 2.0, shape), 2)

    def integers(self, high: int, *shape: int) -> Any:
        """Integers from 0 to `high` - 1."""
        return self._rng.integers(0, high, shape)

    def spd(self, n: int) -> Any:
        """A well-conditioned symmetric positive definite matrix."""
        a = self.normal(n, n)
        return np.round(a @ a.T + n * np.eye(n), 2)
