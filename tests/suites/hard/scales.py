"""Arguments and values of every size, alone and side by side in one vector."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case

X = np.array([1.3, -0.7, 0.8, -1.9, 1.2])
P = np.array([1.3, 0.7, 0.8, 1.9, 1.2])
SIZES = (1e-12, 1e-9, 1e-6, 1e-3, 1e3, 1e6, 1e9, 1e12)


def _softmax(x):
    e = np.exp(x - np.max(x))
    return e / np.sum(e)


def _rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def _rosenbrock_gradient(x):
    e = x[1:] - x[:-1] ** 2
    zero = np.zeros(1)
    head = -400 * x[:-1] * e - 2 * (1 - x[:-1])
    return np.concatenate([head, zero]) + np.concatenate([zero, 200 * e])


def _at_size(s: float) -> Iterator[Case]:
    """Functions that are themselves at home at size `s`, and some that are not."""
    at = f"at {s:g}"
    yield case(f"sine {at}", lambda x: np.sum(s * np.sin(x / s)), lambda x: np.cos(x / s), x=s * X)
    yield case(f"squares {at}", lambda x: np.sum(x**2), lambda x: 2 * x, x=s * X)
    yield case(f"cubes {at}", lambda x: np.sum(x**3), lambda x: 3 * x**2, x=s * X)
    yield case(
        f"decay {at}", lambda x: np.sum(np.exp(-x / s)), lambda x: -np.exp(-x / s) / s, x=s * P
    )
    yield case(f"logarithm {at}", lambda x: np.sum(np.log(x)), lambda x: 1 / x, x=s * P)
    yield case(f"root {at}", lambda x: np.sum(np.sqrt(x)), lambda x: 0.5 / np.sqrt(x), x=s * P)
    yield case(f"reciprocal {at}", lambda x: np.sum(1 / x), lambda x: -1 / x**2, x=s * X)
    yield case(
        f"length {at}",
        lambda x: np.sqrt(np.sum(x**2)),
        lambda x: x / np.sqrt(np.sum(x**2)),
        x=s * X,
    )
    yield case(
        f"harmonic {at}", lambda x, y: x * y / (x + y),
        lambda x, y: ((y / (x + y)) ** 2, (x / (x + y)) ** 2), x=1.5 * s, y=0.4,
    )  # fmt: skip
    yield case(
        f"tall {at}", lambda x: s * _rosenbrock(x), lambda x: s * _rosenbrock_gradient(x), x=P
    )
    yield case(
        f"soft maximum {at}", lambda x: s * np.log(np.sum(np.exp(x / s - np.max(x / s)))) + np.max(x),
        lambda x: _softmax(x / s), x=s * X,
    )  # fmt: skip


def _mixed() -> Iterator[Case]:
    """One vector with entries of 1e-8 and of 1e8."""
    x = np.array([1.3e-8, -0.7, 2.1e8])
    p = np.abs(x)
    w = np.array([1e8, 1.0, 1e-8])
    yield case("mixed squares", lambda x: np.sum(x**2), lambda x: 2 * x, x=x)
    yield case(
        "mixed weighted sines", lambda x: np.sum(np.sin(w * x)), lambda x: w * np.cos(w * x), x=x
    )
    yield case("mixed logarithms", lambda x: np.sum(np.log(x)), lambda x: 1 / x, x=p)
    yield case("mixed roots", lambda x: np.sum(np.sqrt(x)), lambda x: 0.5 / np.sqrt(x), x=p)
    yield case(
        "mixed product",
        lambda x: x[0] * x[1] * x[2],
        lambda x: np.stack([x[1] * x[2], x[0] * x[2], x[0] * x[1]]),
        x=x,
    )
    yield case("mixed fractions", lambda x: np.sum(x / (1 + x)), lambda x: 1 / (1 + x) ** 2, x=p)
    yield case("mixed length", lambda x: np.sqrt(x @ x), lambda x: x / np.sqrt(x @ x), x=x)
    yield case("mixed weighted sum", lambda x: np.sum(w * x), lambda x: w * np.ones(3), x=x)
    yield case("mixed scaled squares", lambda x: np.sum((w * x) ** 2), lambda x: 2 * w**2 * x, x=x)
    yield case(
        "mixed saturation",
        lambda x: np.sum(np.tanh(x)),
        lambda x: 1 / np.cosh(np.minimum(np.abs(x), 300.0)) ** 2,
        x=x,
    )
    yield case("mixed jacobian", lambda x: w * x**2, lambda x: np.diag(2 * w * x), "jacobian", x=x)
    yield case(
        "mixed ratio",
        lambda x: x[0] / x[2],
        lambda x: np.stack([1 / x[2], 0 * x[1], -x[0] / x[2] ** 2]),
        x=x,
    )
    yield case(
        "mixed arguments", lambda a, b: np.sum(np.sin(a * b)),
        lambda a, b: (b * np.cos(a * b), np.sum(a * np.cos(a * b))), a=np.array([2e-9, 3e-9]), b=4e8,
    )  # fmt: skip


def _offsets() -> Iterator[Case]:
    """Values and arguments far from zero that change by little."""
    for big in (1e4, 1e8, 1e12):
        yield case(f"sine upon {big:g}", lambda x, c=big: np.sum(np.sin(x)) + c, np.cos, x=X)
        yield case(
            f"square about {big:g}",
            lambda x, c=big: np.sum((x - c) ** 2),
            lambda x, c=big: 2 * (x - c),
            x=big + 8 * X,
        )
    for big in (1e3, 1e6, 1e9):
        yield case(f"sine far out at {big:g}", lambda x: np.sum(np.sin(x)), np.cos, x=big + X)
        yield case(
            f"variance far out at {big:g}", lambda x: np.mean((x - np.mean(x)) ** 2),
            lambda x: 2 * (x - np.mean(x)) / len(x), x=big + X,
        )  # fmt: skip
    yield case(
        "linear and huge",
        lambda x: 1e12 * np.sum(x) + 1e-3 * x[0],
        lambda x: np.array([1e12 + 1e-3, 1e12, 1e12, 1e12, 1e12]),
        x=X,
    )
    yield case(
        "small beside large",
        lambda x: 1e10 * x[0] + np.sin(x[1]),
        lambda x: np.stack([1e10 + 0 * x[0], np.cos(x[1])]),
        x=[0.3, 0.4],
    )


CASES = [*(c for s in SIZES for c in _at_size(s)), *_mixed(), *_offsets()]
