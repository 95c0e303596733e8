"""Prepare once, run many: a graph or a derivative of it as a plan that is called with arrays.

`prepare(graph, wrt=(0,), kind="value_and_gradient")(x)` gives what `evaluate` gives on the same
derivative graph, bit for bit, in fresh arrays, without preparing anything twice. Graphs of scalars
alone run on Python floats: there results agree within the `ulps` of each op instead. Plans belong to
the graph: whoever holds it holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, Final, Literal

import numpy as np

from gradproof_service.arrays import F64, Array
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Tick, no_tick
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import gradient_graph, hvp
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.bound import Bound
from gradproof_service.transforms.plans.sketch import Sketch, sketch
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.scalar.code import scalar_runner

Kind = Literal["value", "gradient", "value_and_gradient", "jvp", "vjp", "hvp"]
SHAPES_KEPT: Final = 8
"""Batch patterns and sizes for which one `Prepared` keeps plans; the oldest goes."""

Key = tuple[tuple[bool, ...], int | None]


class Prepared:
    """One graph as plans, called with its inputs; safe to call from several threads at once.

    `graph` is what runs: its inputs are what a call takes, its outputs what it returns.
    """

    def __init__(self, graph: Graph, threads: int = 1) -> None:
        self.graph = optimise(graph)
        self.threads = threads
        self._sketches: dict[Key, Sketch] = {}
        self._idle: dict[Key, list[Bound]] = {}
        """Plans ready to run; each is out of its list while a thread runs it."""
        self._lock = Lock()
        self._types = self.graph.input_types
        self._core: Key = ((False,) * len(self._types), None)
        self._on_floats = scalar_runner(self.graph)

    def __call__(self, *inputs: Any, tick: Tick = no_tick) -> list[Array]:
        """The outputs at these inputs, each as its type says or with one batch axis in front.

        Raises `ValueError` when an input has another shape. Other dtypes are cast when no value can change.
        """
        key, arrays = self._core, inputs
        if len(inputs) != len(self._types):
            raise ValueError(
                f"{self.graph.name} takes {len(self._types)} arrays "
                f"({', '.join(self.graph.inputs)}), got {len(inputs)}"
            )
        if self._on_floats is not None and all(
            [type(x) is np.ndarray and x.dtype is F64 and not x.ndim for x in inputs]
        ):
            try:
                return [np.array(y) for y in self._on_floats(*[x.item() for x in inputs])]
            except (ArithmeticError, ValueError):
                pass  # a float raises where an array holds inf or NaN: the plan on arrays knows which
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
            ready = Bound(self.sketch(*key), self.threads)
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


def prepare(
    graph: Graph,
    *,
    wrt: Sequence[int] | None = None,
    outs: Sequence[int] | None = None,
    kind: Kind = "value_and_gradient",
    threads: int = 1,
) -> Prepared:
    """A graph's values or derivatives made ready for many calls; remembered on the graph.

    `wrt` are input positions (all floats by default), `outs` output positions (all floats; the first
    one for gradients and hvp). Results by kind: "value": outputs; "gradient": one array an input;
    "value_and_gradient": outputs, then gradients; "jvp" takes tangents of `wrt` behind the inputs and
    returns outputs, then tangents; "vjp" takes cotangents of `outs` and returns outputs, then
    cotangents; "hvp" takes tangents and returns gradients, then Hessian times tangents.
    """
    types, made = graph.input_types, graph.output_types
    inputs = tuple(i for i, t in enumerate(types) if t.is_float) if wrt is None else tuple(wrt)
    if outs is not None:
        outputs = tuple(outs)
    else:
        floats = tuple(o for o, t in enumerate(made) if t.is_float)
        outputs = floats if kind == "vjp" else floats[:1]
    key = ("prepared", kind, inputs, outputs, threads)
    found = graph.plans.get(key)
    if found is None:
        derived = _derived(graph, inputs, outputs, kind)
        found = graph.plans[key] = Prepared(derived, threads)
    return found


def _derived(graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], kind: Kind) -> Graph:
    match kind:
        case "value":
            return graph
        case "gradient":
            return gradient_graph(graph, wrt, outs[0])
        case "value_and_gradient":
            return value_and_gradient_graph(graph, wrt, outs[0])
        case "jvp":
            return jvp(graph, wrt)
        case "vjp":
            return vjp(graph, wrt, outs)
        case "hvp":
            return hvp(graph, wrt, outs[0])


def value_and_gradient_graph(graph: Graph, wrt: tuple[int, ...], out: int = 0) -> Graph:
    """The graph inputs -> all outputs, then the gradients of the scalar output `out`: one forward pass."""
    pull = vjp(graph, wrt, (out,))
    t = graph.types[graph.outputs[out]]
    if t.size != 1:
        raise ValueError(f"a gradient needs one number, the output has shape {t.shape}")
    xp = Builder(f"value_and_gradient_{graph.name}")
    inputs = [xp.input(n, u) for n, u in zip(graph.inputs, graph.input_types, strict=True)]
    results = xp.inline(pull, [*inputs, xp.constant(np.ones(t.shape, t.dtype))])
    return xp.finish(results, pull.output_names)
