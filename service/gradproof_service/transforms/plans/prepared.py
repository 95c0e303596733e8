"""A graph as plans: one for each pattern of shapes it is called with."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, evaluate, no_tick
from gradproof_service.transforms.live import held
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.bound import Bound
from gradproof_service.transforms.plans.sketch import Sketch, sketch
from gradproof_service.transforms.scalar.code import NOT_ON_FLOATS, scalar_runner

SHAPES_KEPT: Final = 8
"""Batch patterns and sizes for which one `Prepared` keeps plans; the oldest goes."""

Key = tuple[tuple[bool, ...], int | None]


BODY_NODES: Final = 2000
"""Longer functions that a plan calls are run plainly: preparing costs some 50 us a node."""
BODY_BYTES: Final = 1 << 17
"""And so are those that hold more at once: a plan keeps its buffers, and on long arrays it saves little."""


def called(graph: Graph, args: Sequence[Array], tick: Tick) -> list[Array]:
    """A function that a plan calls, as plans of its own from the second call on if it is small: most loops are long."""
    points = max(
        (len(x) for x, t in zip(args, graph.input_types, strict=True) if x.ndim > t.rank), default=1
    )
    if len(graph) > BODY_NODES or held(graph, "nbytes") * points > BODY_BYTES:
        return evaluate(graph, args, tick=tick)
    ready = graph.plans.get("called")
    if ready is None:
        if not graph.plans.setdefault("called before", False):
            graph.plans["called before"] = True
            return evaluate(graph, args, tick=tick)
        ready = graph.plans["called"] = Prepared(graph, on_floats=False)
    return ready(*args, tick=tick)


class Prepared:
    """One graph as plans, called with its inputs; safe to call from several threads at once.

    `graph` is what runs: its inputs are what a call takes, its outputs what it returns. Without
    `on_floats` graphs of scalars run on arrays too, with the bits of every other call.
    """

    def __init__(self, graph: Graph, threads: int = 1, *, on_floats: bool = True) -> None:
        self.graph = optimise(graph)
        self.threads = threads
        self._sketches: dict[Key, Sketch] = {}
        self._idle: dict[Key, list[Bound]] = {}
        """Plans ready to run; each is out of its list while a thread runs it."""
        self._lock = Lock()
        self._types = self.graph.input_types
        self._core: Key = ((False,) * len(self._types), None)
        self._on_floats = scalar_runner(self.graph) if on_floats else None

    def __call__(self, *inputs: Any, tick: Tick = no_tick) -> list[Array]:
        """The outputs at these inputs, each as its type says or with one batch axis in front.

        Raises `ValueError` when an input has another shape. Other dtypes are cast when no value can change.
        """
        if self._on_floats is not None:
            try:
                found = self._on_floats(*inputs)
                if found is not None:
                    return found
            except NOT_ON_FLOATS:
                pass  # the plan on arrays knows which answer, or which refusal, it is
        key, arrays = self._core, inputs
        if len(inputs) != len(self._types):
            raise ValueError(
                f"{self.graph.name} takes {len(self._types)} arrays "
                f"({', '.join(self.graph.inputs)}), got {len(inputs)}"
            )
        for x, t in zip(inputs, self._types, strict=True):
            if (
                type(x) is not np.ndarray or x.dtype is not t.dtype or x.shape != t.shape
                or not x.flags.c_contiguous
            ):  # fmt: skip
                arrays = [self._taken(i, y) for i, y in enumerate(inputs)]
                key = self._key(arrays)
                break
        idle = self._idle.get(key)
        if idle is None:
            self.sketch(*key)
            idle = self._idle.get(key, [])
        try:
            ready = idle.pop()
        except IndexError:
            ready = Bound(self.sketch(*key), self.threads, called=called)
        results = ready.run(arrays, tick)
        idle.append(ready)
        return results

    def sketch(self, flags: tuple[bool, ...] | None = None, batch: int | None = None) -> Sketch:
        """What a run will do and take (`work`, `peak_bytes`), known before anything is allocated."""
        key: Key = self._core if flags is None else (flags, batch)
        with self._lock:
            found = self._sketches.get(key)
        if found is not None:
            return found
        made = sketch(self.graph, *key)
        with self._lock:
            self._sketches[key] = made
            self._idle.setdefault(key, [])
            if len(self._sketches) > SHAPES_KEPT:
                oldest = next(iter(self._sketches))
                del self._sketches[oldest]
                del self._idle[oldest]
        return made

    def _taken(self, i: int, x: Any) -> Array:
        t = self._types[i]
        if not isinstance(x, np.ndarray) or x.dtype != t.dtype or not x.flags.c_contiguous:
            x = np.asarray(x).astype(t.dtype, order="C", casting="same_kind", copy=False)
        if x.shape != t.shape and x.shape[1:] != t.shape:
            raise ValueError(
                f"input {self.graph.inputs[i]!r} has shape {x.shape}, expected {t.shape} or a batch of it"
            )
        return x

    def _key(self, arrays: Sequence[Array]) -> Key:
        flags = tuple([x.ndim > len(t.shape) for x, t in zip(arrays, self._types, strict=True)])
        if True not in flags:
            return self._core
        sizes = {len(x) for x, b in zip(arrays, flags, strict=True) if b}
        if len(sizes) > 1:
            raise ValueError(f"batched inputs have {sorted(sizes)} points, expected one number")
        return flags, sizes.pop()
