"""Holding a process to some CPUs, and every library's threads with it, before those libraries are imported."""

from __future__ import annotations

import os

LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def pin(cpus: int) -> None:
    """Hold this process to so many CPUs."""
    free = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, set(free[-cpus:]))
    for name in LIMITS:
        os.environ[name] = str(cpus)
    if cpus == 1:
        os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
