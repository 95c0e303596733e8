"""The pytest plugin, in runs of pytest of its own: what fails, what it says, and what it never does."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import gradproof as gp
import numpy as np
import pytest

from tests.gate.harness import environment

pytest_plugins = "pytester"

FILE = """
import numpy as np
import pytest

def f(x):
    return np.sum(np.sin(x) * x)

def df(x):
    return np.cos(x) * x + np.sin(x)

def wrong(x):
    s = np.sin(x)
    return np.cos(x) + s

AT = {"x": [0.3, 1.2]}
"""


def pytest_in(
    pytester: pytest.Pytester, body: str, *arguments: str, file: str = "test_it"
) -> pytest.RunResult:
    """A run of pytest over one file, with this plugin and no other that happens to be installed."""
    pytester.makepyfile(**{file: FILE + body})
    pytester.makeini("[pytest]\naddopts = --strict-markers -W error\n")
    return pytester.runpytest_subprocess("-p", "gradproof._gate.plugin", *arguments)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins are named, never found: so it is this file that is under test."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def test_a_right_derivative_passes_and_a_wrong_one_fails_with_its_cause(
    pytester: pytest.Pytester,
) -> None:
    """The failure has no traceback of ours: pair, numbers, line, cause, who vouches, and the next command."""
    body = (
        "def test_right(gradproof):\n    assert gradproof.check(f, at=AT, claim=df).verdict == 'agrees'\n"
        "def test_wrong(gradproof):\n    gradproof.check(f, at=AT, claim=wrong)\n"
    )
    result = pytest_in(pytester, body)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*disagrees*", "*d out / d x: claim against reverse disagrees, 2 of 2 entries*", "*worst [[]?[]]: claim *",
         "*test_it.py:12:*GP800*", "*> return np.cos(x) + s*", "*the reference is sound: reverse = forward to *",
         "*next: gradproof explain *"]
    )  # fmt: skip
    assert "_check.py" not in result.stdout.str()


def test_options_of_markers_reach_the_check(pytester: pytest.Pytester) -> None:
    """The nearest marker wins over the module's, and what is given in the call over both."""
    body = (
        "pytestmark = pytest.mark.gradproof(points=2)\n"
        "def test_module(gradproof):\n    assert len(gradproof.check(f, at=AT, claim=df).points) == 2\n"
        "@pytest.mark.gradproof(points=3)\n"
        "def test_near(gradproof):\n    assert len(gradproof.check(f, at=AT, claim=df).points) == 3\n"
        "def test_call(gradproof):\n    assert not gradproof.check(f, at=AT, claim=df, points=1).points\n"
        "@pytest.mark.gradproof(3)\n"
        "def test_place(gradproof):\n    pass\n"
    )
    result = pytest_in(pytester, body)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*takes options by name*"])


@pytest.mark.parametrize("workers", [(), ("-p", "xdist.plugin", "-n", "2")], ids=["alone", "xdist"])
def test_numbers_are_held_against_baselines(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    """New fails, --gradproof-update writes, then it passes, and a billionth is drift; also under xdist."""
    body = "".join(
        f"def test_{k}(gradproof):\n    gradproof.check(f, at={{'x': [0.3, {k}.5]}}, claim=df, baseline=True)\n" for k in range(4)
    )  # fmt: skip
    result = pytest_in(pytester, body, *workers)
    result.assert_outcomes(failed=4)
    result.stdout.fnmatch_lines(["*NEW test_it.py::test_0:*", "*--gradproof-update*"])
    pytest_in(pytester, body, *workers, "--gradproof-update=first").assert_outcomes(passed=4)
    folder = pytester.path / "tests" / "gradients"
    assert len(list(folder.iterdir())) == 4
    moved = body.replace("claim=df", "claim=lambda x: df(x) * (1 + 1e-9)", 1)
    result = pytest_in(pytester, moved, *workers)
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["*DRIFT test_it.py::test_0: claimed * moved by +1e-09 *", "*accept with pytest*"]
    )


def test_nothing_wrong_is_ever_written(pytester: pytest.Pytester) -> None:
    """--gradproof-update writes no baseline of a derivative that is wrong, and none in continuous integration."""
    body = "def test_wrong(gradproof):\n    gradproof.check(f, at=AT, claim=wrong, baseline=True)\n"
    pytest_in(pytester, body, "--gradproof-update=why").assert_outcomes(failed=1)
    assert not (pytester.path / "tests").exists()


@pytest.mark.parametrize("value", ["true", "1"])
def test_updating_is_refused_in_continuous_integration(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """The run ends before a test is collected."""
    monkeypatch.setenv("CI", value)
    result = pytest_in(pytester, "def test_it(gradproof):\n    pass\n", "--gradproof-update=why")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*refused in continuous integration*"])


def test_several_baselines_of_one_test_have_names(pytester: pytest.Pytester) -> None:
    """Each check of a test has a file of its own, numbered or named."""
    body = (
        "def test_two(gradproof):\n    gradproof.check(f, at=AT, claim=df, baseline=True)\n"
        "    gradproof.check(f, at=AT, baseline=True)\n    gradproof.check(f, at=AT, baseline='named one')\n"
    )
    pytest_in(pytester, body, "--gradproof-update=why").assert_outcomes(passed=1)
    assert len(list((pytester.path / "tests" / "gradients").iterdir())) == 3
    pytest_in(pytester, body).assert_outcomes(passed=1)


def test_an_open_verdict_fails_unless_it_may_be(pytester: pytest.Pytester) -> None:
    """Asked to see the smallest of errors the verdict is open: that fails, and passes where the test allows it."""
    body = (
        "def test_strict(gradproof):\n    gradproof.check(f, at=AT, tau=1e-15)\n"
        "def test_lenient(gradproof):\n    gradproof.check(f, at=AT, tau=1e-15, allow_inconclusive=True)\n"
    )
    pytest_in(pytester, body).assert_outcomes(failed=1, passed=1)


def test_the_plugin_costs_a_run_without_checks_nothing() -> None:
    """Loading the plugin imports no numpy, no protobuf, no gRPC and no service."""
    script = (
        "import sys, pytest\nbefore = set(sys.modules)\nimport gradproof._gate.plugin\n"
        "heavy = {'numpy', 'google', 'grpc', 'scipy', 'rich', 'typer', 'gradproof_service', 'gradproof_proto'}\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\nprint(sorted(new & heavy), len(new))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment()
    )  # fmt: skip
    heavy, count = done.stdout.rsplit(maxsplit=1)
    assert heavy == "[]"
    assert int(count) <= 3


def test_the_plugin_is_registered() -> None:
    """pytest finds it by the entry point that the distribution declares."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["pytest11"] == {"gradproof": "gradproof._gate.plugin"}


def test_assert_derivatives_says_what_to_do() -> None:
    """The text of the assertion stands alone: what, how much, where, why, who vouches, what next."""

    def cube(x):
        return np.sum(x**3)

    def wrong(x):
        return 6 * x**2

    with pytest.raises(AssertionError) as error:
        gp.testing.assert_derivatives(cube, at={"x": [1.0, 2.0]}, claim=wrong)
    told = str(error.value)
    for part in (
        "disagrees", "claim against reverse disagrees, 2 of 2 entries", "ratio 2", "± ", "test_plugin.py:",
        "F01", "> return 6 * x**2", "the reference is sound: reverse = forward to", "next: gradproof explain F01",
    ):  # fmt: skip
        assert part in told, (part, told)
    assert len(told.splitlines()) <= 14
