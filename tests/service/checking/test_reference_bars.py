"""The error bars of a whole check are measured: the truth in sixty digits lies inside them, and they are not wide."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gradproof_service.checking.differences import directional
from gradproof_service.checking.extended import extended_slopes
from gradproof_service.checking.reference import blocks_of
from gradproof_service.checking.report import Options
from gradproof_service.checking.scene import make_scene
from gradproof_service.transforms.evaluate import no_tick

from tests.service.functions import graph_of

UNARY = ("sin", "cos", "exp", "tanh", "square", "reciprocal", "log1p", "sigmoid", "sqrt", "expm1")
BINARY = ("add", "subtract", "multiply", "divide")


def random_function(rng: np.random.Generator, depth: int) -> Any:
    """A random expression of a vector, summed: cancellations and steep places included."""
    plan = [(rng.random() < 0.5, int(rng.integers(99)), rng.random(3)) for _ in range(depth)]

    def f(xp: Any, x: Any) -> Any:
        pool = [x, x * float(plan[0][2][0] + 0.5) + float(plan[0][2][1])]
        for single, pick, (a, b, c) in plan:
            left = pool[int(a * len(pool))]
            if single:
                op = UNARY[pick % len(UNARY)]
                inside = xp.square(left) + 0.01 if op in ("sqrt", "log1p") else left
                pool.append(getattr(xp, op)(inside * float(0.2 + c)))
            else:
                pool.append(getattr(xp, BINARY[pick % len(BINARY)])(left, pool[int(b * len(pool))]))
        return xp.sum(pool[-1])

    return f


def ratios(seed: int, count: int) -> np.ndarray:
    """True error over bar for every gradient entry that has a truth and whose bar is not zero."""
    rng = np.random.default_rng(seed)
    found: list[float] = []
    while len(found) < count:
        x = rng.uniform(-2, 2, 3) * 10.0 ** rng.integers(-3, 3)
        graph, arrays = graph_of(random_function(rng, int(rng.integers(2, 9))), x=x)
        scene = make_scene(graph, arrays, Options(), no_tick)
        block = blocks_of(scene, "reverse")[0, 0]
        if not np.isfinite(scene.values()[0]):
            continue
        exact = extended_slopes(scene, 0, np.eye(3))
        if exact is None:
            continue
        known = (
            np.isfinite(exact.bar[:, 0]) & np.isfinite(block.bar[0]) & np.isfinite(block.value[0])
        )
        with np.errstate(all="ignore"):
            error = np.abs(block.value[0] - exact.value[:, 0])
        # a truth known to float64 only cannot show an error below its own last place
        error = np.maximum(error - 2.0**-53 * np.abs(exact.value[:, 0]), 0.0)
        judged = known & (exact.bar[:, 0] < 0.1 * np.maximum(block.bar[0], 1e-300))
        found += (error[judged] / np.maximum(block.bar[0, judged], 1e-300)).tolist()
    return np.array(found)


def hold(found: np.ndarray) -> None:
    """At least 99.9 % inside; half of all bars within 100 times the error of one rounding or more."""
    assert np.mean(found <= 1.0) >= 0.999
    seen = found[found > 0]
    assert np.median(seen) >= 0.01


def test_the_truth_lies_inside_the_bars() -> None:
    """Gradients of random expressions against sixty digits."""
    hold(ratios(20261123, 600))


@pytest.mark.long
def test_the_truth_lies_inside_the_bars_thousands_of_times() -> None:
    """The same over thousands: pytest -m long tests/service/checking/test_reference_bars.py."""
    hold(ratios(7, 6000))


def test_the_truth_lies_inside_the_bars_of_differences() -> None:
    """The same gradients from differences, with the rounding that is measured on the graph itself."""
    rng = np.random.default_rng(78)
    inside: list[float] = []
    while len(inside) < 900:
        x = rng.uniform(-2, 2, 3) * 10.0 ** rng.integers(-3, 3)
        graph, arrays = graph_of(random_function(rng, int(rng.integers(2, 9))), x=x)
        scene = make_scene(graph, arrays, Options(), no_tick)
        exact = extended_slopes(scene, 0, np.eye(3))
        if exact is None or not np.isfinite(scene.values()[0]):
            continue
        said = directional(scene.evaluator(0), x, np.eye(3), scale=scene.scale(0), tau=2.5e-4)
        known = np.isfinite(exact.bar[:, 0]) & np.isfinite(said.bar[:, 0]) & (said.bar[:, 0] > 0)
        error = np.abs(said.value[known, 0] - exact.value[known, 0])
        inside += (error / said.bar[known, 0]).tolist()
    hold(np.array(inside))
