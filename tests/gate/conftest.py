"""The example repository, run once for every test that changes a copy of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradproof._gate.result import GateResult

from tests.gate.harness import EXAMPLE, copy_of, run


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run, the gate believes that a person sits there."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("GRADPROOF_SERVER", raising=False)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, GateResult]:
    """The example as it is committed, and the first run over it."""
    root = copy_of(EXAMPLE, tmp_path_factory.mktemp("first") / "example")
    return root, run(root)


@pytest.fixture
def example(first_run: tuple[Path, GateResult], tmp_path: Path) -> Path:
    """A copy of the example that has been run before, to be changed."""
    return copy_of(first_run[0], tmp_path / "example")
