"""What a run of the gate costs, anew and again: CPU seconds of all its processes, over the example repository.

    python -m tests.bench.gate [REPEATS]

Each pair is one run without kept answers and one with, in processes of their own, in turn; the least of each counts,
for a busy machine only adds. The share of checks that are made again does not depend on the machine.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.gate.harness import EXAMPLE, copy_of, environment


def cpu_seconds(root: Path, *arguments: str) -> tuple[float, int]:
    """CPU time of one run with its workers, and how many checks it made."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    words = [sys.executable, "-m", "gradproof", "gate", "run", "--format", "json", *arguments]
    done = subprocess.run(
        words, cwd=root, env=environment(), capture_output=True, text=True, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, sum(case["checks_run"] for case in json.loads(done.stdout)["cases"])


def start_up() -> float:
    """CPU time of a process that does nothing with the gate's imports."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "gradproof", "gate", "-h"],
        env=environment(),
        capture_output=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(repeats: int) -> None:
    """Print the table."""
    anew: list[tuple[float, int]] = []
    again: list[tuple[float, int]] = []
    with tempfile.TemporaryDirectory() as folder:
        root = copy_of(EXAMPLE, Path(folder) / "example")
        cpu_seconds(root)
        for _ in range(repeats):
            anew.append(cpu_seconds(root, "--no-cache"))
            again.append(cpu_seconds(root))
    first, second, alone = min(anew), min(again), min(start_up() for _ in range(repeats))
    lines = (
        f"anew    {first[0]:6.2f} s CPU, {first[1]:3d} checks",
        f"again   {second[0]:6.2f} s CPU, {second[1]:3d} checks ({second[1] / first[1]:.0%})",
        f"start-up of the command alone {alone:.2f} s CPU",
        f"again / anew {second[0] / first[0]:.1%}",
    )
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
