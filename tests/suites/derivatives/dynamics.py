"""Time steps, residuals of discretised equations, and control."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(6)


def rk4(u):
    """One Runge-Kutta step of the Lotka-Volterra system."""

    def rate(w):
        return np.stack([w[0] * (1.1 - 0.4 * w[1]), w[1] * (0.1 * w[0] - 0.4)])

    k1 = rate(u)
    k2 = rate(u + 0.05 * k1)
    k3 = rate(u + 0.05 * k2)
    k4 = rate(u + 0.1 * k3)
    return u + 0.1 / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def rk4_jacobian(u):
    def rate(w):
        return np.stack([w[0] * (1.1 - 0.4 * w[1]), w[1] * (0.1 * w[0] - 0.4)])

    def slope(w):
        top = np.stack([1.1 - 0.4 * w[1], -0.4 * w[0]])
        return np.stack([top, np.stack([0.1 * w[1], 0.1 * w[0] - 0.4])])

    one = np.eye(2)
    k1 = rate(u)
    k2 = rate(u + 0.05 * k1)
    k3 = rate(u + 0.05 * k2)
    D1 = slope(u)
    D2 = slope(u + 0.05 * k1) @ (one + 0.05 * D1)
    D3 = slope(u + 0.05 * k2) @ (one + 0.05 * D2)
    D4 = slope(u + 0.1 * k3) @ (one + 0.1 * D3)
    return one + 0.1 / 6 * (D1 + 2 * D2 + 2 * D3 + D4)


def leapfrog(state):
    """One leapfrog step of a pendulum, state (angle, momentum)."""
    q, p = state[0], state[1]
    half = p - 0.05 * np.sin(q)
    q_next = q + 0.1 * half
    return np.stack([q_next, half - 0.05 * np.sin(q_next)])


def leapfrog_jvp(state, tangent):
    q, p = state[0], state[1]
    q_dot, p_dot = tangent[0], tangent[1]
    half = p - 0.05 * np.sin(q)
    half_dot = p_dot - 0.05 * np.cos(q) * q_dot
    q_next = q + 0.1 * half
    q_next_dot = q_dot + 0.1 * half_dot
    return np.stack([q_next_dot, half_dot - 0.05 * np.cos(q_next) * q_next_dot])


def burgers(u):
    """Residual of a viscous Burgers stencil with zero boundaries."""
    left = np.concatenate([np.zeros(1), u[:-1]])
    right = np.concatenate([u[1:], np.zeros(1)])
    return u * (right - left) / 0.2 - 0.05 * (right - 2 * u + left) / 0.01


def burgers_jacobian(u):
    left = np.concatenate([np.zeros(1), u[:-1]])
    right = np.concatenate([u[1:], np.zeros(1)])
    centre = np.diag((right - left) / 0.2 + 10.0)
    above = np.diag(u[:-1] / 0.2 - 5.0, 1)
    below = np.diag(-u[1:] / 0.2 - 5.0, -1)
    return centre + above + below


def bratu(u):
    """Residual of the Bratu problem on a line."""
    v = np.pad(u, 1)
    return v[2:] - 2 * v[1:-1] + v[:-2] + 0.3 * np.exp(u)


def bratu_jacobian(u):
    n = len(u)
    laplace = np.eye(n, k=1) - 2 * np.eye(n) + np.eye(n, k=-1)
    source = np.diag(0.3 * np.exp(u))
    return laplace + source


def implicit_heat(u, k):
    """One implicit step of the heat equation with conductivity k, squared and summed."""
    n = len(u)
    A = (1 + 2 * k) * np.eye(n) - k * (np.eye(n, k=1) + np.eye(n, k=-1))
    return 0.5 * np.sum(np.linalg.solve(A, u) ** 2)


def implicit_heat_gradient(u, k):
    n = len(u)
    band = np.eye(n, k=1) + np.eye(n, k=-1)
    A = (1 + 2 * k) * np.eye(n) - k * band
    w = np.linalg.solve(A, u)
    lam = np.linalg.solve(A.T, w)
    k_bar = -lam @ ((2 * np.eye(n) - band) @ w)
    return lam, k_bar


def control(controls, start):
    """Cost of steering a double integrator for four steps."""
    A = np.array([[1.0, 0.2], [0.0, 1.0]])
    B = np.array([0.02, 0.2])
    x = start
    cost = 0.0
    for t in range(4):
        x = A @ x + B * controls[t]
        cost = cost + x @ x + 0.1 * controls[t] ** 2
    return cost


def control_gradient(controls, start):
    A = np.array([[1.0, 0.2], [0.0, 1.0]])
    B = np.array([0.02, 0.2])
    states = [start]
    for t in range(4):
        states.append(A @ states[t] + B * controls[t])
    lam = np.zeros(2)
    grads = []
    for t in (3, 2, 1, 0):
        lam = lam + 2 * states[t + 1]
        grads.append(B @ lam + 0.2 * controls[t])
        lam = A.T @ lam
    return np.stack(grads[::-1]), lam


def lennard_jones(r):
    """Energy of particles r (n, 3)."""
    i, j = np.triu_indices(4, 1)
    s = 1 / np.sum((r[i] - r[j]) ** 2, axis=1) ** 3
    return np.sum(4 * (s**2 - s))


def lennard_jones_gradient(r):
    i, j = np.triu_indices(4, 1)
    gap = r[i] - r[j]
    q = np.sum(gap**2, axis=1)
    s = 1 / q**3
    force = (4 * (-12 * s**2 + 6 * s) / q)[:, None] * gap
    hot_i, hot_j = np.eye(4)[i], np.eye(4)[j]
    return hot_i.T @ force - hot_j.T @ force


def springs(x):
    """Energy of a chain of springs of unit length in the plane."""
    e = x[1:] - x[:-1]
    return 0.5 * np.sum((np.linalg.norm(e, axis=1) - 1.0) ** 2)


def springs_gradient(x):
    e = x[1:] - x[:-1]
    length = np.linalg.norm(e, axis=1, keepdims=True)
    pull = (length - 1.0) * e / length
    zero = np.zeros((1, 2))
    return np.concatenate([zero, pull]) - np.concatenate([pull, zero])


SUBJECTS = [
    subject(
        rk4,
        rk4_jacobian,
        "jacobian",
        {"u": np.array([2.0, 1.3])},
        Edit("missing-path", "@ (one + 0.05 * D1)", ""),
        Edit("half", "(one + 0.05 * D2)", "(one + 0.025 * D2)"),
        Edit("wrong-point", "D4 = slope(u + 0.1 * k3)", "D4 = slope(u + 0.05 * k3)"),
        Edit("missing-path", "D1 + 2 * D2 + 2 * D3 + D4", "D1 + 2 * D2 + 2 * D3"),
        Edit(
            "transpose",
            "return one + 0.1 / 6 * (D1 + 2 * D2 + 2 * D3 + D4)",
            "return (one + 0.1 / 6 * (D1 + 2 * D2 + 2 * D3 + D4)).T",
        ),
    ),
    subject(
        leapfrog,
        leapfrog_jvp,
        "jvp",
        {"state": np.array([0.7, -0.4])},
        Edit("stale", "0.05 * np.cos(q_next) * q_next_dot", "0.05 * np.cos(q) * q_next_dot"),
        Edit("stale", "np.cos(q_next) * q_next_dot", "np.cos(q_next) * q_dot"),
        Edit("sign", "p_dot - 0.05", "p_dot + 0.05"),
        Edit("missing-path", "q_dot + 0.1 * half_dot", "q_dot"),
    ),
    subject(
        burgers,
        burgers_jacobian,
        "jacobian",
        {"u": d.normal(6)},
        Edit("missing-path", "np.diag((right - left) / 0.2 + 10.0)", "10.0 * np.eye(len(u))"),
        Edit("transpose", "np.diag(-u[1:] / 0.2 - 5.0, -1)", "np.diag(-u[1:] / 0.2 - 5.0, 1)"),
        Edit("permuted", "np.diag(u[:-1] / 0.2 - 5.0, 1)", "np.diag(u[1:] / 0.2 - 5.0, 1)"),
        Edit("sign", "np.diag(-u[1:] / 0.2 - 5.0, -1)", "np.diag(u[1:] / 0.2 - 5.0, -1)"),
    ),
    subject(
        bratu,
        bratu_jacobian,
        "jacobian",
        {"u": d.normal(6)},
        Edit("wrong-point", "0.3 * np.exp(u)", "0.3 * u"),
        Edit(
            "zeroed",
            "np.eye(n, k=1) - 2 * np.eye(n) + np.eye(n, k=-1)",
            "np.eye(n, k=1) - 2 * np.eye(n)",
        ),
        Edit("missing-path", "laplace + source", "laplace"),
    ),
    subject(
        implicit_heat,
        implicit_heat_gradient,
        "gradient",
        {"u": d.normal(5), "k": np.array(0.6)},
        Edit("sign", "k_bar = -lam", "k_bar = lam"),
        Edit("missing-path", "((2 * np.eye(n) - band) @ w)", "(2 * w)"),
        Edit("wrong-point", "k_bar = -lam @", "k_bar = -w @"),
        Edit("missing-factor", "lam = np.linalg.solve(A.T, w)", "lam = w"),
    ),
    subject(
        control,
        control_gradient,
        "gradient",
        {"controls": d.normal(4), "start": d.normal(2)},
        Edit("overwritten", "lam = lam + 2 * states[t + 1]", "lam = 2 * states[t + 1]"),
        Edit("transpose", "lam = A.T @ lam", "lam = A @ lam"),
        Edit("permuted", "np.stack(grads[::-1])", "np.stack(grads)"),
        Edit("stale", "2 * states[t + 1]", "2 * states[t]"),
        Edit("half", "0.2 * controls[t])", "0.1 * controls[t])"),
    ),
    subject(
        lennard_jones,
        lennard_jones_gradient,
        "gradient",
        {"r": np.array([[0.0, 0.1, 0], [1.1, 0, 0.2], [0.2, 1.2, -0.1], [0.9, 1.0, 1.1]])},
        Edit("missing-path", "hot_i.T @ force - hot_j.T @ force", "hot_i.T @ force"),
        Edit("sign", "hot_i.T @ force - hot_j.T @ force", "hot_i.T @ force + hot_j.T @ force"),
        Edit("half", "-12 * s**2 + 6 * s", "-6 * s**2 + 6 * s"),
    ),
    subject(
        springs,
        springs_gradient,
        "gradient",
        {"x": np.array([[0.0, 0.1], [0.8, 0.3], [1.5, -0.4], [2.9, 0.2]])},
        Edit(
            "overwritten",
            "np.concatenate([zero, pull]) - np.concatenate([pull, zero])",
            "np.concatenate([zero, pull])",
        ),
        Edit("missing-factor", "(length - 1.0) * e / length", "(length - 1.0) * e"),
    ),
]
