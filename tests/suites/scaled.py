"""The correct derivatives of the planted-fault suite at points far larger, far smaller, and in float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from gradproof_service.checking.report import Report

from tests.suites.derivatives import SUBJECTS
from tests.suites.engine import run
from tests.suites.faults import results
from tests.suites.model import Subject
from tests.suites.planted import claims_of


def scaled(subject: Subject) -> Iterator[tuple[str, Subject]]:
    """The subject at other points: everything scaled, one argument scaled, everything in float32."""
    floats = subject.inputs
    for c in (1e-6, 1e-3, 30.0, 1e3):
        at = {k: np.asarray(v) * c if k in floats else v for k, v in subject.at.items()}
        yield f"{subject.name} x {c:g}", replace(subject, at=at)
    narrow = {k: np.asarray(v, np.float32) if k in floats else v for k, v in subject.at.items()}
    yield f"{subject.name} in float32", replace(subject, at=narrow)
    for name in floats:
        for c in (1e-4, 1e4):
            at = {**subject.at, name: np.asarray(subject.at[name]) * c}
            yield f"{subject.name}, {name} x {c:g}", replace(subject, at=at)


def everywhere() -> Iterator[tuple[str, Subject]]:
    """All subjects at all their other points where function and derivative are finite."""
    for subject in SUBJECTS:
        for name, other in scaled(subject):
            with np.errstate(all="ignore"):
                value = np.asarray(other.function(*[np.array(v) for v in other.at.values()]))
                right = results(other, other.claim)
            if np.isfinite(value).all() and all(np.isfinite(r).all() for r in right):
                yield name, other


def judged(subject: Subject) -> Report:
    """The report on the correct claims."""
    with np.errstate(all="ignore"):
        right = results(subject, subject.claim)
    return run(subject.function, subject.at, claims_of(subject, right))
