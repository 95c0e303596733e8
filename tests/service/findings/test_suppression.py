"""Findings that are not wanted are left out and counted; what carries the verdict never is."""

from __future__ import annotations

import pytest
from gradproof_service.checking.report import Options
from gradproof_service.diagnostic import Fault, Finding, Location, Severity
from gradproof_service.findings.catalogue import FINDINGS
from gradproof_service.findings.suppression import named, require_known, sifted

HERE = Location("m.py", 31, 5, 33, 9)


def finding(severity: Severity = Severity.WARNING, code: str = "GP305") -> Finding:
    """One finding at a node and on lines of its own."""
    return Finding(code, FINDINGS[code].name, severity, "words", node="subtract#3", location=HERE)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("GP305", True), ("gp305", True), ("GP3", True), ("GP30", True), ("GP", True),
        ("cancellation", True), ("GP305@subtract#3", True), ("GP3@subtract#3", True),
        ("GP305@m.py:31", True), ("GP@m.py:33", True), ("cancellation@m.py:32", True),
        ("GP305@subtract#4", False), ("GP305@m.py:30", False), ("GP305@m.py:34", False),
        ("GP305@n.py:31", False), ("GP304", False), ("GP4", False), ("", False), ("@subtract#3", False),
    ],
)  # fmt: skip
def test_a_spec_names_codes_nodes_and_lines(spec: str, expected: bool) -> None:
    """Whole codes, prefixes, names, and each of them at one node or on one line."""
    assert named(finding(), ["GP999", spec]) is expected
    assert len(sifted([finding()], Options(suppress=(spec,)))[0]) == (not expected)
    assert len(sifted([finding()], Options(select=(spec,)))[0]) == expected


def test_what_is_left_out_is_counted() -> None:
    """Kept and left out together are all that came, in their order."""
    some = [finding(), finding(code="GP302"), finding(code="GP203")]
    kept, left_out = sifted(some, Options(suppress=("GP305",), select=("GP3",)))
    assert (kept, left_out) == ([some[1]], 2)


@pytest.mark.parametrize("options", [Options(suppress=("GP",)), Options(select=("GP1",))])
def test_what_carries_the_verdict_stays(options: Options) -> None:
    """An error is shown whatever is asked for."""
    some = [finding(Severity.ERROR), finding()]
    assert sifted(some, options) == ([some[0]], 1)


@pytest.mark.parametrize("spec", ["GP305", "gp3", "GP", "cancellation@x.py:3", "GP1@sqrt#0"])
def test_what_is_known_is_taken(spec: str) -> None:
    """Codes, their beginnings and names of the catalogue, at any place."""
    require_known([spec], "suppress")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("GP30x", r"'GP30\d'"), ("cancelation", "'cancellation'"), ("GP999@m.py:3", r"\(m.py:3\)"),
        ("", "GP302"), ("@m.py:3", "GP302"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused(spec: str, told: str) -> None:
    """A slip would leave nothing out, in silence: it names the nearest instead, and where it is written."""
    with pytest.raises(Fault, match=told) as caught:
        require_known(["GP305", spec], "select")
    assert caught.value.message.startswith("select: there is no finding ")
