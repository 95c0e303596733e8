"""Sources of test points: one that Hypothesis drives, one from a seed; and points for control flow.

Numbers are dyadic fractions, so that float32 holds them exactly, and no two of an array are equal.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gradproof_service.arrays import Array, Shape, type_of_array
from gradproof_service.graph.builder import Builder
from gradproof_service.ops import OPS
from gradproof_service.ops.record import Draw, Op, Sample
from gradproof_service.transforms.reverse import vjp
from hypothesis import strategies as st

from tests.service.functions import function


class _Arrays:
    """What both sources share: arrays from a generator that `integer` seeds."""

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        raise NotImplementedError

    def _rng(self) -> np.random.Generator:
        return np.random.default_rng(self.integer(0, 9999))

    def shape(self, min_rank: int = 0, max_rank: int = 3, max_side: int = 4) -> Shape:
        """A small shape without empty axes."""
        return tuple(self.integer(1, max_side) for _ in range(self.integer(min_rank, max_rank)))

    def real(self, shape: Shape, low: float = -2.0, high: float = 2.0) -> Array:
        """Distinct multiples of a power of two in [low, high], float64."""
        size = int(np.prod(shape))
        grain = 256.0
        while (high - low) * grain < 4 * size:
            grain *= 2
        first, last = int(np.ceil(low * grain)), int(np.floor(high * grain))
        picked = self._rng().choice(np.arange(first, last + 1), size, replace=False)
        return (picked / grain).reshape(shape)

    def integers(self, shape: Shape, low: int, high: int) -> Array:
        """int64 values in [low, high]."""
        return self._rng().integers(low, high + 1, shape)

    def booleans(self, shape: Shape) -> Array:
        """Truth values."""
        return self._rng().random(shape) < 0.5


class HypothesisDraw(_Arrays):
    """Every decision is Hypothesis's, so that it can search and shrink; `data` is `st.data()`'s."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return self._data.draw(st.integers(low, high))

    def choice(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return options[self._data.draw(st.integers(0, len(options) - 1))]


class SeededDraw(_Arrays):
    """The same points for the same seed."""

    def __init__(self, rng_seed: int) -> None:
        self._generator = np.random.default_rng(rng_seed)

    def integer(self, low: int, high: int) -> int:
        """A whole number in [low, high]."""
        return int(self._generator.integers(low, high + 1))

    def choice(self, options: Sequence[Any]) -> Any:
        """One of the options."""
        return options[self.integer(0, len(options) - 1)]


def sample(op: Op, d: Draw) -> Sample:
    """Operands and attributes for the op; control flow gets its functions here."""
    xs, attrs = FLOWS[op.name](d) if op.name in FLOWS else op.sample(d)
    return tuple(np.asarray(x) for x in xs), attrs


def _types(*xs: Array) -> list[Any]:
    return [type_of_array(np.asarray(x)) for x in xs]


def _call(d: Draw) -> Sample:
    a, b = d.real((2,)), d.real((2,))
    body = function(Builder("call"), "f", lambda xp, a, b: (xp.sin(a) * b, a - b), *_types(a, b))
    return (a, b), {"function": body}


def _cond(d: Draw) -> Sample:
    a, b = d.real((2,)), d.real((2,))
    xp = Builder("cond")
    branches = (
        function(xp, "no", lambda xp, a, b: a * b, *_types(a, b)),
        function(xp, "yes", lambda xp, a, b: xp.exp(a) + b, *_types(a, b)),
    )
    return (d.booleans(()), a, b), {"branches": branches}


def _while(d: Draw) -> Sample:
    """Newton's iteration for a square root, a few times."""
    y, a, k = d.real((2,), 1.0, 3.0), d.real((2,), 0.5, 3.0), d.integers((), 0, 2)
    xp = Builder("while")
    cond = function(xp, "go_on", lambda b, y, a, k: b.less(k, 3), *_types(y, a, k))
    body = function(xp, "step", lambda b, y, a, k: (0.5 * (y + a / y), a, k + 1), *_types(y, a, k))
    return (y, a, k), {"cond": cond, "body": body}


def _while_vjp(d: Draw) -> Sample:
    """The node that reverse mode makes of the loop above, at its carry and some cotangents."""
    xs, attrs = _while(d)
    xp = Builder("while")
    inputs = [xp.input(f"x{i}", t) for i, t in enumerate(_types(*xs))]
    loop = xp.finish(list(xp.apply("while_loop", *inputs, **attrs)))
    sites = [
        site
        for _, op, site, _, _ in vjp(loop, (0, 1), (0, 1)).nodes()
        if op.name == "while_loop_vjp"
    ]
    bars = [d.real(t.shape) for t in sites[0].ins[len(xs) :]]
    return (*xs, *bars), dict(sites[0].attrs)


def _scan(d: Draw) -> Sample:
    w, h, rows = d.real(()), d.real((2,)), d.real((3, 2))
    body = function(
        Builder("scan"), "step",
        lambda xp, w, h, x: (xp.tanh(w * h + x), h * x), *_types(w, h, rows[0]),
    )  # fmt: skip
    attrs = {
        "body": body,
        "length": 3,
        "consts": 1,
        "carried": 1,
        "reverse": d.choice((False, True)),
    }
    return (w, h, rows), attrs


FLOWS = {
    "call": _call, "cond": _cond, "while_loop": _while, "while_loop_vjp": _while_vjp, "scan": _scan,
}  # fmt: skip
assert {name for name, op in OPS.items() if op.batching == "run"} == set(FLOWS)
