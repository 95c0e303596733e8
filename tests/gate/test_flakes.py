"""An unchanged gate gives the same record every time."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate.flakes import flakes
from tests.gate.harness import repository

MODEL = """
from pathlib import Path
import numpy as np

calls = Path(__file__).with_name("calls")


def f(x):
    return np.sum(x**3)


def df(x):
    with calls.open("a") as file:
        file.write("x")
    return 3 * x**2 * (1 + 1e-15 * calls.stat().st_size)
"""
CONFIG = "baselines = false\n[cases.a]\ntarget = 'model.py:f'\nclaim = 'model.py:df'\nat = { x = [1.0, 2.0] }\n"


def test_an_unchanged_gate_never_flakes(example: Path) -> None:
    """Runs that keep nothing, each case checked anew, pass and give the record of the first."""
    assert list(flakes(example, 2)) == [(1, ""), (2, "")]


def test_a_gate_that_flakes_is_named(tmp_path: Path) -> None:
    """A claim that is one unit of rounding larger with every call still passes, and is told as one that differs."""
    root = repository(tmp_path, CONFIG, model=MODEL)
    assert list(flakes(root, 3)) == [(1, ""), (2, "a"), (3, "a")]


@pytest.mark.long
@pytest.mark.timeout(8 * 3600)
def test_an_unchanged_gate_never_flakes_in_ten_thousand_runs(example: Path) -> None:
    """`pytest -m long tests/gate/test_flakes.py`, or with news of how far it is `python -m tests.gate.flakes`."""
    assert [name for _, name in flakes(example, 10_000) if name] == []
