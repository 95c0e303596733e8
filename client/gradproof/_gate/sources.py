"""The functions of Python files, read from their source: nothing is imported and nothing runs."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIMIT_BYTES: Final = 4 << 20
"""A larger file is no source that a person wrote."""
LEFT_OUT: Final = frozenset(
    {"__pycache__", "node_modules", "site-packages", "build", "dist", "venv", "env"}
)
"""Folders that hold no source of the project."""


@dataclass(frozen=True, slots=True)
class FunctionSource:
    """A function at the top of a file: its name, where, its arguments without defaults, and what it is called with."""

    file: Path
    name: str
    line: int
    arguments: tuple[str, ...]
    required: int


def functions_of(file: Path) -> tuple[FunctionSource, ...]:
    """The functions at the top of a file, in order; raises `OSError`, or `SyntaxError` for what is no Python."""
    if file.stat().st_size > LIMIT_BYTES:
        return ()
    try:
        tree = ast.parse(file.read_bytes(), filename=str(file))
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes, a million brackets
        raise SyntaxError(f"it is no Python, {error}") from error
    return tuple(_source(file, node) for node in tree.body if isinstance(node, ast.FunctionDef))


def python_files(root: Path, pattern: str = "**/*.py") -> tuple[Path, ...]:
    """The Python files below a folder that match a pattern, sorted; hidden folders and environments are left out."""
    found: list[Path] = []
    for path in sorted(root.glob(pattern)):
        inner = path.relative_to(root).parts
        if any(part.startswith(".") or part in LEFT_OUT for part in inner[:-1]):
            continue
        if path.suffix == ".py" and path.is_file():
            found.append(path)
    return tuple(found)


def _source(file: Path, node: ast.FunctionDef) -> FunctionSource:
    given = [*node.args.posonlyargs, *node.args.args]
    required = len(given) - len(node.args.defaults)
    return FunctionSource(file, node.name, node.lineno, tuple(a.arg for a in given), required)
