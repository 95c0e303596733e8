"""Writes the lock files anew: what the image installs and is built with, by exact version and digest of each wheel.

    python deploy/lock.py

Versions are what pip chooses today for `.[serve]` and for the build system of pyproject.toml; digests are those of
the wheels for Linux on x86-64 and on ARM64.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = "3.11"
MACHINES = ("x86_64", "aarch64")
GLIBC = (17, 24, 26, 27, 28, 34)
"""Minor versions of the C library whose wheels the base image takes."""


def report(machine: str, wanted: list[str]) -> dict[str, str]:
    """`name==version` of everything that would be installed, with the digest of its wheel."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in GLIBC] + [f"manylinux2014_{machine}"]
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "report.json"
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--only-binary=:all:",
            "--python-version", PYTHON, "--target", scratch, "--report", str(made), *wanted,
        ]  # fmt: skip
        for tag in tags:
            command += ["--platform", tag]
        subprocess.run(command, check=True)  # noqa: S603 our own interpreter
        found = json.loads(made.read_text())["install"]
    pins: dict[str, str] = {}
    for one in found:
        name = one["metadata"]["name"].lower().replace("_", "-")
        digest = one["download_info"]["archive_info"]["hashes"]["sha256"]
        pins[f"{name}=={one['metadata']['version']}"] = digest
    return pins


def lock(name: str, what: str, wanted: list[str]) -> None:
    """Write one lock file."""
    lines = [f"# {what}, by version and digest; `python deploy/lock.py` writes it anew."]
    reports = [report(machine, wanted) for machine in MACHINES]
    for pin in sorted(reports[0]):
        digests = sorted({one[pin] for one in reports})
        lines.append(" \\\n    ".join([pin, *(f"--hash=sha256:{digest}" for digest in digests)]))
    (HERE / name).write_text("\n".join(lines) + "\n")


def main() -> None:
    """Write both."""
    given = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
    project = given["project"]
    installed = project["dependencies"] + project["optional-dependencies"]["serve"]
    lock("requirements.lock", "What the image installs", installed)
    lock("build.lock", "What the package is built with", given["build-system"]["requires"])


if __name__ == "__main__":
    main()
