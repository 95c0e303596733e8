"""Layers and their backward passes: cotangents in, cotangents out."""

import numpy as np


def dense(x, w, b):
    return np.tanh(x @ w + b)


def dense_vjp(x, w, b, y_bar):
    y = np.tanh(x @ w + b)
    a_bar = y_bar * (1 - y * y)
    return a_bar @ w.T, x.T @ a_bar, a_bar.sum(axis=0)


def softmax(z):
    e = np.exp(z - np.max(z))
    return e / e.sum()


def softmax_jac(z):
    s = softmax(z)
    return np.diag(s) - np.outer(s, s)


def softmax_vjp(z, s_bar):
    s = softmax(z)
    return s * (s_bar - s @ s_bar)


def swish(x):
    return x / (1 + np.exp(-x))


def swish_vjp(x, y_bar):
    s = 1 / (1 + np.exp(-x))
    return y_bar * (s + x * s * (1 - s))


def swish_jvp(x, x_dot):
    s = 1 / (1 + np.exp(-x))
    return x_dot * (s + x * s * (1 - s))


def normalise(x):
    return (x - x.mean()) / np.sqrt(x.var() + 0.1)


def normalise_vjp(x, y_bar):
    r = 1 / np.sqrt(x.var() + 0.1)
    y = (x - x.mean()) * r
    return r * (y_bar - y_bar.mean() - y * np.mean(y_bar * y))


def attention(q, k, v):
    a = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(a - a.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True) @ v


def attention_vjp(q, k, v, y_bar):
    scale = 1 / np.sqrt(q.shape[1])
    a = q @ k.T * scale
    e = np.exp(a - a.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    p_bar = y_bar @ v.T
    a_bar = p * (p_bar - (p_bar * p).sum(axis=1, keepdims=True))
    return a_bar @ k * scale, a_bar.T @ q * scale, p.T @ y_bar


def network(x, w1, w2):
    return np.mean((np.tanh(x @ w1) @ w2) ** 2)


def network_grad(x, w1, w2):
    h = np.tanh(x @ w1)
    o = h @ w2
    o_bar = 2 * o / o.size
    h_bar = o_bar @ w2.T
    a_bar = h_bar * (1 - h * h)
    return a_bar @ w1.T, x.T @ a_bar, h.T @ o_bar


def network_small_grad(x, w1, w2):
    h = np.tanh(x @ w1)
    o = h @ w2
    a_bar = 2 * o / np.float32(o.size) @ w2.T * (1 - h * h)
    return a_bar @ w1.T, x.T @ a_bar, h.T @ (2 * o / np.float32(o.size))
