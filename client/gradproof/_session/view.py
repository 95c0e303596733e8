"""What is found in one version of a document, as Python values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gradproof_proto.tensors import from_tensor
from gradproof_proto.v1 import session_pb2 as ses

from gradproof._errors import DeadlineError, GradproofError, ServiceUnavailable, fault
from gradproof._report import Finding, Report

Array = np.ndarray[Any, Any]
STAGES = {"quick": ses.STAGE_QUICK, "check": ses.STAGE_CHECK}


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What one stage found in one version.

    `stage` is "quick" or "check"; `final` says that nothing more will come for this version; `unchanged` that the service
    found the same as before. After the quick stage `outputs` and `gradient` hold arrays by name (the gradient of the sum of
    all outputs in question, in the shape of each input), after the check `report` is the whole report.
    """

    version: int
    stage: str
    final: bool
    unchanged: bool
    message: Any
    """The result as it travels: a QuickResult or a Report."""

    @property
    def outputs(self) -> dict[str, Array]:
        """The values of the outputs by name."""
        return _arrays(self.message.outputs)

    @property
    def gradient(self) -> dict[str, Array]:
        """Of the quick stage: the gradient by name of input. Empty otherwise."""
        return _arrays(self.message.gradient) if self.stage == "quick" else {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Every finding of this stage."""
        return tuple(map(Finding, self.message.findings))

    @property
    def left_out(self) -> bool:
        """The document is too large for the quick stage."""
        return self.stage == "quick" and bool(self.message.left_out)

    @property
    def report(self) -> Report | None:
        """Of the check: the report."""
        return Report(self.message) if self.stage == "check" else None

    @property
    def verdict(self) -> str:
        """Of the check: `agrees`, `disagrees` or `inconclusive`; empty after the quick stage."""
        report = self.report
        return "" if report is None else report.verdict


def error_of(failure: ses.Failure) -> GradproofError:
    """The exception that a failure inside a session stands for."""
    kind = failure.reason.lower().replace("_", " ")
    if kind == "cancelled":
        return DeadlineError(failure.message)
    if kind == "stale version":
        return ServiceUnavailable(failure.message)
    return fault(kind, failure.message, failure.field_path)


def _arrays(tensors: Any) -> dict[str, Array]:
    return {named.name: np.array(from_tensor(named.tensor)) for named in tensors}
