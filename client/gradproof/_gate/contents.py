"""What files, folders and variables hold, as digests: what was read once, told so that another process can compare.

A thing that was looked at is a path with its kind in front: a file, the names in a folder, or those among the names that
an import may mean.
"""

from __future__ import annotations

import hashlib
import os
from typing import Final

FILE, NAMES, MODULES = "", "names:", "modules:"
MODULE_ENDS: Final = (".py", ".pyc", ".so", ".pyd", ".pth", ".dist-info", ".egg-info")
NONE, FOLDER = "none", "folder"
"""The digest of what is not there, and of a folder whose names do not matter."""

Contents = dict[str, dict[str, str]]
"""Digests of `paths`, which count from the root, and of `variables`."""


def unchanged(then: Contents, root: str, known: dict[str, str]) -> bool:
    """Whether everything holds what it held; `known` are digests that were taken already, by path."""
    for name, before in then["paths"].items():
        if name not in known:
            known[name] = content(absolute(name, root))
        if known[name] != before:
            return False
    return all(value(name) == before for name, before in then["variables"].items())


def content(seen: str) -> str:
    """The digest of a file, or of the names in a folder."""
    kind, path = parted(seen)
    try:
        if kind:
            return names(kind, path)
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (pathlib doubles the time of it)
            return hashlib.sha256(file.read()).hexdigest()
    except IsADirectoryError:
        return FOLDER
    except OSError:
        return NONE


def names(kind: str, path: str) -> str:
    """The digest of the names in a folder; those of hidden files and of compiled ones do not matter. Raises `OSError`."""
    found = [name for name in os.listdir(path) if name[0] != "." and name != "__pycache__"]  # noqa: PTH208
    if kind == MODULES:
        found = [name for name in found if "." not in name or name.endswith(MODULE_ENDS)]
    return hashlib.sha256("\0".join(sorted(found)).encode(errors="surrogateescape")).hexdigest()


def value(name: str) -> str:
    """The digest of a variable."""
    given = os.environ.get(name)
    return NONE if given is None else hashlib.sha256(given.encode(errors="replace")).hexdigest()


def parted(seen: str) -> tuple[str, str]:
    """Kind and path of what was looked at."""
    kind = next((kind for kind in (NAMES, MODULES) if seen.startswith(kind)), FILE)
    return kind, seen.removeprefix(kind)


def from_root(seen: str, root: str) -> str:
    """It as it is called from the root, when it lies there."""
    kind, path = parted(seen)
    inside = path == root or path.startswith(root + os.sep)
    return kind + (os.path.relpath(path, root) if inside else path)


def absolute(name: str, root: str) -> str:
    """It with its whole path again."""
    kind, path = parted(name)
    return kind + os.path.normpath(os.path.join(root, path))  # noqa: PTH118
