"""What a right derivative is made of, at several points: the vocabulary a claim is read with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array, Shape
from gradproof_service.checking.causes.constants import Sizes
from gradproof_service.checking.causes.flow import Flow, LocalRules, sweep, tangents_at
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.transforms.derive import reaches
from gradproof_service.transforms.evaluate import evaluate_all

CLOSE: Final = 1e-9
"""Relative difference, in norm over all points, that still is a match."""


@dataclass(frozen=True, slots=True)
class Known:
    """One quantity under its name; `value` is (points, size), one point behind the other."""

    label: str
    kind: str
    """"cotangent", "slope", "value" or "derived"."""
    shape: Shape
    value: Array


@dataclass(frozen=True, slots=True)
class Likeness:
    """A claim's value is `factor` times a known quantity, transposed or not."""

    known: Known
    factor: float
    transposed: bool = False


class Vocabulary:
    """Known quantities by their number of elements, ready to be compared with."""

    def __init__(self, known: Sequence[Known], sizes: Sizes) -> None:
        self.sizes = sizes
        self.by_size: dict[int, list[Known]] = {}
        for k in known:
            if np.isfinite(k.value).all() and np.any(k.value):
                self.by_size.setdefault(k.value.shape[1], []).append(k)
        self._flat = {
            n: np.stack([k.value.reshape(-1) for k in ks]) for n, ks in self.by_size.items()
        }
        self._norms = {n: np.linalg.norm(flat, axis=1) for n, flat in self._flat.items()}

    def likenesses(self, value: Array) -> Iterator[Likeness]:
        """Everything that a value (points, *shape) is alike, exact ones first."""
        points = len(value)
        yield from self._alike(value.reshape(points, -1), transposed=False)
        if value.ndim > 2 and min(value.shape[-2:]) > 1:
            yield from self._alike(np.swapaxes(value, -1, -2).reshape(points, -1), transposed=True)

    def _alike(self, value: Array, *, transposed: bool) -> Iterator[Likeness]:
        known = self.by_size.get(value.shape[1])
        v = value.reshape(-1)
        size = float(np.linalg.norm(v))
        if known is None or not size or not np.isfinite(size):
            return
        flat, norms = self._flat[value.shape[1]], self._norms[value.shape[1]]
        factors = (flat @ v) / norms**2
        near = np.flatnonzero(np.abs(factors) * norms > 0.999999 * size)
        found: list[Likeness] = []
        for k in near:
            c = float(factors[k])
            if np.linalg.norm(v - c * flat[k]) > CLOSE * size:
                continue
            if abs(c - 1) <= 10 * CLOSE:
                found.append(Likeness(known[int(k)], 1.0, transposed))
            else:
                named = self.sizes.name(c)
                if named is not None and known[int(k)].kind != "derived":
                    found.append(Likeness(known[int(k)], named.value, transposed))
        yield from sorted(found, key=lambda a: a.factor != 1.0)


def vocabulary(
    m: Mismatch, points: Sequence[Sequence[Array]], seed: Array, sizes: Sizes,
    directions: Array | None = None,
) -> Vocabulary:  # fmt: skip
    """Values, cotangents and slopes of the checked function at these points for one seed (1, m).

    With `directions` (K, n) tangents along them too: those of one, or the Jacobians of all.
    """
    graph = m.scene.graph
    rules = LocalRules(graph)
    active = reaches(graph, m.scene.wrt)
    made = graph.producer()
    stacks: dict[tuple[str, str, Shape], list[Array]] = {}

    def say(label: str, kind: str, shape: Shape, value: Any) -> None:
        array = np.asarray(value, dtype=np.float64).reshape(-1)
        stacks.setdefault((label, kind, shape), []).append(array)

    for inputs in points:
        values: list[Any] = evaluate_all(graph, inputs, tick=m.scene.tick)
        nothing = np.zeros((1, 0))
        flow = Flow(m, rules, values, active, seed, nothing, nothing, nothing, nothing, {}, made)
        sweep(flow, keep=True)
        for v, bar in flow.bars.items():
            say(f"the cotangent of {_name(m, made, v)}", "cotangent", graph.types[v].shape, bar)
        readers: dict[int, int] = {}
        for use in flow.uses:
            readers[use.value] = readers.get(use.value, 0) + 1
        for use in flow.uses:
            label = graph.node_label(use.node)
            if readers[use.value] > 1:
                name = f"the cotangent of {_name(m, made, use.value)} through {label}"
                say(name, "cotangent", use.shape, use.x_bar)
            if not use.site.op.linear and len(use.site.outs) == 1 and use.site.op.vjp_all is None:
                wanted = tuple(n == use.operand for n in range(len(use.xs)))
                slope = rules(use.node, wanted, values, [np.ones((1, *use.out_shape))])[use.operand]
                if slope is not None:
                    say(f"the slope of {label}", "slope", use.shape, slope)
        if directions is not None:
            for v, tangent in tangents_at(m, inputs, directions).items():
                shape = graph.types[v].shape + (
                    graph.types[m.i].shape if len(directions) > 1 else ()
                )
                say(f"the tangent of {_name(m, made, v)}", "cotangent", shape, tangent.T)
        for v, value in enumerate(values):
            if value is None:
                continue
            label, shape = _name(m, made, v), graph.types[v].shape
            x = np.asarray(value, dtype=np.float64)
            say(label, "value", shape, x)
            for text, f in _DERIVED:
                say(text.format(label), "derived", shape, f(x))
    whole = len(points)
    return Vocabulary(
        [Known(*key, np.stack(rows)) for key, rows in stacks.items() if len(rows) == whole], sizes
    )


_DERIVED: Final = (
    ("{}^2", lambda v: v * v), ("1 - {}", lambda v: 1 - v), ("1 - {}^2", lambda v: 1 - v * v),
    ("1 / {}", lambda v: 1 / v), ("1 / {}^2", lambda v: 1 / (v * v)), ("exp({})", np.exp),
    ("exp(-{})", lambda v: np.exp(-v)), ("[{} > 0]", lambda v: np.where(v > 0, 1.0, 0.0)),
    ("sqrt({})", np.sqrt), ("cos({})", np.cos), ("sin({})", np.sin),
)  # fmt: skip
"""Simple functions of a value that hand-written derivatives hold as temporaries."""


def answer(m: Mismatch, directions: Array | None) -> str:
    """The label of what a right claim returns."""
    graph = m.scene.graph
    if directions is None:
        return f"the cotangent of {graph.inputs[m.i]}"
    return f"the tangent of {_name(m, graph.producer(), graph.outputs[m.o])}"


def _name(m: Mismatch, made: list[int], v: int) -> str:
    graph = m.scene.graph
    return graph.inputs[v] if made[v] < 0 else graph.node_label(made[v])
