"""A process that is watched: what it reads is noted, and what cannot be looked at again is said to be so."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gradproof._gate.contents import FILE, NAMES

from tests.gate.harness import environment

WATCHED = """
import json, sys
from gradproof._gate.watch import watch
reads = watch()
sys.path.insert(0, ".")
exec(compile(open("user.py").read(), "user.py", "exec"))
print(json.dumps({"signs": reads.signs, "variables": sorted(reads.variables), "unseen": reads.unseen}))
"""


def watched(folder: Path, code: str) -> Any:
    """What a process that runs this code has read."""
    (folder / "user.py").write_text(code)
    (folder / "helper.py").write_text("A = 1\n")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED], cwd=folder, env=environment(), capture_output=True, text=True, check=True
    )  # fmt: skip
    return json.loads(done.stdout)


def test_everything_that_is_read_is_noted(tmp_path: Path) -> None:
    """Modules, files that are there and that are not, folders, and variables, each by its own name."""
    code = """
import os, helper
from pathlib import Path
Path("data.txt").exists()
os.path.isfile("other.txt")
try:
    open("absent.txt")
except OSError:
    pass
os.listdir("folder")
os.environ.get("ONE")
"TWO" in os.environ
os.getenv("THREE")
"""
    (tmp_path / "data.txt").write_text("")
    (tmp_path / "folder").mkdir()
    seen = watched(tmp_path, code)
    assert not seen["unseen"]
    assert {"ONE", "TWO", "THREE"} <= set(seen["variables"])
    for name in ("helper.py", "data.txt", "other.txt", "absent.txt"):
        assert FILE + str(tmp_path / name) in seen["signs"]
    assert seen["signs"][str(tmp_path / "absent.txt")] == "none"
    assert NAMES + str(tmp_path / "folder") in seen["signs"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("import subprocess; subprocess.run(['true'])", "starts a process"),
        ("import os; os.system('true')", "starts a process"),
        ("import socket; socket.getaddrinfo('localhost', 1)", "connects to another machine"),
        ("open('out.txt', 'w').close()", "writes out.txt"),
        ("import os; os.close(os.open('out.txt', os.O_RDWR | os.O_CREAT))", "writes out.txt"),
        ("import sqlite3", "_sqlite3 may read anything"),
        ("import os; dict(os.environ)", "reads the whole environment"),
        ("import ctypes; ctypes.CDLL('libm.so.6')", "loads the library libm.so.6"),
        ("import os; os.close(os.open('user.py', 0, dir_fd=os.open('.', 0)))", "opens"),
        ("import os; os.mkfifo('pipe'); os.stat('pipe')", "pipe is no plain file"),
        ("from pathlib import Path; Path('new').touch(); open('new')", "writes"),
    ],
)
def test_what_cannot_be_looked_at_again_is_said_to_be_so(
    tmp_path: Path, line: str, why: str
) -> None:
    """Whoever starts processes, writes, connects, or reads where nobody sees it, is told to do so."""
    assert why in watched(tmp_path, line)["unseen"]


def test_a_file_that_changed_just_now_is_not_trusted(tmp_path: Path) -> None:
    """Within a tick of its clock a file may change again and keep its time."""
    code = "import os, time\nwhile not reads.unseen:\n    os.utime('helper.py'); os.stat('helper.py'); reads.signs.clear()"
    assert "was changed as it was read" in watched(tmp_path, code)["unseen"]
