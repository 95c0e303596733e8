"""float32 functions with claims computed in float32, as training code has them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case


def _f(a):
    return np.asarray(a, dtype=np.float32)


def _normal(*shape):
    return _f(np.random.default_rng(12).standard_normal(shape))


def _network(x, W1, b1, W2):
    return np.mean((np.tanh(x @ W1 + b1) @ W2) ** 2)


def _network_gradient(x, W1, b1, W2):
    h = np.tanh(x @ W1 + b1)
    y = h @ W2
    y_bar = 2 * y / np.float32(y.size)
    z_bar = (y_bar @ W2.T) * (1 - h * h)
    return z_bar @ W1.T, x.T @ z_bar, z_bar.sum(axis=0), h.T @ y_bar


def _layer_norm(x):
    c = x - x.mean(axis=-1, keepdims=True)
    return np.sum(c[:, 0] / np.sqrt(np.mean(c * c, axis=-1) + np.float32(1e-5)))


def _layer_norm_gradient(x):
    n = np.float32(x.shape[-1])
    c = x - x.mean(axis=-1, keepdims=True)
    r = 1 / np.sqrt(np.mean(c * c, axis=-1, keepdims=True) + np.float32(1e-5))
    u = c * r
    first = np.eye(x.shape[-1], dtype=np.float32)[0]
    return r * (first - 1 / n - u * u[:, :1] / n)


def _softmax_loss(z):
    s = z - np.max(z, axis=1, keepdims=True)
    return np.mean(np.log(np.sum(np.exp(s), axis=1)) - s[:, 0])


def _softmax_loss_gradient(z):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    return (p - np.eye(z.shape[1], dtype=np.float32)[0]) / np.float32(len(z))


def _cases() -> Iterator[Case]:
    yield case(
        "float32 network",
        _network,
        _network_gradient,
        x=_normal(8, 6),
        W1=_normal(6, 10),
        b1=_normal(10),
        W2=_normal(10, 3),
    )
    yield case("float32 network, wide", _network, _network_gradient,
               x=_normal(4, 40), W1=_normal(40, 50) / np.float32(6), b1=_normal(50), W2=_normal(50, 2))  # fmt: skip
    yield case("float32 layer norm", _layer_norm, _layer_norm_gradient, x=_normal(4, 8))
    yield case(
        "float32 layer norm, small", _layer_norm, _layer_norm_gradient, x=_f(0.01) * _normal(4, 8)
    )
    yield case("float32 softmax loss", _softmax_loss, _softmax_loss_gradient, z=3 * _normal(5, 4))
    for s in (1e-6, 1e-3, 1e3, 1e6):
        f = np.float32(s)
        x = f * _f([1.3, 0.7, 0.8, 1.9])
        yield case(f"float32 squares at {s:g}", lambda x: np.sum(x * x), lambda x: 2 * x, x=x)
        yield case(f"float32 logs at {s:g}", lambda x: np.sum(np.log(x)), lambda x: 1 / x, x=x)
        yield case(
            f"float32 sines at {s:g}",
            lambda x, f=f: f * np.sum(np.sin(x / f)),
            lambda x, f=f: np.cos(x / f),
            x=x,
        )
        yield case(
            f"float32 length at {s:g}",
            lambda x: np.sqrt(np.sum(x * x)),
            lambda x: x / np.sqrt(np.sum(x * x)),
            x=x,
        )
    yield case("float32 long sum", lambda x: np.sum(x * x), lambda x: 2 * x, x=_normal(3000))
    yield case(
        "float32 upon a hundred",
        lambda x: np.sum(np.sin(x)) + np.float32(100),
        np.cos,
        x=_normal(4),
    )
    yield case(
        "float32 sigmoid",
        lambda x: np.sum(1 / (1 + np.exp(-x))),
        _sigmoid_slope,
        x=_f([0.3, -2.0, 6.0, -6.0]),
    )
    yield case(
        "float32 claim in float64",
        lambda x: np.sum(np.tanh(x)),
        lambda x: 1 - np.tanh(x.astype(np.float64)) ** 2,
        x=_f([0.3, -2.0, 1.0]),
    )
    yield case(
        "float64 with a float32 claim",
        lambda x: np.sum(np.sin(x) * x),
        lambda x: _f(np.cos(x) * x + np.sin(x)),
        x=np.array([0.3, -2.0, 1.0]),
    )
    yield case(
        "float64 with a float32 temporary",
        lambda x: np.sum(np.exp(x)),
        lambda x: np.exp(_f(x)).astype(np.float64),
        x=np.array([0.3, -0.2, 1.0]),
    )
    yield case(
        "float32 product", np.prod, lambda x: np.prod(x) / x, x=_f([1.2, 0.3, -2.0, 0.7, 1.1])
    )
    yield case(
        "float32 cancelling",
        lambda x: np.mean((x - x.mean()) ** 2),
        lambda x: 2 * (x - x.mean()) / np.float32(x.size),
        x=_f(100) + _normal(6),
    )
    yield case(
        "float32 relu",
        lambda x: np.sum(np.maximum(x, 0) ** 2),
        lambda x: 2 * np.maximum(x, 0),
        x=_normal(7),
    )
    yield case(
        "mixed precision",
        lambda a, b: np.sum(a * b),
        lambda a, b: (b.astype(np.float32), a.astype(np.float64)),
        a=_normal(3),
        b=np.array([0.1, 0.2, -0.3]),
    )


def _sigmoid_slope(x):
    p = 1 / (1 + np.exp(-x))
    return p * (1 - p)


CASES = [*_cases()]
