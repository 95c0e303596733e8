"""What a TARGET names: an expression, a function in a module or file, or a program file.

Only here does the client import what it is told to: the user's own module, in the user's own
process. A program file is data and runs nothing.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from gradproof._errors import TargetError
from gradproof._expression import expression
from gradproof._program import BINARY_SUFFIX, TEXT_SUFFIX, Program

PROGRAM_SUFFIXES: Final = (BINARY_SUFFIX, TEXT_SUFFIX)
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_FILE = re.compile(r"(?P<file>.+\.py):(?P<name>[^\W\d]\w*(\.[^\W\d]\w*)*)")


@dataclass(frozen=True, slots=True)
class Target:
    """A resolved TARGET: `subject` is a callable (kind "function") or a `Program`; `file` and `line` where it is written."""

    kind: Literal["expression", "function", "program"]
    subject: Callable[..., Any] | Program
    name: str
    file: str = ""
    line: int = 0


def resolve(text: str) -> Target:
    """The target that a text names; raises `TargetError` when it cannot be imported, read or parsed."""
    text = text.strip()
    if text.endswith(PROGRAM_SUFFIXES):
        return Target("program", Program.load(text), text, text)
    if text.endswith(".onnx"):
        return Target("program", _from_onnx(text), text, text)
    found = _FILE.fullmatch(text)
    if found:
        return _function(_from_file(Path(found["file"])), found["name"], text)
    if text.endswith(".py"):
        raise TargetError(f"{text}: expected a function in the file; write {text}:name")
    if _MODULE.fullmatch(text):
        module, _, name = text.partition(":")
        return _function(_from_module(module), name, text)
    return Target("expression", expression(text), text, "expression", 1)


def _from_onnx(path: str) -> Program:
    try:
        front = importlib.import_module("gradproof._onnx")
    except ModuleNotFoundError as error:
        raise TargetError(
            f"{path}: ONNX files need the onnx package; install gradproof[onnx]"
        ) from error
    return front.from_onnx(path)


def _from_module(name: str) -> Any:
    with _importable(Path.cwd()):
        try:
            return importlib.import_module(name)
        except Exception as error:  # whatever the module's own code raises is told
            if (
                isinstance(error, ModuleNotFoundError)
                and error.name
                and name.startswith(error.name)
            ):
                raise TargetError(
                    f"{name}: no module of this name; write package.module:function"
                ) from error
            raise TargetError(
                f"{name}: importing it raised {type(error).__name__}, {error}"
            ) from error


def _from_file(path: Path) -> Any:
    if not path.is_file():
        raise TargetError(f"{path}: no such file; write file.py:function")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(path.stem)
    sys.modules[path.stem] = module  # dataclasses and type hints of the file look for it there
    with _importable(path.resolve().parent):
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            raise TargetError(
                f"{path}: running it raised {type(error).__name__}, {error}"
            ) from error
        finally:
            if before is not None:
                sys.modules[path.stem] = before
    return module


def _function(module: Any, name: str, text: str) -> Target:
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(found).items() if callable(v) and not n.startswith("_")]
            near = difflib.get_close_matches(part, names, 1)
            hint = (
                f"did you mean {near[0]!r}?"
                if near
                else f"there are {', '.join(names[:8]) or 'no functions'}"
            )
            raise TargetError(f"{text}: there is no {part!r}; {hint}")
        found = getattr(found, part)
    if isinstance(found, Program):
        return Target("program", found, text)
    if not callable(found):
        raise TargetError(
            f"{text}: expected a function, a value of type {type(found).__name__} stands there"
        )
    code = getattr(found, "__code__", None)
    return Target(
        "function",
        found,
        text,
        code.co_filename if code else "",
        code.co_firstlineno if code else 0,
    )


@contextmanager
def _importable(folder: Path) -> Generator[None]:
    """The folder's own modules can be imported meanwhile, as when the file is run."""
    entry = str(folder)
    sys.path.insert(0, entry)
    try:
        yield
    finally:
        if entry in sys.path:
            sys.path.remove(entry)
