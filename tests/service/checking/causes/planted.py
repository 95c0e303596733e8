"""Wrong derivatives to be explained: a function at a point, and what is claimed of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_service.arrays import Array, type_of_array
from gradproof_service.checking.causes import Cause, find_cause
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.checking.reference import blocks_of
from gradproof_service.checking.report import Options
from gradproof_service.checking.scene import Scene, make_scene
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import no_tick

from tests.service.functions import graph_of


@dataclass
class Stage:
    """A scene with the right Jacobian block of one output by one input, and its bar."""

    scene: Scene
    o: int
    i: int
    right: Array
    bar: Array

    def mismatch(self, claimed: Array) -> Mismatch:
        """The claim beside what is right."""
        return Mismatch(
            self.scene, self.o, self.i, claimed.reshape(self.right.shape), self.right, self.bar
        )

    def cause(self, claimed: Array, **more: Any) -> Cause | None:
        """What the package says of a claim in the block's own shape or flat."""
        flat = np.asarray(claimed, dtype=np.float64).reshape(self.right.shape)
        return find_cause(self.scene, self.o, self.i, flat, self.right, self.bar, **more)

    @property
    def block(self) -> Array:
        """The right derivative in its own shape."""
        return self.right.reshape(self.scene.block_shape(self.o, self.i)).copy()


def stage(function: Callable[..., Any] | Graph, by: str = "", out: int = 0, **point: Any) -> Stage:
    """The function at a point, differentiated by the input named (the first by default)."""
    if isinstance(function, Graph):
        graph, arrays = function, [np.asarray(v) for v in point.values()]
    else:
        graph, arrays = graph_of(function, **point)
    scene = make_scene(graph, arrays, Options(), no_tick)
    i = graph.inputs.index(by) if by else 0
    block = blocks_of(scene, "reverse")[out, i]
    return Stage(scene, out, i, block.value, block.bar + 1e-15 * np.abs(block.value))


def random_graph(rng_seed: int, nodes: int) -> tuple[Graph, list[Array]]:
    """A random function of two matrices 3x3 and a vector, to one number; deterministic."""
    r = np.random.default_rng((rng_seed, 77))
    xp = Builder("random")
    arrays = [r.uniform(-1, 1, (3, 3)), r.uniform(-1, 1, (3, 3)), r.uniform(-1, 1, 3)]
    values = [xp.input(n, type_of_array(a)) for n, a in zip("abc", arrays, strict=True)]
    smooth = (xp.tanh, xp.sin, xp.sigmoid, xp.square, lambda z: xp.exp(z * 0.5))

    def any_of() -> Any:
        return values[int(r.integers(max(0, len(values) - 6), len(values)))]

    while xp.node_count < nodes:
        kind, u, w = int(r.integers(12)), any_of(), any_of()
        matrices = u.rank == w.rank == 2
        if kind < 5:
            v = smooth[kind](u)
        elif kind < 8:
            v = (u * w, u + w, u - w)[kind - 5]
        elif kind == 8:
            v = u @ w if matrices else u * w
        elif kind == 9:
            v = xp.softmax(u, axis=-1)
        elif kind == 10:
            v = xp.matrix_transpose(u) if u.rank == 2 else xp.cos(u)
        else:
            v = (
                xp.mean(u, axes=(0,))
                if u.rank == 2 and r.random() < 0.5
                else u / (xp.square(w) + 1.0)
            )
        values.append(v)
    out = xp.sum(values[-1] * values[-2]) + xp.sum(xp.square(values[-3]))
    return xp.finish([out]), arrays
