"""Prepare once, run many: a graph or a derivative of it as a plan that is called with arrays.

`prepare(graph, wrt=(0,), kind="value_and_gradient")(x)` gives what `evaluate` gives on the same
derivative graph, bit for bit, in fresh arrays, without preparing anything twice. Graphs of scalars
alone run on Python floats: there results agree within the `ulps` of each op instead, and a gradient of a
long one is swept without a derivative graph. Plans belong to the graph: whoever holds it holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, overload

import numpy as np

from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.budget import lightest, required
from gradproof_service.transforms.forward import jvp
from gradproof_service.transforms.jacobian import gradient_graph, hvp
from gradproof_service.transforms.optimise import optimise
from gradproof_service.transforms.plans.prepared import Prepared
from gradproof_service.transforms.plans.sketch import sketch
from gradproof_service.transforms.prepared_jacobian import PreparedJacobian
from gradproof_service.transforms.prepared_sweep import PreparedSweep
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.scalar.code import LINES
from gradproof_service.transforms.scalar.sweep import NotScalar, Sweep

Kind = Literal["value", "gradient", "value_and_gradient", "jvp", "vjp", "hvp"]
Matrices = Literal["jacobian", "hessian"]


@overload
def prepare(
    graph: Graph, *, wrt: Sequence[int] | None = None, outs: Sequence[int] | None = None,
    kind: Kind = "value_and_gradient", threads: int = 1, budget_bytes: int | None = None,
) -> Prepared | PreparedSweep: ...  # fmt: skip
@overload
def prepare(
    graph: Graph, *, wrt: Sequence[int] | None = None, outs: Sequence[int] | None = None,
    kind: Matrices, threads: int = 1, budget_bytes: int | None = None,
) -> PreparedJacobian: ...  # fmt: skip
def prepare(
    graph: Graph,
    *,
    wrt: Sequence[int] | None = None,
    outs: Sequence[int] | None = None,
    kind: Kind | Matrices = "value_and_gradient",
    threads: int = 1,
    budget_bytes: int | None = None,
) -> Prepared | PreparedJacobian | PreparedSweep:
    """A graph's values or derivatives made ready for many calls; remembered on the graph.

    `wrt` are input positions (all floats by default), `outs` output positions (all floats; the first
    one for gradients, hvp and Hessians). Results by kind: "value": outputs; "gradient": one array an input;
    "value_and_gradient": outputs, then gradients; "jvp" takes tangents of `wrt` behind the inputs and
    returns outputs, then tangents; "vjp" takes cotangents of `outs` and returns outputs, then
    cotangents; "hvp" takes tangents and returns gradients, then Hessian times tangents; "jacobian"
    returns one array of shape `(*output.shape, *input.shape)` for each output and input, "hessian" one of
    shape `(*a.shape, *b.shape)` for each two of `wrt`.

    `budget_bytes`: the most that a gradient's or a vjp's plan may hold at once, inputs and results included;
    forward values are computed a second time where keeping them would take more, with the same bits
    (see `budget`). Raises `Fault` that names the least when it is more than that.
    """
    types, made = graph.input_types, graph.output_types
    inputs = tuple(i for i, t in enumerate(types) if t.is_float) if wrt is None else tuple(wrt)
    if outs is not None:
        outputs = tuple(outs)
    else:
        floats = tuple(o for o, t in enumerate(made) if t.is_float)
        outputs = floats if kind in ("vjp", "jacobian") else floats[:1]
    key = ("prepared", kind, inputs, outputs, threads, budget_bytes)
    found = graph.plans.get(key)
    if found is None:
        if budget_bytes is not None:
            found = Prepared(_within(graph, inputs, outputs, kind, budget_bytes), threads)
        elif kind == "jacobian":
            found = PreparedJacobian(graph, inputs, outputs, threads=threads)
        elif kind == "hessian":
            slopes = gradient_graph(graph, inputs, outputs[0])
            found = PreparedJacobian(slopes, inputs, range(len(inputs)), "forward", threads)
        else:
            found = _swept(graph, inputs, outputs, kind, threads) or Prepared(
                _derived(graph, inputs, outputs, kind), threads
            )
        graph.plans[key] = found
    return found


def _swept(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], kind: Kind, threads: int
) -> PreparedSweep | None:
    """A gradient of a long graph of scalars by sweeping over the graph itself, None for every other."""
    if kind not in ("gradient", "value_and_gradient") or len(graph) <= LINES:
        return None
    try:
        sweep = Sweep(graph, wrt, outs[0])
    except NotScalar:
        return None
    return PreparedSweep(
        sweep, kind == "value_and_gradient", lambda: _derived(graph, wrt, outs, kind), threads
    )


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


def _within(
    graph: Graph, wrt: tuple[int, ...], outs: tuple[int, ...], kind: Kind | Matrices,
    budget_bytes: int,
) -> Graph:  # fmt: skip
    """The derivative graph of least work whose plan stays within the budget."""
    if kind not in ("gradient", "value_and_gradient", "vjp"):
        raise ValueError(
            f"budget_bytes: a {kind} is not made within a budget; "
            "ask for a gradient, a value_and_gradient or a vjp, or leave it out"
        )

    def made(pull: Graph) -> Graph:
        if kind == "vjp":
            return pull
        return _seeded(
            graph, pull, outs[0], 0 if kind == "value_and_gradient" else len(graph.outputs)
        )

    def peak(derivative: Graph) -> float:
        return sketch(optimise(derivative), (False,) * len(derivative.inputs), None).peak_bytes

    return required(graph, lightest(graph, wrt, outs, budget_bytes, peak, made), budget_bytes)


def value_and_gradient_graph(graph: Graph, wrt: tuple[int, ...], out: int = 0) -> Graph:
    """The graph inputs -> all outputs, then the gradients of the scalar output `out`: one forward pass."""
    return _seeded(graph, vjp(graph, wrt, (out,)), out, 0)


def _seeded(graph: Graph, pull: Graph, out: int, start: int) -> Graph:
    """A reverse graph of the scalar output `out` seeded with one: its results from `start` on."""
    t = graph.types[graph.outputs[out]]
    if t.size != 1:
        raise ValueError(f"a gradient needs one number, the output has shape {t.shape}")
    xp = Builder(f"value_and_gradient_{graph.name}")
    inputs = [xp.input(n, u) for n, u in zip(graph.inputs, graph.input_types, strict=True)]
    results = xp.inline(pull, [*inputs, xp.constant(np.ones(t.shape, t.dtype))])
    return xp.finish(results[start:], pull.output_names[start:])
