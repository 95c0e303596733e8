"""Source lines around a place."""

from __future__ import annotations

from pathlib import Path

import pytest
from gradproof._cli.frames import add_frame, label
from gradproof._cli.page import Page
from gradproof_proto.v1 import check_pb2 as pb

SOURCE = "import numpy as np\n\ndef f(x):\n    h = np.tanh(x)\n    return h * h\n"


def framed(place: pb.SourceLocation, text: str = "") -> str:
    """The frame as plain text."""
    page = Page()
    add_frame(page, place, text)
    return page.plain()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python file beneath the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.py"
    path.write_text(SOURCE, encoding="utf-8")
    return str(path)


def test_three_lines_and_a_caret(file: str) -> None:
    """The line that is meant is marked, its neighbours stand around it, the columns are underlined."""
    place = pb.SourceLocation(file=file, line=4, column=9, end_line=4, end_column=19)
    assert framed(place).splitlines() == [
        "      3 | def f(x):",
        "    > 4 |     h = np.tanh(x)",
        "        |         ^^^^^^^^^^",
        "      5 |     return h * h",
    ]


def test_an_expression_has_its_caret_below(file: str) -> None:
    """The text of an expression is its own source."""
    place = pb.SourceLocation(file="expression", line=1, column=5, end_column=11)
    assert framed(place, "x + log(y)") == "    x + log(y)\n        ^^^^^^\n"


@pytest.mark.parametrize(
    "place",
    [
        pb.SourceLocation(),
        pb.SourceLocation(file="absent.py", line=3),
        pb.SourceLocation(file="/etc/hostname", line=1),
    ],
)
def test_what_cannot_be_read_adds_nothing(place: pb.SourceLocation) -> None:
    """No file, a missing file and a file that is no Python: no frame and no error."""
    assert framed(place) == ""


def test_a_line_beyond_the_end_adds_nothing(file: str) -> None:
    """A file that changed since is not misquoted."""
    assert framed(pb.SourceLocation(file=file, line=99)) == ""


def test_a_label_is_relative(file: str) -> None:
    """A file below the current folder is named from there."""
    assert label(pb.SourceLocation(file=file, line=4)) == "model.py:4"
    assert label(pb.SourceLocation()) == ""


def test_a_definition_shows_how_it_begins(file: str) -> None:
    """Where a whole function is meant, its first lines stand there, not what is above it."""
    assert framed(pb.SourceLocation(file=file, line=3)).splitlines() == [
        "    > 3 | def f(x):",
        "      4 |     h = np.tanh(x)",
        "      5 |     return h * h",
    ]
