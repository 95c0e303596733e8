"""Slopes in fifty digits: the graph replayed on multiprecision numbers, when that decides a doubt.

Kernels are NumPy functions, and NumPy applies arithmetic and named methods to arrays of objects,
so graphs of elementwise ops, shapes, sums and products replay as they are. Ops whose kernels need
LAPACK or compiled special functions do not; then there is no answer, which is said by None.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gradproof_service.arrays import FLOATS, Array
from gradproof_service.checking.scene import Scene
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.derive import reaches

DIGITS = (60, 120, 240)
"""Digits tried in turn, until two of them agree; steps are 10^(-digits/3) of the input's size, so
that truncation and rounding are both near 10^(-2/3 digits)."""
AGREED = 1e-12
ELEMENTS = 20_000
"""Most scalar operations one replay may take; beyond it would be slow rather than exact."""


class Slopes:
    """Slopes (D, m) and their bars, rounded to float64."""

    def __init__(self, value: Array, bar: Array) -> None:
        self.value = value
        self.bar = bar


def extended_slopes(scene: Scene, i: int, directions: Array) -> Slopes | None:
    """Central differences in many digits along directions (D, n) of input i, or None.

    The bar is what doubling the digits changed, and rounding to float64; entries on which no two
    precisions agree get inf.
    """
    graph = scene.graph
    work = sum(t.size for t in graph.types)
    if work * len(directions) > ELEMENTS or not _replayable(graph, i):
        return None
    last: Array | None = None
    for digits in DIGITS:
        found = _at(scene, i, directions, digits)
        if found is None:
            return None
        value, size = found
        if last is not None:
            with np.errstate(all="ignore"):
                change = np.abs(value - last)
                settled = change <= AGREED * np.abs(value)
            if settled.all() or digits == DIGITS[-1]:
                bar = change + 2.0**-50 * np.abs(value) + _resolution(scene, i, size, digits)
                return Slopes(value, np.where(settled & np.isfinite(value), bar, np.inf))
        last = value
    return None


def _resolution(scene: Scene, i: int, size: float, digits: int) -> float:
    """What these digits cannot see of a slope: rounding of a function of this size over the step."""
    return (size + 1e-300) / float(scene.scale(i).min(initial=1.0)) * 10.0 ** (8 - 2 * digits // 3)


def _at(scene: Scene, i: int, directions: Array, digits: int) -> tuple[Array, float] | None:
    """Slopes (D, m) in so many digits, and the largest size of the function met on the way."""
    import mpmath

    context: Any = mpmath.mp.clone()
    scale = scene.scale(i)
    with context.workdps(digits):
        step = context.mpf(10) ** (-digits // 3)
        rows: list[list[float]] = []
        size = 0.0
        try:
            for row in directions:
                width = float(np.max(np.where(row != 0, scale, 0.0), initial=0.0)) or 1.0
                h = step * context.mpf(width)
                up = _values(scene, i, row, h, context)
                down = _values(scene, i, row, -h, context)
                size = max([size, *(abs(float(a)) for a in up)])
                rows.append([float((a - b) / (2 * h)) for a, b in zip(up, down, strict=True)])
        except (TypeError, AttributeError, ValueError, ZeroDivisionError, OverflowError):
            return None
    return np.array(rows, dtype=np.float64).reshape(len(directions), -1), size


def _replayable(graph: Graph, i: int) -> bool:
    """Whether the nodes input i reaches are of families that NumPy carries to objects."""
    active = reaches(graph, (i,))
    return not any(
        op.batching == "run" and any(active[v] for v in operands)
        for _, op, _, operands, _ in graph.nodes()
    )


def _values(scene: Scene, i: int, row: Array, h: Any, context: Any) -> list[Any]:
    graph = scene.graph
    values: list[Any] = []
    for k, (x, t) in enumerate(zip(scene.inputs, graph.input_types, strict=True)):
        if t.dtype not in FLOATS:
            values.append(x)
            continue
        flat = [Number(context.mpf(float(e)), context) for e in x.reshape(-1)]
        if k == i:
            flat = [
                Number(e.value + context.mpf(float(d)) * h, context)
                for e, d in zip(flat, row, strict=True)
            ]
        array = np.empty(len(flat), dtype=object)
        array[:] = flat
        values.append(array.reshape(t.shape))
    for _, op, site, operands, _ in graph.nodes():
        scene.tick()
        xs = [values[v] for v in operands]
        if op.name == "astype" and site.out.dtype in FLOATS:
            values.append(xs[0])
            continue
        outs = op.kernel(site, *xs)
        outs = outs if len(site.outs) > 1 else (outs,)
        values.extend(_lifted(np.asarray(y), context) for y in outs)
    flat_outputs: list[Any] = []
    for o in scene.outs:
        flat_outputs.extend(
            e.value if isinstance(e, Number) else context.mpf(float(e))
            for e in np.asarray(values[graph.outputs[o]]).reshape(-1)
        )
    return flat_outputs


def _lifted(array: Any, context: Any) -> Any:
    """Float arrays (constants, fills) as numbers of the context; whatever else as it is."""
    if array.dtype.kind == "O":
        plain = [isinstance(e, Number | bool) for e in array.reshape(-1)]
        if all(plain):
            return array
    elif array.dtype.kind != "f":
        return array
    out = np.empty(array.size, dtype=object)
    out[:] = [
        e if isinstance(e, Number) else Number(context.mpf(float(e)), context)
        for e in array.reshape(-1)
    ]
    return out.reshape(array.shape)


class Number:
    """A multiprecision number with the methods NumPy looks for on objects.

    It has no `float()`: a kernel that rounds its operands to float64 would lose the step, and must fail.
    """

    __slots__ = ("context", "value")

    def __init__(self, value: Any, context: Any) -> None:
        self.value = value
        self.context = context

    def _of(self, other: Any) -> Any:
        return other.value if isinstance(other, Number) else self.context.mpf(float(other))

    def _new(self, value: Any) -> Number:
        if isinstance(value, self.context.mpc):
            raise ValueError("left the real line")
        return Number(value, self.context)

    def __add__(self, other: Any) -> Number:
        return self._new(self.value + self._of(other))

    def __radd__(self, other: Any) -> Number:
        return self._new(self._of(other) + self.value)

    def __sub__(self, other: Any) -> Number:
        return self._new(self.value - self._of(other))

    def __rsub__(self, other: Any) -> Number:
        return self._new(self._of(other) - self.value)

    def __mul__(self, other: Any) -> Number:
        return self._new(self.value * self._of(other))

    def __rmul__(self, other: Any) -> Number:
        return self._new(self._of(other) * self.value)

    def __truediv__(self, other: Any) -> Number:
        return self._new(self.value / self._of(other))

    def __rtruediv__(self, other: Any) -> Number:
        return self._new(self._of(other) / self.value)

    def __pow__(self, other: Any) -> Number:
        return self._new(self.value ** self._of(other))

    def __rpow__(self, other: Any) -> Number:
        return self._new(self._of(other) ** self.value)

    def __neg__(self) -> Number:
        return self._new(-self.value)

    def __abs__(self) -> Number:
        return self._new(abs(self.value))

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < self._of(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= self._of(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > self._of(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= self._of(other))

    def __eq__(self, other: object) -> bool:
        return bool(self.value == self._of(other))

    def __hash__(self) -> int:
        return hash(self.value)

    @property
    def real(self) -> Number:
        """Itself: every number here is real."""
        return self

    def arctan2(self, other: Any) -> Number:
        """The angle of the point (other, self)."""
        return self._new(self.context.atan2(self.value, self._of(other)))

    def __getattr__(self, name: str) -> Any:
        names = {
            "log1p": "log1p",
            "expm1": "expm1",
            "arctan": "atan",
            "arcsin": "asin",
            "arccos": "acos",
        }
        function = getattr(self.context, names.get(name, name), None)
        if name.startswith("__") or function is None:
            raise AttributeError(name)
        return lambda: self._new(function(self.value))
