"""Walking a hand-written derivative: the first of its lines that is wrong while its operands are right.

Every intermediate value of the claim is matched against what the right derivative is made of. A
line is accused only on proof: put the right quantity in its place, run the rest of the claim as it
is written, and the claim comes out right. Where no single line can be proved, all that remain are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradproof_service.arrays import Array
from gradproof_service.checking.causes.known import Known, Likeness
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.checking.causes.reading import Reading, equal, maker, read
from gradproof_service.checking.causes.telling import Culprit, label, operands, said, told
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.upcast import upcast

LINES = 4
"""Most lines named when none can be proved."""


def walk(
    m: Mismatch, claim: Graph, inputs: Sequence[Array], result_index: int = 0
) -> Culprit | None:
    """The claim's nodes that are wrong while all their operands are right, None when unclear.

    `inputs` are those of the function, for a vjp or a jvp one seed behind them. A jvp or a whole
    Jacobian of several outputs is matched with tangents in place of cotangents.
    """
    with np.errstate(all="ignore"):
        reading = read(m, upcast(claim), inputs, result_index)
        return None if reading is None else _culprit(reading, m)


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
    edge = [v for v in region if all(u not in region for u in r.steps[maker(r, v)].operands)]
    read = {u for v in edge for u in r.steps[maker(r, v)].operands}
    lines = sorted({*edge, *(u for u in doubtful if u in read)})
    if not 1 <= len(lines) <= LINES or r.output in lines:
        text = f"{label(r, r.output)}, which it returns, matches nothing{operands(r, r.output)}"
        return _widened(r, r.output, said(r, [r.output], text), region, doubtful)
    return said(
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
    stack = [u for u in steps[maker(r, v)].operands if u in region]
    while stack:
        u = stack.pop()
        if u not in above:
            above.add(u)
            stack += [w for w in steps[maker(r, u)].operands if w in region]
    edge = sorted(u for u in above if not any(w in region for w in steps[maker(r, u)].operands))
    more = [*edge, *sorted(above - set(edge), reverse=True)]
    if r.alike.get(v) or found.factor:
        readers = [u for u in (*region, *doubtful) if v in steps[maker(r, u)].operands]
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
        if v not in region and maker(r, v) >= 0 and r.varies(v) and r.alike.get(v)
        and not any(a.factor == 1.0 and not a.transposed for a in r.alike[v])
    )  # fmt: skip


def _mended(r: Reading, v: int) -> Culprit | None:
    """The accusation of a doubtful value when without its factor or transpose the claim is right."""
    here = r.batch(v)
    for alike in r.alike[v]:
        value = alike.known.value.reshape(len(here), -1)
        if value.size == here.size and r.settles(v, value.reshape(here.shape)):
            text = f"{label(r, v)} is {told(alike)} where {alike.known.label} itself makes the claim right"
            factor = 0.0 if alike.transposed else 1.0 / alike.factor
            return replace(said(r, [v], text), factor=factor)
    return None


def _region(r: Reading) -> list[int]:
    """Values from which the wrong result is made without a right value between, in order."""
    factor = next(
        (a.factor for a in r.alike.get(r.output, ()) if a.known.label and _is_answer(r, a)), None
    )
    seen = {r.output}
    stack = [r.output]
    while stack:
        at = maker(r, stack.pop())
        if at < 0:
            continue
        for u in r.steps[at].operands:
            if u not in seen and not _right(r, u, factor):
                seen.add(u)
                stack.append(u)
    return sorted(v for v in seen if maker(r, v) >= 0)


def _is_answer(r: Reading, alike: Likeness) -> bool:
    return alike.known.value.shape == r.right.shape and bool(
        np.array_equal(alike.known.value, r.right)
    )


def _right(r: Reading, v: int, factor: float | None) -> bool:
    """Whether a value is an input, a constant, or alike something known.

    When the whole claim is off by one factor, a cotangent off by that factor is no match.
    """
    if maker(r, v) < 0 or not r.varies(v) or not r.claim.types[v].is_float:
        return True
    found = r.alike.get(v, [])
    if factor is None or factor == 1.0:
        return bool(found)
    flows = [a.factor for a in found if a.known.kind == "cotangent"]
    return factor not in flows and any(
        a.factor == 1.0 or a.known.kind != "cotangent" for a in found
    )


def _proved(r: Reading, v: int) -> Culprit | None:
    """The accusation of one value when a right quantity in its place settles the claim."""
    here = r.batch(v)
    for known in _replacements(r, v):
        for turned in (False, True) if len(known.shape) == 2 == here.ndim - 1 else (False,):
            value = known.value.reshape(len(here), *known.shape)
            value = np.swapaxes(value, -1, -2) if turned else value
            if value.shape != here.shape and value.size == here.size:
                value = value.reshape(here.shape)
            if value.shape == here.shape and not equal(value, here) and r.settles(v, value):
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
            text = f"{label(r, v)} is the first wrong value: {says}{story}{operands(r, v)}"
            return replace(said(r, [v], text), factor=c)
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
        text = f"{label(r, v)} is {told(r.alike[v][0])}; with {expected} in its place the claim is right"
    else:
        text = f"{label(r, v)} matches nothing{operands(r, v)}; with {expected} in its place the claim is right"
    return said(r, [v], text)


def _misused(r: Reading, v: int) -> Culprit | None:
    """The accusation when one operand, a known quantity, stands where another belongs."""
    at = maker(r, v)
    for u in r.steps[at].operands:
        if not r.alike.get(u) or not r.varies(u):
            continue
        here = r.batch(u)
        for known in _replacements(r, u):
            value = known.value.reshape(len(here), -1)
            if value.size != here.size or equal(value.reshape(here.shape), here):
                continue
            if r.settles(u, value.reshape(here.shape), only=at):
                stands = r.alike[u][0]
                return said(  # the step that is missing may belong to either line
                    r, [v, u] if maker(r, u) >= 0 else [v],
                    f"{label(r, v)} uses {told(stands)} where {known.label} belongs; with it the claim is right",
                )  # fmt: skip
    return None
