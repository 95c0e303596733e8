"""What a task is, and how a function written against a NumPy-like namespace becomes each peer's gradient.

A contender is a function without arguments that gives the task's numbers, ready to be called many
times; its first call may compile. Making one may raise ImportError: then the peer is absent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

Arrays = Sequence[Any]
Contender = Callable[[], Arrays]
Maker = Callable[[], Contender]


@dataclass(frozen=True)
class Task:
    """One row of the table: contenders by name, `ours` and the peers that can do it."""

    name: str
    makers: Mapping[str, Maker]
    tolerance: float = 1e-8
    """Largest difference allowed between contenders, relative to the largest entry."""
    aims: Mapping[str, float] = field(default_factory=dict[str, float])
    """The largest ratio of ours to a peer that is aimed at."""


def ours(f: Callable[..., Any], points: Arrays, wrt: Sequence[int], kind: str) -> Maker:
    """The function traced once and prepared: what a caller who asks many times uses."""

    def make() -> Contender:
        prepared = graph_of(f, points)
        ready = prepared(wrt, kind)
        return partial(ready, *points)

    return make


def graph_of(f: Callable[..., Any], points: Arrays) -> Callable[..., Any]:
    """The typed graph of a NumPy function, as `prepare(wrt, kind)`."""
    import gradproof as gp
    from gradproof_service.arrays import type_of_array
    from gradproof_service.graph.typing import type_program
    from gradproof_service.transforms.prepare import prepare
    from gradproof_service.wire.decode import decode_program

    program = decode_program(gp.trace(f, at=tuple(points)).message)
    graph, findings = type_program(program, [type_of_array(np.asarray(x)) for x in points])
    assert graph is not None, findings
    return lambda wrt, kind: prepare(graph, wrt=wrt, kind=kind, threads=_threads())


def jax_gradient(f: Callable[..., Any], points: Arrays, wrt: Sequence[int]) -> Maker:
    """`jax.jit` of value and gradient; `f(np, *points)`."""

    def make() -> Contender:
        jax = _jax()
        call = jax.jit(jax.value_and_grad(lambda *xs: f(jax.numpy, *xs), tuple(wrt)))
        xs = [jax.numpy.asarray(x) for x in points]

        def run() -> Arrays:
            value, slopes = jax.block_until_ready(call(*xs))
            return [value, *slopes]

        return run

    return make


def jax_call(f: Callable[..., Any], points: Arrays) -> Maker:
    """`jax.jit` of the function itself or of any function of the namespace."""

    def make() -> Contender:
        jax = _jax()
        call = jax.jit(lambda *xs: f(jax.numpy, *xs))
        xs = [jax.numpy.asarray(x) for x in points]
        return lambda: [jax.block_until_ready(call(*xs))]

    return make


def torch_gradient(
    f: Callable[..., Any], points: Arrays, wrt: Sequence[int], *, compiled: bool = False
) -> Maker:
    """Torch eagerly, or compiled, with `backward` of the value."""

    def make() -> Contender:
        import torch

        torch.set_num_threads(_threads())
        xs = [torch.tensor(np.asarray(x)) for x in points]
        for i in wrt:
            xs[i].requires_grad_()
        call = (lambda *v: f(torch, *v)) if not compiled else torch.compile(lambda *v: f(torch, *v))
        wanted = [xs[i] for i in wrt]

        def run() -> Arrays:
            value = call(*xs)
            return [value.detach(), *torch.autograd.grad(value, wanted)]

        return run

    return make


def autograd_gradient(f: Callable[..., Any], points: Arrays, wrt: Sequence[int]) -> Maker:
    """HIPS autograd."""

    def make() -> Contender:
        import autograd
        import autograd.numpy as anp

        call = autograd.value_and_grad(lambda *xs: f(anp, *xs), tuple(wrt))

        def run() -> Arrays:
            value, slopes = call(*points)
            return [value, *slopes]

        return run

    return make


def gradients(
    name: str, f: Callable[..., Any], points: Arrays, wrt: Sequence[int], *,
    torch_f: Callable[..., Any] | None = None, compiled: bool = True, tolerance: float = 1e-8,
    aims: Mapping[str, float] | None = None,
) -> Task:  # fmt: skip
    """A task of value and gradient of `f(np, *points)` by everybody."""
    for_torch = torch_f or f
    makers: dict[str, Maker] = {
        "ours": ours(lambda *xs: f(np, *xs), points, wrt, "value_and_gradient"),
        "jax jit": jax_gradient(f, points, wrt),
        "torch eager": torch_gradient(for_torch, points, wrt),
        "autograd": autograd_gradient(f, points, wrt),
    }
    if compiled:
        makers["torch compile"] = torch_gradient(for_torch, points, wrt, compiled=True)
    return Task(name, makers, tolerance, aims or {})


def _jax() -> Any:
    import jax

    jax.config.update("jax_enable_x64", True)
    return jax


def _threads() -> int:
    import os

    return len(os.sched_getaffinity(0))
