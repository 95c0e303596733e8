"""How many processors this process may use, also inside a container."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

CGROUP: Final = Path("/sys/fs/cgroup/cpu.max")


def available_cores(quota_file: Path = CGROUP) -> int:
    """Processors that the scheduler lets us have, at least one; a container's quota counts, rounded up."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = quota_file.read_text(encoding="ascii").split()
        cores = min(cores, -(-int(quota) // int(period)))
    except (OSError, ValueError):
        return cores
    return max(1, cores)
