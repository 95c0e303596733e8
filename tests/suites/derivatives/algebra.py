"""Linear algebra: solves, determinants, inverses, factors, quadratic forms."""

# ruff: noqa: D103  (a derivative is described by the function it stands beside)
from __future__ import annotations

import numpy as np

from tests.suites.model import Draw, Edit, subject

d = Draw(8)


def linear_solve(A, b):
    """x with A x = b."""
    return np.linalg.solve(A, b)


def linear_solve_vjp(A, b, y_bar):
    x = np.linalg.solve(A, b)
    b_bar = np.linalg.solve(A.T, y_bar)
    A_bar = -np.outer(b_bar, x)
    return A_bar, b_bar


def determinant(A):
    """Determinant."""
    return np.linalg.det(A)


def determinant_gradient(A):
    return np.linalg.det(A) * np.linalg.inv(A).T


def log_determinant(A, s):
    """Logarithm of the determinant of A + s I."""
    return np.linalg.slogdet(A + s * np.eye(len(A)))[1]


def log_determinant_gradient(A, s):
    A_bar = np.linalg.inv(A + s * np.eye(len(A))).T
    return A_bar, np.trace(A_bar)


def inverse_trace(A):
    """Trace of the inverse."""
    return np.trace(np.linalg.inv(A))


def inverse_trace_gradient(A):
    B = np.linalg.inv(A)
    return -(B @ B).T


def cholesky_whiten(S, x):
    """Whitened x: L^-1 x with the lower factor of the symmetrised S."""
    L = np.linalg.cholesky(0.5 * (S + S.T))
    return np.linalg.solve(L, x)


def cholesky_whiten_vjp(S, x, y_bar):
    L = np.linalg.cholesky(0.5 * (S + S.T))
    y = np.linalg.solve(L, x)
    x_bar = np.linalg.solve(L.T, y_bar)
    L_bar = -np.tril(np.outer(x_bar, y))
    P = np.tril(L.T @ L_bar)
    middle = P - 0.5 * np.diag(np.diagonal(P))
    half = np.linalg.solve(L.T, middle)
    A_bar = np.linalg.solve(L.T, half.T).T
    return 0.5 * (A_bar + A_bar.T), x_bar


def portfolio(w, C, mu):
    """Variance less return of a portfolio; C need not be symmetric."""
    return 0.5 * w @ C @ w - mu @ w


def portfolio_gradient(w, C, mu):
    w_bar = 0.5 * (C + C.T) @ w - mu
    C_bar = 0.5 * np.outer(w, w)
    return w_bar, C_bar, -w


def rayleigh(A, x):
    """Rayleigh quotient."""
    return (x @ A @ x) / (x @ x)


def rayleigh_gradient(A, x):
    n = x @ x
    r = (x @ A @ x) / n
    x_bar = (A @ x + A.T @ x - 2 * r * x) / n
    return np.outer(x, x) / n, x_bar


def matrix_cube(A):
    """A A A: the same matrix in three places."""
    return A @ A @ A


def matrix_cube_vjp(A, y_bar):
    first = y_bar @ (A @ A).T
    second = A.T @ y_bar @ A.T
    third = (A @ A).T @ y_bar
    return first + second + third


def ridge(X, y, lam):
    """Squared norm of the ridge regression coefficients."""
    beta = np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T @ y)
    return 0.5 * beta @ beta


def ridge_gradient(X, y, lam):
    G = X.T @ X + lam * np.eye(X.shape[1])
    beta = np.linalg.solve(G, X.T @ y)
    c = np.linalg.solve(G, beta)
    r = y - X @ beta
    X_bar = np.outer(r, c) - np.outer(X @ c, beta)
    y_bar = X @ c
    lam_bar = -c @ beta
    return X_bar, y_bar, lam_bar


M = d.normal(4, 4) + 3 * np.eye(4)

SUBJECTS = [
    subject(
        linear_solve,
        linear_solve_vjp,
        "vjp",
        {"A": M, "b": d.normal(4)},
        Edit("transpose", "np.linalg.solve(A.T, y_bar)", "np.linalg.solve(A, y_bar)"),
        Edit("transpose", "-np.outer(b_bar, x)", "-np.outer(x, b_bar)"),
        Edit("sign", "-np.outer(b_bar, x)", "np.outer(b_bar, x)"),
        Edit("wrong-point", "-np.outer(b_bar, x)", "-np.outer(b_bar, b)"),
    ),
    subject(
        determinant,
        determinant_gradient,
        "gradient",
        {"A": d.normal(3, 3) + 2 * np.eye(3)},
        Edit("transpose", "np.linalg.inv(A).T", "np.linalg.inv(A)"),
        Edit("missing-factor", "np.linalg.det(A) * ", ""),
    ),
    subject(
        log_determinant,
        log_determinant_gradient,
        "gradient",
        {"A": d.normal(3, 3) + 2 * np.eye(3), "s": np.array(0.4)},
        Edit("transpose", "(len(A))).T", "(len(A)))"),
        Edit("stale", "np.linalg.inv(A + s * np.eye(len(A))).T", "np.linalg.inv(A).T"),
        Edit("component", "np.trace(A_bar)", "A_bar[0, 0]"),
    ),
    subject(
        inverse_trace,
        inverse_trace_gradient,
        "gradient",
        {"A": d.normal(3, 3) + 3 * np.eye(3)},
        Edit("transpose", "-(B @ B).T", "-(B @ B)"),
        Edit("missing-factor", "-(B @ B).T", "-B.T"),
        Edit("sign", "-(B @ B).T", "(B @ B).T"),
    ),
    subject(
        cholesky_whiten,
        cholesky_whiten_vjp,
        "vjp",
        {"S": d.spd(3), "x": d.normal(3)},
        Edit("symmetric", "return 0.5 * (A_bar + A_bar.T)", "return A_bar"),
        Edit("double", "return 0.5 * (A_bar + A_bar.T)", "return (A_bar + A_bar.T)"),
        Edit("missing-path", "P - 0.5 * np.diag(np.diagonal(P))", "P"),
        Edit("sign", "L_bar = -np.tril", "L_bar = np.tril"),
        Edit("missing-factor", "P = np.tril(L.T @ L_bar)", "P = np.tril(L_bar)"),
    ),
    subject(
        portfolio,
        portfolio_gradient,
        "gradient",
        {"w": d.normal(4), "C": M, "mu": d.normal(4)},
        Edit("symmetric", "0.5 * (C + C.T) @ w", "C @ w"),
        Edit("double", "0.5 * np.outer(w, w)", "np.outer(w, w)"),
        Edit("half", "0.5 * (C + C.T) @ w", "0.5 * C @ w"),
        Edit("missing-path", "@ w - mu", "@ w"),
    ),
    subject(
        rayleigh,
        rayleigh_gradient,
        "gradient",
        {"A": M, "x": d.normal(4)},
        Edit("missing-path", "A @ x + A.T @ x - 2", "2 * A @ x - 2"),
        Edit("missing-path", " - 2 * r * x)", ")"),
        Edit("missing-factor", "np.outer(x, x) / n", "np.outer(x, x)"),
    ),
    subject(
        matrix_cube,
        matrix_cube_vjp,
        "vjp",
        {"A": d.normal(3, 3)},
        Edit("missing-path", "first + second + third", "first + third"),
        Edit("overwritten", "return first + second + third", "return third"),
        Edit("transpose", "A.T @ y_bar @ A.T", "A @ y_bar @ A"),
    ),
    subject(
        ridge,
        ridge_gradient,
        "gradient",
        {"X": d.normal(5, 3), "y": d.normal(5), "lam": np.array(0.5)},
        Edit("missing-path", "np.outer(r, c) - np.outer(X @ c, beta)", "np.outer(r, c)"),
        Edit("wrong-point", "np.outer(r, c)", "np.outer(y, c)"),
        Edit("sign", "lam_bar = -c @ beta", "lam_bar = c @ beta"),
    ),
]
