"""Claims at kinks: between which slopes they may lie, and which of these a library gives.

At a kink every slope between the one-sided ones is right, whoever's convention it follows, so a
claim there is never called wrong. The profile of a check says which one is expected: ours, or that
of another library, whose convention is had by writing the op in words whose own rules give it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.judge import Expected, Judge
from gradproof_service.checking.margins import edges
from gradproof_service.checking.report import Kind, Profile
from gradproof_service.checking.structure import FREE
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import evaluate_all
from gradproof_service.transforms.jacobian import jacobian

Writing = Callable[..., Any]
"""`(xp, site, *operands) -> value`: an op in other words, equal in value."""


def _above(xp: Any, s: Any, x: Any) -> Any:
    return xp.where(xp.greater_equal(x, 0.0), x, -x)


def _jax_clip(xp: Any, s: Any, x: Any, low: Any, high: Any) -> Any:
    return xp.minimum(xp.maximum(x, low), high)


def _leaky_above(xp: Any, s: Any, x: Any) -> Any:
    return xp.where(xp.greater_equal(x, 0.0), x, s["negative_slope"] * x)


THEIRS: Final[Mapping[Profile, Mapping[str, Writing]]] = {
    Profile.JAX: {"abs": _above, "clip": _jax_clip, "leaky_relu": _leaky_above},
}
"""Ops whose finite slope at a kink another library chooses otherwise (their records say how)."""

RIGHT: Final[Mapping[str, Writing]] = {
    "abs": _above,
    "relu": lambda xp, s, x: xp.where(xp.greater_equal(x, 0.0), x, 0.0 * x),
    "leaky_relu": _leaky_above,
    "maximum": lambda xp, s, a, b: xp.where(xp.greater_equal(a, b), a, b),
    "minimum": lambda xp, s, a, b: xp.where(xp.less_equal(a, b), a, b),
    "clip": lambda xp, s, x, low, high: xp.where(
        xp.less_equal(x, low), low, xp.where(xp.greater_equal(x, high), high, x)
    ),
}
LEFT: Final[Mapping[str, Writing]] = {
    "abs": lambda xp, s, x: xp.where(xp.greater(x, 0.0), x, -x),
    "relu": lambda xp, s, x: xp.where(xp.greater(x, 0.0), x, 0.0 * x),
    "leaky_relu": lambda xp, s, x: xp.where(xp.greater(x, 0.0), x, s["negative_slope"] * x),
    "maximum": lambda xp, s, a, b: xp.where(xp.greater(a, b), a, b),
    "minimum": lambda xp, s, a, b: xp.where(xp.less(a, b), a, b),
    "clip": lambda xp, s, x, low, high: xp.where(
        xp.less(x, low), low, xp.where(xp.greater(x, high), high, x)
    ),
}
"""Ops with the slope of one side and of the other at their kinks."""


NARROW = 2.0**-40
"""Part of the slopes of both sides by which a claim may lie outside of them."""


def at_kink(
    judge: Judge, kind: Kind, o: int, i: int, claimed: Array, expected: Expected, seeds: Array | None
) -> Expected:  # fmt: skip
    """What is expected of a claim where the point is on a kink; `expected` itself where it is not.

    A slope between the one-sided ones that is not the expected one is left undecided; one outside
    is held against the nearer end, whose own error bars the interval contains.
    """
    found = _interval(judge, o, i)
    if found is None:
        return expected
    low, high = found
    theirs = _written(judge, o, i, THEIRS.get(judge.options.profile, {}))
    if seeds is not None:
        flat = seeds.reshape(len(seeds), -1).astype(np.float64)
        turn = (lambda a: a) if kind is Kind.VJP else (lambda a: a.T)
        up, down = np.maximum(flat, 0.0), np.minimum(flat, 0.0)
        low, high = turn(low), turn(high)
        with np.errstate(all="ignore"):
            low, high = up @ low + down @ high, up @ high + down @ low
            theirs = None if theirs is None else flat @ turn(theirs)
    given = claimed.astype(np.float64).reshape(expected.value.shape)
    # at a tie the rounding of an operand changes the branch: the reference's bar holds the whole jump
    with np.errstate(all="ignore"):
        bar = np.minimum(expected.bar, NARROW * (np.abs(low) + np.abs(high)))
    kinked = ~(high - low <= 4 * bar)
    slack = np.where(np.isfinite(bar), 2 * bar, 0.0)
    inside = kinked & ~((given < low - slack) | (given > high + slack))
    outside = kinked & ~inside
    end = np.where(given < low, low, high)
    value = np.where(outside, end, expected.value)
    chosen = np.zeros(value.shape, dtype=bool)
    if theirs is not None:
        chosen = inside & np.isfinite(theirs) & (np.abs(theirs - value) > slack)
        value = np.where(chosen, theirs, value)
    open_kink = "convention" if theirs is not None else "kink"
    return replace(
        expected,
        value=value,
        bar=np.where(outside, 2.0**-50 * np.abs(end), expected.bar),
        doubt=np.where(inside, np.inf, np.where(kinked, 0.0, expected.doubt)),
        reason=open_kink if inside.any() else expected.reason,
        by_convention=bool(chosen.any()),
    )


def _interval(judge: Judge, o: int, i: int) -> tuple[Array, Array] | None:
    """Between which slopes (m, n) each every entry may lie, equal off the kinks; None without kinks."""
    block = judge.reference.blocks[o, i].value
    sides = judge.sides.get(i)
    if sides is not None:
        at = sum(judge.scene.size_out(p) for p in judge.scene.outs[: judge.scene.outs.index(o)])
        rows = slice(at, at + judge.scene.size_out(o))
        low, high = sides.low[rows], sides.high[rows]
        known = np.isfinite(low) & np.isfinite(high)
        if not known.any():
            return None
        return np.where(known, low, block), np.where(known, high, block)
    ops = _kinked_ops(judge)
    if not ops:
        return None
    free = judge.scene.graph.types[i].structure in FREE
    left, right = _written(judge, o, i, LEFT), _written(judge, o, i, RIGHT)
    if not free or not ops <= set(LEFT) or left is None or right is None:
        whole = np.full(block.shape, np.inf)
        return -whole, whole
    low = np.minimum(block, np.minimum(left, right))
    high = np.maximum(block, np.maximum(left, right))
    wider = high - low  # several kinks on one way may choose apart from each other
    return low - wider, high + wider


def _kinked_ops(judge: Judge) -> set[str]:
    """The ops that stand exactly on a kink at the point."""
    if judge.kinked is None:
        scene = judge.scene
        near = edges(scene, evaluate_all(scene.graph, scene.inputs, tick=scene.tick))
        judge.kinked = {
            scene.graph.sites[e.node].op.name
            for e in near
            if e.kind == "kink" and bool((e.distance == 0).any())
        }
    return judge.kinked


def _written(judge: Judge, o: int, i: int, words: Mapping[str, Writing]) -> Array | None:
    """The block (m, n) of the function with some ops in these words; None when it has none of them."""
    scene = judge.scene
    graph = scene.graph if scene.gradient_of else rewritten(scene.graph, words)
    if graph is scene.graph:
        return None
    found = jacobian(graph, scene.inputs, (i,), (o,), "auto", tick=scene.tick)
    return found.blocks[0][0].reshape(scene.size_out(o), scene.size_in(i))


def rewritten(graph: Graph, words: Mapping[str, Writing]) -> Graph:
    """The graph with these ops in other words, in the functions it calls too; itself without any of them."""
    if not _names_any(graph, words):
        return graph
    xp = Builder(graph.name)
    ids = [xp.input(n, t).id for n, t in zip(graph.inputs, graph.input_types, strict=True)]
    for _, op, site, operands, _ in graph.nodes():
        args = tuple([ids[v] for v in operands])
        if op.name in words:
            made = words[op.name](xp, site, *(xp.value(a) for a in args))
            ids.append(made.id)
            continue
        attrs = {key: _inner(value, words) for key, value in site.attrs.items()}
        same = all(attrs[key] is site.attrs[key] for key in attrs)
        first = xp.add_once(site if same else op.site(attrs, site.ins), args)
        ids.extend(range(first, first + len(site.outs)))
    return xp.finish([xp.value(ids[v]) for v in graph.outputs], graph.output_names)


def _inner(value: Any, words: Mapping[str, Writing]) -> Any:
    if isinstance(value, Graph):
        return rewritten(value, words)
    if isinstance(value, tuple) and value and isinstance(value[0], Graph):
        found = tuple(rewritten(g, words) for g in value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
        return value if all(a is b for a, b in zip(found, value, strict=True)) else found  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return value


def _names_any(graph: Graph, words: Mapping[str, Writing]) -> bool:
    waiting, seen = [graph], set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        for site in one.sites:
            if site.op.name in words:
                return True
            for value in site.attrs.values():
                inner: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)  # pyright: ignore[reportUnknownVariableType]
                waiting += [g for g in inner if isinstance(g, Graph)]
    return False
