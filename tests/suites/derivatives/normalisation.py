"""Normalisations: mean and scale depend on every entry, and hand-written code forgets it."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(2)
EPS = 1e-5


def batch_norm(x, gain, shift):
    """Batch normalisation over the first axis."""
    mean = x.mean(axis=0)
    var = np.mean((x - mean) ** 2, axis=0)
    return gain * (x - mean) / np.sqrt(var + EPS) + shift


def batch_norm_vjp(x, gain, shift, y_bar):
    n = len(x)
    mean = x.mean(axis=0)
    centred = x - mean
    scale = 1 / np.sqrt(np.mean(centred**2, axis=0) + EPS)
    unit = centred * scale
    gain_bar = np.sum(y_bar * unit, axis=0)
    shift_bar = np.sum(y_bar, axis=0)
    unit_bar = y_bar * gain
    by_mean = unit_bar.sum(axis=0) / n
    by_var = unit * np.sum(unit_bar * unit, axis=0) / n
    x_bar = scale * (unit_bar - by_mean - by_var)
    return x_bar, gain_bar, shift_bar


def layer_norm(x, gain, shift):
    """Layer normalisation over the last axis."""
    centred = x - x.mean(axis=-1, keepdims=True)
    var = np.mean(centred**2, axis=-1, keepdims=True)
    return centred / np.sqrt(var + EPS) * gain + shift


def layer_norm_vjp(x, gain, shift, y_bar):
    n = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    scale = 1 / np.sqrt(np.mean(centred**2, axis=-1, keepdims=True) + EPS)
    unit = centred * scale
    gain_bar = np.sum(y_bar * unit, axis=0)
    shift_bar = np.sum(y_bar, axis=0)
    unit_bar = y_bar * gain
    total = unit_bar.sum(axis=-1, keepdims=True)
    along = np.sum(unit_bar * unit, axis=-1, keepdims=True)
    x_bar = scale * (unit_bar - total / n - unit * along / n)
    return x_bar, gain_bar, shift_bar


def rms_norm(x, gain):
    """Root-mean-square normalisation."""
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + EPS) * gain


def rms_norm_vjp(x, gain, y_bar):
    r = 1 / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + EPS)
    unit_bar = y_bar * gain
    along = np.mean(unit_bar * x, axis=-1, keepdims=True)
    x_bar = r * unit_bar - x * r**3 * along
    gain_bar = np.sum(y_bar * x * r, axis=0)
    return x_bar, gain_bar


def weight_norm(v, g):
    """Columns of v scaled to length g."""
    return g * v / np.sqrt(np.sum(v**2, axis=0))


def weight_norm_vjp(v, g, y_bar):
    length = np.sqrt(np.sum(v**2, axis=0))
    unit = v / length
    g_bar = np.sum(y_bar * unit, axis=0)
    v_bar = g / length * (y_bar - unit * g_bar)
    return v_bar, g_bar


def softmax_temperature(z, t):
    """Softmax of rows at temperature t."""
    e = np.exp((z - np.max(z, axis=-1, keepdims=True)) / t)
    return e / e.sum(axis=-1, keepdims=True)


def softmax_temperature_vjp(z, t, y_bar):
    e = np.exp((z - np.max(z, axis=-1, keepdims=True)) / t)
    p = e / e.sum(axis=-1, keepdims=True)
    inner = np.sum(p * y_bar, axis=-1, keepdims=True)
    s_bar = p * (y_bar - inner)
    z_bar = s_bar / t
    t_bar = -np.sum(s_bar * z) / t**2
    return z_bar, t_bar


def cosine(a, b):
    """Cosine similarity of rows, summed."""
    norm = np.linalg.norm
    return np.sum(np.sum(a * b, axis=1) / (norm(a, axis=1) * norm(b, axis=1)))


def cosine_gradient(a, b):
    na = np.linalg.norm(a, axis=1, keepdims=True)
    nb = np.linalg.norm(b, axis=1, keepdims=True)
    c = np.sum(a * b, axis=1, keepdims=True) / (na * nb)
    a_bar = b / (na * nb) - c * a / na**2
    b_bar = a / (na * nb) - c * b / nb**2
    return a_bar, b_bar


SUBJECTS = [
    subject(
        batch_norm,
        batch_norm_vjp,
        "vjp",
        {"x": d.normal(6, 3), "gain": d.positive(3), "shift": d.normal(3)},
        Edit("missing-path", "unit_bar - by_mean - by_var", "unit_bar - by_mean"),
        Edit("missing-path", "unit_bar - by_mean - by_var", "unit_bar - by_var"),
        Edit("missing-path", "scale * (unit_bar - by_mean - by_var)", "scale * unit_bar"),
        Edit("sum-for-mean", "unit_bar.sum(axis=0) / n", "unit_bar.sum(axis=0)"),
        Edit("missing-factor", "unit_bar = y_bar * gain", "unit_bar = y_bar"),
        Edit(
            "wrong-point",
            "gain_bar = np.sum(y_bar * unit, axis=0)",
            "gain_bar = np.sum(y_bar * x, axis=0)",
        ),
        Edit(
            "mean-for-sum",
            "shift_bar = np.sum(y_bar, axis=0)",
            "shift_bar = np.mean(y_bar, axis=0)",
        ),
    ),
    subject(
        layer_norm,
        layer_norm_vjp,
        "vjp",
        {"x": d.normal(3, 5), "gain": d.positive(5), "shift": d.normal(5)},
        Edit("missing-path", "- total / n - unit * along / n", "- unit * along / n"),
        Edit(
            "wrong-axis",
            "total = unit_bar.sum(axis=-1, keepdims=True)",
            "total = unit_bar.sum(axis=0, keepdims=True)",
        ),
        Edit(
            "unsummed-broadcast",
            "gain_bar = np.sum(y_bar * unit, axis=0)",
            "gain_bar = (y_bar * unit)[-1]",
        ),
        Edit("sign", "- unit * along / n", "+ unit * along / n"),
        Edit(
            "wrong-point",
            "np.mean(centred**2, axis=-1, keepdims=True)",
            "np.sum(centred**2, axis=-1, keepdims=True) / (n - 1)",
        ),
    ),
    subject(
        rms_norm,
        rms_norm_vjp,
        "vjp",
        {"x": d.normal(4, 4), "gain": d.positive(4)},
        Edit("missing-path", "r * unit_bar - x * r**3 * along", "r * unit_bar"),
        Edit("missing-factor", "x * r**3 * along", "x * r**2 * along"),
        Edit("sum-for-mean", "np.mean(unit_bar * x", "np.sum(unit_bar * x"),
    ),
    subject(
        weight_norm,
        weight_norm_vjp,
        "vjp",
        {"v": d.normal(4, 3), "g": d.positive(3)},
        Edit("missing-path", "(y_bar - unit * g_bar)", "y_bar"),
        Edit("missing-factor", "g / length *", "g *"),
        Edit(
            "wrong-axis",
            "g_bar = np.sum(y_bar * unit, axis=0)",
            "g_bar = np.sum(y_bar * unit, axis=1)[:3]",
        ),
    ),
    subject(
        softmax_temperature,
        softmax_temperature_vjp,
        "vjp",
        {"z": d.normal(3, 4), "t": np.array(0.7)},
        Edit("missing-path", "p * (y_bar - inner)", "p * y_bar"),
        Edit("missing-path", "p * (y_bar - inner)", "p * (1 - p) * y_bar"),
        Edit("missing-factor", "s_bar / t\n", "s_bar\n"),
        Edit("sign", "-np.sum(s_bar * z)", "np.sum(s_bar * z)"),
        Edit(
            "wrong-axis",
            "inner = np.sum(p * y_bar, axis=-1, keepdims=True)",
            "inner = np.sum(p * y_bar, axis=0, keepdims=True)",
        ),
    ),
    subject(
        cosine,
        cosine_gradient,
        "gradient",
        {"a": d.normal(3, 4), "b": d.normal(3, 4)},
        Edit("missing-path", "- c * a / na**2", ""),
        Edit("missing-factor", "c * b / nb**2", "c * b / nb"),
        Edit("permuted", "a_bar, b_bar", "b_bar, a_bar"),
    ),
]
