"""The one table of limits: what a request may ask for, and what a service gives to all of them together.

Each row has a name, a unit, a default and what it protects. The configuration, its schema, the help of `serve` and every
refusal speak of these rows. A limit on a request is judged from its plan, before anything is allocated.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final, cast

_UNIT: Final = "unit"
_PROTECTS: Final = "protects"
_MOST: Final = "most"


def _row(default: float, unit: str, protects: str, *, most: float = 1 << 62) -> Any:
    return field(default=default, metadata={_UNIT: unit, _PROTECTS: protects, _MOST: most})


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a service, all of them whole numbers above zero; one reached is a refusal that names it."""

    nodes: int = _row(5_000_000, "nodes", "reading and typing one program")
    functions: int = _row(100_000, "functions", "reading one program")
    elements: int = _row(1 << 28, "elements", "memory of one array")
    live_elements: int = _row(1 << 29, "elements", "memory of one evaluation")
    jacobian_elements: int = _row(1 << 26, "elements", "memory of one dense Jacobian block")
    work: int = _row(10**13, "operations", "the processor, from one evaluation")
    call_depth: int = _row(64, "functions", "the stack, from nested calls")
    points: int = _row(1000, "points", "the processor, from one draw of points")
    seconds: int = _row(600, "seconds", "the processor, from one call")
    message_bytes: int = _row(4 << 20, "bytes", "memory, from one message", most=1 << 30)
    blob_bytes: int = _row(1 << 30, "bytes", "memory for all blobs")
    worker_bytes: int = _row(8 << 30, "bytes", "the machine, from one worker")
    calls: int = _row(8192, "calls", "memory for open calls, sessions among them", most=1 << 20)
    queue: int = _row(512, "calls", "the wait in line for a worker")
    probes: int = _row(16, "probes", "processes, one for each open probe", most=4096)
    connections: int = _row(8192, "connections", "descriptors, from open connections")
    streams: int = _row(256, "streams", "others, from one connection", most=1 << 20)
    sessions: int = _row(4096, "sessions", "memory for open sessions")
    documents: int = _row(256, "documents", "memory of one session")


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class LimitRow:
    """One row of the table."""

    name: str
    unit: str
    default: int
    protects: str
    most: int
    """The largest value that can be set."""


def limit_rows() -> tuple[LimitRow, ...]:
    """The table, in the order in which it is shown."""
    return tuple(
        LimitRow(
            row.name,
            cast(str, row.metadata[_UNIT]),
            cast(int, row.default),
            cast(str, row.metadata[_PROTECTS]),
            cast(int, row.metadata[_MOST]),
        )
        for row in fields(Limits)
    )
