"""The guard tells a slower engine, and only that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import guard


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ratios of 1 for every task on this machine, in a file of the test's own."""
    file = tmp_path / "guard.json"
    ratios = {task.name: 1.0 for task in guard.tasks()}
    file.write_text(json.dumps({guard.machine(): ratios}))
    monkeypatch.setattr(guard, "STORED", file)
    monkeypatch.setattr("sys.argv", ["guard"])
    return file


@pytest.mark.parametrize(("now", "code"), [(0.5, 0), (1.14, 0), (1.16, 1), (3.0, 1)])
def test_fifteen_percent(
    stored: Path, monkeypatch: pytest.MonkeyPatch, now: float, code: int
) -> None:
    """A ratio 15 % above the stored one fails, however often it is measured."""
    tries: list[str] = []

    def ratio(task: guard.Task) -> float:
        tries.append(task.name)
        return now

    monkeypatch.setattr(guard, "ratio", ratio)
    assert guard.main() == code
    assert len(tries) == len(json.loads(stored.read_text())[guard.machine()]) * (3 if code else 1)


def test_a_neighbour_is_no_fault(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two slow tries and a good one pass."""
    times = iter([2.0, 2.0, 1.0] * len(guard.tasks()))
    monkeypatch.setattr(guard, "ratio", lambda task: next(times))
    assert guard.main() == 0


def test_an_unknown_machine_is_told(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ratios for this machine nothing is judged."""
    stored.write_text("{}")
    assert guard.main() == 2
