"""One hard but correct case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Case:
    """A function, its correct derivative as a careful user writes it, and a point that is hard.

    `claim` takes the function's arguments and returns one array for each float argument; with
    `kind` "jacobian" of shape (*out, *arg).
    """

    name: str
    function: Callable[..., Any]
    claim: Callable[..., Any]
    at: Mapping[str, Any]
    kind: str = "gradient"


def case(
    name: str,
    function: Callable[..., Any],
    claim: Callable[..., Any],
    kind: str = "gradient",
    **at: Any,
) -> Case:
    """A `Case` whose point is given by keywords; plain numbers become float64 arrays."""
    point = {
        k: np.asarray(v, dtype=np.float64) if isinstance(v, int | float | list) else v
        for k, v in at.items()
    }
    return Case(name, function, claim, point, kind)
