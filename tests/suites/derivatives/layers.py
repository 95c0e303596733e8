"""Layers of networks with the backward passes people write by hand."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(1)


def dense(x, W, b):
    """A dense layer with tanh, x (batch, in)."""
    return np.tanh(x @ W + b)


def dense_vjp(x, W, b, y_bar):
    h = np.tanh(x @ W + b)
    z_bar = y_bar * (1 - h**2)
    x_bar = z_bar @ W.T
    W_bar = x.T @ z_bar
    b_bar = z_bar.sum(axis=0)
    return x_bar, W_bar, b_bar


def two_layers(x, W1, b1, W2, b2, t):
    """Mean squared error of a network with one hidden layer."""
    h = np.tanh(x @ W1 + b1)
    y = h @ W2 + b2
    return np.mean((y - t) ** 2)


def two_layers_gradient(x, W1, b1, W2, b2, t):
    h = np.tanh(x @ W1 + b1)
    y = h @ W2 + b2
    y_bar = 2 * (y - t) / y.size
    W2_bar = h.T @ y_bar
    b2_bar = y_bar.sum(axis=0)
    h_bar = y_bar @ W2.T
    z_bar = h_bar * (1 - h**2)
    x_bar = z_bar @ W1.T
    W1_bar = x.T @ z_bar
    b1_bar = z_bar.sum(axis=0)
    return x_bar, W1_bar, b1_bar, W2_bar, b2_bar, -y_bar


def residual_block(x, W1, W2):
    """x + relu(x W1) W2: the input is used twice."""
    h = np.maximum(x @ W1, 0.0)
    return x + h @ W2


def residual_block_vjp(x, W1, W2, y_bar):
    z = x @ W1
    h = np.maximum(z, 0.0)
    W2_bar = h.T @ y_bar
    h_bar = y_bar @ W2.T
    z_bar = h_bar * np.where(z > 0, 1.0, 0.0)
    W1_bar = x.T @ z_bar
    x_bar = y_bar + z_bar @ W1.T
    return x_bar, W1_bar, W2_bar


def tied_autoencoder(x, W):
    """Squared error of an autoencoder whose decoder is the encoder's transpose."""
    h = np.tanh(x @ W)
    r = h @ W.T - x
    return 0.5 * np.sum(r * r)


def tied_autoencoder_gradient(x, W):
    h = np.tanh(x @ W)
    r = h @ W.T - x
    z_bar = (r @ W) * (1 - h**2)
    W_decoder = r.T @ h
    W_encoder = x.T @ z_bar
    W_bar = W_decoder + W_encoder
    x_bar = z_bar @ W.T - r
    return x_bar, W_bar


def embedding(table, weight, ids):
    """Mean of the embedded words, scored."""
    words = table[ids]
    return np.sum(np.mean(words, axis=0) * weight)


def embedding_gradient(table, weight, ids):
    words = table[ids]
    weight_bar = words.mean(axis=0)
    hot = np.eye(len(table))[ids]
    table_bar = hot.T @ np.broadcast_to(weight / len(ids), words.shape)
    return table_bar, weight_bar


def gated_unit(x, W, V):
    """A gated unit: sigmoid(x W) * (x V), both from the same input."""
    return 1 / (1 + np.exp(-(x @ W))) * (x @ V)


def gated_unit_vjp(x, W, V, y_bar):
    gate = 1 / (1 + np.exp(-(x @ W)))
    value = x @ V
    value_bar = y_bar * gate
    gate_bar = y_bar * value
    z_bar = gate_bar * gate * (1 - gate)
    x_bar = z_bar @ W.T + value_bar @ V.T
    return x_bar, x.T @ z_bar, x.T @ value_bar


def leaky(x, bias):
    """Leaky rectifier with a bias per column, squared and summed."""
    z = x + bias
    return 0.5 * np.sum(np.where(z > 0, z, 0.1 * z) ** 2)


def leaky_gradient(x, bias):
    z = x + bias
    y = np.where(z > 0, z, 0.1 * z)
    slope = np.where(z > 0, 1.0, 0.1)
    z_bar = y * slope
    return z_bar, z_bar.sum(axis=0)


SUBJECTS = [
    subject(
        dense,
        dense_vjp,
        "vjp",
        {"x": d.normal(5, 3), "W": d.normal(3, 4), "b": d.normal(4)},
        Edit("missing-factor", "y_bar * (1 - h**2)", "y_bar"),
        Edit("wrong-point", "(1 - h**2)", "(1 - np.tanh(h) ** 2)"),
        Edit("unsummed-broadcast", "z_bar.sum(axis=0)", "z_bar[0]"),
        Edit("mean-for-sum", "z_bar.sum(axis=0)", "z_bar.mean(axis=0)"),
        Edit("batch", "x.T @ z_bar", "x[:1].T @ z_bar[:1]"),
        Edit("sign", "(1 - h**2)", "(h**2 - 1)"),
    ),
    subject(
        two_layers,
        two_layers_gradient,
        "gradient",
        {
            "x": d.normal(4, 3),
            "W1": d.normal(3, 5),
            "b1": d.normal(5),
            "W2": d.normal(5, 2),
            "b2": d.normal(2),
            "t": d.normal(4, 2),
        },
        Edit("missing-factor", "h_bar * (1 - h**2)", "h_bar"),
        Edit("missing-factor", "(1 - h**2)", "(1 - h)"),
        Edit("sum-for-mean", "2 * (y - t) / y.size", "2 * (y - t)"),
        Edit("mean-for-sum", "(y - t) / y.size", "(y - t) / y.size / len(y)"),
        Edit("half", "2 * (y - t) / y.size", "(y - t) / y.size"),
        Edit("stale", "W2_bar = h.T @ y_bar", "W2_bar = np.tanh(x @ W1).T @ y_bar"),
        Edit("wrong-axis", "b2_bar = y_bar.sum(axis=0)", "b2_bar = y_bar.sum(axis=1)[:2]"),
        Edit("sign", "W2_bar, b2_bar, -y_bar", "W2_bar, b2_bar, y_bar"),
    ),
    subject(
        residual_block,
        residual_block_vjp,
        "vjp",
        {"x": d.normal(4, 3), "W1": d.normal(3, 6), "W2": d.normal(6, 3)},
        Edit("missing-path", "y_bar + z_bar @ W1.T", "y_bar"),
        Edit("overwritten", "x_bar = y_bar + z_bar @ W1.T", "x_bar = z_bar @ W1.T"),
        Edit("missing-factor", "h_bar * np.where(z > 0, 1.0, 0.0)", "h_bar"),
        Edit("wrong-point", "np.where(z > 0, 1.0, 0.0)", "np.where(h_bar > 0, 1.0, 0.0)"),
        Edit("one-branch", "np.where(z > 0, 1.0, 0.0)", "np.where(z > 0, 1.0, 0.01)"),
    ),
    subject(
        tied_autoencoder,
        tied_autoencoder_gradient,
        "gradient",
        {"x": d.normal(4, 3), "W": d.normal(3, 3)},
        Edit("missing-path", "W_decoder + W_encoder", "W_encoder"),
        Edit("overwritten", "W_bar = W_decoder + W_encoder", "W_bar = W_decoder"),
        Edit("transpose", "W_decoder = r.T @ h", "W_decoder = h.T @ r"),
        Edit("missing-path", "z_bar @ W.T - r", "z_bar @ W.T"),
        Edit("transpose", "z_bar @ W.T - r", "z_bar @ W - r"),
    ),
    subject(
        embedding,
        embedding_gradient,
        "gradient",
        {"table": d.normal(6, 3), "weight": d.normal(3), "ids": np.array([4, 1, 4, 0, 4])},
        Edit(
            "overwritten",
            "hot = np.eye(len(table))[ids]",
            "hot = np.eye(len(table))[ids] * np.array([[0.0], [1], [0], [1], [1]])",
        ),
        Edit("sum-for-mean", "weight / len(ids)", "weight"),
        Edit("permuted", "[ids]\n    table_bar", "[ids[::-1] // 2]\n    table_bar"),
        Edit("sum-for-mean", "words.mean(axis=0)", "words.sum(axis=0)"),
    ),
    subject(
        gated_unit,
        gated_unit_vjp,
        "vjp",
        {"x": d.normal(3, 4), "W": d.normal(4, 2), "V": d.normal(4, 2)},
        Edit("missing-path", "z_bar @ W.T + value_bar @ V.T", "value_bar @ V.T"),
        Edit("missing-factor", "gate_bar * gate * (1 - gate)", "gate_bar * gate"),
        Edit("wrong-point", "z_bar @ W.T + value_bar", "z_bar @ V.T + value_bar"),
    ),
    subject(
        leaky,
        leaky_gradient,
        "gradient",
        {"x": d.normal(4, 3), "bias": d.normal(3)},
        Edit(
            "one-branch", "slope = np.where(z > 0, 1.0, 0.1)", "slope = np.where(z > 0, 1.0, 0.0)"
        ),
        Edit(
            "negative-side",
            "slope = np.where(z > 0, 1.0, 0.1)",
            "slope = np.where(x > 0, 1.0, 0.1)",
        ),
        Edit("wrong-axis", "z_bar.sum(axis=0)", "z_bar.sum(axis=1)[:3]"),
    ),
]
