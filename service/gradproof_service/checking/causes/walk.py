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
from gradproof_service.checking.causes.mending import slipped, with_step
from gradproof_service.checking.causes.mismatch import Mismatch
from gradproof_service.checking.causes.reading import Reading, equal, maker, read
from gradproof_service.checking.causes.telling import (
    LINES,
    Culprit,
    extended,
    label,
    operands,
    said,
    told,
)
from gradproof_service.graph.graph import Graph
from gradproof_service.graph.upcast import upcast


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
    slip, lesser = slipped(r, _cone(r), m.scene.tick)
    found = slip
    if slip is None or slip.mends < r.wrong_count:
        proved = _best(r, region, doubtful)
        if slip is None or (proved is not None and proved.mends > slip.mends):
            found = proved or _unproved(r, region, doubtful)
    return None if found is None else extended(r, found, lesser if found.mends == 1 else ())


def _best(r: Reading, region: Sequence[int], doubtful: Sequence[int]) -> Culprit | None:
    """The first value whose proof mends the most of the claim's wrong answers."""
    best: tuple[int, Culprit] | None = None
    for v in sorted({*region, *doubtful}):
        found = _proved(r, v) if v in region else _mended(r, v)
        if found is not None and (best is None or found.mends > best[1].mends):
            best = v, found
            if found.mends == r.wrong_count:
                break
    if r.wrong_count > 1 and (best is None or best[1].mends < r.wrong_count):
        for v in _cone(r):
            found = None if v in region or v in doubtful else _proved(r, v)
            if found is not None and found.mends > (best[1].mends if best else 1):
                best = v, found
    return None if best is None else _widened(r, *best, region, doubtful)


def _unproved(r: Reading, region: Sequence[int], doubtful: Sequence[int]) -> Culprit:
    """Every line that remains when no quantity in place of one value makes the claim right."""
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


def _cone(r: Reading) -> list[int]:
    """Every float value that the answer in question is made of and that varies with the inputs, in order."""
    needed = {r.output}
    for k in sorted(r.steps, reverse=True):
        step = r.steps[k]
        if any(k + n in needed for n in range(len(step.site.outs))):
            needed.update(step.operands)
    return sorted(
        v for v in needed if maker(r, v) >= 0 and r.varies(v) and r.claim.types[v].is_float
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
    readers = [u for u in _cone(r) if v in steps[maker(r, u)].operands]
    if found.factor:
        more += readers
        more += [
            u for u in sorted({*region, *doubtful})
            if u > v and u not in more and r.settles(u, r.batch(u) * found.factor)
        ]  # fmt: skip
    elif r.alike.get(v) or found.code in ("F05", "F11"):
        # what is missing may belong to either line
        more += [u for u in readers if u not in above]
    else:
        given = steps[maker(r, v)].operands
        more += [u for u in doubtful if u in given]
    return extended(r, found, more)


def _doubtful(r: Reading, region: Sequence[int]) -> list[int]:
    """Values before the region that are alike something known only up to a factor or a transpose."""
    return sorted(
        v for v in _cone(r)
        if v not in region and r.alike.get(v)
        and not any(a.factor == 1.0 and not a.transposed for a in r.alike[v])
    )  # fmt: skip


def _mended(r: Reading, v: int) -> Culprit | None:
    """The accusation of a doubtful value when without its factor or transpose the claim is right."""
    here = r.batch(v)
    for alike in r.alike[v]:
        value = alike.known.value.reshape(len(here), -1)
        for sign, minus in ((1.0, ""), (-1.0, "-1 * ")):
            if value.size != here.size:
                continue
            mends = r.settles(v, sign * value.reshape(here.shape))
            if mends:
                right = f"{minus}{alike.known.label}" if minus else f"{alike.known.label} itself"
                text = f"{label(r, v)} is {told(alike)} where {right} makes the claim right"
                factor = 0.0 if alike.transposed else sign / alike.factor
                code = "F03" if alike.transposed else "F01"
                return replace(said(r, [v], text), factor=factor, code=code, mends=mends)
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
    for known, value in _replacements(r, v):
        mends = 0 if equal(value, here) else r.settles(v, value)
        if mends:
            found = replace(_wrong(r, v, known.label, value), mends=mends)
            masked = known.kind == "slope" and r.steps[maker(r, v)].op.name == "where"
            return replace(found, code="F13") if masked and not found.code else found
    found = None if r.alike.get(v) else _misused(r, v)
    if found is not None:
        return found
    sizes = r.words.sizes
    for c in (-1.0, 2.0, 0.5, *(float(n) for n in sizes.counts), *(1.0 / n for n in sizes.counts)):
        mends = r.settles(v, here * c)
        if mends:
            named = sizes.name(1.0 / c)
            says = f"it is {named.text if named else 1 / c} times what it should be"
            story = f" ({named.story})" if named and named.story else ""
            text = f"{label(r, v)} is the first wrong value: {says}{story}{operands(r, v)}"
            return replace(said(r, [v], text), factor=c, code="F01", mends=mends)
    return None


def _replacements(r: Reading, v: int, first: str = "") -> Iterator[tuple[Known, Array]]:
    """Everything known that has the form of a value, as it is and transposed; those of kind `first` first."""
    here = r.batch(v)
    known = r.words.by_size.get(r.claim.types[v].size, [])
    kinds = ("cotangent", "slope", "value", *(("derived",) if r.wrong_count > 1 else ()))
    for kind in sorted(kinds, key=lambda kind: kind != first):
        for k in known:
            if k.kind != kind:
                continue
            value = k.value.reshape(len(here), *k.shape)
            yield k, value.reshape(here.shape)
            if len(k.shape) == 2 == here.ndim - 1:
                turned = np.swapaxes(value, -1, -2)
                if turned.shape == here.shape:
                    yield replace(k, label=f"{k.label}, transposed,"), turned


def _wrong(r: Reading, v: int, expected: str, right: Array) -> Culprit:
    """The sentence for a proved value: also when it is an operand that is the wrong one."""
    found = _misused(r, v)
    if found is not None:
        return found
    if r.alike.get(v):
        text = f"{label(r, v)} is {told(r.alike[v][0])}; with {expected} in its place the claim is right"
    else:
        text = f"{label(r, v)} matches nothing{operands(r, v)}; with {expected} in its place the claim is right"
    return with_step(r, v, right, said(r, [v], text))


def _misused(r: Reading, v: int) -> Culprit | None:
    """The accusation when one operand, a known quantity, stands where another belongs."""
    at = maker(r, v)
    for u in r.steps[at].operands:
        if not r.alike.get(u) or not r.varies(u):
            continue
        here, kind = r.batch(u), r.alike[u][0].known.kind
        for known, value in _replacements(r, u, "value" if kind in ("value", "derived") else ""):
            mends = 0 if equal(value, here) else r.settles(u, value, only=at)
            if mends:
                stands = r.alike[u][0]
                text = f"{label(r, v)} uses {told(stands)} where {known.label} belongs; with it the claim is right"
                # the step that is missing may belong to either line
                found = said(r, [v, u] if maker(r, u) >= 0 else [v], text)
                code = _confused(stands, known)
                found = replace(found, code=code, mends=mends)
                return found if code else with_step(r, u, value, found)
    return None


def _confused(stands: Likeness, belongs: Known) -> str:
    """The class of a value used in place of another one."""
    if belongs.kind in ("value", "derived") and stands.known.kind in ("value", "derived"):
        return "F10"
    if stands.known.label.startswith(f"{belongs.label} through"):
        return "F05"
    return ""
