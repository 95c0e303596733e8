"""The log-likelihood of a Gaussian mixture with full precision factors, after the suite ADBench."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.bench.tasks.model import Task, gradients


def likelihood(np: Any, alphas: Any, means: Any, log_diagonals: Any, lowers: Any, x: Any) -> Any:
    """alphas (k), means (k, d), log_diagonals (k, d), lowers (k, d, d) strictly lower, x (n, d)."""
    centred = x[:, None, :] - means
    scaled = centred * np.exp(log_diagonals) + np.einsum("kij,nkj->nki", lowers, centred)
    inner = alphas + np.sum(log_diagonals, axis=-1) - 0.5 * np.sum(scaled * scaled, axis=-1)
    most = 20.0
    joint = np.log(np.sum(np.exp(inner - most), axis=-1)) + most
    prior = 0.5 * (np.sum(np.exp(2.0 * log_diagonals)) + np.sum(lowers * lowers))
    return np.sum(joint) - x.shape[0] * np.log(np.sum(np.exp(alphas))) + prior


def _task(d: int, k: int, n: int) -> Task:
    rng = np.random.default_rng(0)
    lowers = np.tril(rng.standard_normal((k, d, d)) * 0.1, -1)
    points = (
        rng.standard_normal(k), rng.standard_normal((k, d)) * 0.1,
        rng.standard_normal((k, d)) * 0.1, lowers, rng.standard_normal((n, d)) * 0.5,
    )  # fmt: skip
    aims = {"jax jit": 1.0, "torch eager": 1.0, "torch compile": 1.0}
    return gradients(f"mixture d={d} k={k} n={n}", likelihood, points, range(4), aims=aims)


TASKS = [_task(10, 25, 1000), _task(64, 50, 1000)]
