"""Runs the command in this process, as a person sees it; run as a module, it writes the goldens anew."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from gradproof._cli.app import run

HERE = Path(__file__).resolve().parent
MODELS = HERE / "models"
GOLDEN = HERE / "golden"


def gradproof(*arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of one call."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = run(arguments)
        except SystemExit as left:
            code = int(left.code or 0)
    return code, out.getvalue(), err.getvalue()


def transcript(line: str) -> str:
    """A call among the models, what it printed, and its exit code; what depends on the machine is left out."""
    with inside(MODELS):
        code, out, err = gradproof(*shlex.split(line.removeprefix("$ gradproof ")))
    text = re.sub(r"1\d\.\d digits", "1N.N digits", out + err)
    text = re.sub(r"\d+ evaluations", "N evaluations", text)
    text = re.sub(r"(± |ratio )\d[\d.e+-]*", r"\1N", text)
    text = re.sub(r"worst \[\d+, .*, ref\S* \S+", "worst [N, N]: claimed N, reference N", text)
    return f"{line}\n{text}-> {code}\n"


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """The folder is the current one meanwhile."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def golden_files() -> list[Path]:
    """Every golden transcript, in a fixed order."""
    return sorted(GOLDEN.glob("*.txt"))


def write_goldens() -> None:
    """Write every golden anew from its own first line; the difference is for a person to read."""
    for path in golden_files():
        line = path.read_text(encoding="utf-8").splitlines()[0]
        path.write_text(transcript(line), encoding="utf-8")


if __name__ == "__main__":
    write_goldens()
