"""Losses and likelihoods with their gradients."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(3)


def softmax_cross_entropy(z, labels):
    """Mean cross entropy of integer labels."""
    shifted = z - np.max(z, axis=1, keepdims=True)
    logp = shifted - np.log(np.sum(np.exp(shifted), axis=1, keepdims=True))
    return -np.mean(logp[np.arange(len(labels)), labels])


def softmax_cross_entropy_gradient(z, labels):
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    hot = np.eye(z.shape[1])[labels]
    return (p - hot) / len(z)


def smoothed_cross_entropy(z, q):
    """Cross entropy against smoothed labels, with a little entropy bonus."""
    soft = 0.9 * q + 0.1 / q.shape[1]
    m = np.max(z, axis=1, keepdims=True)
    lse = m + np.log(np.sum(np.exp(z - m), axis=1, keepdims=True))
    return np.sum(soft * (lse - z))


def smoothed_cross_entropy_gradient(z, q):
    soft = 0.9 * q + 0.1 / q.shape[1]
    e = np.exp(z - np.max(z, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    z_bar = p * np.sum(soft, axis=1, keepdims=True) - soft
    logp = np.log(p)
    return z_bar, -0.9 * logp


def bce_logits(z, t):
    """Binary cross entropy with logits, in the stable form."""
    return np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-np.abs(z))))


def bce_logits_gradient(z, t):
    p = 1 / (1 + np.exp(-z))
    return (p - t) / z.size, -z / z.size


def focal(z, t):
    """Focal loss with gamma 2 of logits against 0/1 targets."""
    p = 1 / (1 + np.exp(-z))
    q = t * p + (1 - t) * (1 - p)
    return -np.sum((1 - q) ** 2 * np.log(q))


def focal_gradient(z, t):
    p = 1 / (1 + np.exp(-z))
    q = t * p + (1 - t) * (1 - p)
    easy = 2 * (1 - q) * np.log(q)
    hard = (1 - q) ** 2 / q
    q_bar = easy - hard
    z_bar = q_bar * (2 * t - 1) * p * (1 - p)
    t_bar = q_bar * (2 * p - 1)
    return z_bar, t_bar


def hinge(w, x, y):
    """Mean hinge loss of a linear classifier with labels -1 and 1."""
    return np.mean(np.maximum(0.0, 1 - y * (x @ w)))


def hinge_gradient(w, x, y):
    margin = 1 - y * (x @ w)
    active = np.where(margin > 0, 1.0, 0.0)
    s = active / len(y)
    w_bar = -(s * y) @ x
    x_bar = -np.outer(s * y, w)
    y_bar = -s * (x @ w)
    return w_bar, x_bar, y_bar


def huber(r):
    """Huber loss with threshold 0.7."""
    a = np.abs(r)
    return np.sum(np.where(a <= 0.7, 0.5 * r**2, 0.7 * (a - 0.35)))


def huber_gradient(r):
    return np.where(np.abs(r) <= 0.7, r, 0.7 * np.sign(r))


def pinball(y, q):
    """Quantile loss at 0.9."""
    e = y - q
    return np.sum(np.maximum(0.9 * e, -0.1 * e))


def pinball_gradient(y, q):
    slope = np.where(y > q, 0.9, -0.1)
    return slope, -slope


def contrastive(a, b):
    """InfoNCE: row i of a belongs to row i of b."""
    s = a @ b.T / 0.5
    m = np.max(s, axis=1, keepdims=True)
    lse = m[:, 0] + np.log(np.sum(np.exp(s - m), axis=1))
    return np.mean(lse - np.diagonal(s))


def contrastive_gradient(a, b):
    s = a @ b.T / 0.5
    e = np.exp(s - np.max(s, axis=1, keepdims=True))
    p = e / np.sum(e, axis=1, keepdims=True)
    s_bar = (p - np.eye(len(a))) / len(a)
    a_bar = s_bar @ b / 0.5
    b_bar = s_bar.T @ a / 0.5
    return a_bar, b_bar


def triplet(anchor, near, far):
    """Triplet loss with margin 1 on squared distances."""
    gap = np.sum((anchor - near) ** 2, axis=1) - np.sum((anchor - far) ** 2, axis=1)
    return np.sum(np.maximum(gap + 1.0, 0.0))


def triplet_gradient(anchor, near, far):
    gap = np.sum((anchor - near) ** 2, axis=1) - np.sum((anchor - far) ** 2, axis=1)
    on = np.where(gap + 1.0 > 0, 2.0, 0.0)[:, None]
    anchor_bar = on * (far - near)
    near_bar = on * (near - anchor)
    far_bar = on * (anchor - far)
    return anchor_bar, near_bar, far_bar


def poisson(w, x, counts):
    """Poisson negative log-likelihood with a log link."""
    eta = x @ w
    return np.sum(np.exp(eta) - counts * eta)


def poisson_gradient(w, x, counts):
    eta = x @ w
    r = np.exp(eta) - counts
    return x.T @ r, np.outer(r, w), -eta


def negative_binomial(eta, counts):
    """Negative binomial negative log-likelihood of log-means, dispersion 2.5, constants left out."""
    mu = np.exp(eta)
    return np.sum((counts + 2.5) * np.log(mu + 2.5) - counts * eta)


def negative_binomial_gradient(eta, counts):
    mu = np.exp(eta)
    eta_bar = (counts + 2.5) * mu / (mu + 2.5) - counts
    return eta_bar, np.log(mu + 2.5) - eta


def logistic_l2(w, x, t):
    """Logistic regression with an L2 penalty that leaves the intercept w[0] alone."""
    z = x @ w
    return np.sum(np.logaddexp(0.0, z) - t * z) + 0.5 * np.sum(w[1:] ** 2)


def logistic_l2_gradient(w, x, t):
    p = 1 / (1 + np.exp(-(x @ w)))
    penalty = np.concatenate([np.zeros(1), w[1:]])
    w_bar = x.T @ (p - t) + penalty
    x_bar = np.outer(p - t, w)
    return w_bar, x_bar, -(x @ w)


SUBJECTS = [
    subject(
        softmax_cross_entropy,
        softmax_cross_entropy_gradient,
        "gradient",
        {"z": d.normal(4, 3), "labels": np.array([2, 0, 1, 2])},
        Edit("sum-for-mean", "(p - hot) / len(z)", "p - hot"),
        Edit("sign", "(p - hot)", "(hot - p)"),
        Edit("missing-path", "(p - hot) / len(z)", "p / len(z)"),
        Edit("wrong-axis", "np.sum(e, axis=1, keepdims=True)", "np.sum(e, axis=0, keepdims=True)"),
        Edit("mean-for-sum", "/ len(z)", "/ z.size"),
    ),
    subject(
        smoothed_cross_entropy,
        smoothed_cross_entropy_gradient,
        "gradient",
        {
            "z": d.normal(3, 4),
            "q": np.array([[0.2, 0.3, 0.1, 0.5], [0.4, 0.4, 0.1, 0.3], [0.6, 0.1, 0.2, 0.2]]),
        },
        Edit("missing-factor", "p * np.sum(soft, axis=1, keepdims=True) - soft", "p - soft"),
        Edit("missing-factor", "-0.9 * logp", "-logp"),
        Edit("wrong-point", "- soft\n", "- q\n"),
    ),
    subject(
        bce_logits,
        bce_logits_gradient,
        "gradient",
        {"z": 2 * d.normal(6), "t": np.array([0, 1, 1, 0, 1.0, 0])},
        Edit("negative-side", "p = 1 / (1 + np.exp(-z))", "p = 1 / (1 + np.exp(-np.abs(z)))"),
        Edit("missing-factor", "(p - t) / z.size, -z", "(p - t) * p * (1 - p) / z.size, -z"),
        Edit("sum-for-mean", "(p - t) / z.size", "(p - t)"),
        Edit("sign", "-z / z.size", "z / z.size"),
    ),
    subject(
        focal,
        focal_gradient,
        "gradient",
        {"z": d.normal(6), "t": np.array([0, 1, 1, 0, 1.0, 0])},
        Edit("missing-path", "easy - hard", "-hard"),
        Edit("sign", "easy - hard", "easy + hard"),
        Edit("one-branch", "q_bar * (2 * t - 1) * p", "q_bar * t * p"),
        Edit("double", "2 * (1 - q) * np.log(q)", "4 * (1 - q) * np.log(q)"),
        Edit("missing-factor", "* p * (1 - p)\n", "* p\n"),
    ),
    subject(
        hinge,
        hinge_gradient,
        "gradient",
        {"w": d.normal(3), "x": d.normal(6, 3), "y": np.array([1.0, -1, 1, 1, -1, -1])},
        Edit("one-branch", "np.where(margin > 0, 1.0, 0.0)", "np.where(margin > 0, 1.0, 1.0)"),
        Edit("sum-for-mean", "active / len(y)", "active"),
        Edit("missing-factor", "w_bar = -(s * y) @ x", "w_bar = -s @ x"),
        Edit("sign", "-np.outer(s * y, w)", "np.outer(s * y, w)"),
    ),
    subject(
        huber,
        huber_gradient,
        "gradient",
        {"r": np.array([0.3, -0.2, 1.5, -2.0, 0.65, -0.9])},
        Edit("negative-side", "0.7 * np.sign(r)", "0.7"),
        Edit("one-branch", "<= 0.7, r,", "<= 0.7, 2 * r,"),
        Edit("missing-factor", "0.7 * np.sign(r)", "np.sign(r)"),
    ),
    subject(
        pinball,
        pinball_gradient,
        "gradient",
        {"y": d.normal(5), "q": d.normal(5)},
        Edit("one-branch", "0.9, -0.1)", "0.9, 0.1)"),
        Edit("permuted", "0.9, -0.1)", "-0.1, 0.9)"),
    ),
    subject(
        contrastive,
        contrastive_gradient,
        "gradient",
        {"a": d.normal(4, 3), "b": d.normal(4, 3)},
        Edit("transpose", "s_bar.T @ a", "s_bar @ a"),
        Edit("missing-path", "(p - np.eye(len(a))) / len(a)", "p / len(a)"),
        Edit("missing-factor", "s_bar @ b / 0.5", "s_bar @ b"),
        Edit("wrong-axis", "np.sum(e, axis=1, keepdims=True)", "np.sum(e, axis=0, keepdims=True)"),
    ),
    subject(
        triplet,
        triplet_gradient,
        "gradient",
        {"anchor": d.normal(4, 3), "near": d.normal(4, 3), "far": d.normal(4, 3)},
        Edit("one-branch", "2.0, 0.0)[:, None]", "2.0, 2.0)[:, None]"),
        Edit("half", "2.0, 0.0)[:, None]", "1.0, 0.0)[:, None]"),
        Edit("sign", "anchor_bar = on * (far - near)", "anchor_bar = on * (near - far)"),
        Edit("missing-path", "anchor_bar = on * (far - near)", "anchor_bar = on * (anchor - near)"),
    ),
    subject(
        poisson,
        poisson_gradient,
        "gradient",
        {"w": d.normal(3), "x": d.normal(5, 3), "counts": np.array([0.0, 1, 3, 2, 0])},
        Edit("missing-path", "np.exp(eta) - counts", "np.exp(eta)"),
        Edit("wrong-point", "np.exp(eta) - counts", "eta - counts"),
        Edit("batch", "x.T @ r,", "x[0] * r[0],"),
    ),
    subject(
        negative_binomial,
        negative_binomial_gradient,
        "gradient",
        {"eta": d.normal(5), "counts": np.array([0.0, 1, 3, 2, 0])},
        Edit("missing-factor", "* mu / (mu + 2.5)", "/ (mu + 2.5)"),
        Edit("missing-path", "(counts + 2.5) * mu", "counts * mu"),
    ),
    subject(
        logistic_l2,
        logistic_l2_gradient,
        "gradient",
        {"w": d.normal(3), "x": d.normal(5, 3), "t": np.array([0.0, 1, 1, 0, 1])},
        Edit("component", "np.concatenate([np.zeros(1), w[1:]])", "w"),
        Edit("missing-path", "x.T @ (p - t) + penalty", "x.T @ (p - t)"),
        Edit("double", "(p - t) + penalty", "(p - t) + 2 * penalty"),
        Edit("missing-path", "np.outer(p - t, w)", "np.outer(p, w)"),
    ),
]
