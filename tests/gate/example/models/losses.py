"""Losses of a prediction against a target, each with its gradient with respect to both."""

import numpy as np


def loss_square(p, t):
    r = p - t
    return np.mean(r * r)


def grad_loss_square(p, t):
    g = 2 * (p - t) / p.size
    return g, -g


def loss_huber(p, t):
    r = p - t
    return np.sum(np.sqrt(1 + r * r) - 1)


def grad_loss_huber(p, t):
    r = p - t
    g = r / np.sqrt(1 + r * r)
    return g, -g


def loss_logcosh(p, t):
    return np.sum(np.log(np.cosh(p - t)))


def grad_loss_logcosh(p, t):
    g = np.tanh(p - t)
    return g, -g


def loss_cauchy(p, t):
    return np.sum(np.log1p((p - t) ** 2))


def grad_loss_cauchy(p, t):
    r = p - t
    g = 2 * r / (1 + r**2)
    return g, -g


def loss_quartic(p, t):
    return np.sum((p - t) ** 4) / 4


def grad_loss_quartic(p, t):
    g = (p - t) ** 3
    return g, -g


def loss_exponential(p, t):
    return np.mean(np.exp(-p * t))


def grad_loss_exponential(p, t):
    e = np.exp(-p * t) / p.size
    return -t * e, -p * e


def loss_logistic(p, t):
    return np.sum(np.logaddexp(0, -p * t))


def grad_loss_logistic(p, t):
    s = -1 / (1 + np.exp(p * t))
    return t * s, p * s


def loss_cosine(p, t):
    return 1 - p @ t / np.sqrt((p @ p) * (t @ t))


def grad_loss_cosine(p, t):
    pp, tt, pt = p @ p, t @ t, p @ t
    n = np.sqrt(pp * tt)
    return pt * p / (pp * n) - t / n, pt * t / (tt * n) - p / n
