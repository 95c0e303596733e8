"""What a finding is: one record that holds everything about its code.

Detection, the page that explains it, the examples and their tests all read the record. A detector
returns `Seen`, what only it knows; code, name, severity, reason and mend come from the record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gradproof_service.arrays import Structure
from gradproof_service.checking.report import Kind, Options, Report
from gradproof_service.diagnostic import Severity
from gradproof_service.findings.look import Look
from gradproof_service.findings.view import View

_DEFAULTS: Final = Options()


@dataclass(frozen=True, slots=True)
class Seen:
    """What a detector saw; `words` continue the sentence that the node's label begins.

    Without a node (-1) the words are a whole sentence. `severity` replaces the record's where what
    was seen weighs less or more; `cause` replaces the record's reason.
    """

    words: str
    node: int = -1
    numbers: tuple[tuple[str, float], ...] = ()
    elements: tuple[tuple[int, ...], ...] = ()
    input: str = ""
    output: str = ""
    severity: Severity | None = None
    cause: str = ""
    near: int = -1
    """The node whose source line is shown where the words name none."""


@dataclass(frozen=True, slots=True)
class Told:
    """A report to be read, with the view of the same point."""

    report: Report
    view: View


@dataclass(frozen=True, slots=True)
class Example:
    """A small function at a point, as text: Python operators and ops by name, `;` between lines.

    `claim` is the claimed derivative as a function of the same inputs (or of `claim_inputs`),
    `raises` the sentence in which it fails instead; `rule` is a jvp rule that the program declares as
    a surrogate, a function of the inputs and of their tangents `x_dot`. `planted` changes the report: how what no
    example provokes for certain is put before the detector.
    """

    text: str
    at: Mapping[str, Any]
    structures: Mapping[str, Structure] = field(default_factory=dict[str, Structure])
    dtype: str = "float64"
    claim: str = ""
    claim_inputs: tuple[str, ...] = ()
    raises: str = ""
    rule: str = ""
    kind: Kind = Kind.GRADIENT
    options: Options = _DEFAULTS
    planted: Callable[[Report], Report] | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """Everything about one code.

    `look` (static) and `see` (at a point) are shown every node of the ops named in `ops`, so that
    all of them together take one pass; `survey` and `witness` see the whole graph once; `read`
    reads the report. `possible` is the severity of what was only seen in the graph. A finding
    makes those with a code in `covers` at the same node superfluous.
    """

    code: str
    name: str
    severity: Severity
    meaning: str
    why: str
    mend: str
    fails: Example
    mended: Example
    ops: tuple[str, ...] = ()
    look: Callable[[Look, int], Seen | None] | None = None
    see: Callable[[View, int], Seen | None] | None = None
    survey: Callable[[Look], Iterable[Seen]] | None = None
    witness: Callable[[View], Iterable[Seen]] | None = None
    read: Callable[[Told], Iterable[Seen]] | None = None
    possible: Severity = Severity.INFO
    also: Example | None = None
    """An example that the graph alone shows, where `fails` is one that only the point shows."""
    covers: tuple[str, ...] = ()
    standing: tuple[str, ...] = ()
    """Ops at which the graph alone settles it, so that what it shows stays a remark at every point."""
    made_by: str = ""
    """The module that makes this finding, when it is made on the way and not looked for here."""

    @property
    def static(self) -> bool:
        """Whether the graph alone shows it."""
        return self.look is not None or self.survey is not None or self.made_by == "graph.typing"

    @property
    def at_point(self) -> bool:
        """Whether it is found or confirmed at a point."""
        return bool(self.see or self.witness or self.read or self.made_by.startswith("checking"))
