"""The same faults through `gradproof.check`, as a user meets them."""

from __future__ import annotations

import gradproof as gp
import numpy as np
import pytest

from tests.suites.derivatives import SUBJECTS
from tests.suites.faults import results, source_faults
from tests.suites.model import Subject
from tests.suites.truth import MASKED, SURE, truth


@pytest.mark.parametrize("subject", SUBJECTS[::4], ids=lambda s: s.name)
def test_the_sdk_finds_every_slip(subject: Subject):
    """A correct derivative agrees; a slip in its source disagrees in the arguments it spoils alone."""
    report = gp.check(
        subject.function, at=dict(subject.at), claim=subject.claim, claim_kind=subject.kind
    )
    assert report.verdict == "agrees", report.findings
    right = results(subject, subject.claim)
    for fault in source_faults(subject):
        report = gp.check(
            subject.function, at=dict(subject.at), claim=fault.claim, claim_kind=subject.kind
        )
        assert report.verdict == "disagrees", fault.name
        sizes = dict(zip(subject.inputs, _sizes(fault, right), strict=True))
        accused = {
            c.input for c in report.comparisons if c.subject == "claim" and c.verdict == "disagrees"
        }
        assert {n for n, s in sizes.items() if s >= SURE} <= accused, fault.name
        assert accused <= {n for n, s in sizes.items() if s >= MASKED}, fault.name
        assert {f.input for f in report.findings if f.code == "GP800"} == accused, fault.name


def _sizes(fault, right):
    seeded = fault.subject.kind in ("vjp", "jvp")
    wrong = results(fault.subject, fault.claim)
    return [
        truth(r, w, seeded).size if np.shape(r) == np.shape(w) else np.inf
        for r, w in zip(right, wrong, strict=True)
    ]
