"""The example repository in a folder of its own, changed as a person would, and the gate run over it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gradproof._gate.config import load
from gradproof._gate.result import CaseResult, GateResult
from gradproof._gate.run import Asked, run_gate

EXAMPLE = Path(__file__).resolve().parent / "example"


def copy_of(source: Path, folder: Path) -> Path:
    """A copy of a repository with what its runs have kept."""
    return Path(shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__")))


def repository(folder: Path, config: str, **files: str) -> Path:
    """A small repository: its configuration, and Python files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "gradproof.toml").write_text(config, encoding="utf-8")
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


def edit(root: Path, file: str, before: str, after: str) -> int:
    """Replace a text that occurs once; the line on which it stood."""
    path = root / file
    text = path.read_text(encoding="utf-8")
    assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times in {file}"
    path.write_text(text.replace(before, after), encoding="utf-8")
    return text[: text.index(before)].count("\n") + 1


def run(root: Path, **asked: Any) -> GateResult:
    """The gate over a repository, with two processes when nothing else is said."""
    return run_gate(load(root / "gradproof.toml"), Asked(**{"jobs": 2, **asked}))


def by_name(result: GateResult) -> dict[str, CaseResult]:
    """The cases of a run by name."""
    return {case.name: case for case in result.cases}


def one(result: GateResult) -> CaseResult:
    """The only case of a run."""
    assert len(result.cases) == 1, result.counts
    return result.cases[0]


def environment(**more: str) -> dict[str, str]:
    """The environment of a person at their desk, wherever the tests run."""
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "GRADPROOF_SERVER", "COLUMNS")}
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **more}


def command(
    root: Path, *arguments: str, given: str = "", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One call of `gradproof` in a process of its own, in the repository."""
    return subprocess.run(
        [sys.executable, "-m", "gradproof", *arguments],
        cwd=root, input=given, env=dict(env or environment()), capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
