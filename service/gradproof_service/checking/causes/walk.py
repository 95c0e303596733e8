"""Walking a hand-written derivative: the first of its lines that is wrong while its operands are right.

Every intermediate value of the claim is matched against what the right derivative is made of. A
line is accused only on proof: put the right quantity in its place, run the rest of the claim as it
is written, and the claim comes out right. Where no single line can be proved, all that remain are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.constants import sizes_of
from gradproof_service.checking.causes.flow import EXACT_INPUTS
from gradproof_service.checking.causes.known import (
    CLOSE,
    Known,
    Likeness,
    Vocabulary,
    answer,
    vocabulary,
)
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.diagnostic import Location
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.upcast import upcast
from gradproof_service.transforms.evaluate import Step, batch_of, call, evaluate_all, plan

POINTS = 3
"""Points at which everything must match: the given one and seeded ones beside it."""
NODE_LIMIT = 1000
ELEMENT_LIMIT = 2e6
TRIALS = 1500
"""Most replacements that are put to the proof."""
LINES = 4
"""Most lines named when none can be proved."""


@dataclass(frozen=True, slots=True)
class Culprit:
    """The claim's line: a sentence, the labels of the claim's nodes, and where they stand."""

    text: str
    nodes: tuple[str, ...]
    locations: tuple[Location, ...]
    factor: float = 0.0
    """What the accused value must be multiplied by, 0 when it is not off by a factor."""


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


def walk(
    m: Mismatch, claim: Graph, inputs: Sequence[Array], result_index: int = 0
) -> Culprit | None:
    """The claim's nodes that are wrong while all their operands are right, None when unclear.

    `inputs` are those of the function, for a vjp or a jvp one seed behind them. A jvp or a whole
    Jacobian of several outputs is matched with tangents in place of cotangents.
    """
    with np.errstate(all="ignore"):
        reading = _read(m, upcast(claim), inputs, result_index)
        return None if reading is None else _culprit(reading, m)


def _read(m: Mismatch, claim: Graph, inputs: Sequence[Array], result_index: int) -> Reading | None:
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


def _culprit(r: Reading, m: Mismatch) -> Culprit | None:
    for v in range(len(r.claim.types)):
        if r.values[v] is not None and r.claim.types[v].is_float:
            m.scene.tick()
            r.alike[v] = list(r.words.likenesses(r.batch(v)))
    region = _region(r)
    if not region:
        return None
    doubtful = _doubtful(r, region)
    for v in sorted({*region, *doubtful}):
        found = _proved(r, v) if v in region else _mended(r, v)
        if found is not None:
            return _widened(r, v, found, region, doubtful)
    edge = [v for v in region if all(u not in region for u in r.steps[_maker(r, v)].operands)]
    read = {u for v in edge for u in r.steps[_maker(r, v)].operands}
    lines = sorted({*edge, *(u for u in doubtful if u in read)})
    if not 1 <= len(lines) <= LINES or r.output in lines:
        text = f"{_label(r, r.output)}, which it returns, matches nothing{_operands(r, r.output)}"
        return _widened(r, r.output, _said(r, [r.output], text), region, doubtful)
    return _said(
        r,
        lines,
        "one of these lines is wrong, or what is made of them: they match nothing that the right derivative is made of",
    )


def _widened(
    r: Reading, v: int, found: Culprit, region: Sequence[int], doubtful: Sequence[int]
) -> Culprit:
    """The accusation with the other lines that could be meant by the same proof.

    What is unknown and goes into the proved value may be wrong as well as the value; and where the
    value is itself a known quantity, or only off by a factor, so may be what is made of it.
    """
    steps = r.steps
    above: set[int] = set()
    stack = [u for u in steps[_maker(r, v)].operands if u in region]
    while stack:
        u = stack.pop()
        if u not in above:
            above.add(u)
            stack += [w for w in steps[_maker(r, u)].operands if w in region]
    edge = sorted(u for u in above if not any(w in region for w in steps[_maker(r, u)].operands))
    more = [*edge, *sorted(above - set(edge), reverse=True)]
    if r.alike.get(v) or found.factor:
        readers = [u for u in (*region, *doubtful) if v in steps[_maker(r, u)].operands]
        if found.factor:
            readers = [
                u
                for u in sorted({*region, *doubtful})
                if u > v and r.settles(u, r.batch(u) * found.factor)
            ]
        more += [u for u in readers if u not in above]
    made = r.claim.producer()
    places = dict.fromkeys((*found.locations, *(r.claim.location(made[u]) for u in more)))
    labels = dict.fromkeys((*found.nodes, *(r.claim.node_label(made[u]) for u in more)))
    return replace(
        found, nodes=tuple(labels)[:LINES], locations=tuple(p for p in places if p)[:LINES]
    )


def _doubtful(r: Reading, region: Sequence[int]) -> list[int]:
    """Values before the region that are alike something known only up to a factor or a transpose."""
    needed = set(region)
    for k in sorted(r.steps, reverse=True):
        step = r.steps[k]
        if any(k + n in needed for n in range(len(step.site.outs))):
            needed.update(step.operands)
    return sorted(
        v for v in needed
        if v not in region and _maker(r, v) >= 0 and r.varies(v) and r.alike.get(v)
        and not any(a.factor == 1.0 and not a.transposed for a in r.alike[v])
    )  # fmt: skip


def _mended(r: Reading, v: int) -> Culprit | None:
    """The accusation of a doubtful value when without its factor or transpose the claim is right."""
    here = r.batch(v)
    for alike in r.alike[v]:
        value = alike.known.value.reshape(len(here), -1)
        if value.size == here.size and r.settles(v, value.reshape(here.shape)):
            said = f"{_label(r, v)} is {_told(alike)} where {alike.known.label} itself makes the claim right"
            factor = 0.0 if alike.transposed else 1.0 / alike.factor
            return replace(_said(r, [v], said), factor=factor)
    return None


def _region(r: Reading) -> list[int]:
    """Values from which the wrong result is made without a right value between, in order."""
    factor = next(
        (a.factor for a in r.alike.get(r.output, ()) if a.known.label and _is_answer(r, a)), None
    )
    seen = {r.output}
    stack = [r.output]
    while stack:
        at = _maker(r, stack.pop())
        if at < 0:
            continue
        for u in r.steps[at].operands:
            if u not in seen and not _right(r, u, factor):
                seen.add(u)
                stack.append(u)
    return sorted(v for v in seen if _maker(r, v) >= 0)


def _is_answer(r: Reading, alike: Likeness) -> bool:
    return alike.known.value.shape == r.right.shape and bool(
        np.array_equal(alike.known.value, r.right)
    )


def _right(r: Reading, v: int, factor: float | None) -> bool:
    """Whether a value is an input, a constant, or alike something known.

    When the whole claim is off by one factor, a cotangent off by that factor is no match.
    """
    if _maker(r, v) < 0 or not r.varies(v) or not r.claim.types[v].is_float:
        return True
    found = r.alike.get(v, [])
    if factor is None or factor == 1.0:
        return bool(found)
    flows = [a.factor for a in found if a.known.kind == "cotangent"]
    return factor not in flows and any(
        a.factor == 1.0 or a.known.kind != "cotangent" for a in found
    )


def _maker(r: Reading, v: int) -> int:
    """Key of the step that makes a value, -1 for inputs and what no output needs."""
    while v >= len(r.claim.inputs) and v not in r.steps:
        v -= 1
    return v if v in r.steps else -1


def _proved(r: Reading, v: int) -> Culprit | None:
    """The accusation of one value when a right quantity in its place settles the claim."""
    here = r.batch(v)
    for known in _replacements(r, v):
        for turned in (False, True) if len(known.shape) == 2 == here.ndim - 1 else (False,):
            value = known.value.reshape(len(here), *known.shape)
            value = np.swapaxes(value, -1, -2) if turned else value
            if value.shape != here.shape and value.size == here.size:
                value = value.reshape(here.shape)
            if value.shape == here.shape and not _equal(value, here) and r.settles(v, value):
                shown = f"{known.label}, transposed," if turned else known.label
                return _wrong(r, v, shown)
    found = None if r.alike.get(v) else _misused(r, v)
    if found is not None:
        return found
    sizes = r.words.sizes
    for c in (-1.0, 2.0, 0.5, *(float(n) for n in sizes.counts), *(1.0 / n for n in sizes.counts)):
        if r.settles(v, here * c):
            named = sizes.name(1.0 / c)
            says = f"it is {named.text if named else 1 / c} times what it should be"
            story = f" ({named.story})" if named and named.story else ""
            text = f"{_label(r, v)} is the first wrong value: {says}{story}{_operands(r, v)}"
            return replace(_said(r, [v], text), factor=c)
    return None


def _replacements(r: Reading, v: int) -> Iterator[Known]:
    known = r.words.by_size.get(r.claim.types[v].size, [])
    for kind in ("cotangent", "slope", "value"):
        yield from (k for k in known if k.kind == kind)


def _wrong(r: Reading, v: int, expected: str) -> Culprit:
    """The sentence for a proved value: also when it is an operand that is the wrong one."""
    found = _misused(r, v)
    if found is not None:
        return found
    if r.alike.get(v):
        text = f"{_label(r, v)} is {_told(r.alike[v][0])}; with {expected} in its place the claim is right"
    else:
        text = f"{_label(r, v)} matches nothing{_operands(r, v)}; with {expected} in its place the claim is right"
    return _said(r, [v], text)


def _misused(r: Reading, v: int) -> Culprit | None:
    """The accusation when one operand, a known quantity, stands where another belongs."""
    at = _maker(r, v)
    for u in r.steps[at].operands:
        if not r.alike.get(u) or not r.varies(u):
            continue
        here = r.batch(u)
        for known in _replacements(r, u):
            value = known.value.reshape(len(here), -1)
            if value.size != here.size or _equal(value.reshape(here.shape), here):
                continue
            if r.settles(u, value.reshape(here.shape), only=at):
                stands = r.alike[u][0]
                return _said(  # the step that is missing may belong to either line
                    r, [v, u] if _maker(r, u) >= 0 else [v],
                    f"{_label(r, v)} uses {_told(stands)} where {known.label} belongs; with it the claim is right",
                )  # fmt: skip
    return None


def _operands(r: Reading, v: int) -> str:
    told = [_told(r.alike[u][0]) for u in r.steps[_maker(r, v)].operands if r.alike.get(u)]
    return f" while its operands do ({', '.join(dict.fromkeys(told))})" if told else ""


def _told(alike: Likeness) -> str:
    times = "" if alike.factor == 1.0 else f"{alike.factor:.6g} * "
    turned = ", transposed" if alike.transposed else ""
    return f"{times}{alike.known.label}{turned}"


def _equal(a: Array, b: Array) -> bool:
    return bool(np.linalg.norm(a - b) <= CLOSE * np.linalg.norm(b))


def _label(r: Reading, v: int) -> str:
    return r.claim.node_label(r.claim.producer()[v])


def _said(r: Reading, values: Sequence[int], text: str) -> Culprit:
    made = r.claim.producer()
    nodes = [made[v] for v in values]
    places = dict.fromkeys(r.claim.location(n) for n in nodes)
    labels = tuple(dict.fromkeys(r.claim.node_label(n) for n in nodes))
    return Culprit(f"in the claim {text}", labels, tuple(p for p in places if p))
