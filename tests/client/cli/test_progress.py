"""The line that moves while work goes on."""

from __future__ import annotations

import itertools

from gradproof._cli.progress import FRAME_S, line
from hypothesis import given
from hypothesis import strategies as st


@given(st.floats(0, 1e5), st.integers(40, 200), st.text("xyz ", max_size=300))
def test_it_keeps_its_width(elapsed_s: float, width: int, what: str) -> None:
    """However long the work and its name, the line fits, and its tail stays in place."""
    shown = line(what, elapsed_s, width)
    assert len(shown) <= width
    assert shown.count("=") == 4
    assert shown[: shown.index("  [")].startswith(what[:3].rstrip())


def test_it_moves() -> None:
    """From frame to frame the block is elsewhere."""
    frames = [line("f", (k + 0.5) * FRAME_S, 80) for k in range(10)]
    assert all(a != b for a, b in itertools.pairwise(frames))
