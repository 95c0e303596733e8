"""The witness by stages: the cuts, its slopes against closed forms, and what it must catch or leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from gradproof_service.arrays import type_of
from gradproof_service.checking.check import check
from gradproof_service.checking.complex_step import complex_step
from gradproof_service.checking.report import Options, Report, Source, Verdict
from gradproof_service.checking.scene import Scene, make_scene
from gradproof_service.checking.seen import units
from gradproof_service.checking.staged import staged_slopes
from gradproof_service.checking.stages import stages_of
from gradproof_service.graph.builder import Builder
from gradproof_service.graph.graph import Graph
from gradproof_service.ops import OPS
from gradproof_service.transforms.evaluate import evaluate, no_tick
from hypothesis import given, settings
from hypothesis import strategies as st

RNG = np.random.default_rng(3)
W1, W2 = RNG.standard_normal((7, 11)), RNG.standard_normal((9, 7))


def graph_of(f: Any, *shapes: tuple[int, ...]) -> Graph:
    """A function of the builder's namespace and its inputs, typed."""
    xp = Builder("f")
    inputs = [xp.input("xyz"[k], type_of(np.float64, s)) for k, s in enumerate(shapes)]
    return xp.finish([f(xp, *inputs)])


def scene_of(graph: Graph, *point: np.ndarray) -> Scene:
    """The scene at a point."""
    return make_scene(graph, point, Options(), no_tick)


def layers(xp: Any, x: Any) -> Any:
    """Two layers and their sum of squares' root, kept away from zero."""
    inner = xp.tanh(xp.matmul(xp.constant(W1), x))
    return xp.tanh(xp.matmul(xp.constant(W2), inner) + xp.constant(np.ones(9)))


def apart(xp: Any, x: Any) -> Any:
    """The sum of terms of one element each."""
    return xp.sum(xp.sin(x) * xp.exp(x * 0.5), axes=(-1,), keepdims=False)


def kinds(graph: Graph, i: int = 0) -> list[str]:
    """What the stages from input i are."""
    scene = scene_of(graph, *(np.ones(t.shape) for t in graph.input_types))
    return [s.kind for s in stages_of(scene.graph, i, 0, scene.known())]


def test_stages_are_cut_where_everything_meets() -> None:
    """Neighbours of one kind are one stage."""
    assert kinds(graph_of(layers, (11,))) == ["linear", "apart", "linear", "apart"]
    assert kinds(graph_of(apart, (50,))) == ["apart", "linear"]
    assert kinds(graph_of(lambda xp, x: xp.reshape(xp.exp(x), shape=(6,)), (2, 3))) == ["apart"]


@pytest.mark.parametrize(
    ("f", "shape"),
    [
        (lambda xp, x: x + xp.matmul(xp.constant(np.eye(4) + 1), xp.tanh(x)), (4,)),
        (lambda xp, x: xp.matmul(x, x), (4,)),
        (lambda xp, x: xp.matmul(x, x), (3, 3)),
        (lambda xp, x: xp.sum(xp.exp(x), axes=(-1,), keepdims=True) * x, (4,)),
    ],
)
def test_what_does_not_meet_is_not_cut(f: Any, shape: tuple[int, ...]) -> None:
    """Paths around a value, and one value read twice by a product."""
    assert kinds(graph_of(f, shape)) == []


@pytest.mark.parametrize(("f", "n"), [(layers, 11), (apart, 40)])
def test_slopes_are_those_of_the_whole_function(f: Any, n: int) -> None:
    """The complex step of the whole function, element by element, is the other method."""
    graph = graph_of(f, (n,))
    x = RNG.standard_normal(n)
    scene = scene_of(graph, x)
    staged = staged_slopes(scene, 0, scene.known())
    assert staged is not None
    whole = complex_step(lambda p: evaluate(graph, [p])[0].reshape(len(p), -1), x, np.eye(n))
    assert (np.abs(staged.value - whole.value) <= staged.bar + whole.bar).all()
    assert (staged.bar <= 1e-11 * np.abs(staged.value).max()).all()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(("tanh", "sin", "exp", "matrix", "flip")), min_size=2, max_size=6),
    st.integers(0, 2**32 - 1), st.floats(-4, 4),
)  # fmt: skip
def test_bars_hold_the_truth(course: list[str], seed: int, decades: float) -> None:
    """Random courses, against their Jacobian multiplied in extended precision."""
    rng = np.random.default_rng(seed)
    n = 5
    xp = Builder("f")
    value = xp.input("x", type_of(np.float64, (n,)))
    x = rng.standard_normal(n) * 10.0**decades
    at, truth = x.astype(np.longdouble), np.eye(n, dtype=np.longdouble)
    for name in course:
        match name:
            case "matrix":
                w = rng.standard_normal((n, n))
                value, at, truth = xp.matmul(xp.constant(w), value), w @ at, w @ truth
            case "flip":
                value, at, truth = xp.flip(value, axes=(-1,)), at[::-1], truth[::-1]
            case "exp":
                value = xp.exp(xp.negative(value * value))
                made = np.exp(-at * at)
                truth, at = (-2 * at * made)[:, None] * truth, made
            case _:
                value = xp.apply(name, value)
                made = np.tanh(at) if name == "tanh" else np.sin(at)
                with np.errstate(over="ignore"):
                    slope = 1 / np.cosh(at) ** 2 if name == "tanh" else np.cos(at)
                truth, at = slope[:, None] * truth, made
    graph = xp.finish([value])
    scene = scene_of(graph, x)
    found = staged_slopes(scene, 0, scene.known())
    if found is not None:
        off = np.abs(found.value.T - truth)
        assert (off <= 2 * found.bar.T + 1e-290).all()


@pytest.mark.parametrize("f", [layers, apart])
def test_a_wrong_rule_is_seen(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that is wrong in both modes alike can only be caught by values."""
    name = "tanh" if f is layers else "sin"
    right = OPS[name]

    def slanted(xp: Any, s: Any, xs: Any, ys: Any, d: Any) -> Any:
        return d * (1 - ys[0] * ys[0] * 1.01) if name == "tanh" else d * xp.cos(xs[0]) * 1.01

    monkeypatch.setitem(OPS, name, replace(right, jvp=(slanted,), vjp=(slanted,)))
    n = 11 if f is layers else 1000
    report = checked(graph_of(f, (n,)), RNG.standard_normal(n))
    assert report.verdict is Verdict.DISAGREES
    held = {c.against: c.verdict for c in report.comparisons}
    assert held.pop(Source.FORWARD) is Verdict.AGREES
    assert set(held.values()) == {Verdict.DISAGREES}


def test_a_record_that_lies_about_its_elements_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An op said to be linear that is not, and one said to act on each element that does not."""
    product = OPS["matmul"].kernel
    bent = replace(OPS["matmul"], kernel=lambda s, a, b: np.tanh(product(s, a, b)))
    rolled = replace(OPS["sin"], kernel=lambda s, x: np.sin(x) + np.roll(x, 1, -1), ufunc=None)
    for name, lying, f, n in (("matmul", bent, layers, 11), ("sin", rolled, apart, 30)):
        with monkeypatch.context() as patch:
            patch.setitem(OPS, name, lying)
            scene = scene_of(graph_of(f, (n,)), RNG.standard_normal(n))
            assert staged_slopes(scene, 0, scene.known()) is None


def checked(graph: Graph, *point: np.ndarray) -> Report:
    """A whole check without a claim."""
    return check(None, graph, point)


def test_digits_lost_inside_a_stage_accuse_nobody() -> None:
    """A shift there and back rounds the value that the slope is taken at."""

    def shifted(xp: Any, x: Any) -> Any:
        far = xp.constant(np.full(12, 3e5))
        return xp.matmul(xp.constant(W1[:, :6].repeat(2, 1)), xp.tanh(x + far - far))

    for _ in range(20):
        report = checked(graph_of(shifted, (12,)), RNG.standard_normal(12))
        assert report.verdict is Verdict.AGREES


def test_every_entry_is_looked_at_with_few_evaluations() -> None:
    """A thousand terms, one direction."""
    report = checked(graph_of(apart, (1000,)), np.linspace(-1, 1, 1000))
    assert report.verdict is Verdict.AGREES
    assert report.entries_checked == report.entries_total == 1000
    assert report.evaluations < 100


def test_a_dearer_mode_runs_along_directions_and_is_told_so() -> None:
    """Only where the other mode costs far less."""
    report = checked(graph_of(apart, (1000,)), np.linspace(-1, 1, 1000))
    modes = next(c for c in report.comparisons if c.against is Source.FORWARD)
    assert modes.directions == 4
    even = checked(graph_of(layers, (11,)), np.linspace(-1, 1, 11))
    assert next(c for c in even.comparisons if c.against is Source.FORWARD).directions == 0


def test_the_same_check_is_the_same_bit_for_bit() -> None:
    """Remembered stages and matrices change nothing."""
    x = RNG.standard_normal(11)
    graph = graph_of(layers, (11,))
    first, again = checked(graph, x), checked(graph, x)
    fresh = checked(graph_of(layers, (11,)), x)
    assert first.comparisons == again.comparisons == fresh.comparisons


def test_unit_directions_are_the_identity() -> None:
    """As a view of few numbers."""
    for n in (1, 7, 300):
        assert np.array_equal(units(n), np.eye(n))
