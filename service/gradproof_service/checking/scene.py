"""One function at one point, ready to be checked: what is varied, what is looked at, in what units.

All judging is done in float64: a float32 graph is replayed in float64, and what its own
precision costs enters as an allowance for rounding, never as a different function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from gradproof_service.arrays import Array, Shape, Structure, unit_roundoff
from gradproof_service.checking.compare import KAPPA, ROW_FLOOR, Pair, row_scale
from gradproof_service.checking.detached import detached
from gradproof_service.checking.promise import require_kept
from gradproof_service.checking.report import Kind, Options, Source
from gradproof_service.diagnostic import Fault, FaultKind
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.upcast import narrowest, upcast
from gradproof_service.transforms.evaluate import Tick, batch_of, evaluate, evaluate_all, no_tick
from gradproof_service.transforms.jacobian import BATCH_BYTES, gradient_graph
from gradproof_service.transforms.rounding import rounding_bounds

NOISE_SAMPLES = 3
"""Random-rounding runs per difference point; pooled over the points of a batch."""
NOISE_PART = 0.5
"""Of a random-rounding bound, what difference quotients are charged: they combine many bounds as if
each were met in full, and of 4,000 known slopes none was then off by more than 0.4 of its bar."""
NEGLIGIBLE = 2.0**-40
"""A whole block below this part of the function's own magnitude is held to be zero but for doubt."""
NEAR_BYTES = 16 << 20
"""All values of the points of a batch whose values alone are wanted: what stays near the processor costs half."""
NOISE_ELEMENTS = 2_000_000
"""Above this many elements in a batch the noise is measured at three of its points for all."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A graph in float64, its inputs, and which of them are differentiated.

    `wrt` and `outs` are positions. `eps` is the spacing of the dtype that the function was
    written in (2**-52 or 2**-23); `original` the graph as it was sent.
    """

    graph: Graph
    original: Graph
    inputs: tuple[Array, ...]
    wrt: tuple[int, ...]
    outs: tuple[int, ...]
    eps: float
    rng_seed: int
    tick: Tick = no_tick
    gradient_of: str = ""
    """Set when the graph is a gradient: the output it is the gradient of. Its outputs are then
    the gradients by `wrt` in order, and its Jacobian blocks are Hessian blocks."""
    _known: list[list[Array | None]] = field(
        init=False, repr=False, compare=False, default_factory=list["list[Array | None]"]
    )

    def pair(self, o: int, i: int, subject: Source, against: Source) -> Pair:
        """The names under which output o by input i is reported."""
        if self.gradient_of:
            first = self.graph.inputs[self.wrt[o]]
            return Pair(
                self.gradient_of, first, Kind.HESSIAN, subject, against, self.graph.inputs[i]
            )
        return Pair(
            self.graph.output_names[o], self.graph.inputs[i], Kind.JACOBIAN, subject, against
        )

    @property
    def coarse(self) -> bool:
        """Whether the function was written in less than float64."""
        return self.eps > 2.0**-52

    def size_in(self, i: int) -> int:
        """Elements of input i."""
        return self.graph.types[i].size

    def size_out(self, o: int) -> int:
        """Elements of output o."""
        return self.graph.types[self.graph.outputs[o]].size

    def block_shape(self, o: int, i: int) -> Shape:
        """Shape of the Jacobian of output o by input i: `(*output.shape, *input.shape)`."""
        return (*self.graph.types[self.graph.outputs[o]].shape, *self.graph.types[i].shape)

    def known(self) -> list[Array | None]:
        """Every value of the graph at the point, by id; None for nodes that no output needs."""
        if not self._known:
            self._known.append(evaluate_all(self.graph, self.inputs, tick=self.tick))
        return self._known[0]

    def values(self) -> list[Array]:
        """Every output at the point, in the function's own precision."""
        if self.graph is self.original:
            known = self.known()
            return [np.asarray(known[v]) for v in self.graph.outputs]
        inputs = [
            x.astype(t.dtype, copy=False)
            for x, t in zip(self.inputs, self.original.input_types, strict=True)
        ]
        return evaluate(self.original, inputs, tick=self.tick)

    def at(self, i: int, points: Array) -> list[Array]:
        """The inputs with input i replaced by a batch of points (P, size)."""
        inputs = list(self.inputs)
        inputs[i] = points.reshape(len(points), *self.graph.types[i].shape)
        return inputs

    def flat_outputs(self, results: Sequence[Array], size: int) -> Array:
        """The looked-at outputs side by side as (size, m)."""
        rows = [
            batch_of(results[o], self.graph.types[self.graph.outputs[o]].rank, size).reshape(
                size, -1
            )
            for o in self.outs
        ]
        return np.concatenate(rows, axis=1) if rows else np.zeros((size, 0))

    def floor(self, o: int, i: int, jacobian: Array, bar: Array) -> Array:
        """For each entry of a block or of slopes (rows, columns) the size that needs no power of its own.

        That of its row; and where the whole block is zero to within its bars, a part of how the
        function itself varies: zero is consistent with zero, whatever the bar is a fraction of.
        """
        floor = row_scale(jacobian)
        with np.errstate(all="ignore"):
            top = _largest(jacobian)
            blurred = top <= KAPPA * _largest(bar)
        if top == 0 or blurred or top <= NEGLIGIBLE * self.magnitude(o, i):
            floor = np.maximum(floor, ROW_FLOOR * self._natural(o, i))
        return floor

    def magnitude(self, o: int, i: int) -> float:
        """|output o| over |input i| at the point: the slope of a function that follows its input."""
        value = np.asarray(self.known()[self.graph.outputs[o]])
        size = np.abs(value[np.isfinite(value)]).max(initial=0.0)
        return float(size / self.scale(i).max(initial=np.finfo(np.float64).tiny))

    def _natural(self, o: int, i: int) -> float:
        """How large output o is, here and a quarter of the input's size away, per unit of input i."""
        x = self.inputs[i].reshape(-1).astype(np.float64)
        scale = self.scale(i)
        rng = np.random.default_rng((self.rng_seed, i, 8))
        signs = rng.integers(0, 2, (6, x.size)) * 2.0 - 1.0
        points = np.concatenate([x[None], x + 0.25 * scale * signs])
        results = evaluate(self.graph, self.at(i, points), tick=self.tick)
        at = sum(self.size_out(p) for p in self.outs[: self.outs.index(o)])
        values = self.flat_outputs(results, len(points))[:, at : at + self.size_out(o)]
        size = np.abs(values[np.isfinite(values)]).max(initial=0.0)
        return float(size / scale.max(initial=np.finfo(np.float64).tiny))

    def evaluator(self, i: int, *, noise: bool = True) -> Evaluator:
        """Values and rounding bounds of the outputs at many values of input i."""
        return Evaluator(self, i, noise)

    def scale(self, i: int) -> Array:
        """Typical size of each element of input i: its own, or that of its array, or one."""
        return typical_size(self.inputs[i].reshape(-1).astype(np.float64))


@dataclass(slots=True)
class Evaluator:
    """The function of one input, the others held: (P, n) -> values and bounds (P, m)."""

    scene: Scene
    i: int
    noise: bool
    calls: int = 0

    def __call__(self, points: Array) -> tuple[Array, Array]:
        """Values (P, m) float64 and an absolute rounding bound of each, in batches that fit."""
        self.calls += len(points)
        scene = self.scene
        values = np.empty((len(points), sum(scene.size_out(o) for o in scene.outs)), points.dtype)
        for part in self._chunks(points, BATCH_BYTES if self.noise else NEAR_BYTES):
            results = evaluate(scene.graph, scene.at(self.i, points[part]), tick=scene.tick)
            values[part] = scene.flat_outputs(results, len(points[part]))
        if not self.noise:
            return values, np.zeros(values.shape)
        return values, self._bounds(points, values)

    def _bounds(self, points: Array, values: Array) -> Array:
        elements = self.scene.graph.elements
        if elements * len(points) > NOISE_ELEMENTS and len(points) > 3:
            some = np.array([0, len(points) // 2, len(points) - 1])
            bounds = self._spread(points[some]).max(axis=0, keepdims=True)
            bounds = np.broadcast_to(bounds, values.shape)
        else:
            bounds = self._spread(points)
        # a few samples may all fall together by chance: no point is trusted to be much
        # quieter than its neighbours; and the last operation always rounds
        middle = len(bounds) // 2
        quiet = np.partition(bounds, middle, axis=0)[middle : middle + 1]
        floor = unit_roundoff(np.dtype(np.float64)) * np.abs(values)
        return np.maximum(np.maximum(bounds, np.where(np.isfinite(quiet), quiet, 0)), floor)

    def _spread(self, points: Array) -> Array:
        scene = self.scene
        bounds = np.empty((len(points), sum(scene.size_out(o) for o in scene.outs)))
        for part in self._chunks(points, BATCH_BYTES):
            inputs = scene.at(self.i, points[part])
            results = evaluate(scene.graph, inputs, tick=scene.tick)
            spread = rounding_bounds(
                scene.graph, inputs, results,
                rng_seed=scene.rng_seed, samples=NOISE_SAMPLES, tick=scene.tick,
            )  # fmt: skip
            bounds[part] = NOISE_PART * scene.flat_outputs(spread, len(points[part]))
        return bounds

    def _chunks(self, points: Array, room_bytes: int) -> list[slice]:
        elements = self.scene.graph.elements
        size = max(1, room_bytes // (16 * max(1, elements)))
        return [slice(s, s + size) for s in range(0, len(points), size)]


def _largest(x: Array) -> float:
    """The largest finite size in an array; zero where there is none."""
    size = np.abs(x)
    top = size.max(initial=0.0)
    return float(top if np.isfinite(top) else size[np.isfinite(size)].max(initial=0.0))


def typical_size(x: Array) -> Array:
    """For each element of a vector its own size, or part of the typical one where that is larger; never zero."""
    size = np.abs(x)
    typical = float(np.sqrt(np.mean(size * size))) if x.size else 1.0
    if not np.isfinite(typical) or typical == 0:
        typical = 1.0
    return np.where(size > 0, np.maximum(size, typical * 1e-3), typical)


def gradient_scene(scene: Scene, o: int) -> Scene:
    """The scene of the gradient of a scalar output: its first order is the second order."""
    graph = gradient_graph(scene.graph, scene.wrt, o)
    outs = tuple(range(len(scene.wrt)))
    name = scene.graph.output_names[o]
    return replace(scene, graph=graph, original=graph, outs=outs, gradient_of=name)


def make_scene(graph: Graph, point: Sequence[Array], options: Options, tick: Tick) -> Scene:
    """The scene of a check; raises `Fault` when `wrt` or `outputs` name what is not there."""
    wide = upcast(graph)
    inputs = tuple(
        np.asarray(x).astype(t.dtype, copy=False)
        for x, t in zip(point, wide.input_types, strict=True)
    )
    varied = [t.is_float and t.structure is not Structure.INTEGER_VALUED for t in wide.input_types]
    wrt = _chosen(options.wrt, graph.inputs, varied, "input")
    floats = [t.is_float for t in wide.output_types]
    outs = _chosen(options.outputs, graph.output_names, floats, "output")
    for i in wrt:
        bad = ~np.isfinite(inputs[i])
        if bad.any():
            index = tuple(int(k) for k in np.argwhere(bad)[0])
            shown = f" at index {list(index)}" if index else ""
            raise Fault(
                FaultKind.INVALID,
                f"point: input {graph.inputs[i]!r} is {inputs[i][index]}{shown}; a derivative needs "
                "a finite point",
                field_path=f'point["{graph.inputs[i]}"]',
            )
    require_kept(
        (name, t.structure, x)
        for name, t, x in zip(graph.inputs, graph.input_types, point, strict=True)
    )
    eps = float(np.finfo(narrowest(graph)).eps)
    wide = detached(wide, inputs, tick)
    return Scene(wide, graph, inputs, wrt, outs, eps, options.rng_seed, tick)


def _chosen(
    names: Sequence[str], known: Sequence[str], floats: Sequence[bool], what: str
) -> tuple[int, ...]:
    if not names:
        return tuple(i for i, f in enumerate(floats) if f)
    chosen: list[int] = []
    for name in names:
        if name not in known:
            raise Fault(
                FaultKind.INVALID,
                f"options: there is no {what} {name!r}; the function has: {', '.join(known)}",
                field_path="options",
            )
        at = list(known).index(name)
        if not floats[at]:
            raise Fault(
                FaultKind.INVALID,
                f"options: {what} {name!r} is not a float array, so it has no derivative; "
                "leave it out or cast it",
                field_path="options",
            )
        chosen.append(at)
    return tuple(dict.fromkeys(chosen))
