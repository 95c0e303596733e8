"""Functions whose straightforward form loses digits; the claim is the accurate derivative."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case


def _small_arguments() -> Iterator[Case]:
    for x in (1e-3, 1e-5, 1e-8):
        yield case(
            f"(e^x - 1)/x at {x:g}",
            lambda x: (np.exp(x) - 1) / x,
            lambda x: 0.5 + x / 3 + x**2 / 8 + x**3 / 30,
            x=x,
        )
        yield case(
            f"(1 - cos x)/x^2 at {x:g}",
            lambda x: (1 - np.cos(x)) / x**2,
            lambda x: -x / 12 + x**3 / 180,
            x=x,
        )
        yield case(
            f"log(1 + x)/x at {x:g}",
            lambda x: np.log(1 + x) / x,
            lambda x: -0.5 + 2 * x / 3 - 0.75 * x**2 + 0.8 * x**3,
            x=x,
        )
        yield case(
            f"x - sin x at {x:g}", lambda x: x - np.sin(x), lambda x: 2 * np.sin(x / 2) ** 2, x=x
        )
        yield case(
            f"sinh(x)/x at {x:g}", lambda x: np.sinh(x) / x, lambda x: x / 3 + x**3 / 30, x=x
        )
        yield case(f"log of exp at {x:g}", lambda x: np.log(np.exp(x)), lambda x: 1.0 + 0 * x, x=x)
        yield case(
            f"1/x - 1/tan x at {x:g}",
            lambda x: 1 / x - 1 / np.tan(x),
            lambda x: 1 / 3 + x**2 / 15,
            x=x,
        )


def _large_arguments() -> Iterator[Case]:
    for x in (1e4, 1e8, 1e12):
        yield case(
            f"root difference at {x:g}", lambda x: np.sqrt(x + 1) - np.sqrt(x),
            lambda x: -0.5 / (np.sqrt(x) * np.sqrt(x + 1) * (np.sqrt(x + 1) + np.sqrt(x))), x=x,
        )  # fmt: skip
        yield case(
            f"reciprocal difference at {x:g}", lambda x: 1 / x - 1 / (x + 1),
            lambda x: -(2 * x + 1) / (x * (x + 1)) ** 2, x=x,
        )  # fmt: skip
        yield case(
            f"small root of a quadratic at {x:g}", lambda b: (-b + np.sqrt(b * b - 4)) / 2,
            lambda b: 2 / (np.sqrt(b * b - 4) * (b + np.sqrt(b * b - 4))), b=x,
        )  # fmt: skip


def _sums() -> Iterator[Case]:
    yield case(
        "large terms that cancel", lambda x: np.sum(x * np.array([1e16, 1.0, -1e16])),
        lambda x: np.array([1e16, 1.0, -1e16]), x=[1.1, 0.3, 1.1],
    )  # fmt: skip
    yield case("(1e8 + x) - 1e8", lambda x: np.sin((1e8 + x) - 1e8), np.cos, x=0.375)
    yield case(
        "difference of squares",
        lambda a, b: a * a - b * b,
        lambda a, b: (2 * a, -2 * b),
        a=1e8 + 1.0,
        b=1e8,
    )
    for mean in (1e2, 1e4, 1e6):
        x = mean + np.array([0.3, -0.8, 1.1, 0.2])
        yield case(
            f"mean of squares less squared mean at {mean:g}", lambda x: np.mean(x**2) - np.mean(x) ** 2,
            lambda x: 2 * (x - np.mean(x)) / len(x), x=x,
        )  # fmt: skip
    for x in (1.01, 1.001):
        yield case(
            f"(x - 1)^7 expanded at {x:g}",
            lambda x: x**7 - 7 * x**6 + 21 * x**5 - 35 * x**4 + 35 * x**3 - 21 * x**2 + 7 * x - 1,
            lambda x: 7 * (x - 1) ** 6, x=x,
        )  # fmt: skip
    yield case(
        "Heron's flat triangle", _heron, _heron_gradient, a=9.0, b=4.53, c=4.52,
    )  # fmt: skip
    yield case(
        "likelihood ratio near one", lambda p, q: np.sum(p * np.log(p / q)),
        lambda p, q: (np.log(p / q) + 1, -p / q), p=np.array([0.3, 0.7]), q=np.array([0.3 + 1e-9, 0.7 - 1e-9]),
    )  # fmt: skip
    yield case("alternating series of e^-x at 8", _series, lambda x: -np.exp(-x), x=8.0)
    yield case(
        "noise of 1e-12",
        lambda x: (np.sin(x) + 1e4) - 1e4,
        lambda x: np.diag(np.cos(x)),
        "jacobian",
        x=np.array([0.3, 1.1]),
    )
    yield case(
        "ripple of 1e-12", lambda x: np.exp(x) + 1e-12 * np.sin(1e6 * x), lambda x: np.exp(x) + 1e-6 * np.cos(1e6 * x), x=0.3,
    )  # fmt: skip
    yield case(
        "ripple of 1e-9", lambda x: np.sin(x) + 1e-9 * np.sin(1e5 * x), lambda x: np.cos(x) + 1e-4 * np.cos(1e5 * x), x=0.7,
    )  # fmt: skip


def _heron(a, b, c):
    s = (a + b + c) / 2
    return np.sqrt(s * (s - a) * (s - b) * (s - c))


def _heron_gradient(a, b, c):
    area = _heron(a, b, c)
    by_a = a * (b * b + c * c - a * a) / (8 * area)
    by_b = b * (a * a + c * c - b * b) / (8 * area)
    by_c = c * (a * a + b * b - c * c) / (8 * area)
    return by_a, by_b, by_c


def _series(x):
    total, term = 1.0, 1.0
    for k in range(1, 60):
        term = -term * x / k
        total = total + term
    return total


CASES = [*_small_arguments(), *_large_arguments(), *_sums()]
