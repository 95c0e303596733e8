"""A claim read beside what is known: every value of it at several points, and what each is alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.flow import EXACT_INPUTS
from gradproof_service.checking.causes.known import CLOSE, Likeness, Vocabulary, answer, vocabulary
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Step, batch_of, call, evaluate_all, plan

POINTS = 3
"""Points at which everything must match: the given one and seeded ones beside it."""
NODE_LIMIT = 1000
ELEMENT_LIMIT = 2e6
TRIALS = 1500
"""Most replacements that are put to the proof."""


@dataclass(slots=True)
class Reading:
    """A claim's values at the points beside what is known; `right` (points, size) is the answer."""

    claim: Graph
    steps: dict[int, Step]
    values: list[Any]
    output: int
    right: Array
    words: Vocabulary
    alike: dict[int, list[Likeness]] = field(default_factory=dict[int, "list[Likeness]"])
    trials: int = 0

    def batch(self, v: int) -> Array:
        """Value v of the claim at every point, (points, *shape)."""
        return batch_of(np.asarray(self.values[v]), self.claim.types[v].rank, len(self.right))

    def varies(self, v: int) -> bool:
        """Whether a value depends on the inputs at all."""
        return np.ndim(self.values[v]) > self.claim.types[v].rank

    def settles(self, v: int, value: Array, only: int = -1) -> bool:
        """Whether the claim comes out right with `value` in place of v (only in node `only`)."""
        if self.trials >= TRIALS or not self.varies(v):
            return False
        self.trials += 1
        changed: dict[int, Any] = {}
        for k, step in self.steps.items():
            if only >= 0 and k < only:
                continue
            mine = {v: value} if only < 0 or k == only else {}
            if not any(u in changed or u in mine for u in step.operands):
                continue
            xs = [
                mine[u] if u in mine else changed[u] if u in changed else self.values[u]
                for u in step.operands
            ]
            if not step.any_batched:
                return False
            outs = call(step, xs)
            for n, out in enumerate(outs if len(step.site.outs) > 1 else (outs,)):
                if step.first + n != v or only >= 0:
                    changed[step.first + n] = out
        made = value if v == self.output and only < 0 else changed.get(self.output)
        if made is None or made.size != self.right.size:
            return False
        left = np.linalg.norm(np.asarray(made).reshape(self.right.shape) - self.right)
        return bool(left <= 1e-7 * np.linalg.norm(self.right))


def read(m: Mismatch, claim: Graph, inputs: Sequence[Array], result_index: int) -> Reading | None:
    """The claim at its points beside what it should be, None when it is too large or of another form."""
    scene = m.scene
    count = len(scene.inputs)
    if (
        len(claim) > NODE_LIMIT
        or len(scene.graph) > NODE_LIMIT
        or result_index >= len(claim.outputs)
    ):
        return None
    elements = sum(t.size for t in claim.types) + 10 * sum(t.size for t in scene.graph.types)
    if elements * POINTS > ELEMENT_LIMIT or len(claim.inputs) != len(inputs):
        return None
    given = m.seeds if m.tangents is None else m.tangents
    if len(inputs) != count + (given is not None):
        return None
    seed, directions, extra = np.ones((1, scene.size_out(m.o))), None, []
    if given is not None:
        worst = int(np.argmax(np.abs(m.gap).max(axis=1)))
        extra = [given[worst].reshape(claim.types[count].shape)]
        seed, directions = (given[[worst]], None) if m.seeds is not None else (seed, given[[worst]])
    elif len(m.claimed) > 1:
        if scene.size_in(m.i) > EXACT_INPUTS:
            return None
        directions = np.eye(scene.size_in(m.i))
    points = [p for p in _points(m) if _finite(m, p)]
    if not points:
        return None
    batched = [
        np.stack([np.asarray(p[k], dtype=claim.types[k].dtype) for p in points])
        for k in range(count)
    ]
    batched += [np.stack([x] * len(points)) for x in extra]
    values: list[Any] = evaluate_all(claim, batched, tick=scene.tick)
    words = vocabulary(m, points, seed, sizes_of(scene.graph), directions)
    name = answer(m, directions)
    right = next(
        (
            k.value
            for ks in words.by_size.values()
            for k in ks
            if k.label == name and k.kind == "cotangent"
        ),
        None,
    )
    output = claim.outputs[result_index]
    if right is None or claim.types[output].size != right.shape[1]:
        return None
    flags = tuple(True for _ in claim.inputs)
    steps: dict[int, Step] = {s.first: s for s in plan(claim, flags).steps}
    return Reading(claim, steps, values, output, right, words)


def _points(m: Mismatch) -> Iterator[list[Array]]:
    """The given point, then points beside it: a few per cent away in every float input."""
    rng = np.random.default_rng((m.scene.rng_seed, 31))
    yield list(m.scene.inputs)
    for _ in range(POINTS - 1):
        moved: list[Array] = []
        for j, x in enumerate(m.scene.inputs):
            if m.scene.graph.types[j].is_float:
                away = rng.uniform(-0.06, 0.06, x.shape) * m.scene.scale(j).reshape(x.shape)
                moved.append(np.asarray(x + away))
            else:
                moved.append(x)
        yield moved


def _finite(m: Mismatch, point: Sequence[Array]) -> bool:
    value = evaluate_all(m.scene.graph, point, tick=m.scene.tick)[m.scene.graph.outputs[m.o]]
    return value is not None and bool(np.isfinite(value).all())


def maker(r: Reading, v: int) -> int:
    """Key of the step that makes a value, -1 for inputs and what no output needs."""
    while v >= len(r.claim.inputs) and v not in r.steps:
        v -= 1
    return v if v in r.steps else -1


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays are the same but for rounding."""
    return bool(np.linalg.norm(a - b) <= CLOSE * np.linalg.norm(b))
