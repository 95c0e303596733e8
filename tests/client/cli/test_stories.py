"""Points, planted faults, counterexamples and lint, as the command tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.client.cli.harness import MODELS, gradproof, inside
from tests.client.cli.test_commands import SCHEMA, violations
from tests.service.server.harness import ServerThread

KINKED = "sum(where(x > 0, x**3, x**2))"
RIGHT = "where(x > 0, 3*x**2, 2*x)"
WRONG_BELOW = "where(x > 0, 3*x**2, x)"
AT = ("--at", "x=[1.5,0.5]")


def test_more_points_find_the_other_branch() -> None:
    """One point agrees; four disagree, and the page shows the worst and what was covered."""
    assert gradproof("check", KINKED, "--claim", WRONG_BELOW, *AT)[0] == 0
    code, out, _ = gradproof("check", KINKED, "--claim", WRONG_BELOW, *AT, "--points", "4")
    assert code == 1
    assert "disagree; shown is point" in out
    assert "covered: 4 of 4 sides of branches" in out
    again = next(line for line in out.splitlines() if "next:" in line)
    assert "--at 'x=[" in again
    code, out, _ = gradproof(
        "check", KINKED, "--claim", RIGHT, *AT, "--points", "3", "--rng-seed", "7"
    )
    assert (code, "3 points: 3 agree; shown is the given one" in out) == (0, True)


def test_points_in_json_are_as_the_schema_says() -> None:
    """Every comparison names its point, and the points their values."""
    call = (
        "check",
        KINKED,
        "--claim",
        WRONG_BELOW,
        *AT,
        "--points",
        "4",
        "--prove",
        "--format",
        "json",
    )
    code, out, _ = gradproof(*call)
    report = json.loads(out)
    assert (code, violations(report, SCHEMA)) == (1, [])
    assert report["points"][0]["at"] == {"x": [1.5, 0.5]}
    assert {c["point"] for c in report["comparisons"]} == {0, 1, 2, 3}
    assert report["coverage"]["points"] == 4
    assert gradproof(*call)[1] == out


def test_numbers_of_points_that_are_none() -> None:
    """Zero points, and claims that are no function, are mistakes in the call."""
    assert gradproof("check", "x", "--at", "x=1", "--points", "0")[0] == 2
    assert gradproof("check", "x", "--at", "x=1", "--points", "two")[0] == 2


def test_planted_faults_are_counted() -> None:
    """All caught is a line; a fault that passes unseen is a warning, which the fail level knows."""
    code, out, _ = gradproof("check", KINKED, "--claim", RIGHT, *AT, "--prove")
    assert code == 0
    planted = next(line for line in out.splitlines() if "planted" in line).split()
    assert planted[1] == planted[-1]
    loose = ("check", KINKED, "--claim", RIGHT, *AT, "--prove", "--rtol", "0.01", "--tau", "0.001")
    code, out, _ = gradproof(*loose, "--fail-level", "warning")
    assert code == 1
    assert "this check would not have seen" in out
    report = json.loads(gradproof(*loose, "--format", "json")[1])
    assert report["proofs"][0]["missed"]
    assert (
        "planted no faults: nothing is claimed"
        in gradproof("check", "x", "--at", "x=1", "--prove")[1]
    )


def test_a_disagreement_goes_into_a_file_and_comes_back(tmp_path: Path) -> None:
    """The same numbers here and at a service; the file holds its own point."""
    file = tmp_path / "wrong.gpc"
    code, out, _ = gradproof("check", KINKED, "--claim", "x", *AT, "--save", str(file))
    assert code == 1
    assert f"saved: {file}" in out
    code, again, _ = gradproof("check", str(file))
    assert code == 1
    worst = [line for line in out.splitlines() if "worst" in line]
    assert worst == [line for line in again.splitlines() if "worst" in line] != []
    assert "next:" not in again
    with ServerThread() as running:
        assert gradproof("check", str(file), "--server", running.address) == (1, again, "")
    code, _, err = gradproof("check", str(file), *AT)
    assert code == 2
    assert "holds its own function, point and options; leave --at out" in err


def test_what_cannot_be_saved_is_said(tmp_path: Path) -> None:
    """A black box, an unknown suffix, a folder that is missing, a file that is no counterexample."""
    file = tmp_path / "wrong.gpc"
    boxed = (
        "check",
        "model.py:largest",
        "--claim",
        "model.py:ones",
        "--at",
        "x=[1,2,3]",
        "--save",
        str(file),
    )
    with inside(MODELS):
        code, out, _ = gradproof(*boxed)
        assert (code, "no program to save" in " ".join(out.split())) == (1, True)
        code, out, err = gradproof(*boxed, "--format", "json")
    assert json.loads(out)["verdict"] == "disagrees"
    assert "no program to save" in err
    assert list(tmp_path.iterdir()) == []
    assert gradproof("check", "x", "--at", "x=1", "--save", str(tmp_path / "a.txt"))[0] == 2
    assert gradproof("check", "x", "--at", "x=1", "--save", str(tmp_path / "no" / "a.gpc"))[0] == 2
    file.write_bytes(b"nothing")
    code, out, err = gradproof("check", str(file))
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {file}: expected a counterexample")


def test_lint_tells_what_it_sees() -> None:
    """Findings with their code and mend, an exit code by the fail level, nothing computed."""
    line = ("lint", "log(1 + exp(x))", "--at", "x=[1,2]")
    code, out, _ = gradproof(*line)
    assert code == 0
    assert out.startswith(
        "! 1 warning: log(1 + exp(x))\n  warning GP308 unstable-softplus (possible)\n"
    )
    assert "mend: use softplus(x)" in out
    assert gradproof(*line, "--fail-level", "warning")[0] == 1
    assert gradproof(*line, "--fail-level", "warning", "--exit-zero")[0] == 0
    assert gradproof(*line, "--suppress", "GP308") == (
        0, "✓ nothing found: log(1 + exp(x)) (1 finding suppressed)\n", ""
    )  # fmt: skip


def test_lint_in_json_and_files(tmp_path: Path) -> None:
    """The findings are those of a check's report, key by key."""
    file = tmp_path / "found.json"
    line = ("lint", "log(1 + exp(x))", "--at", "x=[1,2]")
    code, out, _ = gradproof(*line, "--format", "json")
    found = json.loads(out)
    assert (code, found["findings"][0]["code"]) == (0, "GP308")
    assert violations(found["findings"], SCHEMA["properties"]["findings"]) == []
    assert gradproof(*line, "--format", "json", "-o", str(file))[1] == ""
    assert json.loads(file.read_text(encoding="utf-8")) == found
    with ServerThread() as running:
        assert gradproof(*line, "--format", "json", "--server", running.address)[1] == out


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (("lint", "x @ y", "--at", "x=[1,2]", "--at", "y=[1,2,3]"), 2, "GP003 shape-clash"),
        (("lint", "log(x)"), 2, "--at: input 'x' has no value"),
        (("lint", "model.py:largest", "--at", "x=[1,2,3]"), 2, "is a black box"),
        (("lint", "model.py:nobody", "--at", "x=1"), 2, "nobody"),
    ],
)
def test_what_lint_cannot_read(call: tuple[str, ...], code: int, said: str) -> None:
    """A program that cannot be run, unknown types, a black box: unreadable input, one sentence."""
    with inside(MODELS):
        got, out, err = gradproof(*call)
    assert got == code
    assert said in out + err


def test_lint_needs_no_point_where_types_are_known(tmp_path: Path) -> None:
    """A program that was recorded declares its types."""
    file = tmp_path / "p.gpb"
    with inside(MODELS):
        point = ("--at", "x=[1,2]", "--at", "W=[[1,2],[3,4]]")
        assert gradproof("convert", "model.py:loss", *point, "-o", str(file))[0] == 0
    code, out, err = gradproof("lint", str(file))
    assert (code, err) == (0, "")
    assert str(file) in out
