"""Findings left out by options and by comments in the user's source, on every road, and counted."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradproof as gp
import numpy as np
import pytest

from tests.client.cli.harness import gradproof

SOURCE = """
import numpy as np

def loud(x):
    return np.sum(np.log(1.0 + x))

def quiet(x):
    return np.sum(np.log(1.0 + x))  # gradproof: ignore[GP302]

def quiet_below(x):
    return np.sum(
        np.log(1.0 + x)  # gradproof: ignore  # meant: x is never small
    )

def other_code(x):
    return np.sum(np.log(1.0 + x))  # gradproof: ignore[GP305, GP101]

def wrong(x):
    return x  # gradproof: ignore

def kinked(x):
    return np.sum(np.abs(x))  # gradproof: ignore

def infinite(x):
    return np.sum(np.log(x))  # gradproof: ignore

def unknown(x):
    return np.sum(np.log(1.0 + x))  # gradproof: ignore[GP999]

def slip(x):
    return np.sum(np.log(1.0 + x))  # gradproof: ignroe[GP302]
"""
AT = {"x": np.array([1e-5, 2.0])}


@pytest.fixture
def model(tmp_path: Path) -> Any:
    """The functions above, as a module in a file."""
    path = tmp_path / "m.py"
    path.write_text(SOURCE)
    spec = importlib.util.spec_from_file_location("m", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def codes(report: gp.Report) -> set[str]:
    """The codes of a report's findings."""
    return {f.code for f in report.findings}


def test_a_comment_leaves_out_its_own_line(model: Any) -> None:
    """With codes only those, without codes all; other codes and other lines are shown."""
    assert codes(gp.check(model.loud, at=AT)) == {"GP302"}
    assert codes(gp.check(model.other_code, at=AT)) == {"GP302"}
    for f in (model.quiet, model.quiet_below):
        report = gp.check(f, at=AT)
        assert (report.verdict, codes(report), report.suppressed) == ("agrees", set(), 1)
        assert report.to_dict()["suppressed"] == 1


def test_what_carries_the_verdict_is_never_left_out(model: Any) -> None:
    """A wrong claim, a kink and a value that is not finite keep their verdicts, and the errors their findings."""
    claimed = gp.check(model.loud, at=AT, claim=model.wrong, suppress=["GP"])
    assert (claimed.verdict, codes(claimed)) == ("disagrees", {"GP800"})
    kink = gp.check(model.kinked, at={"x": np.array([0.0, 1.0])})
    assert (kink.verdict, kink.suppressed) == ("inconclusive", 1)
    infinite = gp.check(model.infinite, at={"x": np.array([-1.0, 1.0])})
    assert (infinite.verdict, codes(infinite)) == ("inconclusive", {"GP108"})


def test_options_choose_findings() -> None:
    """`suppress` and `select`, alike through SDK and command; a slip is told."""
    at = {"x": np.array([1e-5, 0.0])}
    every = gp.check("sum(log(1 + x) + sqrt(x**2))", at=at)
    assert len(codes(every)) > 1
    one = next(iter(codes(every)))
    assert codes(gp.check("sum(log(1 + x) + sqrt(x**2))", at=at, select=[one])) == {one}
    without = gp.check("sum(log(1 + x) + sqrt(x**2))", at=at, suppress=[one])
    assert codes(without) == codes(every) - {one}
    assert without.suppressed == sum(f.code == one for f in every.findings)
    with pytest.raises(gp.RequestError, match="suppress: there is no finding 'GP30x'"):
        gp.check("x", at={"x": 1.0}, suppress=["GP30x"])


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("unknown", "there is no finding 'GP999'"),
        ("slip", "expected `# gradproof: ignore` or `# gradproof: ignore[GP302]`, 'ignroe[GP302]' came"),
    ],
)  # fmt: skip
def test_a_comment_that_cannot_be_read_is_told(model: Any, function: str, told: str) -> None:
    """A slip in a comment would leave nothing out in silence: it is one sentence with file and line."""
    f: Callable[..., Any] = getattr(model, function)
    with pytest.raises(gp.RequestError) as caught:
        gp.check(f, at=AT)
    assert told in str(caught.value)
    line = 1 + SOURCE.splitlines().index(f"def {function}(x):") + 1
    assert f"m.py:{line}" in str(caught.value)


def test_the_command_counts_them(model: Any) -> None:
    """`check` and `lint` show what is left, say how many were left out, and exit by what is left."""
    file = model.__file__
    at = ("--at", "x=[1e-5,2]")
    code, out, _ = gradproof("lint", f"{file}:quiet", *at)
    assert (code, out) == (0, f"✓ nothing found: {file}:quiet (1 finding suppressed)\n")
    assert gradproof("check", f"{file}:loud", *at, "--fail-level", "warning")[0] == 1
    code, out, _ = gradproof("check", f"{file}:quiet", *at, "--fail-level", "warning")
    assert (code, out.splitlines()[-1]) == (0, "  1 finding suppressed")
    options = ("--suppress", "GP302", "--format", "json")
    assert json.loads(gradproof("check", f"{file}:loud", *at, *options)[1])["suppressed"] == 1
    assert json.loads(gradproof("lint", f"{file}:loud", *at, *options)[1])["suppressed"] == 1
    assert json.loads(gradproof("lint", f"{file}:loud", *at, "--select", "GP1", "--format", "json")[1])["findings"] == []  # fmt: skip
    code, _, err = gradproof("lint", f"{file}:loud", *at, "--suppress", "log-one-pluss")
    assert (code, "--suppress: there is no finding 'log-one-pluss'; did you mean 'log-one-plus'?" in err) == (2, True)  # fmt: skip
