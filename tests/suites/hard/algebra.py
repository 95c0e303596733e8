"""Linear algebra close to singular, with the derivatives a user computes by the same routines."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tests.suites.hard.case import Case, case


def _conditioned(condition: float, n: int = 4):
    rng = np.random.default_rng(5)
    u = np.linalg.qr(rng.standard_normal((n, n)))[0]
    v = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return (u * np.geomspace(1, 1 / condition, n)) @ v.T


def _spd(condition: float, n: int = 4):
    u = np.linalg.qr(np.random.default_rng(6).standard_normal((n, n)))[0]
    A = (u * np.geomspace(1, 1 / condition, n)) @ u.T
    return 0.5 * (A + A.T)


def _solve_gradient(A, b):
    b_bar = np.linalg.solve(A.T, np.ones(len(b)))
    return -np.outer(b_bar, np.linalg.solve(A, b)), b_bar


def _cases() -> Iterator[Case]:
    b = np.array([1.0, -2.0, 0.5, 0.3])
    for c in (1e2, 1e5, 1e8):
        A = _conditioned(c)
        S = _spd(c)
        at = f"of condition {c:g}"
        yield case(
            f"solve {at}", lambda A, b: np.sum(np.linalg.solve(A, b)), _solve_gradient, A=A, b=b
        )
        yield case(
            f"log determinant {at}",
            lambda A: np.linalg.slogdet(A)[1],
            lambda A: np.linalg.inv(A).T,
            A=A,
        )
        yield case(
            f"determinant {at}", np.linalg.det, lambda A: np.linalg.det(A) * np.linalg.inv(A).T, A=A
        )
        yield case(f"trace of the inverse {at}", lambda A: np.trace(np.linalg.inv(A)),
                   lambda A: -(np.linalg.inv(A) @ np.linalg.inv(A)).T, A=A)  # fmt: skip
        yield case(f"log determinant by Cholesky {at}", lambda S: 2 * np.sum(np.log(np.diagonal(np.linalg.cholesky(0.5 * (S + S.T))))),
                   np.linalg.inv, S=S)  # fmt: skip
        yield case(f"quadratic form {at}", lambda S, b: 0.5 * b @ np.linalg.solve(S, b),
                   lambda S, b: (-0.5 * np.outer(np.linalg.solve(S.T, b), np.linalg.solve(S, b)),
                                 0.5 * (np.linalg.solve(S, b) + np.linalg.solve(S.T, b))), S=S, b=b)  # fmt: skip
    yield case(
        "determinant of a singular matrix",
        np.linalg.det,
        lambda A: np.array([[4.0, -3.0], [-2.0, 1.5]]) * 1.0,
        A=np.array([[1.5, 2.0], [3.0, 4.0]]),
    )
    yield case("nearly equal rows", lambda A, b: np.sum(np.linalg.solve(A, b)), _solve_gradient,
               A=np.array([[1.0, 1.0], [1.0, 1.0 + 2.0**-20]]), b=np.array([1.0, 2.0]))  # fmt: skip
    H = 1 / (np.arange(5)[:, None] + np.arange(5) + 1.0)
    yield case(
        "Hilbert matrix",
        lambda A, b: np.sum(np.linalg.solve(A, b)),
        _solve_gradient,
        A=H,
        b=np.ones(5),
    )
    yield case("rows of many sizes", lambda A, b: np.sum(np.linalg.solve(A, b)), _solve_gradient,
               A=np.diag([1e6, 1.0, 1e-6]) @ (np.eye(3) + 0.3), b=np.array([1e6, 1.0, 1e-6]))  # fmt: skip
    yield case(
        "eighth power",
        lambda A: np.sum(np.linalg.matrix_power(A, 8)),
        _power_gradient,
        A=0.4 * _conditioned(10.0),
    )
    yield case("normal equations", lambda X, y: np.sum(np.linalg.solve(X.T @ X, X.T @ y)), _least_squares_gradient,
               X=np.vander(np.linspace(0, 1, 6), 4), y=np.sin(np.arange(6.0)))  # fmt: skip


def _power_gradient(A):
    ones = np.ones_like(A)
    P = [np.linalg.matrix_power(A, k) for k in range(8)]
    return sum(P[k].T @ ones @ P[7 - k].T for k in range(8))


def _least_squares_gradient(X, y):
    G = X.T @ X
    beta = np.linalg.solve(G, X.T @ y)
    c = np.linalg.solve(G, np.ones(X.shape[1]))
    return np.outer(y - X @ beta, c) - np.outer(X @ c, beta), X @ c


CASES = [*_cases()]
