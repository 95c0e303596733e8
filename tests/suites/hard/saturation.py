"""Flat tails, the edges of overflow and underflow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import erf, expit

from tests.suites.hard.case import Case, case


def _tanh_slope(x):
    e = np.exp(-2 * np.abs(x))
    return 4 * e / (1 + e) ** 2


def _sigmoid_slope(x):
    e = np.exp(-np.abs(x))
    return e / (1 + e) ** 2


def _cases() -> Iterator[Case]:
    for x in (5.0, 12.0, 20.0, 50.0):
        both = np.array([x, -x])
        yield case(f"tanh at {x:g}", lambda x: np.sum(np.tanh(x)), _tanh_slope, x=both)
        yield case(
            f"sigmoid at {x:g}", lambda x: np.sum(1 / (1 + np.exp(-x))), _sigmoid_slope, x=both
        )
        yield case(f"expit at {x:g}", lambda x: np.sum(expit(x)), _sigmoid_slope, x=both)
        yield case(
            f"log sigmoid at {x:g}",
            lambda x: -np.sum(np.logaddexp(0.0, -x)),
            lambda x: expit(-x),
            x=both,
        )
        yield case(
            f"bell at {x:g}",
            lambda x: np.sum(np.exp(-0.5 * x**2)),
            lambda x: -x * np.exp(-0.5 * x**2),
            x=0.5 * both,
        )
        yield case(
            f"confident softmax at {x:g}",
            _cross_entropy,
            _cross_entropy_gradient,
            z=np.array([x, 0.0, -x]),
        )
        yield case(
            f"tanh by 1 - y^2 at {x:g}",
            lambda x: np.sum(np.tanh(x)),
            lambda x: 1 - np.tanh(x) ** 2,
            x=both,
        )
        yield case(
            f"sigmoid by p (1 - p) at {x:g}",
            lambda x: np.sum(expit(x)),
            lambda x: expit(x) * (1 - expit(x)),
            x=both,
        )
    yield case(
        "one saturated, one not",
        lambda x: np.sum(np.tanh(x)),
        _tanh_slope,
        x=[20.0, 18.0, 5.0, -30.0, 0.1],
    )
    yield case(
        "softplus far out",
        lambda x: np.sum(np.logaddexp(0.0, x)),
        expit,
        x=[-700.0, -40.0, 40.0, 700.0],
    )
    yield case("exp close to overflow", np.exp, np.exp, x=709.0)
    yield case("exp close to underflow", np.exp, np.exp, x=-700.0)
    yield case("logsumexp of thousands", lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))),
               lambda x: np.exp(x - np.max(x)) / np.sum(np.exp(x - np.max(x))), x=[1000.0, 1001.0, 998.0])  # fmt: skip
    yield case(
        "softmax with an impossible class",
        _cross_entropy,
        _cross_entropy_gradient,
        z=[0.0, 1.0, -800.0],
    )
    yield case(
        "Gompertz tail", lambda x: np.exp(-np.exp(x)), lambda x: -np.exp(x - np.exp(x)), x=3.0
    )
    yield case(
        "error function tail",
        lambda x: np.sum(erf(x)),
        lambda x: 2 / np.sqrt(np.pi) * np.exp(-(x**2)),
        x=[3.0, -4.0, 5.0],
    )
    yield case("square close to overflow", lambda x: np.sqrt(x * x), np.sign, x=1e150)
    yield case("reciprocal of the tiny", lambda x: 1 / x, lambda x: -1 / x**2, x=1e-150)
    yield case("power close to underflow", lambda x: x**10, lambda x: 10 * x**9, x=1e-30)
    yield case(
        "Arrhenius",
        lambda t: np.exp(-5e4 / (8.314 * t)),
        lambda t: np.exp(-5e4 / (8.314 * t)) * 5e4 / (8.314 * t**2),
        t=300.0,
    )
    yield case(
        "swish tail",
        lambda x: np.sum(x * expit(x)),
        lambda x: expit(x) + x * _sigmoid_slope(x),
        x=[-40.0, 40.0, 0.0],
    )
    yield case("gelu tail", lambda x: np.sum(0.5 * x * (1 + erf(x / np.sqrt(2.0)))),
               lambda x: 0.5 * (1 + erf(x / np.sqrt(2.0))) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi), x=[-3.0, 4.0, 9.0])  # fmt: skip


def _cross_entropy(z):
    shifted = z - np.max(z)
    return np.log(np.sum(np.exp(shifted))) - shifted[0]


def _cross_entropy_gradient(z):
    e = np.exp(z - np.max(z))
    p = e / np.sum(e)
    rest = np.sum(p[1:])
    return np.concatenate([-np.reshape(rest, (1,)), p[1:]])


CASES = [*_cases()]
