"""What several points leave open is told on the line of the branch, and a kink without effect is not."""

from __future__ import annotations

import gradproof as gp
import numpy as np

from tests.client.cli.harness import gradproof

FAR = "sum(where(x > 1e9, x, x**2)) + sum(abs(x))"


def test_a_side_that_no_point_shows_is_a_finding() -> None:
    """One GP704 for the branch, not one more for the `where` that reads it; none for a branch seen on both sides."""
    report = gp.check(FAR, at={"x": np.array([1.0, 2.0])}, points=8)
    assert report.coverage is not None
    assert report.coverage.sides - report.coverage.sides_seen == 2
    (found,) = [f for f in report.findings if f.code == "GP704"]
    assert "is never true at any of the 8 points" in found.message
    assert (found.op, found.location.column) == ("gp.greater", FAR.index("x >") + 1)
    assert report.verdict == "agrees"


def test_it_can_be_left_out() -> None:
    """`suppress` and `select` act on it as on every finding."""
    at = {"x": np.array([1.0, 2.0])}
    for options in ({"suppress": ["GP704"]}, {"select": ["GP1"]}):
        report = gp.check(FAR, at=at, points=8, **options)
        assert "GP704" not in {f.code for f in report.findings}


def test_where_all_sides_are_seen_nothing_is_told() -> None:
    """Reachable branches are covered, and one point alone is not asked to cover anything."""
    near = "sum(where(x > 1, x, x**2)) + sum(abs(x))"
    assert not gp.check(near, at={"x": np.array([0.5, 2.0])}, points=8).findings
    assert not gp.check(FAR, at={"x": np.array([0.5, 2.0])}).findings


def test_the_command_shows_the_branch() -> None:
    """The count of sides, then the branch with carets under it."""
    code, out, _ = gradproof("check", FAR, "--at", "x=[1,2]", "--points", "8")
    assert code == 0
    assert "  covered: 4 of 6 sides of branches\n  info GP704 coverage-low\n" in out
    assert f"    {FAR}\n    {' ' * FAR.index('x >')}^" in out


def test_a_kink_in_the_arm_that_is_left_out_is_no_finding() -> None:
    """At a kink where no cotangent arrives nothing depends on a convention."""
    assert gp.check("where(x > 3, abs(x), x**2)", at={"x": 0.0}).findings == ()
    assert [f.code for f in gp.check("abs(x) + x**2", at={"x": 0.0}).findings] == ["GP203"]
