"""Scoring the diagnosis, as `gradproof.check` tells it: the class of a planted fault, and its line."""

from __future__ import annotations

import linecache
import re
from collections.abc import Iterator
from dataclasses import dataclass

import gradproof as gp
import numpy as np

from tests.suites.faults import Fault, results
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
    """What was said of one argument of one fault: the cause, its code first, and lines of the claim.

    `entries` is the argument's size, of which `spoiled` are wrong.
    """

    fault: Fault
    argument: str
    cause: str
    lines: frozenset[int]
    entries: int
    spoiled: int

    @property
    def named(self) -> bool:
        """Whether the class, best first, is a right one."""
        code, wanted = self.cause[:3], CODES.get(self.fault.fault, ())
        confused = code == "F17" and "F10" in wanted and " uses " in self.cause
        small = self.entries <= 2 and code in ("F01", "F06")
        return code in wanted or confused or small or (self.spoiled == 1 and code == "F15")

    @property
    def placed(self) -> bool:
        """Whether the wrong line is among the few named."""
        return bool(self.lines & wrong_lines(self.fault)) and len(self.lines) <= MOST_LINES


def diagnoses(fault: Fault) -> Iterator[Diagnosis]:
    """One diagnosis for each argument that the fault spoils beyond doubt."""
    subject = fault.subject
    right = results(subject, subject.claim)
    wrong = results(subject, fault.claim)
    seeded = subject.kind in ("vjp", "jvp")
    spoiled = {}
    for name, r, w in zip(subject.inputs, right, wrong, strict=True):
        done = truth(r, w, seeded)
        if done.same_shape and done.size >= SURE:
            wide = done.sure.reshape(-1, int(np.size(r[0] if seeded else subject.at[name])))
            spoiled[name] = (wide.shape[1], int((wide >= SURE).any(axis=0).sum()))
    if not spoiled:
        return
    report = gp.check(
        subject.function, at=dict(subject.at), claim=fault.claim, claim_kind=subject.kind
    )
    for found in report.findings:
        if found.code == "GP800" and found.input in spoiled:
            places = (found.location, *found.related)
            lines = frozenset(x.line for x in places if x.file == fault.file and fault.line)
            yield Diagnosis(fault, found.input, found.cause, lines, *spoiled[found.input])


def wrong_lines(fault: Fault) -> frozenset[int]:
    """The line of the slip; where it only gives a name (`a = b`), the lines that use the name too."""
    source = [linecache.getline(fault.file, n) for n in range(1, 200)]
    found = re.match(r"\s*(\w+) = \w+\s*$", source[fault.line - 1])
    if not found:
        return frozenset({fault.line})
    uses = re.compile(rf"\b{found[1]}\b")
    later = (n for n, text in enumerate(source, 1) if n > fault.line and uses.search(text))
    return frozenset({fault.line, *later})
