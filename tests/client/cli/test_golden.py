"""What the command prints, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.cli.harness import golden_files, transcript


@pytest.mark.parametrize("path", golden_files(), ids=lambda path: path.stem)
def test_the_command_prints_what_it_printed(path: Path) -> None:
    """Each transcript is reproduced; `python -m tests.client.cli.harness` writes them anew."""
    golden = path.read_text(encoding="utf-8")
    assert transcript(golden.splitlines()[0]) == golden


@pytest.mark.parametrize(
    "path",
    [
        path for path in golden_files() if not path.stem.startswith("show")
    ],  # programs are not wrapped
    ids=lambda path: path.stem,
)
def test_a_page_fits_into_eighty_columns(path: Path) -> None:
    """Pages in a pipe are no wider than 80; only sentences of errors and commands to paste may be."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    free = ("error: ", "  next: ", "? ", "✗ ", "✓ ")
    assert [line for line in lines if len(line) > 80 and not line.startswith(free)] == []
    assert "Traceback" not in "\n".join(lines)
