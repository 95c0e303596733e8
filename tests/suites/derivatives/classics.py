"""Test functions, running sums and products, indexing, interpolation and finance."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np
from scipy.special import erf

from tests.suites.model import Draw, Edit, subject

d = Draw(9)


def rosenbrock(x):
    """The chained Rosenbrock function."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x):
    e = x[1:] - x[:-1] ** 2
    head = -400 * x[:-1] * e - 2 * (1 - x[:-1])
    tail = 200 * e
    zero = np.zeros(1)
    return np.concatenate([head, zero]) + np.concatenate([zero, tail])


def rosenbrock_again(x):
    """The same, for its Hessian."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_hessian(x):
    n = len(x)
    side = -400 * x[:-1]
    zero = np.zeros(1)
    head = np.concatenate([1200 * x[:-1] ** 2 - 400 * x[1:] + 2, zero])
    tail = np.concatenate([zero, np.full(n - 1, 200.0)])
    return np.diag(head + tail) + np.diag(side, 1) + np.diag(side, -1)


def log_sum_exp(x):
    """Logarithm of the sum of exponentials of rows, squared and summed."""
    m = np.max(x, axis=1, keepdims=True)
    return 0.5 * np.sum((m[:, 0] + np.log(np.sum(np.exp(x - m), axis=1))) ** 2)


def log_sum_exp_gradient(x):
    m = np.max(x, axis=1, keepdims=True)
    e = np.exp(x - m)
    total = np.sum(e, axis=1, keepdims=True)
    value = m + np.log(total)
    return value * e / total


def running_sum(x, w):
    """Weighted squares of running sums."""
    return 0.5 * np.sum(w * np.cumsum(x) ** 2)


def running_sum_gradient(x, w):
    c = np.cumsum(x)
    c_bar = w * c
    x_bar = np.cumsum(c_bar[::-1])[::-1]
    return x_bar, 0.5 * c**2


def running_product(x):
    """Running products."""
    return np.cumprod(x)


def running_product_vjp(x, y_bar):
    p = np.cumprod(x)
    later = np.cumsum((y_bar * p)[::-1])[::-1]
    return later / x


def discounted(rewards, gamma):
    """Discounted return from the first step."""
    powers = gamma ** np.arange(len(rewards))
    return np.sum(powers * rewards)


def discounted_gradient(rewards, gamma):
    k = np.arange(len(rewards))
    powers = gamma**k
    gamma_bar = np.sum(k[1:] * gamma ** (k[1:] - 1.0) * rewards[1:])
    return powers, gamma_bar


def gather(x):
    """Entries picked with repetition, multiplied with their place."""
    return x[np.array([3, 0, 3, 1])] * np.array([1.0, 2.0, 3.0, 4.0])


def gather_vjp(x, y_bar):
    hot = np.eye(5)[np.array([3, 0, 3, 1])]
    return hot.T @ (y_bar * np.array([1.0, 2.0, 3.0, 4.0]))


def scatter(x, v):
    """x with two entries replaced by those of v, squared and summed."""
    y = x.copy()
    y[np.array([1, 3])] = v
    return 0.5 * np.sum(y**2 * np.array([1.0, 2, 3, 4]))


def scatter_gradient(x, v):
    kept = np.array([1.0, 0.0, 1.0, 0.0])
    x_bar = kept * x * np.array([1.0, 2, 3, 4])
    v_bar = v * np.array([2.0, 4.0])
    return x_bar, v_bar


def interpolate(values, t):
    """Piecewise linear interpolation on a uniform grid at fixed cells, t the place in the cell."""
    cell = np.array([0, 2, 1, 2])
    return values[cell] * (1 - t) + values[cell + 1] * t


def interpolate_vjp(values, t, y_bar):
    cell = np.array([0, 2, 1, 2])
    low, high = np.eye(4)[cell], np.eye(4)[cell + 1]
    values_bar = low.T @ (y_bar * (1 - t)) + high.T @ (y_bar * t)
    t_bar = y_bar * (values[cell + 1] - values[cell])
    return values_bar, t_bar


def hermite(p, m, t):
    """A cubic Hermite spline piece, p and m at its two ends."""
    h00 = 2 * t**3 - 3 * t**2 + 1
    h10 = t**3 - 2 * t**2 + t
    return np.sum(h00 * p[0] + h10 * m[0] + (1 - h00) * p[1] + (t**3 - t**2) * m[1])


def hermite_gradient(p, m, t):
    h00 = 2 * t**3 - 3 * t**2 + 1
    h10 = t**3 - 2 * t**2 + t
    p_bar = np.stack([np.sum(h00), np.sum(1 - h00)])
    m_bar = np.stack([np.sum(h10), np.sum(t**3 - t**2)])
    slope = (6 * t**2 - 6 * t) * (p[0] - p[1])
    t_bar = slope + (3 * t**2 - 4 * t + 1) * m[0] + (3 * t**2 - 2 * t) * m[1]
    return p_bar, m_bar, t_bar


def black_scholes(spot, sigma, rate):
    """Price of European calls, strike 1, one year."""
    d1 = (np.log(spot) + rate + 0.5 * sigma**2) / sigma
    d2 = d1 - sigma
    cdf1 = 0.5 * (1 + erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1 + erf(d2 / np.sqrt(2.0)))
    return np.sum(spot * cdf1 - np.exp(-rate) * cdf2)


def black_scholes_gradient(spot, sigma, rate):
    d1 = (np.log(spot) + rate + 0.5 * sigma**2) / sigma
    d2 = d1 - sigma
    cdf1 = 0.5 * (1 + erf(d1 / np.sqrt(2.0)))
    cdf2 = 0.5 * (1 + erf(d2 / np.sqrt(2.0)))
    density = np.exp(-0.5 * d1**2) / np.sqrt(2 * np.pi)
    vega = spot * density
    rho = np.exp(-rate) * np.sum(cdf2)
    return cdf1, vega, rho


SUBJECTS = [
    subject(
        rosenbrock,
        rosenbrock_gradient,
        "gradient",
        {"x": np.array([1.3, 0.7, 0.8, 1.9, 1.2])},
        Edit(
            "overwritten",
            "np.concatenate([head, zero]) + np.concatenate([zero, tail])",
            "np.concatenate([head, tail[-1:]])",
        ),
        Edit("missing-path", "e - 2 * (1 - x[:-1])", "e"),
        Edit("sign", "-400 * x[:-1] * e", "400 * x[:-1] * e"),
        Edit("half", "tail = 200 * e", "tail = 100 * e"),
    ),
    subject(
        rosenbrock_again,
        rosenbrock_hessian,
        "hessian",
        {"x": np.array([1.3, 0.7, 0.8, 1.9, 1.2])},
        Edit("zeroed", " + np.diag(side, -1)", ""),
        Edit(
            "double",
            "np.diag(side, 1) + np.diag(side, -1)",
            "2 * np.diag(side, 1) + 2 * np.diag(side, -1)",
        ),
        Edit("missing-path", "np.diag(head + tail)", "np.diag(head)"),
        Edit("component", "- 400 * x[1:] + 2", "- 400 * x[1:]"),
    ),
    subject(
        log_sum_exp,
        log_sum_exp_gradient,
        "gradient",
        {"x": d.normal(3, 4)},
        Edit("stale", "value = m + np.log(total)", "value = np.log(total)"),
        Edit("missing-factor", "value * e / total", "e / total"),
        Edit(
            "wrong-axis",
            "total = np.sum(e, axis=1, keepdims=True)",
            "total = np.sum(e, axis=0, keepdims=True)",
        ),
    ),
    subject(
        running_sum,
        running_sum_gradient,
        "gradient",
        {"x": d.normal(6), "w": d.positive(6)},
        Edit("permuted", "np.cumsum(c_bar[::-1])[::-1]", "np.cumsum(c_bar)"),
        Edit("missing-path", "np.cumsum(c_bar[::-1])[::-1]", "c_bar"),
        Edit("double", "0.5 * c**2", "c**2"),
    ),
    subject(
        running_product,
        running_product_vjp,
        "vjp",
        {"x": d.normal(5)},
        Edit("permuted", "(y_bar * p)[::-1])[::-1]", "y_bar * p)"),
        Edit("missing-factor", "later / x", "later"),
        Edit("missing-path", "later / x", "y_bar * p / x"),
        Edit("negative-side", "later / x", "later / np.abs(x)"),
    ),
    subject(
        discounted,
        discounted_gradient,
        "gradient",
        {"rewards": d.normal(5), "gamma": np.array(0.9)},
        Edit("missing-factor", "k[1:] * gamma", "gamma"),
        Edit("wrong-point", "(k[1:] - 1.0)", "k[1:]"),
        Edit("permuted", "return powers,", "return powers[::-1],"),
    ),
    subject(
        gather,
        gather_vjp,
        "vjp",
        {"x": d.normal(5)},
        Edit(
            "overwritten",
            "np.eye(5)[np.array([3, 0, 3, 1])]",
            "np.eye(5)[np.array([3, 0, 3, 1])] * np.array([[0.0], [1], [1], [1]])",
        ),
        Edit("permuted", "np.eye(5)[np.array([3, 0, 3, 1])]", "np.eye(5)[np.array([3, 1, 3, 0])]"),
    ),
    subject(
        scatter,
        scatter_gradient,
        "gradient",
        {"x": d.normal(4), "v": d.normal(2)},
        Edit("stale", "kept * x *", "x *"),
        Edit("permuted", "np.array([2.0, 4.0])", "np.array([4.0, 2.0])"),
    ),
    subject(
        interpolate,
        interpolate_vjp,
        "vjp",
        {"values": d.normal(4), "t": np.array([0.3, 0.8, 0.5, 0.1])},
        Edit("missing-path", " + high.T @ (y_bar * t)", ""),
        Edit(
            "permuted",
            "low.T @ (y_bar * (1 - t)) + high.T @ (y_bar * t)",
            "low.T @ (y_bar * t) + high.T @ (y_bar * (1 - t))",
        ),
        Edit("sign", "(values[cell + 1] - values[cell])", "(values[cell] - values[cell + 1])"),
    ),
    subject(
        hermite,
        hermite_gradient,
        "gradient",
        {"p": d.normal(2), "m": d.normal(2), "t": np.array([0.2, 0.7, 0.9])},
        Edit("missing-factor", "4 * t + 1) * m[0]", "4 * t + 1)"),
        Edit("component", "np.sum(1 - h00)", "1 - np.sum(h00)"),
        Edit("sign", "(p[0] - p[1])", "(p[1] - p[0])"),
    ),
    subject(
        black_scholes,
        black_scholes_gradient,
        "gradient",
        {
            "spot": np.array([0.9, 1.1, 1.4]),
            "sigma": np.array([0.2, 0.35, 0.5]),
            "rate": np.array(0.03),
        },
        Edit("wrong-point", "return cdf1,", "return cdf2,"),
        Edit("missing-factor", "vega = spot * density", "vega = density"),
        Edit("unsummed-broadcast", "np.exp(-rate) * np.sum(cdf2)", "np.exp(-rate) * cdf2[0]"),
        Edit("missing-factor", "rho = np.exp(-rate) *", "rho ="),
    ),
]
