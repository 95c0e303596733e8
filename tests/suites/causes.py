"""Scoring the diagnosis: is the class of a planted fault named, and the line it stands on."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_service.checking.causes import Cause, find_cause
from gradproof_service.checking.report import Options
from gradproof_service.checking.scene import make_scene

from tests.suites.engine import graph_of
from tests.suites.faults import Fault, results, seeds_of
from tests.suites.truth import SURE, truth

CODES: dict[str, tuple[str, ...]] = {
    "sign": ("F01", "F05", "F06"),
    "double": ("F01", "F05", "F06"),
    "half": ("F01", "F05", "F06"),
    "mean-for-sum": ("F01",),
    "sum-for-mean": ("F01",),
    "units": ("F01",),
    "detached": ("F14",),
    "transpose": ("F03",),
    "permuted": ("F03", "F10"),
    "zeroed-row": ("F04", "F14"),
    "zeroed-column": ("F04", "F14"),
    "zeroed": ("F04", "F07", "F14"),
    "negative-side": ("F13", "F10", "F11"),
    "one-branch": ("F13", "F11", "F04", "F14", "F01"),
    "batch": ("F04", "F15", "F02"),
    "component": ("F15", "F04", "F09"),
    "ones-orthogonal": ("F15",),
    "relative-1e-3": ("F15",),
    "relative-1e-4": ("F15",),
    "relative-1e-5": ("F15",),
    "relative-1e-6": ("F15", "F12"),
    "symmetric": ("F07",),
    "triangle": ("F07", "F04"),
    "nan": ("F14",),
    "missing-path": ("F05", "F06", "F14"),
    "overwritten": ("F02", "F05", "F04", "F14"),
    "missing-factor": ("F11", "F01", "F10"),
    "wrong-axis": ("F09",),
    "unsummed-broadcast": ("F09", "F04"),
    "wrong-point": ("F10", "F11"),
    "stale": ("F10", "F11", "F05"),
}
"""Codes of causes that name a class of faults rightly; a class without a row is not scored.

Where an argument has one entry or two, a factor or a term (F01, F06) explains any mistake and is
right, where one entry is spoiled that it is the only one (F15); so is a line that is said to use
one value where another belongs (F17), for a derivative at a wrong point.
"""
MOST_LINES = 4
"""More lines than this are no answer."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was said of one argument of one fault; `wrong` are the lines that are rightly accused."""

    fault: Fault
    argument: str
    cause: Cause | None
    entries: int
    spoiled: int
    wrong: frozenset[int]

    @property
    def named(self) -> bool:
        """Whether the class, best first, is a right one."""
        if self.cause is None:
            return False
        code, wanted = self.cause.code, CODES.get(self.fault.fault, ())
        confused = code == "F17" and "F10" in wanted and " uses " in self.cause.text
        small = self.entries <= 2 and code in ("F01", "F06")
        return code in wanted or confused or small or (self.spoiled == 1 and code == "F15")

    @property
    def placed(self) -> bool | None:
        """Whether the wrong line is among the few named; None when the fault has no line."""
        if not self.fault.line:
            return None
        lines = (
            {x.line for x in self.cause.culprit if x.file == self.fault.file}
            if self.cause
            else set()
        )
        return bool(lines & self.wrong) and len(lines) <= MOST_LINES


def diagnoses(fault: Fault) -> Iterator[Diagnosis]:
    """One diagnosis for each argument that the fault spoils, from the values and, if traced, the source."""
    subject = fault.subject
    graph = graph_of(subject.function, subject.at)
    points = [np.asarray(v) for v in subject.at.values()]
    scene = make_scene(graph, points, Options(), lambda *_: None)
    seeded = subject.kind == "vjp"
    seeds = seeds_of(subject) if seeded else None
    walked, given, lines = None, None, frozenset[int]()
    if fault.line:
        extra = {"y_bar": seeds[0]} if seeds is not None else {}
        whole = {n: np.asarray(v) for n, v in subject.at.items() if n not in subject.inputs}
        moving = {**{n: subject.at[n] for n in subject.inputs}, **extra}
        walked = graph_of(_holding(fault.claim, tuple(subject.at), whole), moving)
        given = [np.asarray(v) for v in moving.values()]
        lines = wrong_lines(fault, {walked.location(k).line for k, *_ in walked.nodes()})
    right = results(subject, subject.claim)
    wrong = results(subject, fault.claim)
    for k, name in enumerate(subject.inputs):
        done = truth(right[k], wrong[k], seeded)
        if done.size < SURE or not done.same_shape:
            continue
        i = list(subject.at).index(name)
        wide = np.size(subject.at[name])
        reference, claimed = (np.reshape(v[k], (-1, wide)).astype(float) for v in (right, wrong))
        cause = find_cause(
            scene, scene.outs[0], i, claimed, reference, _bar(reference), walked, given,
            seeds=seeds, result_index=k,
        )  # fmt: skip
        spoiled = int((done.sure.reshape(-1, wide) >= SURE).any(axis=0).sum())
        yield Diagnosis(fault, name, cause, wide, spoiled, lines)


def _holding(claim: Any, names: tuple[str, ...], held: dict[str, Any]) -> Any:
    """The claim as a function of its float arguments (and seed); integers keep their values."""

    def free(*args: Any) -> Any:
        moving = iter(args)
        return claim(*[held[n] if n in held else next(moving) for n in names], *moving)

    return free


def wrong_lines(fault: Fault, worked: set[int]) -> frozenset[int]:
    """The line of the slip; where it computes nothing (`a = b`), the lines that use its name."""
    source = [linecache.getline(fault.file, n) for n in range(1, 200)]
    text = source[fault.line - 1]
    found = re.match(r"\s*(\w+) = ", text)
    if fault.line in worked or not found:
        return frozenset({fault.line})
    uses = re.compile(rf"\b{found[1]}\b")
    return frozenset(
        {fault.line}
        | {n for n, line in enumerate(source, 1) if n > fault.line and uses.search(line)}
    )


def _bar(reference: Any) -> Any:
    return 1e-14 * np.max(np.abs(reference)) + 0 * reference
