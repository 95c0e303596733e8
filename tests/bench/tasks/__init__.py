"""Tasks for the bench of the engine: one file a family, each task a function in NumPy and its peers' versions."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

from tests.bench.tasks.model import Task

FAMILIES = (
    "chain",
    "scalar",
    "network",
    "mixture",
    "dense",
    "second",
    "checks",
    "sparse",
    "recurrent",
    "bundle",
)


def tasks() -> Iterator[Task]:
    """Every task of every family."""
    for family in FAMILIES:
        yield from import_module(f"tests.bench.tasks.{family}").TASKS
