"""Targets: an expression, a function in a module or file, a program file; anything else is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from gradproof import Program, TargetError, expression
from gradproof._targets import resolve

SOURCE = """
from dataclasses import dataclass
import numpy as np
from beside import scale

@dataclass
class Config:
    k: float = 2.0

def loss(x):
    return scale(np.sum(x**2))

class Model:
    @staticmethod
    def value(x):
        return x * Config().k

number = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a module, its neighbour, and one that fails."""
    (tmp_path / "beside.py").write_text("def scale(x):\n    return 3 * x\n")
    (tmp_path / "my_model.py").write_text(SOURCE)
    (tmp_path / "fails.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    for name in ("beside", "my_model", "fails"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize("text", ["my_model.py:loss", "my_model:loss", "my_model.py:Model.value"])
def test_a_function_is_found_with_its_line(folder: Path, text: str) -> None:
    """In a file or a module of the working directory, whose neighbours it may import."""
    before = list(sys.path)
    target = resolve(text)
    assert target.kind == "function"
    assert callable(target.subject)
    assert target.subject(2.0) in (12.0, 4.0)
    assert target.file.endswith("my_model.py")
    assert target.line > 0
    assert sys.path == before


def test_an_expression_and_a_program_file(folder: Path) -> None:
    """What is no name of a function is an expression; program files are read in both forms."""
    target = resolve("x[1:2].sum()")
    assert target.kind == "expression"
    program = expression("sin(x)")
    for name in ("p.gpb", "p.gpt"):
        program.save(name)
        loaded = resolve(name)
        assert loaded.kind == "program"
        assert isinstance(loaded.subject, Program)
        assert loaded.subject.to_bytes() == program.to_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("my_model.py:los", "there is no 'los'; did you mean 'loss'"),
        ("my_model:number", "expected a function, a value of type int stands there"),
        ("my_model.py", "expected a function in the file"),
        ("nowhere.py:f", "no such file"),
        ("no_such_module:f", "no module of this name"),
        ("fails:f", "importing it raised ZeroDivisionError"),
        ("fails.py:f", "running it raised ZeroDivisionError"),
        ("nowhere.gpb", "cannot be read"),
    ],
)
def test_what_is_no_target_is_told(folder: Path, text: str, message: str) -> None:
    """The target, what is wrong, and what to do."""
    with pytest.raises(TargetError, match=message):
        resolve(text)


def test_bytes_that_are_no_program_are_refused(folder: Path) -> None:
    """Garbage and truncated programs are one sentence."""
    (folder / "bad.gpb").write_bytes(b"\xff\xff\xff\xff")
    (folder / "cut.gpb").write_bytes(expression("sin(x) + y").to_bytes()[:-9])
    (folder / "bad.gpt").write_text("gradproof 1\nnonsense\n")
    for name in ("bad.gpb", "cut.gpb", "bad.gpt"):
        with pytest.raises(TargetError, match=name):
            resolve(name)
