"""High curvature, oscillation, narrow features, long chains and products."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case


def _curvature() -> Iterator[Case]:
    yield case("e^(50 x)", lambda x: np.exp(50 * x), lambda x: 50 * np.exp(50 * x), x=0.4)
    yield case("x^20", lambda x: x**20, lambda x: 20 * x**19, x=1.7)
    yield case("x^-20", lambda x: x**-20.0, lambda x: -20 * x**-21.0, x=0.6)
    for x in (1e-4, 1e-3, 0.03):
        yield case(
            f"narrow peak at {x:g}",
            lambda x: 1 / (x**2 + 1e-6),
            lambda x: -2 * x / (x**2 + 1e-6) ** 2,
            x=x,
        )
        yield case(
            f"steep step at {x:g}",
            lambda x: np.tanh(1e4 * x),
            lambda x: 1e4 / np.cosh(np.minimum(1e4 * x, 300.0)) ** 2,
            x=x,
        )
        yield case(
            f"narrow bump at {x:g}",
            lambda x: np.exp(-(x**2) / 1e-5),
            lambda x: -2e5 * x * np.exp(-(x**2) / 1e-5),
            x=x,
        )
    yield case(
        "pole close by",
        lambda x: np.sum(1 / (x - 1)),
        lambda x: -1 / (x - 1) ** 2,
        x=[1 + 1e-6, 1 - 1e-9],
    )
    yield case(
        "tangent close to its pole", np.tan, lambda x: 1 / np.cos(x) ** 2, x=np.pi / 2 - 1e-5
    )
    yield case("root of a root", lambda x: np.sqrt(np.sqrt(x)), lambda x: 0.25 * x**-0.75, x=1e-10)
    yield case("tower", lambda x: np.exp(np.exp(x)), lambda x: np.exp(np.exp(x) + x), x=2.5)


def _oscillation() -> Iterator[Case]:
    for w in (1e2, 1e4, 1e6, 1e8):
        yield case(
            f"sin({w:g} x)", lambda x, w=w: np.sin(w * x), lambda x, w=w: w * np.cos(w * x), x=0.7
        )
        yield case(
            f"slow and fast, {w:g}", lambda x, w=w: x**2 + np.sin(w * x) / w, lambda x, w=w: 2 * x + np.cos(w * x), x=0.7,
        )  # fmt: skip
    yield case("sin(1/x)", lambda x: np.sin(1 / x), lambda x: -np.cos(1 / x) / x**2, x=1e-3)
    yield case("chirp", lambda x: np.sin(x**2), lambda x: 2 * x * np.cos(x**2), x=100.3)
    yield case("sin(x^3 sin 9x)", lambda x: np.sin(x**3 * np.sin(9 * x)), _wild, x=-8.73)
    yield case(
        "fast part hidden far out",
        lambda x: 2 * x**3 + np.sin(x) / 22.3,
        lambda x: 6 * x**2 + np.cos(x) / 22.3,
        x=4902.0,
    )
    yield case(
        "e^(sin 50 x)",
        lambda x: np.exp(np.sin(50 * x)),
        lambda x: 50 * np.cos(50 * x) * np.exp(np.sin(50 * x)),
        x=1.1,
    )
    yield case(
        "x sin(1/x)",
        lambda x: x * np.sin(1 / x),
        lambda x: np.sin(1 / x) - np.cos(1 / x) / x,
        x=0.003,
    )
    yield case(
        "at a crest", lambda x: np.sin(100 * x), lambda x: 100 * np.cos(100 * x), x=np.pi / 200
    )
    yield case("lacunary series", _lacunary, _lacunary_slope, x=0.37)
    yield case(
        "even at its centre", lambda x: np.cos(40 * x), lambda x: -40 * np.sin(40 * x), x=0.0
    )
    yield case("flat to the fourth", lambda x: (x - 1) ** 4, lambda x: 4 * (x - 1) ** 3, x=1 + 1e-4)


def _wild(x):
    return np.cos(x**3 * np.sin(9 * x)) * (3 * x**2 * np.sin(9 * x) + 9 * x**3 * np.cos(9 * x))


def _lacunary(x):
    return sum(0.5**k * np.sin(3.0**k * x) for k in range(12))


def _lacunary_slope(x):
    return sum(1.5**k * np.cos(3.0**k * x) for k in range(12))


def _chains() -> Iterator[Case]:
    yield case(
        "product of 200", np.prod, lambda x: np.prod(x) / x, x=1 + 0.1 * np.sin(np.arange(200.0))
    )
    yield case(
        "product over many sizes",
        np.prod,
        lambda x: np.prod(x) / x,
        x=10.0 ** np.linspace(-6, 6, 13),
    )
    yield case(
        "product with a zero",
        np.prod,
        lambda x: np.array([0.0, 2.4, 0.0, 0.0]),
        x=[2.0, 0.0, 3.0, 0.4],
    )
    yield case("product near underflow", np.prod, lambda x: np.prod(x) / x, x=np.full(30, 1e-9))
    yield case("tiny sum", np.sum, np.ones_like, x=np.array([1e-300, 3e-301, -2e-300]))
    yield case("sum of 5000", lambda x: np.sum(np.sin(x)), np.cos, x=np.linspace(-3, 3, 5000))
    yield case(
        "sum of both signs", lambda x: np.sum(x**3), lambda x: 3 * x**2, x=np.linspace(-2, 2, 301)
    )
    yield case("chain of 300 sines", _chain, _chain_slope, x=0.9)
    yield case("logistic map, 20 steps", _logistic, _logistic_slope, x=0.3123)
    yield case("Newton's square root", _newton, lambda a: 0.5 / np.sqrt(a), a=7.3)
    yield case("continued fraction", _fraction, _fraction_slope, x=0.6)
    yield case("Horner of degree 30", _horner, _horner_slope, x=0.93)
    yield case(
        "30 halvings",
        lambda x: _repeat(np.sqrt, x, 30),
        lambda x: x ** (0.5**30) / x * 0.5**30,
        x=17.0,
    )
    yield case("recurrent net, 50 steps", _recurrent, _recurrent_slope, x=0.4, w=0.9)
    yield case(
        "geometric growth",
        lambda x: _repeat(lambda v: 1.5 * v, x, 60),
        lambda x: 1.5**60 + 0 * x,
        x=1.1,
    )
    yield case(
        "decay to nothing",
        lambda x: _repeat(lambda v: 0.1 * v, x, 60),
        lambda x: 0.1**60 + 0 * x,
        x=1.1,
    )
    yield case(
        "running products",
        np.cumprod,
        _cumprod_jacobian,
        "jacobian",
        x=np.array([1.2, -0.3, 2.2, 0.7]),
    )


def _repeat(step, v, times):
    for _ in range(times):
        v = step(v)
    return v


def _chain(x):
    return _repeat(lambda v: 1.3 * np.sin(v), x, 300)


def _chain_slope(x):
    slope = 1.0
    for _ in range(300):
        slope = slope * 1.3 * np.cos(x)
        x = 1.3 * np.sin(x)
    return slope


def _logistic(x):
    return _repeat(lambda v: 3.9 * v * (1 - v), x, 20)


def _logistic_slope(x):
    slope = 1.0
    for _ in range(20):
        slope = slope * 3.9 * (1 - 2 * x)
        x = 3.9 * x * (1 - x)
    return slope


def _newton(a):
    x = a
    for _ in range(8):
        x = 0.5 * (x + a / x)
    return x


def _fraction(x):
    return _repeat(lambda v: x / (1 + v), x, 25)


def _fraction_slope(x):
    v, slope = x, 1.0
    for _ in range(25):
        slope = (1 + v - x * slope) / (1 + v) ** 2
        v = x / (1 + v)
    return slope


def _horner(x):
    total = 0.0
    for k in range(31):
        total = total * x + np.cos(k)
    return total


def _horner_slope(x):
    total, slope = 0.0, 0.0
    for k in range(31):
        slope = slope * x + total
        total = total * x + np.cos(k)
    return slope


def _recurrent(x, w):
    return _repeat(lambda h: np.tanh(w * h + x), x, 50)


def _recurrent_slope(x, w):
    h, by_x, by_w = x, 1.0, 0.0
    for _ in range(50):
        new = np.tanh(w * h + x)
        by_w = (1 - new**2) * (h + w * by_w)
        by_x = (1 - new**2) * (1 + w * by_x)
        h = new
    return by_x, by_w


def _cumprod_jacobian(x):
    p = np.cumprod(x)
    return np.tril(p[:, None] / x[None, :])


CASES = [*_curvature(), *_oscillation(), *_chains()]
