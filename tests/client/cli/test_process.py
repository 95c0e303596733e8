"""The command as a process: what is imported, pipes, terminals, interrupts, a service beside it."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.client.cli.harness import MODELS

COMMAND = (sys.executable, "-m", "gradproof")
CHECK = ("check", "x**3 + 2*x", "--at", "x=3")
HEAVY = (
    "scipy",
    "grpc",
    "mpmath",
    "asyncio",
    "rich",
    "gradproof_service.server.grpc_server",
)


def environment(**more: str) -> dict[str, str]:
    """The environment without what would change the output."""
    kept = {
        k: v
        for k, v in os.environ.items()
        if k not in ("NO_COLOR", "GRADPROOF_SERVER", "FORCE_COLOR")
    }
    return {**kept, "TERM": "xterm-256color", **more}


def call(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """One call among the models, its streams in pipes."""
    return subprocess.run(
        [*COMMAND, *arguments], capture_output=True, text=True, encoding="utf-8", cwd=MODELS,
        env=environment(**more), check=False,
    )  # fmt: skip


def on_a_terminal(*arguments: str, **more: str) -> tuple[int, str]:
    """One call whose stdout and stderr are a terminal: the exit code and all that was written to it."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, cwd=MODELS,
        env=environment(COLUMNS="100", **more),
    )  # fmt: skip
    os.close(theirs)
    seen = b""
    while True:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            seen += data
        elif process.poll() is not None:
            break
    os.close(ours)
    return process.wait(), seen.decode("utf-8")


def test_the_first_check() -> None:
    """The check of the front page: value 33, derivative 29, who agrees, at most eight lines, no colour."""
    result = call(*CHECK)
    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (0, "")
    assert lines[0].startswith("✓ agrees")
    assert lines[1].split() == ["value", "33"]
    assert lines[2].split() == ["d/dx", "29"]
    assert [line.split()[0] for line in lines[3:]] == ["forward", "differences"]
    assert "\x1b" not in result.stdout


def test_a_check_here_imports_little() -> None:
    """A check in this process loads no gRPC, SciPy, mpmath, asyncio or Rich."""
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "gradproof", *CHECK], capture_output=True, text=True,
        encoding="utf-8", env=environment(), check=True,
    )  # fmt: skip
    loaded = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    assert "numpy" in loaded
    assert [name for name in HEAVY if name in loaded] == []


def test_a_terminal_is_coloured_and_no_color_is_heeded() -> None:
    """On a terminal the verdict is green; with `NO_COLOR` there is no escape code at all."""
    code, text = on_a_terminal(*CHECK)
    assert code == 0
    assert "\x1b[1;32m✓ agrees\x1b[0m" in text
    assert "\x1b" not in on_a_terminal(*CHECK, NO_COLOR="1")[1]


def test_the_catalogue_is_a_table_on_a_terminal() -> None:
    """On a terminal `ops` shows domains and kinks beside the meanings; a pipe gets a line for each op."""
    code, text = on_a_terminal("ops", "--family", "arithmetic")
    assert code == 0
    assert "kinks at" in text
    assert "x = low, x = high" in text
    assert max(len(line) for line in re.sub(r"\x1b\[[\d;]*m", "", text).splitlines()) <= 100
    assert "kinks at" not in call("ops", "--family", "arithmetic").stdout


def test_help_goes_into_pipes_and_onto_old_terminals() -> None:
    """In a pipe help has no colour and no more than 80 columns; a stream of ASCII gets ASCII."""
    text = call("check", "--help").stdout
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "--claim" in call("check", "--help", PYTHONIOENCODING="ascii").stdout


def test_an_ascii_stream_gets_ascii() -> None:
    """Signs that stdout cannot encode are replaced."""
    result = call(*CHECK, PYTHONIOENCODING="ascii")
    assert result.returncode == 0
    assert result.stdout.startswith("+ agrees")


def test_long_work_shows_that_it_goes_on(tmp_path: Path) -> None:
    """After a second a terminal sees the time pass, and nothing of it stays; a pipe never sees it."""
    model = tmp_path / "slow.py"
    model.write_text(
        "import time\n\ndef f(x):\n    time.sleep(1.6)\n    return x * x\n", encoding="utf-8"
    )
    code, text = on_a_terminal("check", f"{model}:f", "--at", "x=3")
    assert code == 0
    assert "checking" in text
    assert "]  0:01" in text
    last = text.rindex("]  0:0")
    assert "\r" + " " * 30 in text[last:]
    assert text.endswith("evaluations\r\n")
    assert call("check", f"{model}:f", "--at", "x=3").stderr == ""


def test_modules_of_the_current_folder_are_found() -> None:
    """`module:function` is looked for where the user stands."""
    assert call("eval", "model:ones", "--at", "x=[3,4]").stdout == "[1., 1.]\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`gradproof ops | head -1` ends quietly."""
    process = subprocess.Popen(
        [*COMMAND, "ops"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_an_interrupt_is_one_line(tmp_path: Path) -> None:
    """Ctrl-C ends with 130 and one line, not with a traceback."""
    model = tmp_path / "slow.py"
    model.write_text(
        "import time\n\ndef f(x):\n    print('here', flush=True)\n    time.sleep(60)\n    return x\n",
        encoding="utf-8",
    )
    process = subprocess.Popen(
        [*COMMAND, "check", f"{model}:f", "--at", "x=3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(),
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == b"here\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"error: interrupted\n")


def test_what_the_function_prints_is_not_the_answer(tmp_path: Path) -> None:
    """Prints of a module and of a function go to stderr, and leaving Python is told."""
    model = tmp_path / "loud.py"
    model.write_text(
        "print('import')\n\ndef f(x):\n    print('call')\n    return x * x\n\ndef g(x):\n    raise SystemExit(0)\n",
        encoding="utf-8",
    )
    result = call("eval", f"{model}:f", "--at", "x=3")
    assert (result.returncode, result.stdout) == (0, "9\n")
    assert result.stderr.startswith("import\ncall\n")
    assert call("eval", f"{model}:g", "--at", "x=3").returncode == 2


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A service beside the command; ends with the test."""
    address = f"unix:{tmp_path}/s"
    process = subprocess.Popen(
        [*COMMAND, "serve", address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline().startswith(b"gradproof is serving on ")
    yield address
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"")


def test_a_service_gives_the_same_report(server: str) -> None:
    """Over gRPC and in this process a report is the same, byte for byte; so is what the variable names."""
    here = call(*CHECK, "--format", "json")
    assert call(*CHECK, "--format", "json", "--server", server).stdout == here.stdout
    assert call(*CHECK, "--format", "json", GRADPROOF_SERVER=server).stdout == here.stdout
    assert "serving" in call("health", "--server", server).stdout
    taken = call("serve", server)
    assert taken.returncode == 4
    assert taken.stderr.count("\n") == 1


def test_nobody_there_is_said_at_once() -> None:
    """A service that is not there is one sentence and exit 4, within seconds."""
    start = time.monotonic()
    result = call("health", "--server", "127.0.0.1:1")
    assert result.returncode == 4
    assert result.stderr.count("\n") == 1
    assert time.monotonic() - start < 10
