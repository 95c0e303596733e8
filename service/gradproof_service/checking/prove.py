"""Faults planted into a claim, to show that this very check would have caught them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import Pair
from gradproof_service.checking.report import Comparison, Proof, Verdict


def prove(pair: Pair, claimed: Array, tau: float, judge: Callable[[Array], Comparison]) -> Proof:
    """Plant every fault of `faults` that changes the claim and count how often `judge` disagrees."""
    planted = caught = 0
    missed: list[str] = []
    for name, bad in faults(claimed, tau):
        planted += 1
        if judge(bad).verdict is Verdict.DISAGREES:
            caught += 1
        else:
            missed.append(name)
    return Proof(pair.output, pair.input, pair.kind, planted, caught, tuple(missed))


def faults(claimed: Array, tau: float) -> Iterator[tuple[str, Array]]:
    """Named wrong versions of a claim; none equals it. Zeros cannot be scaled, so they are moved."""
    flat = claimed.astype(np.float64).reshape(-1)
    size = np.abs(flat)
    if not flat.size:
        return
    order = np.argsort(size)
    entries = {"largest": order[-1], "median": order[len(order) // 2]}
    alive = np.flatnonzero(size > 1e-3 * size.max(initial=0.0))
    if len(alive):
        entries["smallest that counts"] = alive[np.argmin(size[alive])]
    changes: dict[str, Callable[[float], float]] = {
        "sign": lambda v: -v,
        "zero": lambda _: 0.0,
        "double": lambda v: 2 * v,
        f"relative error of {tau:g}": lambda v: v * (1 + 2 * tau),
    }
    for which, at in entries.items():
        for name, change in changes.items():
            bad = flat.copy()
            bad[at] = change(float(flat[at]))
            if bad[at] != flat[at]:
                yield f"{name} in the {which} entry", bad.reshape(claimed.shape)
    for name, whole in (
        ("sign of everything", -flat),
        ("everything doubled", 2 * flat),
        ("everything halved", flat / 2),
    ):
        if (whole != flat).any():
            yield name, whole.reshape(claimed.shape)
    if claimed.ndim >= 2 and claimed.shape[-1] == claimed.shape[-2]:
        turned = np.swapaxes(claimed, -1, -2)
        if not np.allclose(turned, claimed, rtol=4 * tau, atol=0):
            yield "transposed", np.array(turned, dtype=np.float64)
    if size.max(initial=0.0) > 0 and flat.size > 1:
        rolled = np.roll(flat, 1)
        if not np.allclose(rolled, flat, rtol=4 * tau, atol=0):
            yield "entries shifted by one", rolled.reshape(claimed.shape)
