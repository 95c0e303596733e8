"""Accepting and reviewing: by a person, with a reason, never what is wrong, and whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from gradproof._errors import RequestError
from gradproof._gate.accept import accept, acceptable
from gradproof._gate.baseline import read
from gradproof._gate.config import load
from gradproof._gate.verdicts import Verdict

from tests.client.cli.harness import gradproof, inside
from tests.gate.harness import by_name, command, edit, environment, run

DRIFTED = ("g = r / np.sqrt(1 + r * r)", "g = r / np.sqrt(1 + r * r) * (1 + 1e-9)")
HUBER = "losses[models/losses.py:loss_huber]"


def test_accepting_writes_the_reason_and_makes_the_case_pass(example: Path) -> None:
    """A drift that is accepted is the new baseline, with why; the next run passes."""
    edit(example, "models/losses.py", *DRIFTED)
    done = command(example, "gate", "accept", "--case", HUBER, "--reason", 'a new "loss"\nfor all')
    assert done.returncode == 0, done.stderr
    assert "written" in done.stdout
    found = list((example / "gradients").glob("*huber*"))
    assert [read(p)[0].reason for p in found] == ['a new "loss" for all']
    assert run(example).exit_code == 0
    assert sorted(p.name for p in (example / "gradients").iterdir() if p.suffix != ".toml") == []


def test_what_is_gone_is_taken_away(example: Path) -> None:
    """Accepting that a case is gone removes its baseline and no other."""
    edit(example, "models/losses.py", "def loss_huber", "def huber")
    before = {p.name for p in (example / "gradients").iterdir()}
    done = command(example, "gate", "accept", "--all", "--reason", "no longer used")
    assert done.returncode == 0, done.stderr
    after = {p.name for p in (example / "gradients").iterdir()}
    assert len(before - after) == 1
    assert "huber" in (before - after).pop()
    assert not after - before


def test_what_is_wrong_is_refused(example: Path) -> None:
    """A FAIL, an ERROR and a skipped case are refused with the reason, and no file changes."""
    edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    edit(example, "models/physics.py", "return x / r3, y / r3", "return 1 / 0")
    edit(example, "gradproof.toml", "[cases.polar]\n", "[cases.polar]\nskip = 'not now'\n")
    before = {p: p.read_bytes() for p in (example / "gradients").iterdir()}
    for name, told in (
        ("pendulum", "a FAIL is never accepted"),
        ("orbit", "an ERROR"),
        ("polar", "SKIPPED"),
    ):
        done = command(example, "gate", "accept", "--case", name, "--reason", "please")
        assert done.returncode == 2
        assert told.removeprefix("an ") in done.stderr
        assert "Traceback" not in done.stderr
    assert {p: p.read_bytes() for p in (example / "gradients").iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("accept", "--case", "orbit"), "--reason"),
        (("accept", "--case", "orbit", "--reason", "  "), "expected a reason"),
        (("accept", "--case", "nobody", "--reason", "x"), "there is no such case"),
        (("accept", "--reason", "x"), "name the cases with --case NAME"),
    ],
)  # fmt: skip
def test_accepting_needs_a_case_and_a_reason(
    example: Path, arguments: tuple[str, ...], told: str
) -> None:
    """What is missing is told in one sentence with exit code 2."""
    done = command(example, "gate", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("arguments", [("accept", "--all", "--reason", "x"), ("review",)])
@pytest.mark.parametrize("value", ["true", "1", "yes"])
def test_continuous_integration_never_accepts(
    example: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], value: str
) -> None:
    """With CI set both are refused before anything is checked, and nothing is written."""
    (example / "gradients" / "orbit.toml").unlink()
    monkeypatch.setenv("CI", value)
    with inside(example):
        code, _, err = gradproof("gate", *arguments)
    assert code == 2
    assert "refused in continuous integration" in err
    assert not (example / "gradients" / "orbit.toml").exists()


def test_the_library_refuses_too(example: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The refusals are where baselines are written, not only in the command."""
    config = load(example / "gradproof.toml")
    edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    found = by_name(run(example, words=("pendulum", "orbit")))
    with pytest.raises(RequestError, match="a FAIL is never accepted"):
        accept(config, found["pendulum"], "why")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(RequestError, match="continuous integration"):
        accept(config, found["orbit"], "why")
    monkeypatch.setenv("CI", "false")
    assert accept(config, found["orbit"], "why").name == "orbit.toml"


def test_without_baselines_there_is_nothing_to_accept(example: Path) -> None:
    """`baselines = false` lets numbers move, and says so when one wants to accept them."""
    edit(example, "gradproof.toml", 'baselines = "gradients"', "baselines = false")
    result = run(example, words=("orbit",))
    assert [c.verdict for c in result.cases if c.verdict is not Verdict.GONE] == [Verdict.PASS]
    with pytest.raises(RequestError, match="baselines = false"):
        accept(load(example / "gradproof.toml"), result.cases[0], "why")


def test_review_asks_about_each_and_does_what_is_said(example: Path) -> None:
    """Accept, reject and skip, with the difference on demand; what is left open fails."""
    edit(example, "models/losses.py", *DRIFTED)
    (example / "gradients" / "orbit.toml").unlink()
    (example / "gradients" / "polar.toml").unlink()
    done = command(example, "gate", "review", given="x\nd\na\nbetter\nr\ns\n")
    assert done.returncode == 1, done.stderr
    assert "DRIFT" in done.stdout
    assert "write one of a, r, s, d, q" in done.stdout
    assert "--- baseline" in done.stdout
    assert "+++ now" in done.stdout
    assert "1 accepted, 1 rejected, 1 skipped" in done.stdout
    result = run(example)
    assert sorted(str(c.verdict) for c in result.cases if not c.passed) == ["NEW", "NEW"]
    again = command(example, "gate", "review", given="a\n\na\n\n")
    assert again.returncode == 0, again.stdout
    assert run(example).exit_code == 0
    assert command(example, "gate", "review").stdout.strip() == "nothing to review"


def test_review_names_what_cannot_be_accepted_and_ends_with_its_input(example: Path) -> None:
    """A FAIL is never asked about; the end of the input is `quit`."""
    edit(example, "models/physics.py", "return np.sin(q), p", "return np.sin(q), -p")
    (example / "gradients" / "polar.toml").unlink()
    done = command(example, "gate", "review")
    assert done.returncode == 1
    assert "cannot be accepted: pendulum" in done.stdout
    assert "1 skipped" in done.stdout
    assert not (example / "gradients" / "polar.toml").exists()


CHANGES = ("open", "os.", "tempfile.", "shutil.")
"""How the events begin that Python tells before it touches a file."""


def killed(work: Callable[[], object], at: int = 0, limit: int | None = None) -> bool:
    """Do the work in a copy of this process, and tell whether it was killed.

    That is before its so-many-th touch of a file, or when it has written so many bytes of one.
    """
    pid = os.fork()
    if not pid:
        left = at

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event.startswith(CHANGES):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            if limit is not None:
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            sys.addaudithook(hook)
            work()
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(pid, 0)[1])


def test_a_kill_at_any_point_leaves_whole_baselines(example: Path) -> None:
    """Before each touch of a file, and in the middle of writing one, a kill leaves every baseline as it was or should be.

    One that moved is accepted, one that is new, and one that is gone; nothing is left beside them.
    """
    words = ("loss_huber", "orbit", "cubic")
    edit(example, "models/losses.py", *DRIFTED)
    edit(example, "gradproof.toml", "[cases.cubic]", "[cases.cubic-new]")
    results = [c for c in run(example, words=words).cases if acceptable(c)]
    assert sorted(str(c.verdict) for c in results) == ["DRIFT", "GONE", "NEW"]
    config = load(example / "gradproof.toml")
    folder = example / "gradients"
    for path in folder.iterdir():
        if not any(word in path.name for word in words):
            path.unlink()

    def work() -> None:
        for case in results:
            accept(config, case, "why")

    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    work()
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(before.keys() ^ after.keys()) == 2

    def left_whole() -> bool:
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        for name in found.keys() | before.keys() | after.keys():
            assert found.get(name) in (before.get(name), after.get(name)), name
        for path in folder.iterdir():
            path.unlink()
        for name, data in before.items():
            (folder / name).write_bytes(data)
        return found == after

    left_whole()
    points = next(k for k in count(1) if not (killed(work, at=k), left_whole())[0])
    assert points > 20
    sizes = [len(data) for name, data in after.items() if before.get(name) != data]
    for limit in sorted({0, 1, *(size // 2 for size in sizes), *(size - 1 for size in sizes)}):
        assert killed(work, limit=limit)
        assert not left_whole()


@pytest.mark.parametrize("verb", ["accept", "review"])
def test_a_kill_in_the_middle_of_the_command_leaves_whole_baselines(
    example: Path, verb: str
) -> None:
    """The command itself, killed between two of thirty baselines: all that are there can be read, and the rest is NEW."""
    folder = example / "gradients"
    for path in folder.iterdir():
        path.unlink()
    arguments = ("accept", "--all", "--reason", "first") if verb == "accept" else ("review",)
    with subprocess.Popen(
        [sys.executable, "-m", "gradproof", "gate", *arguments],
        cwd=example, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        if verb == "review":
            process.stdin.write(b"a\n\n" * 7)
            process.stdin.flush()
        deadline = time.monotonic() + 100
        while len(list(folder.iterdir())) < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        os.killpg(process.pid, signal.SIGKILL)
    written = list(folder.iterdir())
    assert len(written) >= 3
    for path in written:
        read(path)
    result = run(example)
    assert set(result.counts) <= {Verdict.PASS, Verdict.NEW}
    assert result.counts[Verdict.PASS] == len(written)


def test_an_open_verdict_may_be_accepted_and_then_held(example: Path) -> None:
    """A case that cannot be decided is offered once; accepted it stays open, and a move of it fails the run."""
    edit(
        example,
        "gradproof.toml",
        "[cases.pendulum]\n",
        "[cases.pendulum]\ntau = 1e-15\ninconclusive = 'pass'\n",
    )
    (example / "gradients" / "pendulum.toml").unlink()
    config = load(example / "gradproof.toml")
    first = by_name(run(example, words=("pendulum",)))["pendulum"]
    assert (str(first.verdict), first.exit_code, acceptable(first)) == ("INCONCLUSIVE", 0, True)
    assert read(accept(config, first, "nothing better"))[0].verdict == "inconclusive"
    held = by_name(run(example, words=("pendulum",)))["pendulum"]
    assert (str(held.verdict), held.exit_code, acceptable(held)) == ("INCONCLUSIVE", 0, False)
    edit(
        example,
        "models/physics.py",
        "return p * p / 2 - np.cos(q)",
        "return (p * p / 2 - np.cos(q)) * (1 + 1e-9)",
    )
    moved = by_name(run(example, words=("pendulum",)))["pendulum"]
    assert (str(moved.verdict), moved.exit_code, acceptable(moved)) == ("INCONCLUSIVE", 1, True)
    assert "besides" in moved.sentence
