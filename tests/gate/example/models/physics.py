"""Energies and maps of mechanics, with forces, Jacobians and Hessians."""

import numpy as np


def rosen(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosen_grad(x):
    inner = x[1:] - x[:-1] ** 2
    left = np.concatenate([-400 * x[:-1] * inner - 2 * (1 - x[:-1]), np.zeros(1)])
    return left + np.concatenate([np.zeros(1), 200 * inner])


def rosen_hvp(x, v):
    d = np.concatenate([1200 * x[:-1] ** 2 - 400 * x[1:] + 2, np.zeros(1)])
    d = d + np.concatenate([np.zeros(1), 200 * np.ones(x.size - 1)])
    off = -400 * x[:-1]
    up = np.concatenate([off * v[1:], np.zeros(1)])
    down = np.concatenate([np.zeros(1), off * v[:-1]])
    return d * v + up + down


def pendulum(q, p):
    return p * p / 2 - np.cos(q)


def pendulum_grad(q, p):
    return np.sin(q), p


def lennard_jones(r):
    s = 1 / r**6
    return np.sum(4 * (s * s - s))


def lennard_jones_grad(r):
    s = 1 / r**6
    return 4 * (-12 * s * s + 6 * s) / r


def polar(r, a):
    return np.stack([r * np.cos(a), r * np.sin(a)])


def polar_jac(r, a):
    return np.stack([np.cos(a), np.sin(a)]), np.stack([-r * np.sin(a), r * np.cos(a)])


def springs(x):
    d = x[1:] - x[:-1]
    return np.sum(d * d / 2 + d**4 / 4)


def springs_grad(x):
    d = x[1:] - x[:-1]
    f = d + d**3
    return np.concatenate([np.zeros(1), f]) - np.concatenate([f, np.zeros(1)])


def orbit(x, y):
    return -1 / np.sqrt(x * x + y * y)


def orbit_grad(x, y):
    r3 = (x * x + y * y) ** 1.5
    return x / r3, y / r3


def bisection(a):
    low, high = 0.0, 4.0
    for _ in range(60):
        middle = (low + high) / 2
        if middle**3 + middle < float(a):
            low = middle
        else:
            high = middle
    return high


def bisection_grad(a):
    x = bisection(a)
    return 1 / (3 * x * x + 1)
