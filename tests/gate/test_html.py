"""The page of a run: every case in its table, pictures of those that were checked, and the baselines before them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from gradproof._cli.gate_outputs import WRITERS
from gradproof._gate.history import history
from gradproof._gate.result import GateResult

from tests.client.html.pages import balanced
from tests.gate.harness import command, edit, repository
from tests.gate.results import case, clean, empty, every_verdict, many

CONFIG = 'baselines = "baselines"\n\n[cases.square]\ntarget = "m.py:f"\nclaim = "m.py:df"\nat = {x = [1.0, 2.0]}\n'
SOURCE = "def f(x):\n    return (x * x).sum()\n\n\ndef df(x):\n    return 2.0 * x\n"
WHO = {
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}  # fmt: skip


def git(root: Path, *arguments: str) -> None:
    """One call of git."""
    subprocess.run(["git", "-C", str(root), *arguments], check=True, env={**os.environ, **WHO})


@pytest.mark.parametrize("made", [every_verdict, empty, clean, lambda: many(40)])
def test_any_run_makes_a_page(made: object) -> None:
    """Whatever names and messages hold, tags match and no text becomes markup."""
    result = made()
    page = WRITERS["html"].write(result)
    balanced(page)
    assert "<b>&amp;</b>" not in page
    for one in result.cases:
        assert f"{one.verdict}</span>" in page
    if result.trouble:
        assert "no case is configured" in page


def test_only_the_gravest_are_drawn() -> None:
    """A page of a thousand cases keeps its size: those without reports are lines of the table."""
    page = WRITERS["html"].write(
        GateResult(tuple(case(v.verdict, v.name) for v in many(500).cases), 1000)
    )
    assert page.count("<tr ") == 1000
    assert page.count('<details class="case"') == 60


def test_the_page_tells_what_was_accepted_before(tmp_path: Path) -> None:
    """Two accepted baselines are two bars with their digits and reasons; a folder without git has none."""
    root = repository(tmp_path / "r", CONFIG, m=SOURCE)
    (root / "baselines").mkdir()
    git(root, "init", "-q")
    assert command(root, "gate", "accept", "--all", "--reason", "the first").returncode == 0
    git(root, "add", "-A")
    git(root, "commit", "-qm", "one")
    edit(root, "m.py", "(x * x).sum()", "(x * x).sum() * 3.0")
    edit(root, "m.py", "2.0 * x", "6.0 * x")
    assert (
        command(root, "gate", "accept", "--all", "--reason", "three <times> as much").returncode
        == 0
    )
    git(root, "commit", "-qam", "two")
    moments = history(root, "baselines/square.toml")
    assert [m.reason for m in moments] == ["the first", "three <times> as much"]
    assert all(m.digits > 9 and re.fullmatch(r"\d{4}-\d\d-\d\d", m.day) for m in moments)
    out = root / "page.html"
    done = command(root, "gate", "run", "--output", f"html={out}")
    assert done.returncode == 0, done.stdout + done.stderr
    page = out.read_text(encoding="utf-8")
    balanced(page)
    for words in (
        "square",
        "the first",
        "three &lt;times&gt; as much",
        "Step sweep",
        "adjoint size",
    ):
        assert words in page
    git_free = repository(tmp_path / "free", CONFIG, m=SOURCE)
    assert history(git_free, "baselines/square.toml") == ()
