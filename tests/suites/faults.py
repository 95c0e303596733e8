"""Wrong derivatives: slips in the source of a hand-written one, and spoiled entries of its values.

A `Fault` is a claim like the correct one, called in the same way. What it truly spoils is found by
calling both; nothing here decides what a checker ought to see.
"""

from __future__ import annotations

import inspect
import linecache
import textwrap
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.suites.model import Claim, Edit, Subject
from tests.suites.truth import MASKED, truth

Arrays = list[Any]
Spoil = Callable[[Any, Any, np.random.Generator], Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong claim about `subject`; `fault` is its class.

    `line` is the wrong line of `file` when the fault is in the source, 0 when it is in the values.
    `spoils` is the argument whose values are spoiled, "" for a fault in the source.
    """

    subject: Subject
    fault: str
    detail: str
    claim: Claim
    line: int = 0
    file: str = ""
    spoils: str = ""

    @property
    def name(self) -> str:
        """Subject, class and detail."""
        return f"{self.subject.name}/{self.fault}/{self.detail}"


def source_faults(subject: Subject) -> Iterator[Fault]:
    """The subject's edits, each compiled to a function of its own whose source can be shown."""
    for k, edit in enumerate(subject.edits):
        claim, file, line = mutant(subject, edit, k)
        yield Fault(subject, edit.fault, f"edit {k}", claim, line, file)


def mutant(subject: Subject, edit: Edit, k: int) -> tuple[Claim, str, int]:
    """The claim with one edit made, the name of its source and the line that is now wrong."""
    source = textwrap.dedent(inspect.getsource(subject.claim))
    if source.count(edit.old) != 1:
        raise ValueError(
            f"{subject.name}: {edit.old!r} stands {source.count(edit.old)} times in the source"
        )
    at = source.index(edit.old)
    line = source.count("\n", 0, at) + 1
    lead = len(edit.old) - len(edit.old.lstrip("\n"))
    text = source.replace(edit.old, edit.new)
    file = f"<{subject.name} with {edit.fault} {k}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {}
    exec(compile(text, file, "exec"), subject.claim.__globals__, space)
    return space[subject.claim.__name__], file, line + lead


def value_faults(subject: Subject, arguments: str = "all") -> Iterator[Fault]:
    """Every spoiling of values that fits an argument's derivative.

    `arguments`: "all" spoils each argument in turn, "one" picks one argument for each class.
    """
    right = results(subject, subject.claim)
    lead = 0 if subject.kind in ("gradient", "jacobian", "hessian") else 1
    names = subject.inputs
    for c, (fault, spoil) in enumerate(SPOILS.items()):
        fitting: list[Fault] = []
        for k, name in enumerate(names):
            x = np.asarray(subject.at[name])
            g = right[k][0] if lead else right[k]
            if subject.kind == "jvp":
                x = g
            spoiled = spoil(g, x, _rng(subject, fault))
            if spoiled is not None:
                claim = _spoiling(subject, fault, spoil, k, x)
                fitting.append(Fault(subject, fault, f"in {name}", claim, spoils=name))
        if arguments == "one" and fitting:
            yield fitting[(c + len(names)) % len(fitting)]
        else:
            yield from fitting


def _spoiling(subject: Subject, fault: str, spoil: Spoil, k: int, x: Any) -> Claim:
    def claim(*args: Any) -> Any:
        given = subject.claim(*args)
        several = isinstance(given, tuple)
        parts = [np.array(part, order="C") for part in (given if several else (given,))]
        spoiled = spoil(parts[k], x, _rng(subject, fault))
        parts[k] = parts[k] if spoiled is None else spoiled
        return tuple(parts) if several else parts[0]

    return claim


def _rng(subject: Subject, fault: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{subject.name}/{fault}".encode()))


def seeds_of(subject: Subject) -> Any:
    """Six cotangents (of a vjp) or tangents (of a jvp), both signs, several sizes, dense and sparse."""
    rng = _rng(subject, "seeds")
    args = [np.array(v) for v in subject.at.values()]
    with np.errstate(all="ignore"):
        shape = np.shape(subject.function(*args)) if subject.kind == "vjp" else args[0].shape
    seeds = rng.standard_normal((6, *shape))
    flat = seeds.reshape(6, -1)
    flat[1] = -np.abs(flat[1])
    flat[2] *= 1e-3
    flat[3] *= 1e3
    flat[4] *= rng.random(flat.shape[1]) < 0.5
    flat[5] = np.eye(flat.shape[1])[rng.integers(flat.shape[1])]
    return seeds


def results(subject: Subject, claim: Claim) -> Arrays:
    """What a claim returns for each float argument; seeds lead where it takes one."""
    args = [np.array(v) for v in subject.at.values()]
    with np.errstate(all="ignore"):
        if subject.kind in ("gradient", "jacobian", "hessian"):
            given = claim(*args)
            return list(given) if isinstance(given, tuple) else [given]
        each = [claim(*args, seed) for seed in seeds_of(subject)]
    each = [e if isinstance(e, tuple) else (e,) for e in each]
    return [np.stack([np.asarray(e[k]) for e in each]) for k in range(len(each[0]))]


def masked(fault: Fault) -> bool:
    """Whether the fault has no effect at its point."""
    seeded = fault.subject.kind in ("vjp", "jvp")
    right, wrong = results(fault.subject, fault.subject.claim), results(fault.subject, fault.claim)
    return max(truth(r, w, seeded).size for r, w in zip(right, wrong, strict=True)) < MASKED


def _one_entry(factor: float) -> Spoil:
    """One entry, not zero, scaled."""

    def spoil(g: Any, x: Any, rng: np.random.Generator) -> Any:
        alive = np.flatnonzero(np.abs(g) > 1e-3 * np.max(np.abs(g)))
        if not len(alive):
            return None
        out = np.array(g, order="C")
        out.reshape(-1)[rng.choice(alive)] *= factor
        return out

    return spoil


def _scaled(factor: Callable[[Any, Any], float]) -> Spoil:
    def spoil(g: Any, x: Any, rng: np.random.Generator) -> Any:
        c = factor(g, x)
        return None if c == 1 else g * c

    return spoil


def _count(g: Any, x: Any) -> float:
    return float(x.shape[0]) if x.ndim and x.shape[0] > 1 else 1.0


def _transposed(g: Any, x: Any, rng: np.random.Generator) -> Any:
    if g.ndim != 2 or min(g.shape) < 2:
        return None
    turned = g.T if g.shape[0] == g.shape[1] else g.T.reshape(g.shape)
    return None if np.allclose(turned, g, rtol=1e-6) else np.array(turned)


def _permuted(g: Any, x: Any, rng: np.random.Generator) -> Any:
    return np.roll(g, 1) if g.size > 1 and np.ptp(g) > 1e-6 * np.max(np.abs(g)) else None


def _zeroed(index: Any) -> Spoil:
    def spoil(g: Any, x: Any, rng: np.random.Generator) -> Any:
        if not g.ndim or g.shape[-1] < 2 or g.size < 3 or not np.any(g[index]):
            return None
        out = np.array(g, order="C")
        out[index] = 0.0
        return out

    return spoil


def _negative_side(g: Any, x: Any, rng: np.random.Generator) -> Any:
    if g.shape != x.shape or not (x < 0).any() or (x < 0).all():
        return None
    return np.where(x < 0, -g, g)


def _above_one(g: Any, x: Any, rng: np.random.Generator) -> Any:
    if not g.ndim or len(g) < 2:
        return None
    out = np.array(g, order="C")
    out[1:] *= 1.5
    return out


def _orthogonal_to_ones(g: Any, x: Any, rng: np.random.Generator) -> Any:
    """Adds and takes away the same, so that the sum over all entries is right."""
    if g.size < 2:
        return None
    out = np.array(g, order="C")
    flat = out.reshape(-1)
    i, j = rng.choice(flat.size, 2, replace=False)
    flat[i] += 0.01 * np.max(np.abs(g))
    flat[j] -= 0.01 * np.max(np.abs(g))
    return out


def _off_diagonal(factor: float) -> Spoil:
    def spoil(g: Any, x: Any, rng: np.random.Generator) -> Any:
        if g.ndim != 2 or g.shape[0] != g.shape[1] or len(g) < 2:
            return None
        return np.where(np.eye(len(g)) > 0, g, factor * g)

    return spoil


def _triangle(g: Any, x: Any, rng: np.random.Generator) -> Any:
    fits = g.ndim == 2 and g.shape[0] == g.shape[1] and len(g) > 1
    return np.tril(g) if fits and np.any(np.triu(g, 1)) else None


def _not_a_number(g: Any, x: Any, rng: np.random.Generator) -> Any:
    out = np.array(g, order="C")
    out.reshape(-1)[rng.integers(out.size)] = np.nan
    return out


def _conjugate(g: Any, x: Any, rng: np.random.Generator) -> Any:
    """Every second entry of the last axis negated, as if it were an imaginary part."""
    if not g.ndim or g.shape[-1] % 2 or not np.any(g[..., 1::2]):
        return None
    out = np.array(g, order="C")
    out[..., 1::2] *= -1
    return out


def _reshaped(g: Any, x: Any, rng: np.random.Generator) -> Any:
    return np.repeat(g[None], 2, axis=0)


SPOILS: dict[str, Spoil] = {
    "sign": _scaled(lambda g, x: -1.0),
    "double": _scaled(lambda g, x: 2.0),
    "half": _scaled(lambda g, x: 0.5),
    "mean-for-sum": _scaled(lambda g, x: 1.0 / _count(g, x)),
    "sum-for-mean": _scaled(_count),
    "units": _scaled(lambda g, x: 180 / np.pi),
    "detached": _scaled(lambda g, x: 0.0),
    "transpose": _transposed,
    "permuted": _permuted,
    "zeroed-row": _zeroed((0,)),
    "zeroed-column": _zeroed((..., -1)),
    "negative-side": _negative_side,
    "batch": _above_one,
    "component": _one_entry(1.5),
    "ones-orthogonal": _orthogonal_to_ones,
    "symmetric": _off_diagonal(2.0),
    "triangle": _triangle,
    "conj": _conjugate,
    "relative-1e-3": _one_entry(1 + 1e-3),
    "relative-1e-4": _one_entry(1 - 1e-4),
    "relative-1e-5": _one_entry(1 + 1e-5),
    "relative-1e-6": _one_entry(1 - 1e-6),
    "nan": _not_a_number,
    "shape": _reshaped,
}


def faults_of(subject: Subject, arguments: str = "all") -> list[Fault]:
    """All faults of a subject: those of its source, then those of its values."""
    return [*source_faults(subject), *value_faults(subject, arguments)]
