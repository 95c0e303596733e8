"""Attention, recurrent cells, and convolution and pooling by slices."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(4)


def attention(q, k, v):
    """One attention head."""
    s = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    return (e / np.sum(e, axis=1, keepdims=True)) @ v


def attention_vjp(q, k, v, y_bar):
    root = np.sqrt(q.shape[1])
    s = q @ k.T / root
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    v_bar = p.T @ y_bar
    p_bar = y_bar @ v.T
    s_bar = p * (p_bar - np.sum(p * p_bar, axis=1, keepdims=True))
    q_bar = s_bar @ k / root
    k_bar = s_bar.T @ q / root
    return q_bar, k_bar, v_bar


def multi_head(x, Wq, Wk, Wv):
    """Self attention with two heads, the input used three times."""
    heads = Wq.shape[0]
    q = np.einsum("td,hde->hte", x, Wq)
    k = np.einsum("td,hde->hte", x, Wk)
    v = np.einsum("td,hde->hte", x, Wv)
    s = np.einsum("hte,hue->htu", q, k) / np.sqrt(q.shape[-1])
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    return np.sum(np.einsum("htu,hue->hte", p, v), axis=0) / heads


def multi_head_vjp(x, Wq, Wk, Wv, y_bar):
    heads = Wq.shape[0]
    q = np.einsum("td,hde->hte", x, Wq)
    k = np.einsum("td,hde->hte", x, Wk)
    v = np.einsum("td,hde->hte", x, Wv)
    root = np.sqrt(q.shape[-1])
    s = np.einsum("hte,hue->htu", q, k) / root
    e = np.exp(s - np.max(s, axis=-1, keepdims=True))
    p = e / np.sum(e, axis=-1, keepdims=True)
    o_bar = y_bar / heads
    p_bar = np.einsum("te,hue->htu", o_bar, v)
    v_bar = np.einsum("htu,te->hue", p, o_bar)
    s_bar = p * (p_bar - np.sum(p * p_bar, axis=-1, keepdims=True)) / root
    q_bar = np.einsum("htu,hue->hte", s_bar, k)
    k_bar = np.einsum("htu,hte->hue", s_bar, q)
    x_from_q = np.einsum("hte,hde->td", q_bar, Wq)
    x_from_k = np.einsum("hte,hde->td", k_bar, Wk)
    x_from_v = np.einsum("hte,hde->td", v_bar, Wv)
    x_bar = x_from_q + x_from_k + x_from_v
    Wq_bar = np.einsum("td,hte->hde", x, q_bar)
    Wk_bar = np.einsum("td,hte->hde", x, k_bar)
    Wv_bar = np.einsum("td,hte->hde", x, v_bar)
    return x_bar, Wq_bar, Wk_bar, Wv_bar


def gru(x, h, W, U):
    """One gated recurrent step; W and U hold update, reset and candidate weights side by side."""
    n = h.shape[0]
    a = x @ W
    b = h @ U
    z = 1 / (1 + np.exp(-(a[:n] + b[:n])))
    r = 1 / (1 + np.exp(-(a[n : 2 * n] + b[n : 2 * n])))
    c = np.tanh(a[2 * n :] + r * b[2 * n :])
    return (1 - z) * c + z * h


def gru_vjp(x, h, W, U, y_bar):
    n = h.shape[0]
    a = x @ W
    b = h @ U
    z = 1 / (1 + np.exp(-(a[:n] + b[:n])))
    r = 1 / (1 + np.exp(-(a[n : 2 * n] + b[n : 2 * n])))
    c = np.tanh(a[2 * n :] + r * b[2 * n :])
    z_bar = y_bar * (h - c) * z * (1 - z)
    c_bar = y_bar * (1 - z) * (1 - c**2)
    r_bar = c_bar * b[2 * n :] * r * (1 - r)
    a_bar = np.concatenate([z_bar, r_bar, c_bar])
    b_bar = np.concatenate([z_bar, r_bar, c_bar * r])
    h_bar = y_bar * z + b_bar @ U.T
    return a_bar @ W.T, h_bar, np.outer(x, a_bar), np.outer(h, b_bar)


def lstm(x, h, c, W):
    """Sum of squares of the next hidden and cell state of an LSTM cell."""
    n = c.shape[0]
    a = np.concatenate([x, h]) @ W
    i = 1 / (1 + np.exp(-a[:n]))
    f = 1 / (1 + np.exp(-a[n : 2 * n]))
    o = 1 / (1 + np.exp(-a[2 * n : 3 * n]))
    g = np.tanh(a[3 * n :])
    c_next = f * c + i * g
    h_next = o * np.tanh(c_next)
    return 0.5 * np.sum(h_next**2) + 0.5 * np.sum(c_next**2)


def lstm_gradient(x, h, c, W):
    n = c.shape[0]
    xh = np.concatenate([x, h])
    a = xh @ W
    i = 1 / (1 + np.exp(-a[:n]))
    f = 1 / (1 + np.exp(-a[n : 2 * n]))
    o = 1 / (1 + np.exp(-a[2 * n : 3 * n]))
    g = np.tanh(a[3 * n :])
    c_next = f * c + i * g
    t = np.tanh(c_next)
    h_bar = o * t
    o_bar = h_bar * t
    c_bar = c_next + h_bar * o * (1 - t**2)
    i_bar = c_bar * g
    f_bar = c_bar * c
    g_bar = c_bar * i
    a_bar = np.concatenate(
        [i_bar * i * (1 - i), f_bar * f * (1 - f), o_bar * o * (1 - o), g_bar * (1 - g**2)]
    )
    xh_bar = W @ a_bar
    m = x.shape[0]
    return xh_bar[:m], xh_bar[m:], c_bar * f, np.outer(xh, a_bar)


def conv1d(x, w):
    """Correlation of rows (channels, time) with filters (out, channels, 3)."""
    n = x.shape[1] - 2
    return sum(w[:, :, j] @ x[:, j : j + n] for j in range(3))


def conv1d_vjp(x, w, y_bar):
    n = x.shape[1] - 2
    w_bar = np.stack([y_bar @ x[:, j : j + n].T for j in range(3)], axis=-1)
    padded = [np.pad(w[:, :, j].T @ y_bar, ((0, 0), (j, 2 - j))) for j in range(3)]
    x_bar = padded[0] + padded[1] + padded[2]
    return x_bar, w_bar


def conv2d(x, w, b):
    """3 by 3 correlation of one image by slices."""
    m, n = x.shape[0] - 2, x.shape[1] - 2
    return sum(w[i, j] * x[i : i + m, j : j + n] for i in range(3) for j in range(3)) + b


def conv2d_vjp(x, w, b, y_bar):
    m, n = x.shape[0] - 2, x.shape[1] - 2
    rows = [[np.sum(y_bar * x[i : i + m, j : j + n]) for j in range(3)] for i in range(3)]
    w_bar = np.stack([np.stack(row) for row in rows])
    x_bar = sum(
        np.pad(w[i, j] * y_bar, ((i, 2 - i), (j, 2 - j))) for i in range(3) for j in range(3)
    )
    return x_bar, w_bar, np.sum(y_bar)


def max_pool(x):
    """Largest of each 2 by 2 block, squared and summed."""
    m, n = x.shape[0] // 2, x.shape[1] // 2
    blocks = x.reshape(m, 2, n, 2)
    return 0.5 * np.sum(np.max(blocks, axis=(1, 3)) ** 2)


def max_pool_gradient(x):
    m, n = x.shape[0] // 2, x.shape[1] // 2
    blocks = x.reshape(m, 2, n, 2)
    top = np.max(blocks, axis=(1, 3), keepdims=True)
    winner = np.where(blocks == top, 1.0, 0.0)
    return (winner * top).reshape(x.shape)


def average_pool(x):
    """Mean over windows of three with stride two."""
    n = (x.shape[1] - 1) // 2
    return (x[:, 0 : 2 * n : 2] + x[:, 1 : 2 * n : 2] + x[:, 2 : 2 * n + 1 : 2]) / 3


def average_pool_vjp(x, y_bar):
    n = (x.shape[1] - 1) // 2
    zero = np.zeros((x.shape[0], 1))
    even = np.concatenate([y_bar, zero], axis=1) + np.concatenate([zero, y_bar], axis=1)
    odd = np.concatenate([y_bar, zero], axis=1)
    both = np.stack([even, odd], axis=2).reshape(x.shape[0], 2 * n + 2)
    return both[:, : x.shape[1]] / 3


SUBJECTS = [
    subject(
        attention,
        attention_vjp,
        "vjp",
        {"q": d.normal(3, 4), "k": d.normal(5, 4), "v": d.normal(5, 2)},
        Edit("missing-path", "(p_bar - np.sum(p * p_bar, axis=1, keepdims=True))", "p_bar"),
        Edit("missing-factor", "q_bar = s_bar @ k / root", "q_bar = s_bar @ k"),
        Edit("missing-factor", "k_bar = s_bar.T @ q / root", "k_bar = s_bar.T @ q"),
        Edit("wrong-point", "v_bar = p.T @ y_bar", "v_bar = e.T @ y_bar"),
        Edit(
            "wrong-axis",
            "np.sum(p * p_bar, axis=1, keepdims=True)",
            "np.sum(p * p_bar, axis=0, keepdims=True)",
        ),
    ),
    subject(
        multi_head,
        multi_head_vjp,
        "vjp",
        {
            "x": d.normal(3, 4),
            "Wq": d.normal(2, 4, 3),
            "Wk": d.normal(2, 4, 3),
            "Wv": d.normal(2, 4, 3),
        },
        Edit("missing-path", "x_from_q + x_from_k + x_from_v", "x_from_q + x_from_v"),
        Edit("overwritten", "x_bar = x_from_q + x_from_k + x_from_v", "x_bar = x_from_v"),
        Edit(
            "component",
            'np.einsum("hte,hde->td", q_bar, Wq)',
            'np.einsum("te,de->td", q_bar[0], Wq[0])',
        ),
        Edit("sum-for-mean", "o_bar = y_bar / heads", "o_bar = y_bar"),
        Edit(
            "wrong-point",
            'np.einsum("htu,hue->hte", s_bar, k)',
            'np.einsum("htu,hue->hte", s_bar, v)',
        ),
    ),
    subject(
        gru,
        gru_vjp,
        "vjp",
        {"x": d.normal(2), "h": d.normal(3), "W": d.normal(2, 9), "U": d.normal(3, 9)},
        Edit("missing-path", "y_bar * z + b_bar @ U.T", "b_bar @ U.T"),
        Edit("missing-factor", "[z_bar, r_bar, c_bar * r]", "[z_bar, r_bar, c_bar]"),
        Edit("sign", "y_bar * (h - c) * z", "y_bar * (c - h) * z"),
        Edit("missing-factor", "* (1 - c**2)", ""),
        Edit(
            "permuted",
            "b_bar = np.concatenate([z_bar, r_bar,",
            "b_bar = np.concatenate([r_bar, z_bar,",
        ),
        Edit("wrong-point", "c_bar * b[2 * n :] * r", "c_bar * a[2 * n :] * r"),
    ),
    subject(
        lstm,
        lstm_gradient,
        "gradient",
        {"x": d.normal(2), "h": d.normal(3), "c": d.normal(3), "W": d.normal(5, 12)},
        Edit("stale", "t = np.tanh(c_next)", "t = np.tanh(c)"),
        Edit("missing-path", "c_next + h_bar * o * (1 - t**2)", "h_bar * o * (1 - t**2)"),
        Edit("overwritten", "c_next + h_bar * o * (1 - t**2)", "c_next"),
        Edit("stale", "f_bar = c_bar * c\n", "f_bar = c_bar * c_next\n"),
        Edit("missing-factor", "c_bar * f,", "c_bar,"),
        Edit("missing-factor", "g_bar * (1 - g**2)", "g_bar * (1 - g)"),
    ),
    subject(
        conv1d,
        conv1d_vjp,
        "vjp",
        {"x": d.normal(2, 6), "w": d.normal(3, 2, 3)},
        Edit("permuted", "(j, 2 - j)", "(2 - j, j)"),
        Edit("missing-path", "padded[0] + padded[1] + padded[2]", "padded[0] + padded[2]"),
        Edit("overwritten", "x_bar = padded[0] + padded[1] + padded[2]", "x_bar = padded[2]"),
    ),
    subject(
        conv2d,
        conv2d_vjp,
        "vjp",
        {"x": d.normal(5, 4), "w": d.normal(3, 3), "b": np.array(0.3)},
        Edit("transpose", "np.pad(w[i, j]", "np.pad(w[j, i]"),
        Edit("permuted", "((i, 2 - i), (j, 2 - j))", "((2 - i, i), (2 - j, j))"),
        Edit(
            "transpose",
            "np.stack([np.stack(row) for row in rows])",
            "np.stack([np.stack(row) for row in rows]).T",
        ),
        Edit("mean-for-sum", "w_bar, np.sum(y_bar)", "w_bar, np.mean(y_bar)"),
    ),
    subject(
        max_pool,
        max_pool_gradient,
        "gradient",
        {"x": d.normal(4, 6)},
        Edit(
            "one-branch", "np.where(blocks == top, 1.0, 0.0)", "np.where(blocks == top, 1.0, 0.25)"
        ),
        Edit("missing-factor", "(winner * top)", "winner"),
    ),
    subject(
        average_pool,
        average_pool_vjp,
        "vjp",
        {"x": d.normal(2, 7)},
        Edit("overwritten", " + np.concatenate([zero, y_bar], axis=1)", ""),
        Edit("sum-for-mean", "[:, : x.shape[1]] / 3", "[:, : x.shape[1]]"),
    ),
]
