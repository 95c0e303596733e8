"""A loss, its gradient, and the mistakes people make in one."""

import numpy as np


def loss(x, W):
    """One layer."""
    h = np.tanh(W @ x)
    return np.sum(h * h)


def loss_gradient(x, W):
    """The gradient of the loss by hand."""
    h = np.tanh(W @ x)
    dz = 2 * h * (1 - h**2)
    return W.T @ dz, np.outer(dz, x)


def without_chain(x, W):
    """The factor of tanh is forgotten."""
    h = np.tanh(W @ x)
    dz = 2 * h
    return W.T @ dz, np.outer(dz, x)


def largest(x):
    """No program can be made of it: the catalogue has no such operation for traced numbers."""
    return float(np.linalg.svd(np.outer(x, x) + np.diag(x), compute_uv=False)[0])


def ones(x):
    """A wrong gradient."""
    return np.ones_like(x)


def raises(x):
    """It fails."""
    y = x + 1
    raise ValueError(f"no value at {y}")
