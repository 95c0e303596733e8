"""What a process reads from the moment it is watched, so that another one can tell whether it is still the same.

Python tells an audit hook (PEP 578) of every file it opens, every folder it lists, every compiled module it loads, of
connections and of other processes; questions whether a file is there, and for variables, are seen where they are asked.
What cannot be looked at again, such as the answer of another machine, is said to be so: nothing that may depend on it
is kept. What gradproof reads itself is left out, for its cases say it. A clock cannot be watched.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import stat
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from inspect import currentframe
from types import FrameType
from typing import Any, Final

from gradproof._gate.code import code_folders
from gradproof._gate.contents import (
    FILE,
    FOLDER,
    MODULES,
    NAMES,
    NONE,
    Contents,
    content,
    from_root,
    names,
    parted,
    value,
)  # fmt: skip

PACKAGES: Final = ("site-packages", "dist-packages")
KNOWN: Final = ("numpy", "numpy.libs", "scipy", "scipy.libs", "mpmath", "google", "grpc")
"""Packages whose version tells everything about them, and whose compiled modules open no file by themselves."""
VERSIONED: Final = ("numpy", "scipy", "mpmath")
OPENERS: Final = ("_sqlite3", "_dbm", "_gdbm", "_posixshmem")
"""Modules of the standard library that open files without a word."""
SYSTEM: Final = ("/proc/", "/sys/", "/dev/null")
"""Files of the machine that enter no result."""
TICK_NS: Final = 20_000_000
"""A file that changed so shortly before it was read may change once more without a sign."""
UNSEEN: Final = {
    **dict.fromkeys(("socket.connect", "socket.getaddrinfo", "socket.sendto"), "it connects to another machine"),
    **dict.fromkeys(("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn"),
                    "it starts a process"),
}  # fmt: skip
_stat: Final = os.stat


@dataclass(slots=True)
class Reads:
    """What was read: a sign of each file and folder as it was then, variables, and why some of it cannot be seen again."""

    signs: dict[str, str] = field(default_factory=dict[str, str])
    variables: set[str] = field(default_factory=set[str])
    unseen: str = ""
    _digests: dict[str, str] = field(default_factory=dict[str, str])

    def look(self, kind: str, path: str) -> None:
        """Note a file or folder as it is now."""
        seen = kind + os.path.abspath(path)  # noqa: PTH100  (asked thousands of times)
        if seen not in self.signs:
            self.signs[seen] = _sign(seen)
            if self.signs[seen].startswith("?"):
                self.miss(f"{path} {self.signs[seen][1:]}")

    def miss(self, why: str) -> None:
        """Note that something cannot be looked at again."""
        self.unseen = self.unseen or why

    def contents(self, root: str) -> Contents | None:
        """All of it; None when something changed since it was read, or cannot be looked at again."""
        if self.unseen:
            return None
        for seen in self.signs.keys() - self._digests.keys():
            self._digests[seen] = content(seen)  # once: it holds as long as the sign does
        if any(_sign(seen) != then for seen, then in list(self.signs.items())):
            return None
        return {
            "paths": {from_root(seen, root): self._digests[seen] for seen in sorted(self.signs)},
            "variables": {name: value(name) for name in sorted(self.variables)},
        }


_reads: Reads | None = None
_busy: Final[set[int]] = set()
"""Threads that are just noting something: what they look at for it is not noted."""


def watch() -> Reads:
    """Begin to watch this process until it ends; the same record whenever it is called."""
    global _reads  # noqa: PLW0603  (a hook belongs to the whole process, and cannot be taken away)
    if _reads is None:
        for known_before in (code_folders, _standard):  # the hook itself asks for them
            known_before()
        _reads = Reads()
        importlib.invalidate_caches()  # a folder whose names are known already is listed once more
        sys.addaudithook(_told)
        os.environ.__class__ = _watched_variables(type(os.environ))
        for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
            able.add(_watched_stat)
        os.stat = _watched_stat
        for name in VERSIONED:
            _note_version(_reads, name)
    return _reads


def _note_version(reads: Reads, name: str) -> None:
    """Note the folder that tells a package's version by the name of what was installed."""
    spec = importlib.util.find_spec(name)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = os.path.dirname(place)  # noqa: PTH120
        reads.look(MODULES, folder)
        if not any(entry.startswith(f"{name}-") for entry in os.listdir(folder)):  # noqa: PTH208
            reads.miss(f"nothing tells the version of {name}")


def _watched_variables(kind: Any) -> Any:
    """The class of `os.environ`, noting which variables are asked for."""

    class Watched(kind):
        def __getitem__(self, name: Any) -> str:
            if _reads is not None and isinstance(name, str):
                _reads.variables.add(name)
            return super().__getitem__(name)

        def __iter__(self) -> Iterator[str]:
            if _reads is not None and not _ours(currentframe()):
                _reads.miss("it reads the whole environment")
            return super().__iter__()

    return Watched


def _watched_stat(path: Any, *args: Any, **more: Any) -> os.stat_result:
    if isinstance(path, str | os.PathLike) and more.get("dir_fd") is None:
        _noted(FILE, os.fspath(path), currentframe())
    return _stat(path, *args, **more)


def _told(event: str, given: tuple[Any, ...]) -> None:
    """The hook: it is told of everything, and leaves at once when there is nothing to note."""
    if _reads is None or threading.get_ident() in _busy:
        return
    if event in UNSEEN:
        _reads.miss(UNSEEN[event])
    elif event in EVENTS:
        EVENTS[event](_reads, given, currentframe())


def _on_open(reads: Reads, given: tuple[Any, ...], frame: FrameType | None) -> None:
    if not isinstance(given[0], str | bytes):
        return
    path, mode, flags = os.fsdecode(given[0]), given[1], given[2]
    if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) or set(mode or "") & set("wax+"):
        if not path.startswith(SYSTEM) and not _importing(frame) and not _ours(frame):
            reads.miss(f"it writes {path}")
    elif mode is None and not os.path.isabs(path) and not _ours(frame):  # noqa: PTH117
        reads.miss(f"it opens {path}, perhaps below an open folder")
    else:
        if path.endswith(".pyc"):
            with suppress(ValueError):  # a compiled file without its source stands for itself
                path = importlib.util.source_from_cache(path)
        _noted(FILE, path, frame)


def _on_list(reads: Reads, given: tuple[Any, ...], frame: FrameType | None) -> None:
    if isinstance(given[0], int):
        reads.miss("it lists an open folder")
    else:
        path = "." if given[0] is None else os.fsdecode(given[0])
        _noted(MODULES if _importing(frame) else NAMES, path, frame)


def _on_import(reads: Reads, given: tuple[Any, ...], frame: FrameType | None) -> None:
    name, path = given[0], given[1]
    if isinstance(path, str) and (not _known(path) or name in OPENERS):
        reads.miss(f"the compiled module {name} may read anything")


def _on_library(reads: Reads, given: tuple[Any, ...], frame: FrameType | None) -> None:
    if given[0] is not None and not _ours(frame):
        reads.miss(f"it loads the library {given[0]}")


EVENTS: Final[Mapping[str, Callable[[Reads, tuple[Any, ...], FrameType | None], None]]] = {
    "open": _on_open, "os.listdir": _on_list, "os.scandir": _on_list, "import": _on_import, "ctypes.dlopen": _on_library,
}  # fmt: skip


def _noted(kind: str, path: str, frame: FrameType | None) -> None:
    own = threading.get_ident()
    if _reads is None or own in _busy or path.startswith(SYSTEM) or _known(path) or _ours(frame):
        return
    _busy.add(own)
    try:
        _reads.look(kind, path)
    finally:
        _busy.discard(own)


def _callers(frame: FrameType | None) -> Iterator[str]:
    """The files of the callers, the nearest first; what this file does on their behalf is left out."""
    while frame is not None:
        if frame.f_code.co_filename != __file__:
            yield frame.f_code.co_filename
        frame = frame.f_back


def _importing(frame: FrameType | None) -> bool:
    return next(_callers(frame), "").startswith("<frozen importlib")


def _ours(frame: FrameType | None) -> bool:
    """Whether gradproof itself asks: the first caller that is neither the standard library nor a known package decides.

    What is imported counts as asked for by the user, whoever imports it.
    """
    for file in _callers(frame):
        if file.startswith("<frozen importlib"):
            return False
        if file.startswith(code_folders()):
            return True
        if not file.startswith("<frozen") and not _known(file):
            return False
    return False


@cache
def _standard() -> tuple[str, ...]:
    return tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})


def _known(path: str) -> bool:
    """Whether a file belongs to this release, the standard library, or a package that its version tells all about."""
    if path.startswith(code_folders()):
        return True
    for folder in PACKAGES:
        _, found, inner = f"{path}{os.sep}".rpartition(f"{os.sep}{folder}{os.sep}")
        if found:
            return inner.partition(os.sep)[0] in KNOWN
    return path.startswith(_standard())


def _sign(seen: str) -> str:
    """What changes when a file or folder does; a sign that begins with a question mark says why nothing would tell."""
    kind, path = parted(seen)
    try:
        if kind:
            return names(kind, path)
        found = _stat(path)
    except OSError:
        return NONE
    if stat.S_ISDIR(found.st_mode):
        return FOLDER
    if not stat.S_ISREG(found.st_mode):
        return "?is no plain file"
    if 0 <= time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < TICK_NS:
        return "?was changed as it was read"
    return f"{found.st_mtime_ns} {found.st_ctime_ns} {found.st_size} {found.st_ino}"
