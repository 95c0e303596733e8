"""A report as Python values: verdict, comparisons, findings, numbers. A view of the message, never another truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from gradproof_proto.sparse import from_sparse
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import check_pb2 as pb

Array = np.ndarray[Any, Any]


def word(enum: Any, value: int, prefix: str) -> str:
    """An enum value as a lower-case word without its prefix; empty when nothing is stated."""
    name = str(enum.Name(value)).removeprefix(prefix).lower()
    return "" if name == "unspecified" else name.replace("_", " ")


def verdict_word(value: int) -> str:
    """`agrees`, `disagrees` or `inconclusive`; the last also when nothing was compared."""
    return word(pb.Verdict, value, "VERDICT_") or "inconclusive"


class Location:
    """A place in the user's source; lines and columns count from 1, zero is unknown."""

    def __init__(self, message: pb.SourceLocation) -> None:
        self.message = message
        self.file: str = message.file
        self.line: int = message.line
        self.column: int = message.column
        self.end_line: int = message.end_line
        self.end_column: int = message.end_column
        self.scope: str = message.scope
        self.source_node: str = message.source_node

    @property
    def callers(self) -> tuple[Location, ...]:
        """The calls that led here, innermost first."""
        return tuple(map(Location, self.message.callers))

    def __bool__(self) -> bool:
        return bool(self.file or self.line or self.source_node)

    def __str__(self) -> str:
        if not self.line:
            return self.file or self.source_node or "unknown place"
        return f"{self.file}:{self.line}" + (f":{self.column}" if self.column else "")

    def __repr__(self) -> str:
        return f"<Location {self}>"


class Finding:
    """One diagnosis with a stable code; `message` stands alone, `point` is the point's place in `Report.points`."""

    def __init__(self, message: pb.Finding, point: int = 0) -> None:
        self.proto = message
        self.point: int = point
        self.code: str = message.code
        self.name: str = message.name
        self.message: str = message.message
        self.severity: str = word(pb.Severity, message.severity, "SEVERITY_") or "warning"
        self.node: int | None = message.node if message.HasField("node") else None
        self.op: str = message.op
        self.input: str = message.input
        self.output: str = message.output
        self.element_count: int = message.element_count
        self.cause: str = message.cause
        self.mend: str = message.mend
        self.confirmed: bool = message.confirmed

    @property
    def location(self) -> Location:
        """Where it is written; false when unknown."""
        return Location(self.proto.location)

    @property
    def related(self) -> tuple[Location, ...]:
        """Other places that explain this one."""
        return tuple(map(Location, self.proto.related))

    @property
    def elements(self) -> tuple[tuple[int, ...], ...]:
        """The first places concerned in the tensor the message speaks of."""
        return tuple(tuple(e.index) for e in self.proto.elements)

    @property
    def numbers(self) -> Mapping[str, float]:
        """The numbers the message rests on."""
        return {n.name: n.value for n in self.proto.numbers}

    def __str__(self) -> str:
        where = f"{self.location}: " if self.location else ""
        return f"{where}{self.code} {self.name}: {self.message}"

    def __repr__(self) -> str:
        return f"<Finding {self.code} {self.name}>"


class Comparison:
    """Two sources held against each other for one output and one input, at the point with index `point`."""

    def __init__(self, message: pb.Comparison, point: int = 0) -> None:
        self.proto = message
        self.point: int = point
        self.output: str = message.output
        self.input: str = message.input
        self.second_input: str = message.second_input
        self.kind: str = word(pb.DerivativeKind, message.kind, "DERIVATIVE_KIND_")
        self.subject: str = word(pb.Source, message.subject, "SOURCE_")
        self.against: str = word(pb.Source, message.against, "SOURCE_")
        self.verdict: str = verdict_word(message.verdict)
        self.reason: str = message.reason
        self.detail: str = message.detail
        self.entries: int = message.entries
        self.entries_total: int = message.entries_total
        self.entries_wrong: int = message.entries_wrong
        self.entries_unclear: int = message.entries_unclear
        self.directions: int = message.directions
        self.digits: float = message.digits
        self.worst_index: tuple[int, ...] = tuple(message.worst_index)
        self.claimed: float = message.claimed
        self.reference: float = message.reference
        self.error_bar: float = message.error_bar
        self.max_abs_error: float = message.max_abs_error
        self.max_rel_error: float = message.max_rel_error
        self.power: float = message.power

    def __repr__(self) -> str:
        return f"<Comparison d {self.output} / d {self.input}: {self.subject} against {self.against} {self.verdict}>"


class Derivative:
    """One reference derivative; a Jacobian has shape `(*output.shape, *input.shape)`."""

    def __init__(self, message: pb.Derivative) -> None:
        self.proto = message
        self.kind: str = word(pb.DerivativeKind, message.kind, "DERIVATIVE_KIND_")
        self.output: str = message.output
        self.input: str = message.input
        self.second_input: str = message.second_input

    @property
    def value(self) -> Array:
        """Every element as a dense array."""
        return dense(self.proto)

    def __repr__(self) -> str:
        return f"<Derivative {self.kind} of {self.output} by {self.input}>"


class Proof:
    """What planting faults into one claim showed: how many, how many were caught, and the others in words."""

    def __init__(self, message: pb.Proof) -> None:
        self.proto = message
        self.output: str = message.output
        self.input: str = message.input
        self.kind: str = word(pb.DerivativeKind, message.kind, "DERIVATIVE_KIND_")
        self.planted: int = message.planted
        self.caught: int = message.caught
        self.missed: tuple[str, ...] = tuple(message.missed)

    def __str__(self) -> str:
        return (
            f"d {self.output} / d {self.input}: planted {self.planted} faults, caught {self.caught}"
        )

    def __repr__(self) -> str:
        return f"<Proof {self}>"


@dataclass(frozen=True, slots=True)
class Coverage:
    """What several points show: how many were wanted and checked, and the sides of branches seen of those there are.

    `unseen` names the sides that no point shows; `left_out` says why points at which the function fails were left out.
    """

    wanted: int
    points: int
    sides: int
    sides_seen: int
    unseen: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedPoint:
    """One of several points: the inputs by name, and the report of the check there."""

    at: Mapping[str, Array]
    report: Report


class Report:
    """What a check found; true when the verdict is `agrees`.

    Of a check at several points it holds every comparison, each finding once, and the outputs and derivatives at the given
    point; `points` are the single reports, `worst` the index of the point that decides, `coverage` what they show. `saved`
    is the file of the counterexample, `not_saved` the reason when a disagreement could not be saved.
    """

    def __init__(
        self,
        message: pb.Report,
        *,
        points: Sequence[CheckedPoint] = (),
        coverage: Coverage | None = None,
        worst: int = 0,
        comparison_points: Sequence[int] = (),
        finding_points: Sequence[int] = (),
    ) -> None:
        self.message = message
        self.points: tuple[CheckedPoint, ...] = tuple(points)
        self.coverage = coverage
        self.worst = worst
        self.saved: str = ""
        self.not_saved: str = ""
        self.proofs: tuple[Proof, ...] = tuple(map(Proof, message.proofs))
        self.verdict: str = verdict_word(message.verdict)
        self.function: str = message.function
        self.comparisons: tuple[Comparison, ...] = tuple(
            map(Comparison, message.comparisons, comparison_points or repeat(0))
        )
        self.findings: tuple[Finding, ...] = tuple(
            map(Finding, message.findings, finding_points or repeat(0))
        )
        self.derivatives: tuple[Derivative, ...] = tuple(map(Derivative, message.derivatives))
        self.suppressed: int = message.suppressed
        self.evaluations: int = message.evaluations
        self.entries_checked: int = message.entries_checked
        self.entries_total: int = message.entries_total
        self.directions: int = message.directions
        self.witnesses: tuple[str, ...] = tuple(
            word(pb.Source, w, "SOURCE_") for w in message.witnesses
        )
        self.carriage: str = word(pb.Carriage, message.origin.carriage, "CARRIAGE_")
        self.carriage_reason: str = message.origin.reason
        self.name: str = message.origin.name or message.function

    def __bool__(self) -> bool:
        return self.verdict == "agrees"

    @property
    def outputs(self) -> dict[str, Array]:
        """The values of the outputs at the point, by name."""
        return {o.name: np.array(from_tensor(o.tensor)) for o in self.message.outputs}

    @property
    def value(self) -> Array | None:
        """The value of the only output; None when there are several or none."""
        values = list(self.outputs.values())
        return values[0] if len(values) == 1 else None

    def derivative(self, input: str = "", output: str = "") -> Array | None:
        """The first reference derivative for this input and output (any, when not named); None when there is none."""
        for d in self.derivatives:
            if input in ("", d.input) and output in ("", d.output):
                return d.value
        return None

    def to_html(self) -> str:
        """One offline page with the verdict, the findings and, of a check with `evidence=True`, its pictures."""
        from gradproof._html.page import Part, report_page
        from gradproof._html.view import view_of

        return report_page(f"gradproof: {self.name}", Part("report", view_of(self)))

    def _repr_html_(self) -> str:
        from gradproof._html.page import fragment
        from gradproof._html.view import view_of

        return fragment(view_of(self))

    def to_dict(self) -> dict[str, Any]:
        """Everything in the report as plain values; equal reports give equal dicts."""
        from gradproof._report_plain import report_to_plain

        return report_to_plain(self)

    def to_json(self, indent: int | None = 2) -> str:
        """`to_dict` as JSON with sorted keys; what is not finite is written as text, such as "inf"."""
        return json.dumps(self.to_dict(), indent=indent, sort_keys=True, allow_nan=False)

    def __repr__(self) -> str:
        return f"<Report {self.name}: {self.verdict}, {len(self.comparisons)} comparisons, {len(self.findings)} findings>"


def dense(message: pb.Derivative) -> Array:
    """A derivative as a dense array, whatever its form in the message."""
    if message.WhichOneof("value") != "sparse":
        return np.array(from_tensor(message.dense))
    return from_sparse(message.sparse).dense()
