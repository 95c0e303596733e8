"""A claim read beside what is known: every value of it at several points, and what each is alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.flow import EXACT_INPUTS, returning_all
from gradproof_service.checking.causes.known import CLOSE, Likeness, Vocabulary, answer, vocabulary
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.graph.graph import Graph
from gradproof_service.transforms.evaluate import Step, batch_of, call, evaluate_all, plan

POINTS = 3
"""Points at which everything must match: the given one and seeded ones beside it."""
NODE_LIMIT = 1000
ELEMENT_LIMIT = 2e6
RUNS = 40_000
"""Most steps of the claim that are run again to put replacements to the proof: about a second."""


@dataclass(frozen=True, slots=True)
class Result:
    """One array that the claim returns: its value id, what it should be (points, size), and whether it is."""

    value: int
    right: Array
    holds: bool


@dataclass(slots=True)
class Reading:
    """A claim's values at the points beside what is known.

    `results[0]` is the answer in question, then come the claim's other answers whose truth is known.
    """

    claim: Graph
    steps: dict[int, Step]
    values: list[Any]
    results: list[Result]
    words: Vocabulary
    alike: dict[int, list[Likeness]] = field(default_factory=dict[int, "list[Likeness]"])
    runs: int = 0

    @property
    def output(self) -> int:
        """The value in question."""
        return self.results[0].value

    @property
    def right(self) -> Array:
        """What it should be, (points, size)."""
        return self.results[0].right

    @property
    def wrong_count(self) -> int:
        """How many of the claim's answers are wrong."""
        return sum(not x.holds for x in self.results)

    def batch(self, v: int) -> Array:
        """Value v of the claim at every point, (points, *shape)."""
        return batch_of(np.asarray(self.values[v]), self.claim.types[v].rank, len(self.right))

    def varies(self, v: int) -> bool:
        """Whether a value depends on the inputs at all."""
        return np.ndim(self.values[v]) > self.claim.types[v].rank

    def settles(self, v: int, value: Array, only: int = -1) -> int:
        """How many wrong answers come out right with `value` in place of v (only in node `only`).

        Zero when the one in question does not, or when an answer that was right comes out wrong.
        """
        if self.runs >= RUNS or not self.varies(v):
            return 0
        try:
            changed = self._run_on(v, value, only)
        except _TROUBLE:
            return 0
        count = 0
        for n, result in enumerate(self.results):
            made = changed.get(result.value)
            if made is None:
                comes_right = result.holds
            else:
                comes_right = made.size == result.right.size and near(
                    made.reshape(result.right.shape), result.right
                )
            if not comes_right and (n == 0 or result.holds):
                return 0
            count += comes_right and not result.holds
        return count

    def _run_on(self, v: int, value: Array, only: int) -> dict[int, Array]:
        """What the claim's steps make of `value` in place of v: every value that is touched."""
        changed: dict[int, Array] = {} if only >= 0 else {v: value}
        for k, step in self.steps.items():
            if k < only:
                continue
            mine = {v: value} if k == only else {}
            if not any(u in changed or u in mine for u in step.operands):
                continue
            xs = [
                mine[u] if u in mine else changed[u] if u in changed else self.values[u]
                for u in step.operands
            ]
            if not step.any_batched:
                return {}
            self.runs += 1
            outs = call(step, xs)
            for n, out in enumerate(outs if len(step.site.outs) > 1 else (outs,)):
                if step.first + n != v or only >= 0:
                    changed[step.first + n] = np.asarray(out)
        return changed


_TROUBLE = (ArithmeticError, ValueError, TypeError, LookupError, AssertionError, AttributeError)
"""What a step can raise at operands of another shape than it was written for."""


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
    if len(inputs) < count or (given is None and len(inputs) != count):
        return None
    seed, directions = np.ones((1, scene.size_out(m.o))), None
    extra = [np.zeros(t.shape) for t in claim.input_types[count:]]
    if given is not None:
        worst = int(np.argmax(np.abs(m.gap).max(axis=1)))
        seeded = next((n for n, x in enumerate(inputs[count:]) if np.any(x)), 0)
        if not extra or extra[seeded].size != given.shape[1]:
            return None
        extra[seeded] = given[worst].reshape(extra[seeded].shape)
        seed, directions = (given[[worst]], None) if m.seeds is not None else (seed, given[[worst]])
    elif len(m.claimed) > 1:
        if scene.size_in(m.i) > EXACT_INPUTS:
            return None
        directions = np.eye(scene.size_in(m.i))
    points = [p for p in _points(m) if _finite(m, p)]
    if not points:
        return None
    words = vocabulary(m, points, seed, sizes_of(scene.graph), directions)
    rights = _rights(m, claim, result_index, words, directions)
    if not rights:
        return None

    def evaluated(chosen: Sequence[list[Array]]) -> list[Any]:
        batched = [
            np.stack([np.asarray(p[k], dtype=claim.types[k].dtype) for p in chosen])
            for k in range(count)
        ]
        batched += [np.stack([x] * len(chosen)) for x in extra]
        # what is computed and not used may be what was forgotten
        return evaluate_all(returning_all(claim), batched, tick=scene.tick)

    values = evaluated(points)
    results = [Result(v, right, _holds(claim, values, v, right)) for v, right in rights]
    results[0] = replace(results[0], holds=False)
    flags = tuple(True for _ in claim.inputs)
    steps: dict[int, Step] = {s.first: s for s in plan(claim, flags).steps}
    return Reading(claim, steps, values, results, words)


def _rights(
    m: Mismatch, claim: Graph, result_index: int, words: Vocabulary, directions: Array | None
) -> list[tuple[int, Array]]:
    """The claim's answers with what they should be: the one in question, then others known by their names."""
    graph = m.scene.graph
    known = {k.label: k.value for ks in words.by_size.values() for k in ks if k.kind == "cotangent"}
    output = claim.outputs[result_index]
    right = known.get(answer(m, directions))
    if right is None or claim.types[output].size != right.shape[1]:
        return []
    found = [(output, right)]
    if directions is None:
        names = {graph.inputs[j]: j for j in m.scene.wrt if j != m.i}
        for k, (v, name) in enumerate(zip(claim.outputs, claim.output_names, strict=True)):
            right = known.get(f"the cotangent of {name}") if name in names else None
            if k != result_index and right is not None and claim.types[v].size == right.shape[1]:
                found.append((v, right))
    return found


def _holds(claim: Graph, values: Sequence[Any], v: int, right: Array) -> bool:
    made = batch_of(np.asarray(values[v]), claim.types[v].rank, len(right))
    return near(made.reshape(right.shape), right)


def _points(m: Mismatch) -> Iterator[list[Array]]:
    """The given point, then points beside it: a few per cent away in every float input."""
    rng = np.random.default_rng((m.scene.rng_seed, 31))
    yield list(m.scene.inputs)
    for _ in range(POINTS - 1):
        moved: list[Array] = []
        for j, x in enumerate(m.scene.inputs):
            if m.scene.graph.types[j].is_float:
                away = rng.uniform(-0.06, 0.06, x.shape) * m.scene.scale(j).reshape(x.shape)
                if x.ndim == 2 and x.shape[0] == x.shape[1] and np.array_equal(x, x.T):
                    away = (away + away.T) / 2  # a claim may rest on it
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


def near(made: Array, right: Array) -> bool:
    """Whether an answer is right at every point, but for rounding."""
    return bool(np.linalg.norm(made - right) <= 1e-7 * np.linalg.norm(right))


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays are the same but for rounding."""
    return bool(np.linalg.norm(a - b) <= CLOSE * np.linalg.norm(b))
