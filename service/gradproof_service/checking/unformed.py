"""Claims about a Jacobian that is too large to be formed: rules along their seeds, values by a screen.

The screen multiplies the claimed matrix with dense signs and holds every row against forward mode:
one wrong entry moves the sum of its row by its whole error, and rounding is far below it. Rows
that stand out, and some drawn at random, are then formed and compared entry by entry.
"""

from __future__ import annotations

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.compare import KAPPA, ROW_FLOOR
from gradproof_service.checking.reference import push
from gradproof_service.checking.scene import Scene
from gradproof_service.transforms.evaluate import batch_of, evaluate
from gradproof_service.transforms.reverse import vjp
from gradproof_service.transforms.rounding import disturbed, spread_bounds

SIGNS = 6
"""Dense directions of the screen: errors that cancel along one of them do not along all."""
ROWS = 32
"""Rows formed because the screen points at them, and at most as many drawn at random."""


def pushed(scene: Scene, o: int, i: int, seeds: Array, eps: float) -> tuple[Array, Array]:
    """Forward mode along seeds (S, n): output o's part (S, m) and its bars at spacing `eps`."""
    value, bar = push(scene, i, seeds, eps)
    start = sum(scene.size_out(p) for p in scene.outs[: scene.outs.index(o)])
    part = slice(start, start + scene.size_out(o))
    return value[:, part], bar[:, part]


def pulled(scene: Scene, o: int, i: int, seeds: Array, eps: float | None) -> tuple[Array, Array]:
    """Reverse mode along seeds (S, m) of output o: input i's part (S, n) and its bars."""
    graph = vjp(scene.graph, (i,), (o,))
    rank = scene.graph.types[i].rank
    shaped = seeds.reshape(len(seeds), *scene.graph.types[scene.graph.outputs[o]].shape)
    inputs = [*scene.inputs, shaped]

    def flat(results: list[Array]) -> Array:
        return batch_of(results[-1], rank, len(seeds)).reshape(len(seeds), -1)

    value = flat(evaluate(graph, inputs, tick=scene.tick))

    def again(k: int) -> list[Array]:
        return [flat(disturbed(graph, inputs, (scene.rng_seed, k, 9), eps, tick=scene.tick))]

    return value, spread_bounds([value], again)[0]


class Screen:
    """What a screen of a claimed matrix (m, n) showed: the rows to form, and how little could hide.

    `off` (m,) is by how much each row's sum is off at most over the directions, rounding included:
    no single entry of that row can be wrong by more.
    """

    def __init__(self, rows: Array, off: Array) -> None:
        self.rows = rows
        self.off = off

    def power(self, claimed: Array) -> float:
        """The largest relative error that one typical entry of a row not formed could still have."""
        with np.errstate(all="ignore"):
            typical = np.sqrt(np.mean(np.square(claimed), axis=1))
            typical = np.maximum(typical, ROW_FLOOR * typical.max(initial=0.0))
            blind = np.where(self.off > 0, self.off / typical, 0.0)
        rest = np.ones(len(blind), dtype=bool)
        rest[self.rows] = False
        return float(np.nan_to_num(blind[rest], nan=np.inf).max(initial=0.0))


def screen(scene: Scene, o: int, i: int, claimed: Array, eps: float) -> Screen:
    """Hold a claimed matrix (m, n) against forward mode along dense signs."""
    m, n = claimed.shape
    rng = np.random.default_rng((scene.rng_seed, o, i, 10))
    signs = rng.integers(0, 2, (SIGNS, n)) * 2.0 - 1.0
    value, bar = pushed(scene, o, i, signs, eps)
    with np.errstate(all="ignore"):
        sums = signs @ claimed.T
        rounding = 4 * eps * np.sqrt(n) * np.sqrt(np.sum(np.square(claimed), axis=1))
        allowed = KAPPA * bar + rounding
        off = np.abs(sums - value)
        excess = np.where(off <= allowed, 0.0, off / allowed).max(axis=0)
    excess = np.nan_to_num(excess, nan=np.inf)
    order = np.argsort(-excess, kind="stable")
    flagged = order[: min(ROWS, int(np.count_nonzero(excess)))]
    drawn = rng.choice(m, size=min(ROWS, m), replace=False)
    rows = np.array(list(dict.fromkeys([*flagged.tolist(), *drawn.tolist()])), dtype=np.intp)
    return Screen(rows, (off + allowed).max(axis=0))


def form_rows(scene: Scene, o: int, i: int, rows: Array, eps: float) -> tuple[Array, Array]:
    """These rows of the Jacobian by reverse mode, (len(rows), n), and their bars."""
    seeds = np.zeros((len(rows), scene.size_out(o)))
    seeds[np.arange(len(rows)), rows] = 1.0
    return pulled(scene, o, i, seeds, eps)
