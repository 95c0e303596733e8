"""What is published speaks to its reader: no trace of one machine, a registry or unfinished work.

The text of every file that belongs to the project is read; caches, builds and environments are not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("proto", "service", "client", "tests", "deploy", ".ci")
LEFT_BEHIND = frozenset(
    {"__pycache__", ".gradproof"}
)  # what Python and the gate leave in a working folder
NOT_TEXT = frozenset({".gpb", ".npy", ".npz", ".onnx", ".png", ".pyc"})

# Each pattern is written so that it does not match itself.
FORBIDDEN = {
    "a home folder": re.compile(
        r"(?<![\w.])/(?:home|Users|root)/[a-z.]|[A-Z]:\\+Users\\", re.IGNORECASE
    ),
    "a folder of one machine": re.compile(r"(?<![\w.])/(?:work|opt|mnt|tmp/venv|tmp/plan)/[a-z.]"),
    "a package registry": re.compile(
        r"(?:index[-_]url|find[-_]links|trusted[-_]host)\b", re.IGNORECASE
    ),
    "a left merge": re.compile(r"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE),
    "unfinished work": re.compile(r"\b(?:TO[D]O|FIX[M]E|X{3})\b"),
    "a key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE[ ]KEY-----"),
}


def project_files() -> Iterator[Path]:
    """Every text file of the project, in a fixed order."""
    top = [path for path in ROOT.iterdir() if path.is_file()]
    below = [path for name in ROOMS for path in (ROOT / name).rglob("*") if path.is_file()]
    for path in sorted(top + below):
        if path.suffix not in NOT_TEXT and LEFT_BEHIND.isdisjoint(path.parts):
            yield path


def found_in(text: str) -> list[str]:
    """What a text holds that it should not, as `line: kind`."""
    return [
        f"line {text.count(chr(10), 0, match.start()) + 1}: {kind}"
        for kind, pattern in FORBIDDEN.items()
        for match in pattern.finditer(text)
    ]


def test_project_files_speak_to_the_public() -> None:
    """No file names one machine, a registry, a key or work left undone."""
    found = {}
    for path in project_files():
        if path.resolve() == Path(__file__).resolve():
            continue  # the planted examples below are meant to match
        faults = found_in(path.read_text(encoding="utf-8"))
        if faults:
            found[path.relative_to(ROOT).as_posix()] = faults
    assert found == {}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("open('/home/ada/x.npy')", "a home folder"),
        ("at /root/.cache", "a home folder"),
        (r"C:\Users\ada", "a home folder"),
        ("cd /work/main", "a folder of one machine"),
        ("pip install --index-url=x", "a package registry"),
        ("one\n<<<<<<< HEAD\n", "a left merge"),
        ("# TODO: later", "unfinished work"),
        ("-----BEGIN PRIVATE KEY-----", "a key"),
    ],
)
def test_a_planted_word_is_found(text: str, kind: str) -> None:
    """Each kind is found where it is planted."""
    assert [line.split(": ")[1] for line in found_in(text)] == [kind]


@pytest.mark.parametrize(
    "text", ["docs/work/x", "a method", "x = 7\n======\n", "/tmp/x", "the root / home"]
)
def test_ordinary_words_pass(text: str) -> None:
    """Words that only look alike are left alone."""
    assert found_in(text) == []
