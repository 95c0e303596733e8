"""Densities, mixtures, filters and a variational bound."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(5)


def gaussian_diagonal(x, mu, log_sigma):
    """Negative log-likelihood under independent normals."""
    z = (x - mu) * np.exp(-log_sigma)
    return np.sum(0.5 * z**2 + log_sigma)


def gaussian_diagonal_gradient(x, mu, log_sigma):
    precision = np.exp(-2 * log_sigma)
    r = x - mu
    x_bar = r * precision
    mu_bar = -np.sum(x_bar, axis=0)
    s_bar = np.sum(1 - r**2 * precision, axis=0)
    return x_bar, mu_bar, s_bar


def gaussian_full(x, mu, S):
    """Negative log-likelihood under N(mu, S), through the Cholesky factor of the symmetrised S."""
    L = np.linalg.cholesky(0.5 * (S + S.T))
    u = np.linalg.solve(L, x - mu)
    return 0.5 * np.sum(u * u) + np.sum(np.log(np.diagonal(L)))


def gaussian_full_gradient(x, mu, S):
    P = np.linalg.inv(S)
    a = P @ (x - mu)
    S_bar = 0.5 * (P - np.outer(a, a))
    return a, -a, S_bar


def gaussian_symmetric(x, S):
    """The same with S symmetrised first, so that both triangles count."""
    H = 0.5 * (S + S.T)
    a = np.linalg.solve(H, x)
    return 0.5 * x @ a + 0.5 * np.linalg.slogdet(H)[1]


def gaussian_symmetric_gradient(x, S):
    H = 0.5 * (S + S.T)
    a = np.linalg.solve(H, x)
    S_bar = 0.5 * (np.linalg.inv(H) - np.outer(a, a))
    return a, S_bar


def mixture(x, weights, means):
    """Negative log-likelihood of a mixture of unit normals with softmax weights."""
    logw = weights - np.log(np.sum(np.exp(weights)))
    s = logw - 0.5 * (x[:, None] - means) ** 2
    m = np.max(s, axis=1)
    return -np.sum(m + np.log(np.sum(np.exp(s - m[:, None]), axis=1)))


def mixture_gradient(x, weights, means):
    w = np.exp(weights) / np.sum(np.exp(weights))
    joint = w * np.exp(-0.5 * (x[:, None] - means) ** 2)
    part = joint / np.sum(joint, axis=1, keepdims=True)
    pull = part * (x[:, None] - means)
    x_bar = np.sum(pull, axis=1)
    means_bar = -np.sum(pull, axis=0)
    weights_bar = len(x) * w - np.sum(part, axis=0)
    return x_bar, weights_bar, means_bar


def kalman(m, P, z, H):
    """Half the squared innovation, whitened, plus half its log determinant."""
    S = H @ P @ H.T + 0.5 * np.eye(H.shape[0])
    v = z - H @ m
    return 0.5 * v @ np.linalg.solve(S, v) + 0.5 * np.linalg.slogdet(S)[1]


def kalman_gradient(m, P, z, H):
    S = H @ P @ H.T + 0.5 * np.eye(H.shape[0])
    v = z - H @ m
    Si = np.linalg.inv(S)
    a = Si @ v
    z_bar = a
    m_bar = -H.T @ a
    S_bar = 0.5 * (Si - np.outer(a, a))
    P_bar = H.T @ S_bar @ H
    from_v = -np.outer(a, m)
    from_S = S_bar @ H @ P.T + S_bar.T @ H @ P
    H_bar = from_v + from_S
    return m_bar, P_bar, z_bar, H_bar


def kalman_update(m, P, z):
    """State after one scalar measurement of the first component, noise 0.3."""
    k = P[:, 0] / (P[0, 0] + 0.3)
    return m + k * (z - m[0])


def kalman_update_vjp(m, P, z, y_bar):
    s = P[0, 0] + 0.3
    k = P[:, 0] / s
    v = z - m[0]
    gain = y_bar @ k
    first = np.eye(len(m))[0]
    m_bar = y_bar - first * gain
    column = y_bar * v / s - first * gain * v / s
    P_bar = np.outer(column, first)
    return m_bar, P_bar, gain


def elbo(mu, log_var, x, W, noise):
    """Negative evidence bound of a linear decoder, reparametrised with given noise."""
    z = mu + np.exp(0.5 * log_var) * noise
    r = x - z @ W
    kl = -0.5 * np.sum(1 + log_var - mu**2 - np.exp(log_var))
    return 0.5 * np.sum(r**2) + kl


def elbo_gradient(mu, log_var, x, W, noise):
    sigma = np.exp(0.5 * log_var)
    z = mu + sigma * noise
    r = x - z @ W
    z_bar = -r @ W.T
    mu_bar = z_bar + mu
    by_sample = z_bar * noise * 0.5 * sigma
    by_kl = -0.5 * (1 - sigma**2)
    log_var_bar = by_sample + by_kl
    return mu_bar, log_var_bar, r, -z.T @ r, z_bar * sigma


def student(x, scale):
    """Student t negative log-likelihood, five degrees of freedom, constants left out."""
    return np.sum(3.0 * np.log1p((x / scale) ** 2 / 5.0) + np.log(scale))


def student_gradient(x, scale):
    q = 6.0 * x / (5.0 * scale**2 + x**2)
    scale_bar = np.sum(1 / scale - q * x / scale)
    return q, scale_bar


SPD = d.spd(3)

SUBJECTS = [
    subject(
        gaussian_diagonal,
        gaussian_diagonal_gradient,
        "gradient",
        {"x": d.normal(4, 3), "mu": d.normal(3), "log_sigma": 0.3 * d.normal(3)},
        Edit("unsummed-broadcast", "-np.sum(x_bar, axis=0)", "-x_bar[0]"),
        Edit("missing-path", "np.sum(1 - r**2 * precision", "np.sum(-(r**2) * precision"),
        Edit("sign", "-np.sum(x_bar, axis=0)", "np.sum(x_bar, axis=0)"),
        Edit("missing-factor", "np.exp(-2 * log_sigma)", "np.exp(-log_sigma)"),
        Edit("mean-for-sum", "-np.sum(x_bar, axis=0)", "-np.mean(x_bar, axis=0)"),
    ),
    subject(
        gaussian_full,
        gaussian_full_gradient,
        "gradient",
        {"x": d.normal(3), "mu": d.normal(3), "S": SPD},
        Edit(
            "symmetric",
            "S_bar = 0.5 * (P - np.outer(a, a))",
            "S_bar = np.tril(0.5 * (P - np.outer(a, a)))",
        ),
        Edit(
            "symmetric",
            "S_bar = 0.5 * (P - np.outer(a, a))",
            "S_bar = (P - np.outer(a, a)) * (1 - 0.5 * np.eye(3))",
        ),
        Edit("half", "S_bar = 0.5 *", "S_bar = 0.25 *"),
        Edit("sign", "(P - np.outer(a, a))", "(P + np.outer(a, a))"),
        Edit("missing-path", "0.5 * (P - np.outer(a, a))", "0.5 * P"),
    ),
    subject(
        gaussian_symmetric,
        gaussian_symmetric_gradient,
        "gradient",
        {"x": d.normal(3), "S": d.spd(3)},
        Edit(
            "symmetric",
            "S_bar = 0.5 * (np.linalg.inv(H) - np.outer(a, a))",
            "S_bar = 0.5 * (np.linalg.inv(H) - np.outer(a, a)) * (2 - np.eye(len(x)))",
        ),
        Edit("half", "S_bar = 0.5 *", "S_bar = 0.25 *"),
        Edit("missing-path", "(np.linalg.inv(H) - np.outer(a, a))", "np.linalg.inv(H)"),
    ),
    subject(
        mixture,
        mixture_gradient,
        "gradient",
        {"x": d.normal(5), "weights": d.normal(3), "means": d.normal(3)},
        Edit("missing-path", "len(x) * w - np.sum(part, axis=0)", "-np.sum(part, axis=0)"),
        Edit("batch", "len(x) * w - np.sum", "w - np.sum"),
        Edit(
            "wrong-axis",
            "joint / np.sum(joint, axis=1, keepdims=True)",
            "joint / np.sum(joint, axis=0, keepdims=True)",
        ),
        Edit("wrong-point", "part * (x[:, None] - means)", "w * (x[:, None] - means)"),
    ),
    subject(
        kalman,
        kalman_gradient,
        "gradient",
        {"m": d.normal(3), "P": d.spd(3), "z": d.normal(2), "H": d.normal(2, 3)},
        Edit("missing-path", "H_bar = from_v + from_S", "H_bar = from_v"),
        Edit("overwritten", "H_bar = from_v + from_S", "H_bar = from_S"),
        Edit("sign", "m_bar = -H.T @ a", "m_bar = H.T @ a"),
        Edit("half", "S_bar @ H @ P.T + S_bar.T @ H @ P", "S_bar @ H @ P"),
        Edit("missing-factor", "P_bar = H.T @ S_bar @ H", "P_bar = H.T @ Si @ H"),
    ),
    subject(
        kalman_update,
        kalman_update_vjp,
        "vjp",
        {"m": d.normal(3), "P": d.spd(3), "z": np.array(0.8)},
        Edit("missing-path", "y_bar * v / s - first * gain * v / s", "y_bar * v / s"),
        Edit("transpose", "np.outer(column, first)", "np.outer(first, column)"),
        Edit("missing-path", "y_bar - first * gain\n", "y_bar\n"),
    ),
    subject(
        elbo,
        elbo_gradient,
        "gradient",
        {
            "mu": d.normal(2, 2),
            "log_var": d.normal(2, 2),
            "x": d.normal(2, 4),
            "W": d.normal(2, 4),
            "noise": d.normal(2, 2),
        },
        Edit("missing-path", "by_sample + by_kl", "by_kl"),
        Edit("missing-factor", "z_bar * noise * 0.5 * sigma", "z_bar * noise * sigma"),
        Edit("missing-path", "mu_bar = z_bar + mu", "mu_bar = z_bar"),
        Edit("wrong-point", "by_kl = -0.5 * (1 - sigma**2)", "by_kl = -0.5 * (1 - sigma)"),
        Edit("transpose", "-r @ W.T", "-(W @ r.T)"),
    ),
    subject(
        student,
        student_gradient,
        "gradient",
        {"x": d.normal(5), "scale": np.array(1.3)},
        Edit("component", "np.sum(1 / scale - q * x / scale)", "1 / scale - np.sum(q * x / scale)"),
        Edit("missing-factor", "5.0 * scale**2", "5.0 * scale"),
    ),
]
