"""The command as a person meets it: what it takes, what it says to slips, and the bar on a terminal."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.cli.harness import gradproof, inside
from tests.gate.harness import command, edit, environment, repository

MODEL = (
    "import numpy as np\n\ndef f(x):\n    return np.sum(x**3)\n\ndef df(x):\n    return 3 * x**2\n"
)
CONFIG = "baselines = false\n[cases.a]\ntarget = 'model.py:f'\nclaim = 'model.py:df'\nat = { x = [1.0, 2.0] }\n"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A gate over one case."""
    return repository(tmp_path / "small", CONFIG, model=MODEL)


def test_gate_alone_is_a_run(small: Path) -> None:
    """`gradproof gate` checks, from a folder below too, and says in one line that all is well."""
    (small / "inner").mkdir()
    for folder in (small, small / "inner"):
        done = command(folder, "gate")
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[0] == "✓ 1 case: 1 PASS"
        assert done.stderr == ""


def test_verbose_tells_every_case(small: Path) -> None:
    """A line for the verdict and one for why."""
    done = command(small, "gate", "run", "-v")
    assert "✓ PASS a" in done.stdout
    assert "the claim agrees in 4 entries" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("run", "--shard", "3/2"), "--shard: expected PART/PARTS such as 2/5, '3/2' came"),
        (("run", "--jobs", "-1"), "expected a whole number"),
        (("run", "--output", "junit"), "--output junit: expected FORM=FILE"),
        (("run", "--format", "yaml"), "yaml"),
        (("run", "--config", "missing.toml"), "missing.toml: the file cannot be read"),
        (("run", "extra"), "unexpected extra argument"),
        (("walk",), "walk"),
        (("run", "--last-faild"), "did you mean --last-failed?"),
        (("accept", "--case", "a"), "--reason"),
        (("accept", "--case", "a", "--reason", "why"), "baselines = false"),
        (("init", "/"), "expected a folder below the current one"),
    ],
)  # fmt: skip
def test_a_slip_is_told_in_one_sentence(small: Path, arguments: tuple[str, ...], told: str) -> None:
    """Exit code 2, the sentence on stderr, nothing on stdout, never a traceback."""
    with inside(small):
        code, out, err = gradproof("gate", *arguments)
    assert code == 2
    assert told in err
    assert out == ""
    assert "Traceback" not in err
    assert len(err.splitlines()) == 1


def test_without_a_configuration_init_is_named(tmp_path: Path) -> None:
    """The first thing a new user sees says what to do."""
    done = command(tmp_path, "gate")
    assert done.returncode == 2
    assert "`gradproof gate init` writes a first one" in done.stderr


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ("3 * x**2", "3 * x**2", 0),
        ("3 * x**2", "2 * x**2", 1),
        ("3 * x**2", "1 / 0", 2),
        ("[1.0, 2.0]", "[1.0, 2.0] }\ntau = 1e-15\n#", 3),
    ],
)  # fmt: skip
def test_exit_codes_are_those_of_the_design(
    small: Path, before: str, after: str, code: int
) -> None:
    """0 passes, 1 wrong, 2 cannot be read, 3 open; --exit-zero hides them all and the page does not."""
    edit(small, "model.py" if "x**2" in before else "gradproof.toml", before, after)
    done = command(small, "gate", "run")
    assert done.returncode == code, done.stdout + done.stderr
    if code == 1:
        zero = command(small, "gate", "run", "--exit-zero")
        assert zero.returncode == 0
        assert zero.stdout.splitlines()[0] == done.stdout.splitlines()[0]


def test_open_verdicts_mean_what_the_configuration_says(small: Path) -> None:
    """`inconclusive` makes an open verdict 3, 1 or 0."""
    edit(small, "gradproof.toml", "[1.0, 2.0]", "[1.0, 2.0] }\ntau = 1e-15\n#")
    for word, code in (("tell", 3), ("fail", 1), ("pass", 0)):
        edit(
            small,
            "gradproof.toml",
            "baselines = false",
            f"baselines = false\ninconclusive = '{word}'",
        )
        assert command(small, "gate").returncode == code
        edit(small, "gradproof.toml", f"inconclusive = '{word}'\n", "")


def test_findings_are_ignored_or_made_errors(small: Path) -> None:
    """A finding that counts fails a case whose derivatives are right; ignored it is not even told."""
    edit(small, "model.py", "np.sum(x**3)", "np.log(np.sum(np.exp(x)))")
    edit(small, "model.py", "3 * x**2", "np.exp(x) / np.sum(np.exp(x))")
    plain = command(small, "gate", "run", "--format", "json")
    assert plain.returncode == 0
    assert '"code": "GP301"' in plain.stdout
    edit(small, "gradproof.toml", "baselines = false", "baselines = false\nerrors = ['GP301']")
    strict = command(small, "gate", "run")
    assert strict.returncode == 1
    assert "GP301" in strict.stdout
    edit(small, "gradproof.toml", "baselines = false", "baselines = false\nignore = ['GP3']")
    quiet = command(small, "gate", "run", "--format", "json")
    assert quiet.returncode == 0
    assert "GP301" not in quiet.stdout


def test_an_interrupted_run_ends_its_processes(small: Path) -> None:
    """Control-C: exit code 130, one word, and no process is left behind."""
    import signal
    import time

    edit(
        small,
        "model.py",
        "return np.sum(x**3)",
        "import time; open('begun', 'w').close(); time.sleep(60)",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "gradproof", "gate"], cwd=small, env=environment(), stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        deadline = time.monotonic() + 60
        while not (small / "begun").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr is not None
        assert process.stderr.read().strip() == "error: interrupted"
    while time.monotonic() < deadline:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    pytest.fail("a process of the run is still there")


def test_a_bar_is_drawn_on_a_terminal_only(small: Path) -> None:
    """On a terminal the bar counts cases on stderr; stdout stays the answer, and a pipe sees no escape code."""
    main, far = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "gradproof", "gate"], cwd=small, env=environment(TERM="xterm"), stdout=subprocess.PIPE,
        stderr=far, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        out = process.stdout.read()
    os.close(far)
    drawn = os.read(main, 100_000).decode()
    os.close(main)
    assert out.startswith("✓ 1 case: 1 PASS")
    assert "\x1b" not in out
    assert "gate run" in drawn
    assert "1/1" in drawn


def test_help_names_every_verb() -> None:
    """The help of the gate lists its commands with a sentence each."""
    code, out, _ = gradproof("gate", "-h")
    assert code == 0
    for verb in ("run", "prove", "review", "accept", "init", "lint"):
        assert f" {verb} " in out
    code, out, _ = gradproof("gate", "run", "-h")
    assert code == 0
    assert "[tool.gradproof]" in " ".join(out.replace("│", " ").split())
